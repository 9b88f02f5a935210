"""What our double of Slack remembers: people, channels, messages, views, sessions, and what it noticed."""

import copy
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from slack_double_blocks import Json, elements_of
from slack_double_rules import Refused, pings, reads

APP = "A1"
Kind = Literal["channel", "group", "im", "mpim"]
READS = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}  # how scopes call the kinds
EVENT_SCOPES = {"app_mention": "app_mentions:read", "reaction_added": "reactions:read"} | {
    "reaction_removed": "reactions:read"
}


@dataclass(kw_only=True)
class Posted:
    """One message as Slack keeps it."""

    channel: str
    ts: str
    user: str
    text: str = ""
    blocks: list[Json] = field(default_factory=list)
    thread_ts: str | None = None
    streaming: bool = False
    streamed: bool = False  # it was written by chat.*Stream, and not edited since
    ephemeral_for: str | None = None
    metadata: Json | None = None
    files: list[Json] = field(default_factory=list)
    tasks: dict[str, Json] = field(default_factory=dict)  # of a stream, by id; its plan has the id ""
    deleted: bool = False
    edits: int = 0
    reactions: dict[str, set[str]] = field(default_factory=dict)
    subtype: str | None = None
    team: str = ""

    @property
    def shown(self) -> str:
        """What a person reads: the blocks, or else `text`; of a stream, what was appended and the blocks at its end."""
        text = self.text if self.streamed or not self.blocks else ""
        return "\n".join(filter(None, [text, reads(self.blocks)]))

    @property
    def thread(self) -> str:
        return self.thread_ts or self.ts


@dataclass(kw_only=True)
class Channel:
    id: str
    kind: Kind
    members: set[str]
    topic: str = ""


@dataclass(frozen=True)
class Call:
    method: str
    args: Json
    at: float  # time.monotonic()
    error: str | None = None  # what we answered, if not ok
    team: str | None = None


@dataclass
class Trigger:
    """A trigger_id, or a response_url: for whom, about what, since when and how often used."""

    user: str
    at: float
    uses: int = 0
    view: str | None = None
    channel: str = ""
    about: Posted | None = None


