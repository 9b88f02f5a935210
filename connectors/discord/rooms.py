"""Who reads along in Discord: what everybody who sees a channel may read, and what one person may."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import aiohttp
import discord
import structlog

from bot.errors import ConnectorBusy, ConnectorError, InputError
from bot.messages import Message
from bot.ports import ExchangeStore, FileReader
from bot.settings import AccessSettings
from connectors.access import NOBODYS, labels_of, shared_labels
from connectors.desk import patiently
from connectors.discord.errors import refusals
from connectors.discord.events import file_url_is_discords, user_id
from connectors.files import at_most, shared_files
from connectors.proxies import proxy_for

log = structlog.get_logger()

FRESH_SECONDS = 60.0  # how long a person's roles are believed
MOST_KEPT = 10_000  # people whose roles are kept
FETCH_SECONDS = 60.0  # for a file

Channel = discord.abc.GuildChannel | discord.Thread | discord.abc.PrivateChannel | None


@dataclass
class DiscordRooms:
    """Looks up who reads along."""

    client: discord.Client
    access: Sequence[AccessSettings]
    exchanges: ExchangeStore
    read_file: FileReader
    session: aiohttp.ClientSession
    hosts: Sequence[str]  # from which files are fetched besides Discord's own
    patience: float = 5.0  # seconds for which it is tried to learn a person's roles
    _roles: dict[tuple[int, int], tuple[float, frozenset[str]]] = field(default_factory=dict)

    async def complete(self, message: Message, address: Mapping[str, str]) -> Message:
        """*message* with labels, files and whether it is private. Raises: InputError where a file cannot be read."""
        public, labels = await self.readers(address)
        name, passages = await shared_files(
            message, address, fetch=self._fetch, read=self.read_file, exchanges=self.exchanges
        )
        return replace(
            message, labels=labels, private=not public or passages is not None, passages=passages, source=name
        )

    async def readers(self, address: Mapping[str, str]) -> tuple[bool, frozenset[str]]:
        """Whether everybody on the server reads the answer, and the labels that all its readers share."""
        if address.get("private") or not address["guild"]:
            return False, await self.person(int(address["user"]))
        return self.room(self.client.get_channel(int(address["channel"])))

    def room(self, channel: Channel) -> tuple[bool, frozenset[str]]:
        """
        Whether everybody on the server sees *channel*, and the labels that all who see it share.

        Administrators see every channel and decide who else does; they do not count.
        """
        seen = channel.parent if isinstance(channel, discord.Thread) else channel
        if not isinstance(seen, discord.abc.GuildChannel):
            return False, NOBODYS
        if seen.permissions_for(seen.guild.default_role).view_channel:
            private_thread = isinstance(channel, discord.Thread) and channel.is_private()
            return not private_thread, NOBODYS
        return False, shared_labels(
            [*(self._of_roles([role]) for role in _viewing_roles(seen)), *map(self._known, _viewing_members(seen))]
        )

    async def person(self, user: int) -> frozenset[str]:
        """The labels of one person, by name and by the roles that count on any of our servers."""
        mine = self._known(user)
        counting = {name for entry in self.access for name in entry.members if name.startswith("discord:role:")}
        roles = [int(name.rpartition(":")[2]) for name in counting]
        for guild in self.client.guilds:
            if any(guild.get_role(role) for role in roles):
                mine |= await self._roles_in(guild, user)
        return mine

    async def _roles_in(self, guild: discord.Guild, user: int) -> frozenset[str]:
        until, labels = self._roles.get((guild.id, user), (0.0, NOBODYS))
        if until <= time.monotonic():
            try:
                labels = self._of_roles(await patiently(lambda: _roles(guild, user), patience=self.patience))
            except ConnectorBusy as exc:  # an answer from what everyone may read is better than none
                log.warning("the roles of an asker are not known for now", reason=str(exc))
                return NOBODYS
            if len(self._roles) >= MOST_KEPT:
                self._roles.clear()
            self._roles[guild.id, user] = (time.monotonic() + FRESH_SECONDS, labels)
        return labels

    def _of_roles(self, roles: Sequence[discord.Role]) -> frozenset[str]:
        return labels_of({f"discord:role:{role.id}" for role in roles}, self.access)

    def _known(self, member: int) -> frozenset[str]:
        return labels_of({user_id(member)}, self.access)

    async def _fetch(self, file: Mapping[str, str]) -> bytes:
        if not file_url_is_discords(file["url"], self.hosts):
            raise InputError("it is not kept at Discord; please upload it here")
        try:
            timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
            async with self.session.get(file["url"], timeout=timeout, proxy=proxy_for(file["url"])) as response:
                if response.status >= 400:
                    raise InputError("Discord no longer has it; please share it again")
                return await at_most(response.content)
        except (TimeoutError, aiohttp.ClientError) as exc:
            raise InputError("it could not be fetched from Discord; please share it again") from exc


async def _roles(guild: discord.Guild, user: int) -> Sequence[discord.Role]:
    """The roles of a member; somebody else has none. Raises: ConnectorBusy."""
    try:
        with refusals():
            return (await guild.fetch_member(user)).roles
    except ConnectorBusy:
        raise
    except ConnectorError:
        return ()


def _viewing_roles(channel: discord.abc.GuildChannel) -> list[discord.Role]:
    """The roles by which one sees *channel*; another bot that does is somebody without a label."""
    mine = channel.guild.self_role
    return [
        role
        for role in channel.guild.roles
        if not role.permissions.administrator
        and role != mine
        and not role.is_default()
        and channel.permissions_for(role).view_channel
    ]


def _viewing_members(channel: discord.abc.GuildChannel) -> list[int]:
    """The people to whom *channel* is shown by name."""
    return [
        target.id
        for target, overwrite in channel.overwrites.items()
        if not isinstance(target, discord.Role)
        and getattr(target, "type", None) is not discord.Role
        and overwrite.view_channel
        and target.id != channel.guild.me.id
    ]
