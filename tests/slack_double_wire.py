"""How our double of Slack reaches the app: Socket Mode or signed HTTP requests, with retries, and a watch on acks."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web
from slack_double_blocks import Json
from slack_double_workspace import APP, Workspace

CONNECTIONS = 10  # open sockets per app
CONNECTED_WITHIN = 15.0  # seconds that an event waits for a connection; bolt comes back from a failed network in 10
FORMS = {"interactive", "slash_commands"}  # kinds that are sent as forms over HTTP, and never again


@dataclass(frozen=True)
class Delivery:
    kind: str  # "events_api", "interactive" or "slash_commands"
    payload: Json
    retry_num: int = 0
    reason: str = ""

    @property
    def name(self) -> str:
        event = self.payload.get("event") or self.payload
        return str(event.get("type") or event.get("command"))

    def again(self, reason: str) -> "Delivery":
        return Delivery(self.kind, self.payload, self.retry_num + 1, reason)


@dataclass(frozen=True)
class Answer:
    """What the app answered to a request over HTTP."""

    status: int
    text: str
    headers: Mapping[str, str]  # in any case

    @property
    def body(self) -> Json:
        """As Slack reads it: nothing, JSON, or the text of a message."""
        if not self.text:
            return {}
        return dict(json.loads(self.text)) if self.text.startswith("{") else {"text": self.text}


@dataclass
class Sockets:
    """The server's side of Socket Mode."""

    tickets: set[str] = field(default_factory=set)  # a ws URL serves once
    open: list[tuple[web.WebSocketResponse, web.Request]] = field(default_factory=list)
    waiting: dict[str, asyncio.Future[Json]] = field(default_factory=dict)  # by envelope id
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("ticket") not in self.tickets:
            return web.Response(status=403)
        self.tickets.remove(request.query["ticket"])
        socket = web.WebSocketResponse(timeout=1.0)
        await socket.prepare(request)
        connection = {"app_id": APP}
        await socket.send_json({"type": "hello", "num_connections": len(self.open) + 1, "connection_info": connection})
        if len(self.open) >= CONNECTIONS:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets"})
        self.open.append((socket, request))
        self.opened.set()
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.acknowledge(json.loads(message.data))
        self.forget(socket)
        return socket

    def forget(self, socket: web.WebSocketResponse) -> None:
        self.open = [each for each in self.open if each[0] is not socket]
        if not self.open:
            self.opened.clear()

    def acknowledge(self, message: Json) -> None:
        waiting = self.waiting.get(message.get("envelope_id", ""))
        if waiting and not waiting.done():
            waiting.set_result(message.get("payload") or {})

    async def send(self, envelope_id: str, delivery: Delivery) -> asyncio.Future[Json]:
        """Waits for a connection; the future is what was acknowledged. Connections take turns."""
        acked = self.waiting[envelope_id] = asyncio.get_running_loop().create_future()
        envelope: Json = {"envelope_id": envelope_id, "type": delivery.kind, "payload": delivery.payload}
        envelope["accepts_response_payload"] = delivery.kind in FORMS
        if delivery.kind not in FORMS:
            envelope |= {"retry_attempt": delivery.retry_num, "retry_reason": delivery.reason}
        while True:
            await self.opened.wait()
            self.sent += 1
            socket, _ = self.open[self.sent % len(self.open)]
            try:
                await socket.send_json(envelope)
            except ConnectionError:
                self.forget(socket)
            else:
                return acked

    async def drop(self, reason: str | None = None, *, abruptly: bool = False) -> None:
        for socket, request in list(self.open):
            self.forget(socket)
            if reason:
                await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "double"}})
            elif abruptly and request.transport:
                request.transport.abort()
            else:
                await socket.close(code=aiohttp.WSCloseCode.GOING_AWAY)