class Workspace:
    """The state and the questions one may ask of it."""

    bot_user, bot_id = "UBOT", "BBOT"
    client_id, client_secret, signing_secret = "11.22", "client-secret", "signing-secret"

    def __init__(self, team: str) -> None:
        self.team, self.bot_token, self.app_token = team, f"xoxb-{team}-1", f"xapp-1-{APP}-{team}-1"
        self.tokens: dict[str, str] = {self.bot_token: team}  # token -> team; oauth.v2.access adds to it
        self.revoked: set[str] = set()
        self.codes: dict[str, str] = {}  # OAuth code -> team
        self.scopes: set[str] = set()
        self.events: set[str] | None = None  # the manifest's bot_events; None: all
        self.agent = True
        self.ack_within, self.trigger_life = 3.0, 3.0  # seconds
        self.retry_after, self.minute = 1.0, 60.0  # seconds; tests shrink them
        self.page_size = 100
        self.users: dict[str, Json] = {}
        self.channels: dict[str, Channel] = {}
        self.usergroups: dict[str, list[str]] = {}
        self.files: dict[str, tuple[Json, bytes]] = {}
        self.posts: list[Posted] = []
        self.views: dict[str, Json] = {}  # open modals
        self.viewers: dict[str, str] = {}  # view id -> user
        self.homes: dict[str, Json] = {}
        self.triggers: dict[str, Trigger] = {}
        self.responses: dict[str, Trigger] = {}
        self.statuses: list[tuple[str, str, str]] = []
        self.current: dict[tuple[str, str], tuple[str, float]] = {}
        self.sessions: dict[tuple[str, str], str] = {}
        self.titles: list[tuple[str, str, str]] = []
        self.suggested_prompts: list[Json] = []
        self.calls: list[Call] = []
        self.problems: list[str] = []
        self.outbox: list[Json] = []  # events about what the app itself did
        self._last_ts, self._numbers = 0.0, count(1)
        self.add_user(self.bot_user, "pointsman", bot=True)

    # who and where

    def add_user(self, id: str, name: str, *, bot: bool = False, guest: bool = False) -> str:
        """People get their direct message channel with the bot, too."""
        self.users[id] = {
            "id": id,
            "team_id": self.team,
            "name": name,
            "real_name": name.title(),
            "deleted": False,
            "is_bot": bot,
            "is_restricted": guest,
            "is_ultra_restricted": False,
            "tz": "Europe/Amsterdam",
            "profile": {"display_name": name, "real_name": name.title(), "bot_id": self.bot_id if bot else None},
        }
        if not bot:
            self.channels[f"D{id[1:]}"] = Channel(id=f"D{id[1:]}", kind="im", members={id, self.bot_user})
        return id

    def add_channel(
        self,
        id: str,
        *,
        private: bool = False,
        mpim: bool = False,
        members: Iterable[str] | None = None,
        topic: str = "",
    ) -> str:
        """Without *members*, everyone there is by now, the bot too; with them, exactly those: name the bot as well."""
        kind: Kind = "mpim" if mpim else "group" if private else "channel"
        self.channels[id] = Channel(
            id=id, kind=kind, members=set(self.users if members is None else members), topic=topic
        )
        return id

    def add_usergroup(self, id: str, members: Iterable[str]) -> str:
        self.usergroups[id] = list(members)
        return id

    def reachable(self, id: object, *, member: bool = False) -> Channel:
        """The channel as the app may see it; the id of a person stands for their direct messages."""
        channel = self.channels.get(f"D{id[1:]}" if isinstance(id, str) and id in self.users else str(id))
        if channel is None or (channel.kind != "channel" and self.bot_user not in channel.members):
            raise Refused("channel_not_found")  # private channels do not exist for those outside (memory)
        if member and self.bot_user not in channel.members:
            raise Refused("not_in_channel")
        return channel

    # messages

    def new_ts(self) -> str:
        self._last_ts = max(time.time(), self._last_ts + 0.000_002)
        return f"{self._last_ts:.6f}"

    def new_id(self, prefix: str) -> str:
        return f"{prefix}{next(self._numbers):06d}"

    def with_ids(self, blocks: list[Json]) -> list[Json]:
        """A copy of *blocks* in which Slack has given an id to what had none."""
        copied = copy.deepcopy(blocks)
        for block in copied:
            block.setdefault("block_id", self.new_id("b"))
        for _, element in elements_of(copied):
            element.setdefault("action_id", self.new_id("a"))
        return copied

    def keep(self, posted: Posted) -> Posted:
        posted.team = posted.team or self.team
        self.posts.append(posted)
        return posted

    def find(self, channel: str, ts: object) -> Posted:
        for posted in self.posts:
            if (posted.channel, posted.ts) == (channel, ts) and not posted.deleted and not posted.ephemeral_for:
                return posted
        raise Refused("message_not_found")

    def messages(self, channel: str, thread_ts: str | None = None) -> list[Posted]:
        """Everything to be seen in *channel*, or in one thread of it (its root first)."""
        found = [each for each in self.posts if each.channel == channel and not each.deleted and not each.ephemeral_for]
        return [each for each in found if thread_ts in (None, each.thread)]

    def answers(self, channel: str, thread_ts: str | None = None) -> list[Posted]:
        """The bot's among them; a stream counts from its start."""
        return [each for each in self.messages(channel, thread_ts) if each.user == self.bot_user]

    def ephemeral(self, user: str) -> list[Posted]:
        return [each for each in self.posts if each.ephemeral_for == user and not each.deleted]

    def message_json(self, posted: Posted) -> Json:
        root = posted.thread_ts is None and len(self.messages(posted.channel, posted.ts)) > 1
        made: Json = {"type": "message", "user": posted.user, "text": posted.text, "ts": posted.ts, "team": posted.team}
        made |= {"blocks": posted.blocks} if posted.blocks else {}
        made |= {"thread_ts": posted.thread} if posted.thread_ts or root else {}
        made |= {"subtype": posted.subtype} if posted.subtype else {}
        made |= {"files": posted.files} if posted.files else {}
        made |= {"metadata": posted.metadata} if posted.metadata else {}
        made |= {"edited": {"user": posted.user, "ts": posted.ts}} if posted.edits else {}
        if self.users[posted.user]["is_bot"]:
            ours = posted.user == self.bot_user
            made |= {"bot_id": self.bot_id, "app_id": APP} if ours else {"bot_id": f"B{posted.user[1:]}"}
        if posted.reactions:
            made["reactions"] = [{"name": n, "users": sorted(u), "count": len(u)} for n, u in posted.reactions.items()]
        return made

    # events

    def wants(self, event: Json) -> bool:
        """Whether the app subscribed to *event*, and has the scope for it."""
        kind = event.get("channel_type")
        name = f"message.{READS[kind]}" if kind else event["type"]
        scope = f"{READS[kind]}:history" if kind else EVENT_SCOPES.get(name)
        return (self.events is None or name in self.events) and (scope is None or scope in self.scopes)

    def wrapped(self, event: Json, *, event_id: str | None = None, team: str | None = None) -> Json:
        """The payload in which an event travels."""
        team = team or event.get("team") or self.team
        bot = {"enterprise_id": None, "team_id": team, "user_id": self.bot_user, "is_bot": True}
        return {
            "token": "verification",
            "team_id": team,
            "api_app_id": APP,
            "event": event,
            "type": "event_callback",
            "event_id": event_id or self.new_id("Ev"),
            "event_time": int(time.time()),
            "authorizations": [{**bot, "is_enterprise_install": False}],
            "is_ext_shared_channel": False,
        }

    # agents

    def status(self, channel: str, thread_ts: str) -> str:
        """What is shown below the thread; Slack itself takes it away after two minutes."""
        status, since = self.current.get((channel, thread_ts), ("", 0.0))
        return status if time.monotonic() - since < 2 * self.minute else ""

    # views and answers to interactions

    def home(self, user: str) -> Json | None:
        return self.homes.get(user)

    def modal(self, user: str) -> Json | None:
        """The topmost modal that *user* sees."""
        return next((view for view in reversed(self.views.values()) if self.viewers[view["id"]] == user), None)

    def new_trigger(self, user: str, *, view: str | None = None) -> str:
        trigger_id = f"1.{len(self.triggers)}.{self.new_id('t')}"
        self.triggers[trigger_id] = Trigger(user, time.monotonic(), view=view)
        return trigger_id

    # what was noticed

    def count(self, method: str) -> int:
        return sum(call.method == method for call in self.calls)

    def look_for_pings(self, where: str, channel: str, thread_ts: str | None, *texts: object, asker: str = "") -> None:
        """Notes markup that calls people, other than those who wrote in this thread."""
        known = {each.user for each in self.messages(channel, thread_ts or "")} | {asker, self.bot_user}
        known |= self.channels[channel].members if self.channels[channel].kind == "im" else set()
        known |= {trigger.user for trigger in self.triggers.values()}  # who pressed something of the app's may be named
        found = pings((each if isinstance(each, str) else reads(each) for each in texts), known)
        self.problems += [f"{where} pings: {one}" for one in found if f"{where} pings: {one}" not in self.problems]

    def unfinished(self) -> list[str]:
        """What the app left behind: open streams, statuses, sessions."""
        return [
            *(f"stream {each.ts} in {each.channel} is still open" for each in self.posts if each.streaming),
            *(f"status {self.status(*key)!r} is still on in {key}" for key in self.current if self.status(*key)),
            *(f"session {key} is still processing" for key, status in self.sessions.items() if status == "processing"),
        ]
