"""Discord's messages as questions: which ones are for us, what they ask, and where the answer goes."""

import json
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

import discord

from bot.messages import Message
from bot.settings import DomainSettings

PLATFORM = "discord"
REPLY, INTERACTION = "reply", "interaction"  # how an answer is given
NONE = discord.AllowedMentions.none()  # nothing that we send pings anybody
HELP_WANTED = "Somebody asks for a person's help"  # the title of a call for help

_USER = re.compile(r"<@!?(\d+)>")
_ROLE = re.compile(r"<@&(\d+)>")
_CHANNEL = re.compile(r"<#(\d+)>")
_EMOJI = re.compile(r"<a?(:\w+:)\d+>")
_COMMAND = re.compile(r"<(/[^:<>]+):\d+>")
_SAID = (discord.MessageType.default, discord.MessageType.reply)


def user_id(user: int) -> str:
    """How the store and `[[access]] members` name a person."""
    return f"discord:user:{user}"


def workspace_id(guild: int | None, user: int) -> str:
    """Servers are kept apart; direct messages belong to none, and to nobody but *user*."""
    return f"discord:direct:{user}" if guild is None else f"discord:{guild}"


def place_of(channel: int, message: int | str) -> str:
    """How the store knows a message."""
    return f"discord:{channel}:{message}"


def is_direct(message: discord.Message) -> bool:
    """Whether nobody else is there; that the server is not known yet does not say so."""
    return isinstance(message.channel, discord.DMChannel)


def said_by_a_person(message: discord.Message, bot: int) -> bool:
    """Whether *message* is something that somebody else than a program said."""
    return message.type in _SAID and not message.author.bot and message.webhook_id is None and message.author.id != bot


def is_addressed(message: discord.Message, bot: int) -> bool:
    """Whether the bot is meant for sure: by a mention, a reply to it, or because nobody else is there."""
    mentioned = any(each in message.content for each in _names(message, bot))
    before = replied_to(message)
    answered = before is not None and before.author.id == bot and not _calls_for_help(before)
    return is_direct(message) or mentioned or answered


def replied_to(message: discord.Message) -> discord.Message | None:
    """The message that this one replies to, where it is still there."""
    before = message.reference.resolved if message.reference else None
    return before if isinstance(before, discord.Message) else None


def addresses_somebody_else(message: discord.Message, bot: int) -> bool:
    """Whether *message* is a reply to another person, or opens by mentioning one."""
    opened, before = _USER.match(message.content.lstrip()), replied_to(message)
    return (before is not None and before.author.id != bot) or (opened is not None and int(opened[1]) != bot)


def _names(message: discord.Message, bot: int) -> list[str]:
    """How the bot is mentioned; people easily pick its role instead, which is called the same."""
    role = message.guild.self_role if message.guild else None
    return [f"<@{bot}>", f"<@!{bot}>", *([f"<@&{role.id}>"] if role else [])]


def _calls_for_help(message: discord.Message) -> bool:
    """Those who help answer there with a button; what they say below it is for one another."""
    return any(embed.title == HELP_WANTED for embed in message.embeds)


def plain(message: discord.Message, bot: int) -> str:
    """What somebody wrote, as they read it: without the mention of the bot, other mentions by their names."""
    users = {user.id: user.display_name for user in message.mentions}
    roles = {role.id: role.name for role in message.role_mentions}
    guild = message.guild

    def channel(match: "re.Match[str]") -> str:
        found = guild.get_channel_or_thread(int(match[1])) if guild else None
        return f"#{found.name if found else 'a-channel'}"

    text = message.content
    for name in _names(message, bot):
        text = text.replace(name, "")
    text = _USER.sub(lambda m: f"@{users.get(int(m[1]), 'somebody')}", text)
    text = _ROLE.sub(lambda m: f"@{roles.get(int(m[1]), 'a-role')}", text)
    return _EMOJI.sub(r"\1", _COMMAND.sub(r"\1", _CHANNEL.sub(channel, text))).strip()


def said(
    message: discord.Message, bot: int, *, thread: str, bound: str | None, title: str = ""
) -> tuple[Message, dict[str, str]]:
    """The question in a message, below the *title* of the post that it opens, and where its answer goes."""
    guild = None if is_direct(message) else message.guild.id if message.guild else 0
    text, before = plain(message, bot), replied_to(message)
    if not text and not message.attachments and before is not None and before.author.id != bot:
        text = plain(before, bot)  # nothing but a mention below what somebody else has asked
    question = Message(
        id=f"discord:{message.id}",
        text=f"{title}\n{text}".strip(),
        user=user_id(message.author.id),
        platform=PLATFORM,
        workspace=workspace_id(guild, message.author.id),
        thread=thread,
        bound=bound,
        private=True,  # until the channel is known to be public
    )
    files = [{"name": a.filename, "url": a.url, "size": a.size} for a in message.attachments]
    return question, {
        "how": REPLY,
        "channel": str(message.channel.id),
        "message": str(message.id),
        "user": str(message.author.id),
        "guild": "" if guild is None else str(guild),
        "files": json.dumps(files),
    }


def interacted(
    interaction: discord.Interaction,
    text: str,
    *,
    thread: str,
    route: str | None,
    private: bool,
    bound: str | None,
    files: Sequence[discord.Attachment] = (),
) -> tuple[Message, dict[str, str]]:
    """The question in a command or form, and where its answer goes."""
    question = Message(
        id=f"discord:interaction:{interaction.id}",
        text=text,
        user=user_id(interaction.user.id),
        platform=PLATFORM,
        workspace=workspace_id(interaction.guild_id, interaction.user.id),
        thread=thread,
        route=route,
        bound=bound,
        private=True,
    )
    return question, {
        "how": INTERACTION,
        "channel": str(interaction.channel_id or 0),
        "user": str(interaction.user.id),
        "guild": "" if interaction.guild_id is None else str(interaction.guild_id),
        "application": str(interaction.application_id),
        "token": interaction.token,  # good for fifteen minutes; forgotten with the question's content
        "private": "yes" if private else "",
        "files": json.dumps([{"name": a.filename, "url": a.url, "size": a.size} for a in files]),
    }


def bound_domain(channels: Sequence[int | None], domains: Sequence[DomainSettings]) -> str | None:
    """The domain that the settings bind one of *channels* to, such as a thread and its parent."""
    names = {f"discord:{channel}" for channel in channels if channel}
    return next((domain.name for domain in domains if names & set(domain.channels)), None)


def file_url_is_discords(url: str, hosts: Sequence[str]) -> bool:
    """Whether a file is fetched from where Discord keeps them."""
    parts = urlsplit(url)
    ours = parts.scheme == "https" and parts.netloc.endswith((".discordapp.com", ".discordapp.net"))
    return ours or parts.netloc in hosts
