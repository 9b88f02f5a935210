"""Where an answer is read in Slack: streamed into a thread, posted there at once, or shown to the asker alone."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bot.errors import ConnectorBusy, ConnectorError
from bot.messages import Pending, Reply
from bot.ports import OnText
from connectors import slack_blocks
from connectors.markup import harmless, settled
from connectors.slack_api import SlackApi, SlackRefused

APPEND_SECONDS = 0.7  # between two additions to a stream
WORKING = "is looking for an answer…"
STOPPED = "Stopped. Ask again whenever you like."

# Slack's words for a stream that takes no more: it ran for about five minutes, or its reader pressed Stop.
STREAM_OVER = {"message_not_in_streaming_state", "message_not_found", "streaming_state_conflict"}


def metadata_of(message_id: str) -> dict[str, Any]:
    """What our messages carry unseen, so that a later process knows them again."""
    return {"event_type": "pointsman_reply", "event_payload": {"message": message_id}}


def place_of(team: str, channel: str, ts: str) -> str:
    """How the store knows a message."""
    return f"slack:{team}:{channel}:{ts}"


@dataclass
class ThreadScreen:
    """
    An answer in a thread.

    It is streamed while the workspace's rate lasts and posted in one piece otherwise. Where the reply was begun before
    (by a process that was killed), that very message becomes the answer.
    """

    api: SlackApi
    pending: Pending
    begun: OnText
    helpers: bool  # whether somebody can be asked instead
    _ts: str = ""
    _streaming: bool = False
    _streamed: str = ""  # what the stream shows
    _held: str = ""  # what it does not show yet
    _appended: float = 0.0
    _no_stream: bool = False
    _maybe_there: bool = False  # whether a message may be there that we do not know of
    _noted: bool = False  # whether the inbox knows the reply's message
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        address = self.pending.address
        self._team, self._channel, self._thread = address["team"], address["channel"], address["thread"]
        self._ts, self._maybe_there = self.pending.begun, self.pending.resumed

    async def waiting(self) -> None:
        """Show that work goes on; Slack hides the status after two minutes, or when something is posted."""
        if not self._streaming:
            await self._status(WORKING)

    async def show(self, piece: str) -> None:
        """Take the next piece; a stream gets it at the next due time."""
        async with self._lock:
            self._held += piece
            if self._ts or self._no_stream:
                await self._append()
            else:
                await self._start_stream()

    async def finish(self, reply: Reply) -> list[str]:
        """Make the thread hold exactly the whole answer."""
        async with self._lock:
            *first, last = slack_blocks.pages(reply.text)
            blocks = slack_blocks.answer(last, reply, helpers=self.helpers)
            if self._streaming and not first and await self._stop_stream(reply):
                return [place_of(self._team, self._channel, self._ts)]
            ids = []
            for page in first:
                ids.append(await self._put(page, slack_blocks.markdown(page)))
            ids.append(await self._put(last, blocks))
            return [place_of(self._team, self._channel, ts) for ts in ids]

    async def say(self, text: str) -> None:
        """Say *text* instead of an answer."""
        async with self._lock:
            await self._put(text, slack_blocks.markdown(text))

    async def stopped(self) -> None:
        """Leave what was shown, marked as stopped; the session must not seem to be working."""
        async with self._lock:
            if self._streaming:
                with suppress(ConnectorError):
                    await self._end_stream(self._ts)
            with suppress(ConnectorError):
                await self.api.hint(
                    self._team,
                    "agents.sessions.setStatus",
                    channel_id=self._channel,
                    thread_ts=self._thread,
                    status="active",
                )
            self._streaming = False
            if not self._streamed:
                await self._put(STOPPED, slack_blocks.markdown(STOPPED))
            await self._status("")

    async def _start_stream(self) -> None:
        if not self.api.allowance(self._team, "chat.startStream"):
            self._no_stream = True
            return
        text = self._take_held()
        if not text.strip():
            self._held = text
            return
        recipient = {} if self._channel.startswith("D") else self._recipient()
        try:
            answer = await self._call("chat.startStream", thread_ts=self._thread, markdown_text=text, **recipient)
        except ConnectorError as exc:
            self._held = text + self._held
            self._maybe_there = isinstance(exc, ConnectorBusy)
            self._no_stream = True  # one post at the end does as well
            return
        self._ts, self._streaming, self._streamed = answer["ts"], True, text
        self._appended = time.monotonic()
        await self._note(self._ts)

    async def _note(self, ts: str) -> None:
        self._noted = True
        await self.begun(ts)

    def _recipient(self) -> dict[str, str]:
        return {"recipient_user_id": self.pending.address["user"], "recipient_team_id": self._team}

    async def _append(self) -> None:
        if not self._streaming or time.monotonic() - self._appended < APPEND_SECONDS:
            return
        if not self.api.allowance(self._team, "chat.appendStream"):
            return
        text = self._take_held()
        if not text:
            return
        try:
            await self._call("chat.appendStream", ts=self._ts, markdown_text=text)
        except ConnectorError:
            self._no_stream = True
            self._streaming = False  # expired or refused: the final text replaces what stands there
            return
        self._streamed += text
        self._appended = time.monotonic()

    def _take_held(self) -> str:
        """What may be shown of the text that is held: what could be the begin of a mention waits for its rest."""
        ready = self._held[: settled(self._held)]
        self._held = self._held[len(ready) :]
        return harmless(ready)

    async def _stop_stream(self, reply: Reply) -> bool:
        """Whether the stream could be ended with the whole answer in it."""
        whole = harmless(reply.text)
        rest = whole[len(self._streamed) :] if whole.startswith(self._streamed) else ""
        below = slack_blocks.below(reply, helpers=self.helpers)
        self._streaming = False
        try:
            await self._call(
                "chat.stopStream",
                ts=self._ts,
                markdown_text=rest or None,
                blocks=below,
                metadata=self._metadata,
                session_status="active",
            )
        except SlackRefused:
            return False
        return whole.startswith(self._streamed)

    async def _put(self, text: str, blocks: list[dict[str, Any]]) -> str:
        """Make *blocks* the message that was begun, else a new one. Returns: its ts."""
        if not self._ts and self._maybe_there:
            self._ts = await self._left_behind()
        if self._ts:
            ts, self._ts = self._ts, ""
            try:
                await self._end_stream(ts)
                await self._call("chat.update", ts=ts, text=slack_blocks.fallback(text), blocks=blocks)
                await self._status("")
                return ts
            except SlackRefused as exc:
                if exc.code not in STREAM_OVER | {"cant_update_message", "edit_window_closed"}:
                    raise
            except ConnectorBusy:
                self._ts = ts
                raise
        return await self._post(text, blocks)

    async def _post(self, text: str, blocks: list[dict[str, Any]]) -> str:
        await self.api.turn_to_post(self._team, self._channel)
        try:
            answer = await self._call(
                "chat.postMessage",
                thread_ts=self._thread,
                text=slack_blocks.fallback(text),
                blocks=blocks,
                metadata=self._metadata,
                unfurl_links=False,
                unfurl_media=False,
            )
        except ConnectorBusy:
            self._maybe_there = True  # the answer may be lost and the message there: look before the next try
            raise
        ts = str(answer["ts"])
        if not self._noted:
            await self._note(ts)
        return ts

    async def _end_stream(self, ts: str) -> None:
        """A stream that a killed process left open cannot be updated."""
        with suppress(SlackRefused):
            await self._call("chat.stopStream", ts=ts, session_status="active", metadata=self._metadata)

    async def _left_behind(self) -> str:
        """The message that was begun for this question by a process that could not note it; empty: none."""
        found = await self._call(
            "conversations.replies", ts=self._thread, oldest=self.pending.address["ts"], include_all_metadata=True
        )
        for message in found.get("messages", []):
            ours = message.get("metadata") or {}
            # What we finish carries the question's id; a stream that nobody ended carries nothing.
            if message.get("bot_id") and ours.get("event_payload", self._metadata["event_payload"]) == {
                "message": self.pending.message.id
            }:
                return str(message["ts"])
        return ""

    async def _status(self, text: str) -> None:
        await self.api.hint(
            self._team,
            "assistant.threads.setStatus",
            channel_id=self._channel,
            thread_ts=self._thread,
            status=text,
        )

    @property
    def _metadata(self) -> dict[str, Any]:
        return metadata_of(self.pending.message.id)

    async def _call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        return await self.api.call(self._team, method, channel=self._channel, **arguments)


@dataclass
class PrivateScreen:
    """An answer that only the asker sees, in place of "looking for an answer"."""

    api: SlackApi
    pending: Pending
    helpers: bool

    async def waiting(self) -> None:
        """The acknowledgement of the command has said so."""

    async def show(self, piece: str) -> None:
        """A private answer comes in one piece: its address may be used five times."""

    async def finish(self, reply: Reply) -> list[str]:
        """Replace the acknowledgement by the answer; later parts follow it."""
        *first, last = slack_blocks.pages(reply.text)
        for number, page in enumerate(first[:3]):
            await self._send(page, slack_blocks.markdown(page), replace=number == 0)
        await self._send(last, slack_blocks.answer(last, reply, helpers=self.helpers), replace=not first)
        return []

    async def say(self, text: str) -> None:
        await self._send(text, slack_blocks.markdown(text), replace=True)

    async def stopped(self) -> None:
        await self.say(STOPPED)

    async def _send(self, text: str, blocks: Sequence[Mapping[str, Any]], *, replace: bool) -> None:
        body = {
            "response_type": "ephemeral",
            "replace_original": replace,
            "text": slack_blocks.fallback(text),
            "blocks": blocks,
        }
        try:
            async with self.api.session.post(self.pending.address["response_url"], json=body) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise ConnectorBusy(f"Slack did not take a private answer ({type(exc).__name__})") from exc
        if status >= 500 or status == 429:
            raise ConnectorBusy(f"Slack did not take a private answer ({status})")
        if status >= 400:  # the address holds for 30 minutes: later the answer goes into the direct messages
            user = self.pending.address["user"]
            await self.api.call(
                self.pending.address["team"], "chat.postMessage", channel=user, text=body["text"], blocks=list(blocks)
            )
