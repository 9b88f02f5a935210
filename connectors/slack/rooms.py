"""Who reads along in Slack: kinds of channels, their members, groups of users; and the files that people share."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
import structlog

from bot.errors import ConnectorBusy, ConnectorError, InputError
from bot.messages import Message
from bot.ports import ExchangeStore, FileReader
from bot.settings import AccessSettings
from connectors.access import NOBODYS, labels_of, shared_labels
from connectors.files import at_most, shared_files
from connectors.slack.api import SlackApi
from connectors.slack.events import IN_PRIVATE, user_id

log = structlog.get_logger()

FRESH_SECONDS = 60.0  # how long a membership is believed
MANY = 200  # members of a private channel; beyond, it is treated as a public one

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Room:
    """What everybody in a channel may read."""

    public: bool
    labels: frozenset[str]


@dataclass
class SlackRooms:
    """Looks up who reads along, and believes it for a minute."""

    api: SlackApi
    access: Sequence[AccessSettings]
    exchanges: ExchangeStore
    read_file: FileReader
    bot_user: Callable[[str], Awaitable[str]]  # of a team
    _kept: dict[tuple[str, ...], tuple[float, Any]] = field(default_factory=dict)

    async def complete(self, message: Message, address: Mapping[str, str]) -> Message:
        """
        *message* with its labels, its files, and whether it is private.

        Raises: InputError where a file cannot be read.
        """
        team, user, channel = address["team"], address["user"], address["channel"]
        if address["how"] == IN_PRIVATE:
            return replace(message, labels=await self.person(team, user), private=True)
        room = await self.room(team, channel, user, kind=address.get("kind", ""))
        name, passages = await shared_files(
            message, address, fetch=partial(self._fetch, team), read=self.read_file, exchanges=self.exchanges
        )
        return replace(
            message,
            labels=room.labels,
            private=not room.public or passages is not None,
            passages=passages,
            source=name,
        )

    async def person(self, team: str, user: str) -> frozenset[str]:
        """The labels of one person."""
        groups = {m for entry in self.access for m in entry.members if m.startswith("slack:usergroup:")}
        mine = {user_id(user)}
        for group in sorted(groups):
            if user in await self._group(team, group.rpartition(":")[2]):
                mine.add(group)
        return labels_of(mine, self.access)

    async def room(self, team: str, channel: str, user: str, *, kind: str = "") -> Room:
        """
        What may be said in a channel: in direct messages what *user* may read, else what all members may.

        *kind*: what an event called the channel; it saves a question that Slack answers fifty times a minute.
        """
        try:
            kind = kind or await self._remembered(("kind", team, channel), lambda: self._kind(team, channel))
            if kind == "channel":
                return Room(public=True, labels=NOBODYS)
            if kind == "im":
                return Room(public=False, labels=await self.person(team, user))
            return await self._remembered(("members", team, channel), lambda: self._private_room(team, channel))
        except ConnectorBusy:
            raise
        except ConnectorError as exc:
            log.warning("a channel cannot be looked up", channel=channel, reason=str(exc))
            return Room(public=False, labels=NOBODYS)

    async def _kind(self, team: str, channel: str) -> str:
        """Like the `channel_type` of events: channel, group, mpim or im."""
        info = (await self.api.call(team, "conversations.info", channel=channel))["channel"]
        kinds = {"is_im": "im", "is_mpim": "mpim", "is_private": "group", "is_group": "group"}
        return next((kind for flag, kind in kinds.items() if info.get(flag)), "channel")

    async def _private_room(self, team: str, channel: str) -> Room:
        if not self.access:
            return Room(public=False, labels=NOBODYS)
        members = []
        async for member in self.api.listed(team, "conversations.members", "members", channel=channel, limit=MANY):
            members.append(member)
            if len(members) > MANY:
                return Room(public=False, labels=NOBODYS)
        bot = await self.bot_user(team)
        people = [await self.person(team, member) for member in members if member != bot]
        return Room(public=False, labels=shared_labels(people))

    async def _group(self, team: str, group: str) -> frozenset[str]:
        async def users() -> frozenset[str]:
            try:
                found = await self.api.call(team, "usergroups.users.list", usergroup=group)
            except ConnectorBusy:
                raise
            except ConnectorError as exc:  # a group of another workspace, or the scope is missing
                log.warning("a user group cannot be looked up", group=group, reason=str(exc))
                return frozenset()
            return frozenset(found["users"])

        return await self._remembered(("group", team, group), users)

    async def _remembered(self, key: tuple[str, ...], look: Callable[[], Awaitable[T]]) -> T:
        until, value = self._kept.get(key, (0.0, None))
        if until < time.monotonic():
            value = await look()
            self._kept[key] = (time.monotonic() + FRESH_SECONDS, value)
        return value  # type: ignore[no-any-return]  # of the same key, so of the same kind

    async def _fetch(self, team: str, file: Mapping[str, Any]) -> bytes:
        if not self._is_slacks(file["url"]):  # the token goes to nobody else
            raise InputError("it is not kept at Slack; please upload it here")
        headers = {"Authorization": f"Bearer {await self.api.token(team)}"}
        try:
            async with self.api.session.get(file["url"], headers=headers) as response:
                # Without the right to read files Slack answers with a page for signing in.
                if response.status >= 400 or (
                    response.content_type == "text/html" and not file["name"].lower().endswith((".html", ".htm"))
                ):
                    raise InputError("Slack does not give it to me; an admin has to grant the scope files:read")
                return await at_most(response.content)
        except (TimeoutError, aiohttp.ClientError) as exc:
            raise InputError("it could not be fetched from Slack; please share it again") from exc

    def _is_slacks(self, url: str) -> bool:
        where, home = urlsplit(url), urlsplit(self.api.client.base_url)
        if where.netloc == home.netloc:
            return where.scheme == home.scheme
        host = where.hostname or ""
        return (
            where.scheme == "https" and host.endswith((".slack.com", ".slack-files.com"))
        ) or host == "slack-files.com"
