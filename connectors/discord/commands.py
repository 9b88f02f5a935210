"""The commands: /ask for everybody, "Ask about this", and the group for moderators."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import discord
import structlog
from discord import app_commands

from bot import wording
from bot.errors import ConnectorError
from bot.messages import GENERAL
from bot.settings import DomainSettings
from connectors.access import labels_of
from connectors.desk import patiently
from connectors.discord.errors import ACKNOWLEDGED, apologise, refusals
from connectors.discord.events import NONE, bound_domain, interacted, user_id, workspace_id
from connectors.discord.own_data import forget_me
from connectors.discord.screen import LONGEST
from connectors.discord.views import LONGEST_OPTION, NO_DOCUMENTS, Form, route_field, text_field
from connectors.markup import split

if TYPE_CHECKING:
    from connectors.discord.connector import DiscordClient

log = structlog.get_logger()

MOST_CHOICES = 25
ELSEWHERE = "Where nothing is set, I answer when I am mentioned, and find out for each question where to look."
IN_TIME = 2.0  # seconds for which it is tried to acknowledge a command; Discord waits for three
Asked = discord.Interaction[Any]
Context = app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=False)


def tree_for(client: "DiscordClient") -> app_commands.CommandTree[Any]:
    """The commands of *client*."""
    tree: app_commands.CommandTree[Any] = app_commands.CommandTree(
        client, allowed_contexts=Context, allowed_installs=app_commands.AppInstallationType(guild=True, user=False)
    )
    tree.add_command(_ask(client))
    tree.add_command(app_commands.ContextMenu(name="Ask about this", callback=partial_of(_ask_about, client)))
    tree.add_command(forget_me(client))
    tree.add_command(Moderation(client))
    tree.error(apologise)
    return tree


def partial_of(callback: Any, client: "DiscordClient") -> Any:
    """*callback* for *client*; discord.py reads names and types off a function, so it has to be one."""

    async def ask_about(interaction: discord.Interaction, message: discord.Message) -> None:
        await callback(client, interaction, message)

    return ask_about


def fingerprint(tree: app_commands.CommandTree[Any]) -> str:
    """What changes when a command does: Discord takes a few hundred changes a day."""
    shown = [command.to_dict(tree) for command in tree.get_commands()]
    return hashlib.sha256(json.dumps(shown, sort_keys=True, default=str).encode()).hexdigest()


def _ask(client: "DiscordClient") -> app_commands.Command[Any, ..., None]:
    @app_commands.command(name="ask", description="Ask a question")
    @app_commands.describe(
        question="Your question, in your own words",
        domain="Where to look; without it I find out myself",
        private="Show the answer only to you",
        file="A document that the question is about; it serves this answer only",
    )
    async def ask(
        interaction: discord.Interaction,
        question: app_commands.Range[str, 1, 6000],
        domain: str | None = None,
        private: bool = False,
        file: discord.Attachment | None = None,
    ) -> None:
        if domain is not None and domain not in (*_names(client.settings.domains), GENERAL):
            known = ", ".join(_names(await readable(client, interaction))) or "none yet"
            await interaction.response.send_message(
                f"I have no domain of that name; there are: {known}.", ephemeral=True, allowed_mentions=NONE
            )
            return
        await take(client, interaction, question, route=domain, private=private, files=[file] if file else ())

    @ask.autocomplete("domain")
    async def domains(interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        described = {each.name: each.description for each in await readable(client, interaction)}
        return _choices({**described, GENERAL: NO_DOCUMENTS}, typed)

    return ask


def _choices(described: Mapping[str, str], typed: str) -> list[app_commands.Choice[str]]:
    shown = {name: f"{name}: {text}" for name, text in described.items()}
    found = [name for name, text in shown.items() if typed.casefold() in text.casefold()]
    return [app_commands.Choice(name=shown[name][:LONGEST_OPTION], value=name) for name in found[:MOST_CHOICES]]


async def readable(client: "DiscordClient", interaction: discord.Interaction) -> list[DomainSettings]:
    """The domains that whoever asks may read something of."""
    user = interaction.user
    if isinstance(user, discord.Member):
        identities = {user_id(user.id), *(f"discord:role:{role.id}" for role in user.roles)}
        mine = labels_of(identities, client.settings.access)
    else:
        mine = await client.rooms.person(user.id)
    return [each for each in client.settings.domains if not mine.isdisjoint(each.access)]


async def take(
    client: "DiscordClient",
    interaction: discord.Interaction,
    question: str,
    *,
    route: str | None,
    private: bool,
    files: Sequence[discord.Attachment] = (),
) -> None:
    """Keep a question, tell Discord that an answer comes, then answer."""
    if question.strip().casefold() == "help":
        text = wording.introduction({domain.name: domain for domain in client.settings.domains})
        await interaction.response.send_message(text, ephemeral=True, allowed_mentions=NONE)
        return
    channel, bound = interaction.channel, await client.talks.bound(interaction.channel)
    thread = f"discord:{interaction.channel_id}:{interaction.id}"
    if isinstance(channel, discord.Thread) and not private and not files:
        thread = await client.talks.of_thread(channel)
    message, address = interacted(
        interaction, question, thread=thread, route=route, private=private, bound=bound, files=files
    )

    async def acknowledge() -> str:
        try:
            return await patiently(lambda: _defer(interaction, private=private), patience=IN_TIME, pause=0.1)
        except ConnectorError as exc:  # too late, or lost on the way: the question is kept, and answered elsewhere
            log.warning("a command could not be acknowledged", message=message.id, reason=str(exc))
            return ""

    await client.desk.take(message, address, acknowledge=acknowledge)


async def _defer(interaction: discord.Interaction, *, private: bool) -> str:
    """The id of the response in which Discord now shows that we think; empty where the word of it was lost."""
    with refusals():
        try:
            begun = await interaction.response.defer(ephemeral=private, thinking=True)
        except discord.HTTPException as exc:
            if exc.code != ACKNOWLEDGED:
                raise
            return ""
    return str(begun.message_id) if begun and begun.message_id else ""


async def _ask_about(client: "DiscordClient", interaction: discord.Interaction, message: discord.Message) -> None:
    """A form with the message as the question; only the asker sees the answer."""

    async def submitted(filled: discord.Interaction, given: dict[str, str]) -> None:
        await take(client, filled, given.get("question", ""), route=given.get("route"), private=True)

    fields = [
        text_field("question", "Your question", initial=message.clean_content, required=True),
        route_field("Where should I look?", await readable(client, interaction), empty="Let me find out"),
    ]
    await interaction.response.send_modal(Form("Ask about this", fields, submitted))


def _names(domains: Sequence[DomainSettings]) -> list[str]:
    return [each.name for each in domains]


class Moderation(app_commands.Group):
    """/pointsman: for those who may manage the server; each server chooses who else may."""

    def __init__(self, client: "DiscordClient") -> None:
        super().__init__(
            name="pointsman",
            description="Look after Pointsman on this server",
            default_permissions=discord.Permissions(manage_guild=True),
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False),
        )
        self._client = client

    @app_commands.command(description="Which channels are answered from where")
    async def status(self, interaction: discord.Interaction) -> None:
        seen = [each.id for each in (interaction.guild.channels if interaction.guild else ())]
        bound = {each: bound_domain([each], self._client.settings.domains) for each in seen}
        shown = {channel: [f"from **{domain}**"] for channel, domain in bound.items() if domain}
        for each in await self._client.channels.all(workspace_id(interaction.guild_id, interaction.user.id)):
            answered = [f"from **{each.domain}**"] if each.domain else shown.get(each.channel, [])
            shown[each.channel] = [*answered, *(["threads and posts without a mention"] if each.automatic else [])]
        lines = [f"- <#{channel}>: {', '.join(how)}" for channel, how in shown.items() if how and channel in bound]
        if gone := len(shown.keys() - bound.keys()):
            lines.append(f"- {wording.counted(gone, 'channel')} that I no longer see")
        listed = "\n".join(lines) or "Nothing is set for any channel."
        await self._say(interaction, f"{listed}\n\n{ELSEWHERE}")

    @app_commands.command(description="What I have documents about")
    async def domains(self, interaction: discord.Interaction) -> None:
        lines = [
            f"- **{each.name}**: {discord.utils.escape_markdown(each.description)}"
            for each in self._client.settings.domains
        ]
        await self._say(interaction, "\n".join(lines) or "Nothing yet. Who runs me adds domains to pointsman.toml.")

    @app_commands.command(description="Answer the questions of a channel from one domain")
    @app_commands.describe(channel="The channel", domain="The domain; without it the binding ends")
    async def bind(
        self,
        interaction: discord.Interaction,
        channel: discord.TextChannel | discord.ForumChannel,
        domain: str | None = None,
    ) -> None:
        names = _names(self._client.settings.domains)
        if domain is not None and domain not in names:
            await self._say(interaction, f"I have no domain of that name; there are: {', '.join(names) or 'none yet'}.")
            return
        await self._client.channels.bind(
            workspace_id(interaction.guild_id, interaction.user.id), channel.id, domain, by=_who(interaction)
        )
        now = await self._client.talks.bound(channel)
        told = f"I answer questions in <#{channel.id}> from **{now}**"
        found_out = f"I find out for each question in <#{channel.id}> where to look"
        await self._say(interaction, f"From now on {told if now else found_out}.")

    @bind.autocomplete("domain")
    async def _domains(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return _choices({each.name: each.description for each in self._client.settings.domains}, typed)

    @app_commands.command(description="Answer a channel's threads and posts without a mention, or stop doing so")
    @app_commands.describe(channel="The channel", on="True: without a mention. False: only where I am mentioned.")
    async def automatic(
        self, interaction: discord.Interaction, channel: discord.TextChannel | discord.ForumChannel, on: bool
    ) -> None:
        await self._client.channels.answer_automatically(
            workspace_id(interaction.guild_id, interaction.user.id), channel.id, on, by=_who(interaction)
        )
        told = "without a mention" if on else "only where I am mentioned"
        await self._say(interaction, f"From now on I answer in threads and posts of <#{channel.id}> {told}.")

    @app_commands.command(description="Delete a member's questions, their answers and votes, for good")
    @app_commands.describe(member="Whose data")
    async def forget(self, interaction: discord.Interaction, member: discord.User) -> None:
        who, where = user_id(member.id), workspace_id(interaction.guild_id, interaction.user.id)
        self._client.desk.forget(who, where)
        gone = await self._client.people.forget(who, where, by=_who(interaction))
        kept = [wording.counted(gone.questions, "question"), wording.counted(gone.votes, "vote")]
        told = f"Deleted what I kept of <@{member.id}> on this server: {' and '.join(kept)}."
        nothing = f"I keep nothing of <@{member.id}> on this server."
        await self._say(interaction, told if gone.questions or gone.votes else nothing)

    async def _say(self, interaction: discord.Interaction, text: str) -> None:
        first, *more = split(text, LONGEST)
        await interaction.response.send_message(first, ephemeral=True, allowed_mentions=NONE)
        for each in more:
            await interaction.followup.send(each, ephemeral=True, allowed_mentions=NONE)


def _who(interaction: discord.Interaction) -> str:
    return user_id(interaction.user.id)
