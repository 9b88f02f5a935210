"""
Discord: mentions, replies, direct messages, `/ask`, threads and forum posts, votes and moderators' commands.

Each question is stored before Discord is told that it arrived; the desk answers in tasks of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import aiohttp
import discord
import structlog
import yarl
from pydantic import SecretStr

from bot import wording
from bot.errors import ConnectorBusy, ConnectorError
from bot.files import whole
from bot.messages import Message, Pending
from bot.ports import ChannelStore, FeedbackHandler, MessageHandler, OnText
from bot.settings import DiscordSettings
from connectors.desk import Errands, Screen, patiently
from connectors.discord import events as discord_events
from connectors.discord.commands import fingerprint, tree_for
from connectors.discord.errors import refusals
from connectors.discord.events import INTERACTION, NONE, PLATFORM
from connectors.discord.feedback import DiscordFeedback
from connectors.discord.own_data import DeleteMyDataButton
from connectors.discord.rooms import DiscordRooms
from connectors.discord.screen import DiscordScreen
from connectors.discord.sheets import InteractionSheet, ReplySheet
from connectors.discord.talks import DiscordTalks
from connectors.discord.views import DYNAMIC
from connectors.parts import Parts
from connectors.proxies import proxy_for

log = structlog.get_logger()

TYPING_SECONDS = 8.0  # Discord shows "is typing" for ten
PAGES = "https://discord.com/developers/applications"
WRONG_TOKEN = (
    f"Discord does not accept DISCORD_BOT_TOKEN; copy it anew from the page Bot of your application at {PAGES}"
)
NO_INTENT = (
    "Discord does not give the bot the Message Content Intent; switch it on at the page Bot of your application at "
    + PAGES
)
# https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes
CLOSED = {
    4004: WRONG_TOKEN,
    4011: "Discord wants several connections for a bot on so many servers; set [discord] sharded = true",
}
FIRST_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)  # seconds between tries to connect for the first time
NO_PERMISSION = (
    "I may not write where you asked me. Please ask a moderator to give me the permission to send messages there."
)


def intents() -> discord.Intents:
    """What we have to hear of, and nothing else."""
    wanted = discord.Intents.none()
    wanted.guilds = True
    wanted.guild_messages = wanted.dm_messages = True
    wanted.guild_reactions = wanted.dm_reactions = True
    wanted.message_content = True  # privileged: for threads in which the bot takes part, and automatic answers
    return wanted


@dataclass
class DiscordConnector:
    """One Discord bot, on as many servers as invite it."""

    parts: Parts
    token: SecretStr
    channels: ChannelStore
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        return PLATFORM

    async def run(self, on_message: MessageHandler, on_feedback: FeedbackHandler) -> None:
        """
        Answer until cancelled.

        Raises: ConnectorError at the start, naming the token or intent that is wrong.
        """
        point_elsewhere(self.parts.settings.discord)
        async with self.client(on_message, on_feedback) as client:
            try:
                await client.start(self.token.get_secret_value())
            except discord.LoginFailure as exc:
                raise ConnectorError(WRONG_TOKEN) from exc
            except discord.PrivilegedIntentsRequired as exc:
                raise ConnectorError(NO_INTENT) from exc
            except discord.ConnectionClosed as exc:
                raise ConnectorError(CLOSED.get(exc.code, f"Discord closed the connection ({exc.code})")) from exc
            except (discord.HTTPException, discord.GatewayNotFound, aiohttp.ClientError, OSError) as exc:
                raise ConnectorError(
                    f"Discord cannot be reached ({exc}); check the network, the proxy and [discord] in pointsman.toml"
                ) from exc

    @asynccontextmanager
    async def client(self, on_message: MessageHandler, on_feedback: FeedbackHandler) -> AsyncIterator["DiscordClient"]:
        """The client, not yet connected; closed when the block ends."""
        async with aiohttp.ClientSession() as session:
            sharded = self.parts.settings.discord.sharded
            client = (ShardedClient if sharded else DiscordClient)(self, session, on_message, on_feedback)
            try:
                yield client
            finally:
                await client.desk.close()
                await client.errands.close()
                await client.close()


def point_elsewhere(settings: DiscordSettings) -> None:
    """discord.py knows where Discord is by two variables of its classes, and by nothing else."""
    discord.http.Route.BASE = settings.api_base_url
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.gateway_url)


async def connect_by_its_own_proxy(
    http: discord.http.HTTPClient, url: str, *, compress: int = 0
) -> aiohttp.ClientWebSocketResponse:
    """A connection to the gateway, which is another host than the API: NO_PROXY may name one of them."""
    gateway = copy(http)
    gateway.proxy = proxy_for(url)
    return await type(http).ws_connect(gateway, url, compress=compress)


class DiscordClient(discord.Client):
    """Hears what happens on Discord."""

    async def connect(self, *, reconnect: bool = True) -> None:
        """
        As discord.py's, which tries a first connection once only: it looks for the session of the one before.

        Raises: ConnectorError if none succeeds.
        """
        for pause in FIRST_PAUSES:
            try:
                return await super().connect(reconnect=reconnect)
            except AttributeError:
                if getattr(self, "ws", None):  # typed as if it were always there; then it is another mistake
                    raise
            log.warning("Discord's gateway cannot be reached yet", seconds=pause)
            await asyncio.sleep(pause)
        raise ConnectorError(
            f"Discord cannot be reached at {discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY}; check the network, the "
            "proxy and [discord] gateway_url"
        )

    def __init__(
        self,
        connector: DiscordConnector,
        session: aiohttp.ClientSession,
        on_message: MessageHandler,
        on_feedback: FeedbackHandler,
    ) -> None:
        parts, settings = connector.parts, connector.parts.settings
        proxy = proxy_for(settings.discord.api_base_url)
        super().__init__(intents=intents(), allowed_mentions=NONE, max_messages=None, proxy=proxy)
        # discord.py has one proxy for all hosts, and no other way to give the gateway its own
        self.http.ws_connect = partial(connect_by_its_own_proxy, self.http)  # type: ignore[method-assign]  # as said
        self.settings, self.people, self.channels = settings, parts.people, connector.channels
        self._synced = settings.storage.directory / "discord-commands"
        self.errands = Errands()
        self.rooms = DiscordRooms(
            client=self,
            access=settings.access,
            exchanges=parts.exchanges,
            read_file=parts.read_file,
            session=session,
            hosts=[urlsplit(settings.discord.api_base_url).netloc],
        )
        self.talks = DiscordTalks(
            client=self,
            inbox=parts.inbox,
            exchanges=parts.exchanges,
            channels=connector.channels,
            domains=settings.domains,
        )
        self.desk = parts.desk(self, on_message, sign_seconds=TYPING_SECONDS)
        self.feedback = DiscordFeedback(
            client=self,
            rooms=self.rooms,
            exchanges=parts.exchanges,
            votes=parts.votes_on(PLATFORM, on_feedback),
            domains=settings.domains,
        )
        self.tree = tree_for(self)
        self._resumed, self._ready_for_questions = False, connector.ready
        self._begun: WeakValueDictionary[str, DiscordScreen] = WeakValueDictionary()  # by the id of a growing answer

    @property
    def name(self) -> str:
        return PLATFORM

    def screen(self, pending: Pending, begun: OnText) -> Screen:
        """Where this answer is read."""

        async def noted(shown: str) -> None:
            self._begun[shown.rpartition(":")[2]] = screen
            await begun(shown)

        sheet = (InteractionSheet if pending.address["how"] == INTERACTION else ReplySheet)(self, pending, noted)
        screen = DiscordScreen(sheet, pending, self.settings.domains, self.errands)
        if pending.begun:
            self._begun[pending.begun.rpartition(":")[2]] = screen
        return screen

    async def complete(self, message: Message, address: Mapping[str, str]) -> Message:
        """The message with labels and files."""
        return await self.rooms.complete(message, address)

    def dispatch(self, event: str, /, *args: object, **more: object) -> None:
        """Tell our listeners; none while we leave: discord.py keeps a task that would tell of a beginning."""
        if not self.is_closed():
            super().dispatch(event, *args, **more)

    async def setup_hook(self) -> None:
        """Once, before connecting: the buttons of old answers work again, changed commands are made known."""
        self.add_dynamic_items(*DYNAMIC, DeleteMyDataButton)
        await self._make_commands_known()

    async def _make_commands_known(self) -> None:
        current = f"{self.application_id} {fingerprint(self.tree)}"
        if self._synced.is_file() and await asyncio.to_thread(_read, self._synced) == current:
            return
        try:
            with refusals():
                await self.tree.sync()
        except ConnectorBusy as exc:  # the ones that Discord has still work; the next start tries again
            log.warning("the commands could not be made known", reason=str(exc))
        else:
            await asyncio.to_thread(_write, self._synced, current)

    async def on_ready(self) -> None:
        """After each new session; what an earlier process left is answered at the first."""
        if not self._resumed:
            await self.desk.resume()
            self._resumed = True
            self._ready_for_questions.set()

    async def on_message(self, message: discord.Message) -> None:
        """A question, perhaps."""
        me = self.user.id if self.user else 0
        if not discord_events.said_by_a_person(message, me):
            return
        thread = await self.talks.meant_for(message, me)
        if thread is not None:
            bound, title = await self.talks.bound(message.channel), await self.talks.title(message)
            await self.desk.take(*discord_events.said(message, me, thread=thread, bound=bound, title=title))

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        """Nobody wants the answer to a deleted question, nor the rest of a deleted answer."""
        self._drop(event.message_id)

    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        """The same for many."""
        for message in event.message_ids:
            self._drop(message)

    def _drop(self, message: int) -> None:
        growing = self._begun.get(str(message))
        self.desk.drop(growing.pending.message.id if growing is not None else f"discord:{message}")

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        """A vote, perhaps."""
        await self.feedback.reacted(event, added=True)

    async def on_raw_reaction_remove(self, event: discord.RawReactionActionEvent) -> None:
        """A vote taken back, perhaps."""
        await self.feedback.reacted(event, added=False)

    async def on_error(self, event: str, /, *args: object, **_: object) -> None:
        """An edge of the program: whoever asks gets an answer or an apology, also from a defect of ours."""
        log.exception("an event of Discord could not be dealt with", kind=event)
        message = args[0] if event == "on_message" and args else None
        me = self.user.id if self.user else 0
        if isinstance(message, discord.Message) and discord_events.is_addressed(message, me):
            with suppress(ConnectorError), refusals():
                await message.reply(wording.sorry(wording.APOLOGY), mention_author=False, allowed_mentions=NONE)

    async def refused(self, message: Message, address: Mapping[str, str], reason: str) -> None:
        """Where an answer may not be written: say so in direct messages, if the asker takes any."""
        nonce = f"{message.id.rpartition(':')[2]}.no"

        async def tell() -> None:
            with refusals():
                user = await self.fetch_user(int(address["user"]))
                await user.send(NO_PERMISSION, allowed_mentions=NONE, nonce=nonce)

        with suppress(ConnectorError):
            await patiently(tell)


class ShardedClient(DiscordClient, discord.AutoShardedClient):
    """For bots on more than 2,500 servers, where Discord asks for several connections."""


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")
