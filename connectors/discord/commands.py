"""The commands: /ask for everybody, "Ask about this", and the group for moderators."""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import discord
import structlog
from discord import app_commands

from bot import wording
from bot.errors import ConnectorError
from bot.messages import GENERAL
from bot.settings import DomainSettings
from connectors.access import labels_of
from connectors.discord.errors import apologise, refusals
from connectors.discord.events import NONE, bound_domain, interacted, user_id, workspace_id
from connectors.discord.views import Form, route_field, text_field

if TYPE_CHECKING:
    from connectors.discord.connector import DiscordClient

log = structlog.get_logger()

MOST_CHOICES = 25
Asked = discord.Interaction[Any]
Context = app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=False)


def tree_for(client: "DiscordClient") -> app_commands.CommandTree[Any]:
    """The commands of *client*."""
    tree: app_commands.CommandTree[Any] = app_commands.CommandTree(
        client, allowed_contexts=Context, allowed_installs=app_commands.AppInstallationType(guild=True, user=False)
    )
    tree.add_command(_ask(client))
    tree.add_command(app_commands.ContextMenu(name="Ask about this", callback=partial_of(_ask_about, client)))
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
        domain="Where to look; leave it out to have it found out",
        private="Show the answer to you alone",
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
        known = {each.name: f"{each.name}: {each.description}" for each in await readable(client, interaction)}
        choices = [
            app_commands.Choice(name=shown[:100], value=name)
            for name, shown in {**known, GENERAL: "general knowledge"}.items()
            if typed.casefold() in shown.casefold()
        ]
        return choices[:MOST_CHOICES]

    return ask


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
            with refusals():
                begun = await interaction.response.defer(ephemeral=private, thinking=True)
        except ConnectorError as exc:  # too late, or lost on the way: the question is kept, and answered elsewhere
            log.warning("a command could not be acknowledged", message=message.id, reason=str(exc))
            return ""
        return str(begun.message_id) if begun and begun.message_id else ""

    await client.desk.take(message, address, acknowledge=acknowledge)


async def _ask_about(client: "DiscordClient", interaction: discord.Interaction, message: discord.Message) -> None:
    """A form with the message as the question; only the asker sees the answer."""

    async def submitted(filled: discord.Interaction, given: dict[str, str]) -> None:
        await take(client, filled, given.get("question", ""), route=given.get("route"), private=True)

    fields = [
        text_field("question", "Your question", initial=message.clean_content, required=True),
        route_field("Where should I look?", _names(await readable(client, interaction)), unknown=False),
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

    @app_commands.command(description="What is answered where")
    async def status(self, interaction: discord.Interaction) -> None:
        guild = interaction.guild
        shown = {
            each.id: [f"from {domain}"]
            for each in (guild.channels if guild else ())
            if (domain := bound_domain([each.id], self._client.settings.domains))
        }
        for each in await self._client.channels.all(workspace_id(interaction.guild_id)):
            answered = [f"from {each.domain}"] if each.domain else shown.get(each.channel, [])
            shown[each.channel] = [*answered, *(["without a mention in threads and posts"] if each.automatic else [])]
        lines = [f"<#{channel}> is answered {', '.join(how)}." for channel, how in shown.items()]
        await self._say(
            interaction, "\n".join(lines) or "Nothing is set for any channel; I answer where I am mentioned."
        )

    @app_commands.command(description="The domains that I have documents about")
    async def domains(self, interaction: discord.Interaction) -> None:
        lines = [f"{domain.name}: {domain.description}" for domain in self._client.settings.domains]
        await self._say(interaction, "\n".join(lines) or "None yet; add them to pointsman.toml.")

    @app_commands.command(description="Answer the questions of a channel from one domain")
    @app_commands.describe(channel="The channel", domain="The domain; leave it out to let me find out again")
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
        await self._client.channels.bind(workspace_id(interaction.guild_id), channel.id, domain, by=_who(interaction))
        now = await self._client.talks.bound(channel)
        told = f"from {now}" if now else "from wherever they belong"
        await self._say(interaction, f"Questions in <#{channel.id}> are answered {told} from now on.")

    @bind.autocomplete("domain")
    async def _domains(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        names = [name for name in _names(self._client.settings.domains) if typed.casefold() in name]
        return [app_commands.Choice(name=name, value=name) for name in names[:MOST_CHOICES]]

    @app_commands.command(description="Answer in the threads and posts of a channel without being mentioned, or not")
    @app_commands.describe(channel="The channel", on="Whether to answer")
    async def automatic(
        self, interaction: discord.Interaction, channel: discord.TextChannel | discord.ForumChannel, on: bool
    ) -> None:
        await self._client.channels.answer_automatically(
            workspace_id(interaction.guild_id), channel.id, on, by=_who(interaction)
        )
        told = "answered without a mention" if on else "answered only where I am mentioned"
        await self._say(interaction, f"Threads and posts in <#{channel.id}> are {told} from now on.")

    @app_commands.command(description="Delete a member's questions, their answers and votes")
    async def forget(self, interaction: discord.Interaction, member: discord.User) -> None:
        gone = await self._client.people.forget(
            user_id(member.id), workspace_id(interaction.guild_id), by=_who(interaction)
        )
        await self._say(interaction, f"Deleted: {gone.questions} questions with their answers, {gone.votes} votes.")

    async def _say(self, interaction: discord.Interaction, text: str) -> None:
        await interaction.response.send_message(text[:2_000], ephemeral=True, allowed_mentions=NONE)


def _who(interaction: discord.Interaction) -> str:
    return user_id(interaction.user.id)
