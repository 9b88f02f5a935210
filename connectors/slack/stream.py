"""Slack's native stream: a message that grows while its answer is written."""

import asyncio
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from bot.errors import ConnectorBusy, ConnectorError
from bot.messages import Reply
from bot.ports import OnText
from connectors.markup import harmless, settled
from connectors.slack import blocks as slack_blocks
from connectors.slack.api import SlackApi, SlackRefused, SlackTooOften

FINISHING = 3.0  # seconds that a call has left when its answer is stopped

T = TypeVar("T")


def metadata_of(message_id: str, page: int = 0) -> dict[str, Any]:
    """What our messages carry unseen, so that a later process knows them again."""
    return {"event_type": "pointsman_reply", "event_payload": {"message": message_id, "page": page}}


async def unbroken(work: Coroutine[Any, Any, T]) -> T:
    """What *work* returns. Who is stopped meanwhile stops behind it: what it does in Slack has to be known."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=FINISHING)
        task.cancel()
        raise


@dataclass
class SlackStream:
    """
    A message that may grow.

    Slack ends it after about five minutes, or when its reader presses Stop; whoever uses it then says the whole text
    in another way. Nothing is streamed once the workspace's rate is used up.
    """

    api: SlackApi
    address: Mapping[str, str]
    message: str  # the question's id
    begun: OnText
    off: bool = False  # nothing more is streamed
    ts: str = ""
    shown: str = ""
    growing: bool = False
    lost: bool = False  # a message may be there that we do not know of
    _held: str = ""  # what is not shown yet
    _appended: float = 0.0

    async def add(self, piece: str) -> None:
        """Take the next piece; it is shown at the next due time."""
        self._held += piece
        if self.off:
            return
        if self.growing:
            await self._append()
        elif await unbroken(self._start()):
            await self.begun(self.ts)

    async def end(self, reply: Reply, below: list[dict[str, Any]]) -> bool:
        """Whether the message now holds the whole answer, with *below* under it."""
        whole = harmless(reply.text)
        if not self.growing or not whole.startswith(self.shown):
            return False
        self.growing = False
        rest = whole[len(self.shown) :] or None
        try:
            await self._stop(self.ts, markdown_text=rest, blocks=below)
        except SlackRefused:
            return False
        return True

    async def close(self, ts: str) -> None:
        """End the stream in the message *ts*, if there is one, as it stands; only then can that be changed."""
        self.growing, self.off = False, True
        try:
            await self._stop(ts)
        except SlackRefused:  # Slack has ended it, and the session goes on
            await self.end_session()

    async def end_session(self) -> None:
        """Take away the sign that work goes on, and the Stop button."""
        where = {"channel_id": self.address["channel"], "thread_ts": self.address["thread"]}
        try:
            await self.api.hint(self.address["team"], "agents.sessions.setStatus", **where, status="active")
        except ConnectorError:
            return  # no agent, or nothing to end

    async def _start(self) -> bool:
        """Whether the message is there."""
        text = self._take_held()
        if not text.strip():
            self._held = text + self._held
            return False
        if not self.api.allowance(self.address["team"], "chat.startStream"):
            self.off = True
            return False
        self.lost = True  # until Slack has said where it is
        try:
            answer = await self._call(
                "chat.startStream", thread_ts=self.address["thread"], markdown_text=text, **self._recipient()
            )
        except ConnectorError as exc:
            self.lost = isinstance(exc, ConnectorBusy) and not isinstance(exc, SlackTooOften)
            self.off = True  # one post at the end does as well
            return False
        self.ts, self.shown, self.growing, self.lost = str(answer["ts"]), text, True, False
        self._appended = time.monotonic()
        return True

    async def _append(self) -> None:
        if time.monotonic() - self._appended < self.api.append_seconds:
            return
        if len(self.shown) + len(self._held) > slack_blocks.PAGE:
            self.off = True  # it becomes several messages
            return
        if not self.api.allowance(self.address["team"], "chat.appendStream"):
            return
        text = self._take_held()
        if not text:
            return
        self._appended = time.monotonic()
        try:
            await self._call("chat.appendStream", ts=self.ts, markdown_text=text)
        except SlackTooOften:
            self._held = text + self._held
        except ConnectorError:
            self.growing, self.off = False, True  # ended, or nobody knows what it shows
        else:
            self.shown += text

    def _take_held(self) -> str:
        """What may be shown of the text that is held: what could be the begin of a mention waits for its rest."""
        ready = self._held[: settled(self._held)]
        self._held = self._held[len(ready) :]
        return harmless(ready)

    def _recipient(self) -> dict[str, str]:
        if self.address["channel"].startswith("D"):
            return {}
        team = self.address.get("user_team") or self.address["team"]
        return {"recipient_user_id": self.address["user"], "recipient_team_id": team}

    async def _stop(self, ts: str, **more: Any) -> None:
        await self._call("chat.stopStream", ts=ts, metadata=metadata_of(self.message), session_status="active", **more)

    async def _call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        return await self.api.call(self.address["team"], method, channel=self.address["channel"], **arguments)