class Wire:
    """Delivers to the app, and notes when it does not acknowledge in time."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace, self.problems = workspace, workspace.problems
        self.url: str | None = None  # None: Socket Mode
        self.acks: list[float] = []
        self.history: list[Delivery] = []
        self.last_request: tuple[bytes, dict[str, str]] | None = None
        self.sockets, self._numbers = Sockets(), 0
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def session(self) -> aiohttp.ClientSession:
        self._session = self._session or aiohttp.ClientSession()
        return self._session

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            self.problems.append(f"the double itself failed: {task.exception()!r}")

    async def settle(self) -> None:
        """Returns when everything sent so far was acknowledged or given up."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.sockets.drop()
        if self._session:
            await self._session.close()

    def deliver(self, delivery: Delivery, *, quietly: bool = False) -> None:
        """An event: sent in the background, once again if it is not acknowledged. *quietly*: not in the history."""
        if quietly and not (self.url or self.sockets.open):
            return
        if not quietly:
            self.history.append(delivery)
        self.start(self._deliver(delivery))

    async def _deliver(self, delivery: Delivery) -> None:
        acked, reason = await self._attempt(delivery, self.workspace.retry_after)
        if acked is None and reason:
            acked, _ = await self._attempt(delivery.again(reason), self.workspace.ack_within)
        if acked is None:
            self.problems.append(f"{delivery.name} was never acknowledged ({reason or 'X-Slack-No-Retry'})")

    async def ask(self, delivery: Delivery) -> Json | None:
        """An interaction or a command: sent once; what the app acknowledged with, or None."""
        self.history.append(delivery)
        acked, reason = await self._attempt(delivery, self.workspace.ack_within)
        if acked is None:
            self.problems.append(
                f"{delivery.name} was not acknowledged within {self.workspace.ack_within} s ({reason})"
            )
        return acked

    async def _attempt(self, delivery: Delivery, patience: float) -> tuple[Json | None, str]:
        """What was acknowledged, or None and Slack's word for why not."""
        return await (self._by_http(delivery) if self.url else self._by_socket(delivery, patience))

    def _note(self, delivery: Delivery, seconds: float) -> None:
        self.acks.append(seconds)
        if seconds > self.workspace.ack_within:
            self.problems.append(f"{delivery.name} was acknowledged after {seconds:.1f} s")

    async def _by_socket(self, delivery: Delivery, patience: float) -> tuple[Json | None, str]:
        self._numbers += 1
        connecting = self.workspace.ack_within if delivery.kind in FORMS else CONNECTED_WITHIN
        try:
            acked = await asyncio.wait_for(self.sockets.send(f"envelope-{self._numbers}", delivery), connecting)
        except TimeoutError:
            return None, "nobody is connected"
        started = time.monotonic()
        acked.add_done_callback(lambda _: self._note(delivery, time.monotonic() - started))
        await asyncio.wait([acked], timeout=patience)
        return (acked.result(), "") if acked.done() else (None, "timeout")

    async def _by_http(self, delivery: Delivery) -> tuple[Json | None, str]:
        headers = {"X-Slack-Retry-Num": str(delivery.retry_num), "X-Slack-Retry-Reason": delivery.reason}
        started = time.monotonic()
        try:
            answer = await self.post_signed(*encoded(delivery), headers=headers if delivery.retry_num else None)
            reason = "" if answer.status == 200 else "http_error"
        except TimeoutError:
            answer, reason = None, "http_timeout"
        except aiohttp.ClientError:
            answer, reason = None, "connection_failed"
        if answer and not reason:
            self._note(delivery, time.monotonic() - started)
            return answer.body, ""
        if answer and answer.headers.get("X-Slack-No-Retry") == "1":
            return None, ""
        if delivery.kind not in FORMS and not delivery.retry_num:
            await asyncio.sleep(self.workspace.retry_after)
        return None, reason

    async def post_signed(
        self,
        body: str | bytes | Json,
        content_type: str = "application/json",
        *,
        secret: str | None = None,
        age: float = 0,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Sends a request as Slack does, or with the wrong *secret*, or *age* seconds old."""
        raw = json.dumps(body) if isinstance(body, dict) else body
        raw = raw.encode() if isinstance(raw, str) else raw
        stamp = str(int(time.time() - age))
        signature = hmac.new(
            (secret or self.workspace.signing_secret).encode(), f"v0:{stamp}:".encode() + raw, hashlib.sha256
        )
        signed = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={signature.hexdigest()}"}
        self.last_request = (raw, {"Content-Type": content_type, **signed, **(headers or {})})
        return await self.replay()

    async def replay(self) -> Answer:
        """Sends the very same request as the last time."""
        assert self.url and self.last_request, "use_http first"
        raw, headers = self.last_request
        timeout = aiohttp.ClientTimeout(total=self.workspace.ack_within)
        async with self.session.post(self.url, data=raw, headers=headers, timeout=timeout) as response:
            return Answer(response.status, await response.text(), response.headers)


def encoded(delivery: Delivery) -> tuple[str, str]:
    """The body and the content type of a delivery over HTTP."""
    if delivery.kind == "events_api":
        return json.dumps(delivery.payload), "application/json"
    form = delivery.payload if delivery.kind == "slash_commands" else {"payload": json.dumps(delivery.payload)}
    return urlencode(form), "application/x-www-form-urlencoded"
