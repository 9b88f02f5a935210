"""What is read of an answer in Discord: a message that grows by edits, then the whole with where it comes from."""

import asyncio
import math
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import discord

from bot import wording
from bot.errors import ConnectorBusy, ConnectorError
from bot.messages import Citation, Pending, Reply
from bot.settings import DomainSettings
from connectors.access import help_channel
from connectors.desk import Errands
from connectors.discord.errors import Deleted, refusals
from connectors.discord.events import INTERACTION, PLATFORM
from connectors.discord.sheets import Sheet
from connectors.discord.views import answer_view
from connectors.markup import harmless, split

LONGEST = 2_000  # characters of a message: https://discord.com/developers/docs/resources/message
EDIT_SECONDS = 1.5  # between two edits of a growing answer; a channel takes five in five seconds
GROWING = " …"
CITING = discord.Colour.green()  # an answer from the documents is told from others at a glance
# Of the citations, characters: https://discord.com/developers/docs/resources/message#embed-object-embed-limits
CITED, TITLE, ADDRESS, QUOTE, DESCRIPTION, ASKED = 8, 80, 300, 150, 4_000, 250


@dataclass
class DiscordScreen:
    """An answer that grows by edits, as slowly as Discord wishes, and ends as a whole."""

    sheet: Sheet
    pending: Pending
    domains: Sequence[DomainSettings]
    errands: Errands  # in which the message grows: Discord makes edits wait, the answer does not wait for them
    _text: str = ""
    _edited: float = -math.inf
    _editing: "asyncio.Task[None] | None" = None
    _refused: bool = False

    async def waiting(self) -> None:
        """Show that work goes on; Discord hides it after ten seconds."""
        if not self._text:
            with refusals():
                await self.sheet.typing()

    async def show(self, piece: str) -> None:
        """Take the next piece."""
        self._text += piece
        busy = self._editing is not None and not self._editing.done()
        if not busy and not self._refused and time.monotonic() - self._edited >= EDIT_SECONDS and self._text.strip():
            self._edited = time.monotonic()
            text = self._text
            self._editing = self.errands.start(lambda: self._grow(text))

    async def _grow(self, text: str) -> None:
        first, *_ = split(self._asked + harmless(text), LONGEST - len(GROWING))
        try:
            with refusals():
                await self.sheet.write(0, content=first + GROWING)
        except ConnectorBusy:
            pass  # the next edit may succeed
        except ConnectorError:
            self._refused = True  # as the whole will be, which is told; many refusals would have us shut out

    async def finish(self, reply: Reply) -> list[str]:
        """Make what is read the whole answer."""
        await self._still()
        pages = split(self._asked + harmless(reply.text.strip() or "…"), LONGEST)
        places = []
        with suppress(Deleted), refusals():
            for number, page in enumerate(pages):
                last = number == len(pages) - 1
                below = {"embed": origin(reply), "view": self._buttons(reply)} if last else {}
                places.append(await self.sheet.write(number, content=page, **below))
            await self.sheet.cut(len(pages))
        return [place for place in places if place]

    async def say(self, text: str) -> None:
        """Say *text* instead of an answer."""
        await self._still()
        with suppress(Deleted), refusals():
            await self.sheet.write(0, content=harmless(text)[:LONGEST])
            await self.sheet.cut(1)

    async def stopped(self) -> None:
        """The question is gone: what was begun of its answer goes quietly too."""
        await self._still()
        with refusals():
            await self.sheet.cut(0)

    async def _still(self) -> None:
        """Wait for the edit that is under way: a later one must not be overtaken."""
        if self._editing is not None:
            await asyncio.wait([self._editing])

    def _buttons(self, reply: Reply) -> discord.ui.View:
        return answer_view(reply, helpers=help_channel(self.domains, reply.route, PLATFORM) is not None)

    @property
    def _asked(self) -> str:
        """The question above its answer, where Discord shows it to nobody: in a command or a form."""
        text = self.pending.message.text if self.pending.address["how"] == INTERACTION else ""
        return f"**{_plain(text, ASKED)}**\n" if text.strip() else ""


def origin(reply: Reply) -> discord.Embed | None:
    """Where an answer comes from; None: it is the bot's own words."""
    if not (signed := wording.signed(reply)):
        return None
    lines: list[str] = []
    for line in [*map(_cited, reply.citations[:CITED]), *_to_read_on(reply)]:
        if sum(map(len, lines)) + len(lines) + len(line) <= DESCRIPTION:
            lines.append(line)
    embed = discord.Embed(description="\n".join(lines) or None, colour=CITING if reply.citations else None)
    embed.set_footer(text=signed)
    return embed


def _cited(citation: Citation) -> str:
    return f"[{citation.number}] {_linked(citation.title, citation.url)}: “{_plain(citation.quote, QUOTE)}”"


def _to_read_on(reply: Reply) -> list[str]:
    """The pages that were looked into in vain, as one line of links."""
    near = dict.fromkeys((each.title or each.document, each.url) for each in reply.passages if each.url)
    return [f"Read on: {', '.join(_linked(*each) for each in near)}"] if near and reply.abstained else []


def _linked(title: str, url: str | None) -> str:
    shown = _plain(title, TITLE)
    if url is None or not url.startswith(("http://", "https://")) or len(url) > ADDRESS:
        return shown
    safe = re.sub(r"[()<>\s]", lambda found: f"%{ord(found[0]):02X}", url)
    return f"[{shown.replace('[', '(').replace(']', ')')}]({safe})"


def _plain(text: str, limit: int) -> str:
    return discord.utils.escape_markdown(harmless(_cut(" ".join(text.split()), limit)))


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
