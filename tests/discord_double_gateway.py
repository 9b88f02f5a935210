"""The double's gateway: sessions that outlive their connections, what they missed, and how connections end."""

import asyncio
import json
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from discord_double_rules import Json
from discord_double_world import World

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 3, 6, 7, 9, 10, 11
MEMBERS, CONTENT = 1 << 1, 1 << 15
PRIVILEGED = MEMBERS | 1 << 8 | CONTENT
# event -> its intent in a guild and in direct messages; what is not listed needs none
INTENTS = {"MESSAGE_REACTION": (1 << 10, 1 << 13), "MESSAGE": (1 << 9, 1 << 12)} | dict.fromkeys(
    ("GUILD_", "CHANNEL", "THREAD"), (1, 1)
)
UNREADABLE: Json = {"content": "", "embeds": [], "attachments": [], "components": []}  # without the content's intent


@dataclass(eq=False)
class Link:
    """One connection."""

    socket: web.WebSocketResponse
    request: web.Request
    session: "Session | None" = None
    frozen: bool = False  # the network swallows what we send
    outbox: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    received: deque[float] = field(default_factory=deque)

    def send(self, op: int, data: Any = None) -> None:
        self.outbox.put_nowait(json.dumps({"op": op, "d": data, "s": None, "t": None}))

    async def write(self) -> None:
        while True:
            frame = await self.outbox.get()
            if not self.frozen and not self.socket.closed:
                await self.socket.send_str(frame)  # as text: discord.py inflates only binary frames


@dataclass(eq=False)
class Session:
    """What began with an IDENTIFY; its events are numbered from 1."""

    shard: int
    shards: int
    intents: int
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    sent: list[str] = field(default_factory=list)
    link: Link | None = None

    def wants(self, event: str, guild: int) -> bool:
        asked = next((each for prefix, each in INTENTS.items() if event.startswith(prefix)), None)
        heard = asked is None or self.intents & asked[0 if guild else 1]
        return bool(heard) and self.shard == ((guild >> 22) % self.shards if guild else 0)

    def push(self, event: str, data: Json) -> None:
        """Sends it if somebody listens; keeps it for a RESUME."""
        frame = json.dumps({"op": DISPATCH, "t": event, "s": len(self.sent) + 1, "d": data})
        self.sent.append(frame)
        if self.link:
            self.link.outbox.put_nowait(frame)


