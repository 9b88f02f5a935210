"""Where an answer is read in Discord: a reply that grows by edits, or the answer to a command."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import discord

from bot import wording
from bot.errors import ConnectorBusy, ConnectorError
from bot.messages import Pending, Reply
from bot.ports import OnText
from connectors.discord_events import place_of
from connectors.discord_views import answer_view
from connectors.markup import harmless, split

LONGEST = 2_000  # characters of a message: https://discord.com/developers/docs/resources/message
EDIT_SECONDS = 1.5  # between two edits of a growing answer; a channel takes five in five seconds
GROWING = " …"
CITED, QUOTE, DESCRIPTION = 8, 150, 3_500
NONE = discord.AllowedMentions.none()
MESSAGE_GONE, CHANNEL_GONE, NO_ACCESS, NO_RIGHT = 10008, 10003, 50001, 50013


class Sheet(Protocol):
    """The messages of one answer, however they reach Discord."""

    async def write(self, number: int, **content: Any) -> str:
        """Make message *number* (from 0) hold *content*. Returns: its id."""
        ...

    async def typing(self) -> None:
        """Show that work goes on."""
        ...


@dataclass
class DiscordScreen:
    """An answer that grows by edits, as slowly as Discord wishes, and ends as a whole."""

    sheet: Sheet
    channel: int
    helpers: bool
    _text: str = ""
    _edited: float = 0.0
    _editing: "asyncio.Task[None] | None" = None
    _over: bool = field(default=False)

    async def waiting(self) -> None:
        """Show that work goes on; Discord hides it after ten seconds."""
        if not self._text:
            with refusals():
                await self.sheet.typing()

    async def show(self, piece: str) -> None:
        """Take the next piece; the message grows in a task of its own, since Discord makes edits wait."""
        self._text += piece
        busy = self._editing is not None and not self._editing.done()
        if not busy and time.monotonic() - self._edited >= EDIT_SECONDS and self._text.strip():
            self._edited = time.monotonic()
            self._editing = asyncio.create_task(self._grow(self._text))

    async def _grow(self, text: str) -> None:
        first, *_ = split(harmless(text), LONGEST - len(GROWING))
        with suppress(ConnectorError), refusals():
            await self.sheet.write(0, content=first + GROWING)

    async def finish(self, reply: Reply) -> list[str]:
        """Make what is read the whole answer."""
        await self._still()
        pages = split(harmless(reply.text), LONGEST) or ["…"]
        ids = []
        for number, page in enumerate(pages):
            last = number == len(pages) - 1
            below = {"embed": origin(reply), "view": answer_view(reply, helpers=self.helpers)} if last else {}
            with refusals():
                ids.append(await self.sheet.write(number, content=page, **below))
        return [place_of(self.channel, each) for each in ids]

    async def say(self, text: str) -> None:
        """Say *text* instead of an answer."""
        await self._still()
        with refusals():
            await self.sheet.write(0, content=harmless(text)[:LONGEST])

    async def stopped(self) -> None:
        """The question is gone: what was begun of its answer goes quietly too."""
        await self._still()
        with suppress(ConnectorError), refusals():
            await self.sheet.write(0, content="", delete=True)

    async def _still(self) -> None:
        """Wait for the edit that is under way: a later one must not be overtaken."""
        if self._editing is not None:
            await asyncio.wait([self._editing])


@dataclass
class ReplySheet:
    """Replies in a channel. A question that is answered twice by accident gets one message: its nonce says so."""

    client: discord.Client
    pending: Pending
    begun: OnText
    _ids: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._channel = self.client.get_partial_messageable(int(self.pending.address["channel"]))
        if self.pending.begun:
            self._ids = [int(self.pending.begun)]

    async def typing(self) -> None:
        await self._channel.typing()

    async def write(self, number: int, *, delete: bool = False, **content: Any) -> str:
        if not self._ids and self.pending.resumed:
            self._ids = await self._left_behind()
        if delete:
            for each in self._ids:
                await self._channel.get_partial_message(each).delete()
            return ""
        if number < len(self._ids):
            message = self._channel.get_partial_message(self._ids[number])
            await message.edit(**{"embed": None, "view": None, **content}, allowed_mentions=NONE)
            return str(message.id)
        asked = int(self.pending.address["message"])
        reference = discord.MessageReference(message_id=asked, channel_id=self._channel.id, fail_if_not_exists=False)
        sent = await self._channel.send(
            **content,
            reference=reference,
            mention_author=False,
            allowed_mentions=NONE,
            nonce=f"{asked}.{number}",  # 25 characters at most
            suppress_embeds="embed" not in content,
        )
        self._ids.append(sent.id)
        if number == 0:
            await self.begun(str(sent.id))
        return str(sent.id)

    async def _left_behind(self) -> list[int]:
        """The reply that a killed process sent and could not note."""
        asked = int(self.pending.address["message"])
        async for message in self._channel.history(limit=20, after=discord.Object(asked)):
            mine = self.client.user is not None and message.author.id == self.client.user.id
            if mine and message.reference and message.reference.message_id == asked:
                return [message.id]
        return []


@dataclass
class InteractionSheet:
    """The answer to a command or form: first in its own place, then behind it."""

    client: discord.Client
    pending: Pending
    _: OnText  # acknowledging the command has begun the reply
    _ids: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        address = self.pending.address
        self._private = bool(address["private"])
        self._webhook = discord.Webhook.partial(int(address["application"]), address["token"], client=self.client)
        if self.pending.begun:
            self._ids = [int(self.pending.begun)]

    async def typing(self) -> None:
        """Discord shows "is thinking" by itself."""

    async def write(self, number: int, *, delete: bool = False, **content: Any) -> str:
        try:
            return await self._write(number, delete=delete, **content)
        except discord.NotFound:
            if delete:
                return ""
            return await self._elsewhere(content)  # its fifteen minutes are over

    async def _write(self, number: int, *, delete: bool, **content: Any) -> str:
        if delete:
            for each in self._ids:
                await self._webhook.delete_message(each)
            return ""
        if not self._ids:
            return await self._elsewhere(content)  # killed before Discord knew that we heard
        if number < len(self._ids):
            fresh = {"embed": None, "view": None, **content}
            message = await self._webhook.edit_message(self._ids[number], **fresh, allowed_mentions=NONE)
        else:
            message = await self._webhook.send(**content, allowed_mentions=NONE, ephemeral=self._private, wait=True)
            self._ids.append(message.id)
        return str(message.id)

    async def _elsewhere(self, content: dict[str, Any]) -> str:
        """Where the command's place is gone: in the channel, or in direct messages if nobody else may read it."""
        address = self.pending.address
        if self._private or not address["guild"]:
            user = await self.client.fetch_user(int(address["user"]))
            sent = await user.send(**content, allowed_mentions=NONE)
        else:
            channel = self.client.get_partial_messageable(int(address["channel"]))
            sent = await channel.send(**content, allowed_mentions=NONE)
        return str(sent.id)


