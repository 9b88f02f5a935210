"""Where an answer is read in a Slack thread: streamed while it is written, or posted at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from bot.errors import ConnectorBusy, ConnectorError
from bot.messages import Pending, Reply
from bot.ports import OnText
from connectors.slack import blocks as slack_blocks
from connectors.slack.api import SlackApi, SlackRefused, SlackTooOften
from connectors.slack.stream import SlackStream, metadata_of, unbroken

log = structlog.get_logger()

WORKING = "is looking for an answer…"
STOPPED = "Stopped. Ask again whenever you like."

# Slack's words for a message of ours that cannot be changed: a new one takes its place.
FIXED = {"message_not_found", "cant_update_message", "edit_window_closed", "streaming_state_conflict"}

Page = tuple[str, list[dict[str, Any]]]
"""A message's text and blocks."""


def place_of(team: str, channel: str, ts: str) -> str:
    """How the store knows a message."""
    return f"slack:{team}:{channel}:{ts}"


@dataclass
class ThreadScreen:
    """
    An answer in a thread.

    Where the reply was begun before, by a process that was killed or in a try whose outcome Slack did not tell, those
    very messages become the answer.
    """

    api: SlackApi
    pending: Pending
    begun: OnText
    helped: frozenset[str]  # the routes with people who can be asked instead
    bot_user: Callable[[str], Awaitable[str]]  # of a team
    begun_for_others: Callable[[], Awaitable[Collection[str]]]  # messages that become other answers
    _written: dict[int, str] = field(default_factory=dict)  # page -> ts
    _lost: bool = False  # messages may be there that we do not know of
    _status_on: bool = False
    _status_unsure: bool = False  # a status may come up behind the answer
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        address, resumed = self.pending.address, self.pending.resumed
        self._team, self._channel, self._thread = address["team"], address["channel"], address["thread"]
        self._stream = SlackStream(self.api, address, self.pending.message.id, self._note, off=resumed)
        self._lost = resumed
        if self.pending.begun:
            self._written[0] = self.pending.begun

    async def waiting(self) -> None:
        """Show that work goes on; Slack hides the status after two minutes, or when something is posted."""
        async with self._lock:  # a status that overtakes the text would stay
            if not self._stream.growing:
                self._status_on = True
                await self._status(WORKING)

    async def show(self, piece: str) -> None:
        """Take the next piece of the text."""
        async with self._lock:
            await self._stream.add(piece)

    async def finish(self, reply: Reply) -> list[str]:
        """Make the thread hold exactly the whole answer."""
        async with self._ending():
            *first, last = slack_blocks.pages(reply.text)
            below = slack_blocks.below(reply, helpers=reply.route in self.helped)
            if not first and await self._stream.end(reply, below):
                written = [self._stream.ts]
            else:
                pages = [(page, slack_blocks.markdown(page)) for page in first]
                written = await self._write([*pages, (last, [*slack_blocks.markdown(last), *below])])
            return [place_of(self._team, self._channel, ts) for ts in written]

    async def say(self, text: str) -> None:
        """Say *text* instead of an answer."""
        async with self._ending():
            await self._write([(text, slack_blocks.markdown(text))])

    async def stopped(self) -> None:
        """Leave what was shown; nothing may seem to be working."""
        async with self._lock:
            with suppress(ConnectorError):
                if self._stream.shown:
                    await self._stream.close(self._stream.ts)
                else:
                    await self._write([(STOPPED, slack_blocks.markdown(STOPPED))])
            await self._stream.end_session()
            await self._end_status()

    @asynccontextmanager
    async def _ending(self) -> AsyncIterator[None]:
        """The last words; where they are refused for good, the place must not seem to wait for them."""
        async with self._lock:
            try:
                yield
            except SlackRefused:
                await self._end_status()
                raise
            await self._end_status()

    async def _write(self, pages: list[Page]) -> list[str]:
        """Make *pages* the messages of this answer. Returns: their ts."""
        if self._stream.ts:
            self._written.setdefault(0, self._stream.ts)
        if self._lost or self._stream.lost:
            self._written |= await self._left_behind()
            self._lost = self._stream.lost = False
        for number, page in enumerate(pages):
            await self._put(number, page)
        for number in [each for each in self._written if each >= len(pages)]:
            await self._delete(self._written.pop(number))
        return [self._written[number] for number in range(len(pages))]

    async def _put(self, number: int, page: Page) -> None:
        """Make *page* this message of the answer, if there is one, else a new one."""
        text, blocks = slack_blocks.fallback(page[0]), page[1]
        metadata = metadata_of(self.pending.message.id, number)
        if ts := self._written.get(number, ""):
            try:
                if number == 0:
                    await self._stream.close(ts)
                await self._call("chat.update", ts=ts, text=text, blocks=blocks, metadata=metadata)
                return
            except SlackRefused as exc:
                if exc.code not in FIXED:
                    raise
        await self.api.turn_to_post(self._team, self._channel)
        await unbroken(self._post(number, text=text, blocks=blocks, metadata=metadata))
        if number == 0:
            await self._note(self._written[0])

    async def _post(self, number: int, **content: Any) -> None:
        self._lost = True  # until Slack has said where it is: look before the next try
        try:
            answer = await self._call(
                "chat.postMessage", thread_ts=self._thread, unfurl_links=False, unfurl_media=False, **content
            )
        except (SlackRefused, SlackTooOften):
            self._lost = False
            raise
        self._lost, self._status_on = False, False  # what is posted takes the status away
        self._written[number] = str(answer["ts"])

    async def _note(self, ts: str) -> None:
        self._status_on = False
        await self.begun(ts)

    async def _delete(self, ts: str) -> None:
        """A page more than the answer has now."""
        try:
            await self._call("chat.delete", ts=ts)
        except SlackRefused as exc:
            log.warning("a part of an earlier answer stays", reason=str(exc))

    async def _left_behind(self) -> dict[int, str]:
        """The messages that were written for this question and not noted, by page."""
        found: dict[int, str] = {}
        address, bot, others = self.pending.address, await self.bot_user(self._team), await self.begun_for_others()
        where = {"channel": self._channel, "ts": self._thread, "oldest": address["ts"]}
        try:
            async for message in self.api.listed(
                self._team, "conversations.replies", "messages", **where, limit=200, include_all_metadata="true"
            ):
                if message.get("user") != bot or message["ts"] in others:
                    continue
                ours = (message.get("metadata") or {}).get("event_payload")
                if ours is None and 0 not in self._written:  # a stream that nobody ended carries nothing
                    found.setdefault(0, message["ts"])
                elif ours and ours.get("message") == self.pending.message.id:
                    found[int(ours.get("page", 0))] = message["ts"]
        except SlackRefused as exc:
            log.warning("a thread cannot be looked through", reason=str(exc))
        return found

    async def _end_status(self) -> None:
        """Take the status away where nothing that was posted did."""
        if self._status_on or self._status_unsure:
            self._status_on = self._status_unsure = False
            await self._status("")

    async def _status(self, text: str) -> None:
        where = {"channel_id": self._channel, "thread_ts": self._thread}
        try:
            await self.api.hint(self._team, "assistant.threads.setStatus", **where, status=text)
        except SlackTooOften:
            return  # a sign that comes late is none
        except ConnectorBusy:
            self._status_unsure = bool(text)
        except ConnectorError as exc:
            log.debug("Slack shows no status", reason=str(exc))

    async def _call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        return await self.api.call(self._team, method, channel=self._channel, **arguments)