class Gateway:
    """Serves one app, in one or more shards."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.heartbeat, self.identify_every = 41.25, 5.0  # seconds; tests shrink them
        self.replay_duplicates = 0  # so many events that were seen come again at a RESUME; True is 1
        self.sessions: dict[str, Session] = {}
        self.links: list[Link] = []
        self.identifies: list[float] = []  # time.monotonic(); those granted
        self.resumes: list[float] = []  # the same
        self.presence: Json | None = None

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        link = Link(web.WebSocketResponse(timeout=1.0), request)
        await link.socket.prepare(request)
        self.links.append(link)
        link.send(HELLO, {"heartbeat_interval": int(self.heartbeat * 1000)})
        writer = asyncio.create_task(link.write())
        try:
            async for message in link.socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    await self._receive(link, message.data)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            self._forget(link)
        return link.socket

    def _forget(self, link: Link) -> None:
        if link in self.links:
            self.links.remove(link)
        if link.session and link.session.link is link:
            link.session.link = None
            if link.socket.close_code in (1000, 1001):  # the app said good-bye: the session is over
                self.sessions.pop(link.session.id, None)

    # what the app sends

    async def _receive(self, link: Link, frame: str) -> None:
        self._count(link, frame)
        payload = json.loads(frame)
        op, data = payload["op"], payload.get("d")
        if op == HEARTBEAT:
            link.send(ACK)
        elif op == PRESENCE:
            self.presence = data
        elif op not in (IDENTIFY, RESUME):
            self.world.problems.append(f"the double knows no gateway op {op}")
        elif data["token"] != self.world.token:
            await link.socket.close(code=4004, message=b"Authentication failed.")
        elif link.session:
            await link.socket.close(code=4005, message=b"Already authenticated.")
        elif op == RESUME:
            self._resume(link, data)
        elif data["intents"] & PRIVILEGED & ~self.world.privileged:
            await link.socket.close(code=4014, message=b"Disallowed intent(s).")
        else:
            self._identify(link, data)

    def _count(self, link: Link, frame: str) -> None:
        """https://docs.discord.com/developers/events/gateway: 120 sends a minute, of 4096 bytes."""
        now = time.monotonic()
        link.received.append(now)
        while link.received[0] < now - 60:
            link.received.popleft()
        if len(link.received) == 121 or len(frame.encode()) > 4096:
            self.world.problems.append("too much was sent over the gateway")

    def _identify(self, link: Link, data: Json) -> None:
        now = time.monotonic()
        early = bool(self.identifies) and now < self.identifies[-1] + 0.99 * self.identify_every
        if early:
            self.world.problems.append("IDENTIFY came too often")
            link.send(INVALID, data=False)
            return
        self.identifies.append(now)
        shard, shards = data.get("shard") or (0, 1)
        session = link.session = Session(shard, shards, data["intents"], link=link)
        self.sessions[session.id] = session
        inside = [each for each in self.world.guilds.values() if (each.id >> 22) % shards == shard]
        ready: Json = {"v": 10, "user": self.world.users[self.world.bot_user], "session_id": session.id}
        ready |= {"guilds": [{"id": str(each.id), "unavailable": True} for each in inside], "shard": [shard, shards]}
        ready |= {"application": {"id": str(self.world.application_id), "flags": 0}}
        session.push("READY", ready | {"resume_gateway_url": f"{self.world.root.replace('http', 'ws')}/resume/"})
        for guild in inside:
            session.push("GUILD_CREATE", self.world.guild_json(guild, everybody=bool(session.intents & MEMBERS)))

    def _resume(self, link: Link, data: Json) -> None:
        session, seen = self.sessions.get(data["session_id"] or ""), data["seq"]
        if session is None or seen is None or seen > len(session.sent):
            link.send(INVALID, data=False)
            return
        self.resumes.append(time.monotonic())
        link.session, session.link = session, link
        for frame in session.sent[max(0, seen - int(self.replay_duplicates)) :]:
            link.outbox.put_nowait(frame)
        resumed = {"op": DISPATCH, "t": "RESUMED", "s": len(session.sent), "d": {"_trace": []}}
        link.outbox.put_nowait(json.dumps(resumed))

    # what we send

    def dispatch(self, event: str, data: Json) -> None:
        """To every session that it concerns, connected or not."""
        guild = int(data["id"] if event == "GUILD_CREATE" else data.get("guild_id") or 0)
        for session in self.sessions.values():
            if session.wants(event, guild):
                session.push(event, self._readable(event, data) if guild and not session.intents & CONTENT else data)

    def _readable(self, event: str, data: Json) -> Json:
        """What the app gets of a guild's message without the privileged intent for contents."""
        ours = str(self.world.bot_user)
        if event not in ("MESSAGE_CREATE", "MESSAGE_UPDATE") or data["author"]["id"] == ours:
            return data
        return data if ours in [each["id"] for each in data["mentions"]] else data | UNREADABLE

    async def drop(self, code: int, *, resumable: bool) -> None:
        for link in list(self.links):
            self._part(link, resumable=resumable)
            if code == 1006 and link.request.transport:
                link.request.transport.abort()
            else:
                await link.socket.close(code=code)

    def _part(self, link: Link, *, resumable: bool) -> None:
        """The session goes on without the connection, or ends."""
        if link.session:
            link.session.link = None
            if not resumable:
                self.sessions.pop(link.session.id, None)
            link.session = None

    def invalidate(self, *, resumable: bool) -> None:
        for link in self.links:
            self._part(link, resumable=resumable)
            link.send(INVALID, data=resumable)

    def ask_to_reconnect(self) -> None:
        for link in self.links:
            link.send(RECONNECT)

    def freeze(self) -> None:
        for link in self.links:
            link.frozen = True

    async def close(self) -> None:
        await self.drop(1001, resumable=False)
