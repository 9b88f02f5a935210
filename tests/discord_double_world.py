"""What our double of Discord remembers: people, guilds, channels, messages, interactions; how each looks as JSON."""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from discord_double_rules import LOADING, Json, Refused, reads

EPOCH = 1_420_070_400_000  # milliseconds; ids count from here
TEXT, DIRECT, THREAD, PRIVATE_THREAD, FORUM = 0, 1, 11, 12, 15  # kinds of channels
SLASH, COMPONENT, AUTOCOMPLETE, MODAL = 2, 3, 4, 5  # kinds of interactions
VIEW, HAS_THREAD = 1 << 10, 1 << 5
# see, send, embed, attach, read history, react, commands, start threads and write in them
EVERYONE = VIEW | 1 << 11 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 6 | 1 << 31 | 1 << 35 | 1 << 38


@dataclass(kw_only=True)
class Posted:
    """One message as Discord keeps it."""

    id: int
    channel: int
    author: int
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    reference: int | None = None  # the message it replies to
    replied: bool = False  # and that one's author is pinged
    edits: int = 0
    flags: int = 0
    deleted: bool = False
    nonce: str | None = None
    reactions: dict[str, set[int]] = field(default_factory=dict)
    interaction: int | None = None  # the one it answers
    ephemeral_for: int | None = None
    at: float = field(default_factory=time.monotonic)

    @property
    def loading(self) -> bool:
        """Whether it shows “thinking” and nothing else yet."""
        return bool(self.flags & LOADING)

    @property
    def shown(self) -> str:
        """What a person reads."""
        return "\n".join(filter(None, [self.content, reads(self.embeds), reads(self.components)]))


@dataclass(kw_only=True)
class Channel:
    id: int
    kind: int
    name: str
    guild: int | None = None
    parent: int | None = None
    members: set[int] = field(default_factory=set)  # of a direct message channel
    private_to: tuple[int, ...] = ()  # roles
    owner: int = 0
    archived: bool = False


@dataclass(kw_only=True)
class Guild:
    id: int
    name: str
    owner: int
    members: list[int]
    roles: dict[int, "Role"] = field(default_factory=dict)


@dataclass(kw_only=True)
class Role:
    id: int
    name: str
    members: set[int]
    permissions: int = 0


@dataclass(kw_only=True)
class Interaction:
    """What somebody asked of the app, and how it was answered."""

    id: int
    token: str
    kind: int
    user: int
    channel: int
    message: Posted | None = None  # whose button it was
    at: float = field(default_factory=time.monotonic)
    answered_at: float | None = None
    answer: int | None = None  # the type of the callback
    deferred: bool = False
    ephemeral: bool = False
    original: Posted | None = None
    followups: list[Posted] = field(default_factory=list)
    modal: Json | None = None
    choices: list[Json] = field(default_factory=list)


@dataclass(frozen=True)
class Call:
    method: str
    route: str  # the path without /api/v10
    body: Any
    at: float  # time.monotonic()
    status: int  # what we answered; 0: the connection was dropped