def origin(reply: Reply) -> discord.Embed:
    """Where an answer comes from."""
    cited = [
        f"[{c.number}] {_linked(c.title, c.url)}: “{_escaped(' '.join(c.quote.split()))[:QUOTE]}”"
        for c in reply.citations[:CITED]
    ]
    embed = discord.Embed(description="\n".join(cited)[:DESCRIPTION] or None)
    embed.set_footer(text=wording.origin(reply))
    return embed


def _linked(title: str, url: str | None) -> str:
    shown = _escaped(" ".join(title.split())[:80]).replace("[", "(").replace("]", ")")
    if url is None or not url.startswith(("http://", "https://")) or len(url) > 300:
        return shown
    safe = url.replace(")", "%29").replace("(", "%28").replace(" ", "%20").replace(">", "%3E")
    return f"[{shown}]({safe})"


def _escaped(text: str) -> str:
    return discord.utils.escape_markdown(harmless(text))


@contextmanager
def refusals() -> Iterator[None]:
    """The one boundary at which Discord's errors become ours. Raises: ConnectorBusy, ConnectorError."""
    try:
        yield
    except discord.HTTPException as exc:
        busy = exc.status >= 500 or exc.status == 429
        raise (ConnectorBusy if busy else ConnectorError)(_reason(exc)) from exc
    except (discord.RateLimited, aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise ConnectorBusy(f"Discord did not answer ({type(exc).__name__})") from exc


def _reason(error: discord.HTTPException) -> str:
    remedies: dict[int, str] = {
        NO_RIGHT: "the bot lacks a permission there; `pointsman doctor` prints an invite link with all of them",
        NO_ACCESS: "the bot does not see that channel; give its role View Channel",
        MESSAGE_GONE: "the message was deleted",
        CHANNEL_GONE: "the channel was deleted",
        50007: "the person takes no direct messages",
    }
    return (
        f"Discord refused ({error.status}, {error.code}): {remedies.get(error.code, error.text or 'no reason given')}"
    )