class World:
    """The state and the questions one may ask of it."""

    def __init__(self) -> None:
        self._last_id = 0
        self.root, self.shards = "", 1  # where we are; how many GET /gateway/bot suggests
        self.token = "bot-token"
        self.tell: Callable[[str, Json], None] = lambda event, data: None  # the gateway's
        self.users: dict[int, Json] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.posts: dict[int, Posted] = {}
        self.nonces: dict[tuple[int, str], Posted] = {}
        self.files: dict[int, bytes] = {}
        self.interactions: dict[int, Interaction] = {}
        self.commands: list[Json] = []
        self.guild_commands: dict[int, list[Json]] = {}
        self.typing: list[tuple[int, float]] = []
        self.calls: list[Call] = []
        self.problems: list[str] = []
        self.expected_pings: set[int] = set()  # people and roles whom the app may call
        self.closed: set[int] = set()  # people who take no direct messages
        self.privileged = 1 << 15  # intents switched on for the app: message content
        self.answer_within, self.token_life, self.nonce_life = 3.0, 900.0, 300.0  # seconds; tests shrink them
        self.bot_user = self.application_id = self.add_user("pointsman", bot=True)

    def new_id(self) -> int:
        """A snowflake: the time and, within a millisecond, a number."""
        self._last_id = max((int(time.time() * 1000) - EPOCH) << 22, self._last_id + 1)
        return self._last_id

    @property
    def api_url(self) -> str:
        """For discord.http.Route.BASE."""
        return f"{self.root}/api/v10"

    @property
    def gateway_url(self) -> str:
        """For discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY."""
        return f"{self.root.replace('http', 'ws')}/gateway/"

    # who and where

    def add_user(self, name: str, *, bot: bool = False) -> int:
        user = self.new_id()
        self.users[user] = {"id": str(user), "username": name, "discriminator": "0", "avatar": None, "bot": bot}
        self.users[user] |= {"global_name": None if bot else name.title(), "public_flags": 0}
        return user

    def add_guild(self, name: str, members: Iterable[int] = ()) -> int:
        """The bot is in it, too; it belongs to somebody else."""
        guild = Guild(id=self.new_id(), name=name, owner=self.add_user("owner"), members=[self.bot_user, *members])
        guild.members.append(guild.owner)
        guild.roles[guild.id] = Role(id=guild.id, name="@everyone", members=set(guild.members), permissions=EVERYONE)
        self.guilds[guild.id] = guild
        self.tell("GUILD_CREATE", self.guild_json(guild))
        return guild.id

    def add_role(self, guild: int, name: str, members: Iterable[int], *, permissions: int = 0) -> int:
        role = Role(id=self.new_id(), name=name, members=set(members), permissions=permissions)
        self.guilds[guild].roles[role.id] = role
        self.tell("GUILD_ROLE_CREATE", {"guild_id": str(guild), "role": role_json(role)})
        return role.id

    def add_channel(self, guild: int, name: str, *, private_to_roles: Iterable[int] = (), kind: int = TEXT) -> int:
        """The bot sees it, whoever else does."""
        channel = Channel(id=self.new_id(), kind=kind, name=name, guild=guild, private_to=tuple(private_to_roles))
        return self._keep_channel(channel, "CHANNEL_CREATE").id

    def add_forum(self, guild: int, name: str) -> int:
        return self.add_channel(guild, name, kind=FORUM)

    def add_thread(
        self, parent: Channel, name: str, owner: int, *, id: int | None = None, private: bool = False
    ) -> int:
        thread = Channel(id=id or self.new_id(), kind=PRIVATE_THREAD if private else THREAD, name=name)
        thread.guild, thread.parent, thread.owner = parent.guild, parent.id, owner
        return self._keep_channel(thread, "THREAD_CREATE", newly_created=True).id

    def _keep_channel(self, channel: Channel, event: str, **more: Any) -> Channel:
        self.channels[channel.id] = channel
        self.tell(event, self.channel_json(channel) | more)
        return channel

    def dm(self, user: int) -> int:
        """The channel of direct messages between *user* and the bot, opened on demand."""
        both = {user, self.bot_user}
        found = (each.id for each in self.channels.values() if each.kind == DIRECT and each.members == both)
        channel = next(found, None) or self.new_id()
        self.channels.setdefault(channel, Channel(id=channel, kind=DIRECT, name="", members=both))
        return channel

    # messages

    def keep(self, posted: Posted) -> Posted:
        self.posts[posted.id] = posted
        if not posted.ephemeral_for:  # nobody else is told of those (our assumption)
            self.tell("MESSAGE_CREATE", self.message_json(posted))
        return posted

    def changed(self, posted: Posted) -> None:
        if not posted.ephemeral_for:
            self.tell("MESSAGE_UPDATE", self.message_json(posted))

    def remove(self, posted: Posted) -> None:
        posted.deleted = True
        if not posted.ephemeral_for:
            self.tell("MESSAGE_DELETE", {"id": str(posted.id), **self.place(posted.channel)})

    def react(self, posted: Posted, user: int, emoji: str, *, gone: bool = False) -> None:
        people = posted.reactions.setdefault(emoji, set())
        (people.discard if gone else people.add)(user)
        guild = self.guilds.get(self.channels[posted.channel].guild or 0)
        who: Json = {"user_id": str(user), "message_id": str(posted.id), "message_author_id": str(posted.author)}
        who |= {"member": self.member_json(guild, user)} if guild and not gone else {}
        about = {"emoji": {"id": None, "name": emoji}, "burst": False, "type": 0, **self.place(posted.channel)}
        self.tell(f"MESSAGE_REACTION_{'REMOVE' if gone else 'ADD'}", who | about)

    def find(self, message: int, channel: int | None = None) -> Posted:
        posted = self.posts.get(message)
        if posted is None or posted.deleted or channel not in (None, posted.channel):
            raise Refused(404, 10008, "Unknown Message")
        return posted

    def messages(self, channel: int) -> list[Posted]:
        """Everything that everybody sees there, oldest first."""
        found = (each for each in self.posts.values() if each.channel == channel)
        return [each for each in found if not each.deleted and not each.ephemeral_for]

    def answers(self, channel: int) -> list[Posted]:
        """The bot's among them, once they say something."""
        return [each for each in self.messages(channel) if each.author == self.bot_user and not each.loading]

    def ephemeral(self, user: int) -> list[Posted]:
        """What only *user* sees, once it says something."""
        found = (each for each in self.posts.values() if each.ephemeral_for == user)
        return [each for each in found if not each.deleted and not each.loading]

    def add_file(self, name: str, content: bytes, content_type: str = "text/plain") -> Json:
        file = self.new_id()
        self.files[file] = content
        about = {"id": str(file), "filename": name, "size": len(content), "content_type": content_type}
        url = f"{self.root}/attachments/{file}/{name}"
        return about | {"url": url, "proxy_url": url}

    # what was noticed

    def unfinished(self) -> list[str]:
        """Interactions that the app left open."""
        left = list(self.interactions.values())
        silent = [f"interaction {each.id} was never answered" for each in left if each.answer is None]
        thinking = [each for each in left if each.original and each.original.loading and not each.original.deleted]
        return [*silent, *(f"interaction {each.id} is still thinking" for each in thinking)]

    # how it looks as JSON

    def place(self, channel: int) -> Json:
        guild = self.channels[channel].guild
        return {"channel_id": str(channel)} | ({"guild_id": str(guild)} if guild else {})

    def permissions(self, guild: Guild, user: int) -> int:
        """What *user* may do in *guild*, leaving the channels' own rules aside."""
        granted = -1 if user == guild.owner else 0
        for role in guild.roles.values():
            granted |= role.permissions if user in role.members or role.id == guild.id else 0
        return granted & (1 << 50) - 1

    def member_json(self, guild: Guild, user: int, *, bare: bool = False) -> Json:
        """Bare: without the user, as within messages."""
        roles = [str(role.id) for role in guild.roles.values() if user in role.members and role.id != guild.id]
        member: Json = {"roles": roles, "joined_at": stamp(user), "deaf": False, "mute": False, "flags": 0}
        return member | {"nick": None, "pending": False} | ({} if bare else {"user": self.users[user]})

    def channel_json(self, channel: Channel) -> Json:
        made: Json = {"id": str(channel.id), "type": channel.kind, "name": channel.name, "last_message_id": None}
        if channel.kind == DIRECT:
            people = [self.users[each] for each in channel.members if each != self.bot_user]
            return made | {"recipients": people, "name": None}
        made |= {"guild_id": str(channel.guild), "position": 0, "nsfw": False, "rate_limit_per_user": 0, "flags": 0}
        if channel.kind in (THREAD, PRIVATE_THREAD):
            life = {"archived": channel.archived, "auto_archive_duration": 1440, "locked": False}
            counts = dict.fromkeys(("message_count", "member_count", "total_message_sent"), 0)
            made |= counts | {"thread_metadata": life | {"archive_timestamp": stamp(channel.id)}}
            return made | {"parent_id": str(channel.parent), "owner_id": str(channel.owner), "applied_tags": []}
        hidden = [{"id": str(channel.guild), "type": 0, "allow": "0", "deny": str(VIEW)}]
        seen = [{"id": str(each), "type": 0, "allow": str(VIEW), "deny": "0"} for each in channel.private_to]
        seen.append({"id": str(self.bot_user), "type": 1, "allow": str(VIEW), "deny": "0"})
        made["permission_overwrites"] = [*hidden, *seen] if channel.private_to else []
        made |= {"available_tags": [], "default_sort_order": None} if channel.kind == FORUM else {}
        return made | {"parent_id": None, "topic": None}

    def guild_json(self, guild: Guild, *, everybody: bool = False) -> Json:
        """As GUILD_CREATE has it; *everybody*: the intent for members was asked for."""
        inside = [each for each in self.channels.values() if each.guild == guild.id]
        members = guild.members if everybody else [self.bot_user]
        zero = ("verification_level", "default_message_notifications", "explicit_content_filter", "mfa_level")
        none = ("emojis", "stickers", "features", "presences", "voice_states", "stage_instances", "soundboard_sounds")
        made: Json = {name: [] for name in none} | dict.fromkeys((*zero, "premium_tier", "nsfw_level"), 0)
        return made | {
            "id": str(guild.id),
            "name": guild.name,
            "icon": None,
            "owner_id": str(guild.owner),
            "roles": [role_json(each) for each in guild.roles.values()],
            "members": [self.member_json(guild, each) for each in members],
            "member_count": len(guild.members),
            "channels": [self.channel_json(each) for each in inside if each.kind in (TEXT, FORUM)],
            "threads": [self.channel_json(each) for each in inside if each.kind in (THREAD, PRIVATE_THREAD)],
            "guild_scheduled_events": [],
            "preferred_locale": "en-US",
            "joined_at": stamp(guild.id),
            "large": False,
            "unavailable": False,
        }

    def mentioned(self, posted: Posted, guild: Guild | None) -> list[Json]:
        called = [int(each) for each in re.findall(r"<@!?(\d+)>", posted.content)]
        if posted.replied and posted.reference:
            called.append(self.posts[posted.reference].author)
        seen = {each: self.users[each] for each in called if each in self.users}
        if guild is None:
            return list(seen.values())
        return [about | {"member": self.member_json(guild, each, bare=True)} for each, about in seen.items()]

    def message_json(self, posted: Posted, *, nested: bool = False) -> Json:
        guild = self.guilds.get(self.channels[posted.channel].guild or 0)
        roles = [str(role) for role in guild.roles if f"<@&{role}>" in posted.content] if guild else []
        made: Json = {
            "id": str(posted.id),
            **self.place(posted.channel),
            "author": self.users[posted.author],
            "content": posted.content,
            "timestamp": stamp(posted.id),
            "edited_timestamp": datetime.now(UTC).isoformat() if posted.edits else None,
            "tts": False,
            "pinned": False,
            "mention_everyone": "@everyone" in posted.content or "@here" in posted.content,
            "mentions": self.mentioned(posted, guild),
            "mention_roles": roles,
            "attachments": posted.attachments,
            "embeds": posted.embeds,
            "components": posted.components,
            "flags": posted.flags,
            "type": 19 if posted.reference else 0,
        }
        for emoji, people in posted.reactions.items():
            about: Json = {"count": len(people), "me": self.bot_user in people, "emoji": {"id": None, "name": emoji}}
            about |= {"count_details": {"burst": 0, "normal": len(people)}, "burst_colors": [], "me_burst": False}
            made.setdefault("reactions", []).append(about)
        if posted.nonce is not None:
            made["nonce"] = posted.nonce
        if posted.flags & HAS_THREAD:
            made["thread"] = self.channel_json(self.channels[posted.id])
        if posted.interaction:
            made |= self._answer_json(self.interactions[posted.interaction])
        elif guild:
            made["member"] = self.member_json(guild, posted.author, bare=True)
        if posted.reference:
            target = self.posts[posted.reference]
            made["message_reference"] = {"message_id": str(target.id), **self.place(posted.channel)}
            if not nested:
                made["referenced_message"] = None if target.deleted else self.message_json(target, nested=True)
        return made

    def _answer_json(self, about: Interaction) -> Json:
        who = {"id": str(about.id), "authorizing_integration_owners": {}, "user": self.users[about.user]}
        metadata: Json = {"type": about.kind, **who}
        if about.kind == COMPONENT and about.message:
            metadata["interacted_message_id"] = str(about.message.id)
        if about.kind == MODAL:
            metadata["triggering_interaction_metadata"] = {"type": SLASH, **who}
        ours = {"application_id": str(self.application_id), "webhook_id": str(self.application_id)}
        return ours | {"interaction_metadata": metadata, "type": 20 if about.kind == SLASH else 0}


def stamp(snowflake: int) -> str:
    """When the id was given."""
    return datetime.fromtimestamp(((snowflake >> 22) + EPOCH) / 1000, UTC).isoformat()


def role_json(role: Role) -> Json:
    colors = {"primary_color": 0, "secondary_color": None, "tertiary_color": None}
    made: Json = {"id": str(role.id), "name": role.name, "color": 0, "colors": colors, "hoist": False, "position": 0}
    return made | {"permissions": str(role.permissions), "managed": False, "mentionable": True, "flags": 0}
