"""A server on simcord with a bot of ours, whose assistant answers at once or as a test likes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import discord
import simcord
from aiohttp import web
from patience import PATIENCE
from pydantic import SecretStr
from simcord.backend.cdn import CdnStore
from simcord.backend.serializers import role_payload
from simcord.enums import ChannelType
from slack_bot import ANSWER, MortalInbox, Pause, ScriptedAssistant, new_database, openers, read_text

from bot.errors import StoreError
from bot.messages import Exchange, Feedback
from bot.settings import DomainSettings, Settings
from bot.store.audit import SqlAudit
from bot.store.channels import SqlChannels
from bot.store.database import Database, open_database
from bot.store.exchanges import SqlExchangeStore
from bot.store.feedback import SqlFeedbackStore
from bot.store.people import SqlPeople
from connectors.discord.connector import DiscordClient, DiscordConnector
from connectors.parts import Parts

__all__ = ["ANSWER", "ASKED", "BILLING", "QUESTION", "Bot", "Pause", "bot_on_discord", "button", "texts"]

BILLING = DomainSettings(name="billing", description="Invoices and refunds")
QUESTION = "When is my refund?"
ASKED = f"**{QUESTION}**\n{ANSWER}"  # what a command shows

Prepared = Callable[[ScriptedAssistant], object]


class Inbox(MortalInbox):
    """One whose process, where it dies, is seen by simcord to do nothing more."""

    async def _survive(self, step: str) -> None:
        if step == self.dies_at:
            self.died.set()
            await asyncio.sleep(3600)


@dataclass(frozen=True)
class Exchanges(SqlExchangeStore):
    """Exchanges that cannot be read as often as a test likes."""

    refusals: list[StoreError] = field(default_factory=list)

    async def find(self, reply: str) -> Exchange | None:
        if self.refusals:
            raise self.refusals.pop()
        return await super().find(reply)


class Files(CdnStore):
    """What people upload, served on this machine."""

    def __init__(self) -> None:
        super().__init__()
        self.host, self.data, self.lose = "", dict[str, bytes](), False

    def store_attachment(
        self, attachment_id: int, channel_id: int, filename: str, data: bytes, description: str | None
    ) -> dict[str, Any]:
        kept = super().store_attachment(attachment_id, channel_id, filename, data, description)
        path = f"/{attachment_id}/{filename}"
        self.data[path] = data
        return {**kept, "url": f"http://{self.host}{path}"}

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        async def get(request: web.Request) -> web.Response:
            data = self.data.get(request.path)
            return web.Response(status=404) if data is None or self.lose else web.Response(body=data)

        app = web.Application()
        app.router.add_get("/{path:.*}", get)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.host = f"127.0.0.1:{runner.addresses[0][1]}"
            yield
        finally:
            await runner.cleanup()


@dataclass
class Bot:
    """What a test looks at: a server with Ann, who asks, and Bob, who may manage it."""

    folder: Path
    database: Database
    opened: AsyncExitStack
    files: Files = field(default_factory=Files)
    env: Any = None

    refusals: list[Exception] = field(default_factory=list)  # of the next votes

    def __post_init__(self) -> None:
        self.exchanges, self.votes = Exchanges(self.database), SqlFeedbackStore(self.database)
        self.people, self.channels = SqlPeople(self.database), SqlChannels(self.database)
        self.audit = SqlAudit(self.database)

    async def connect(
        self, prepared: Prepared = lambda assistant: None, *, dies_at: str = "", **settings: Any
    ) -> DiscordClient:
        """A process of ours, not yet at Discord."""
        self.assistant, self.inbox = ScriptedAssistant(self.exchanges), Inbox(self.database, dies_at)
        prepared(self.assistant)
        tree = {"domains": [BILLING], "storage": {"directory": self.folder}, **settings}
        tree["discord"] = {"api_base_url": f"http://{self.files.host}/api", **settings.get("discord", {})}
        self.parts = Parts(
            settings=Settings(**tree),
            inbox=self.inbox,
            exchanges=self.exchanges,
            votes=self.votes,
            people=self.people,
            read_file=read_text,
            openers=openers,
        )
        connector = DiscordConnector(parts=self.parts, token=SecretStr("simulated"), channels=self.channels)
        client = connector.client(self.assistant.reply_to, self._keep)
        self.client: DiscordClient = await self.opened.enter_async_context(client)
        return self.client

    async def _keep(self, feedback: Feedback) -> None:
        if self.refusals:
            raise self.refusals.pop()
        await self.votes.save(feedback)

    async def restart(self, prepared: Prepared = lambda assistant: None, *, dies_at: str = "", **settings: Any) -> None:
        """The next process, with other settings perhaps; what the last one was doing ends in the middle."""
        await self.client.desk.close()
        await self.env.restart_bot(await self.connect(prepared, dies_at=dies_at, **settings))
        await self.env.settle()

    def settle_in(self) -> None:
        """The server and its people."""
        self.guild = self.env.create_guild()
        self.general = self.guild.create_text_channel("general")
        self.ann = self.guild.add_member(self.env.create_user("ann"))
        managers = self.guild.create_role("managers", permissions=discord.Permissions(manage_guild=True))
        self.bob = self.guild.add_member(self.env.create_user("bob"), roles=[managers])

    @property
    def me(self) -> int:
        return int(self.env.backend.bot_user.id)

    @property
    def asked(self) -> list[str]:
        """The questions that the assistant got, in order."""
        return [message.text for message in self.assistant.asked]

    async def answers(
        self, text: str = QUESTION, *, who: Any = None, at: Any = None, **more: Any
    ) -> list[discord.Message]:
        """Somebody mentions the bot; what it has said there in the end."""
        await (who or self.ann).send(at or self.general, f"<@{self.me}> {text}", **more)
        return self.said(at)

    async def answer(self, text: str = QUESTION, **more: Any) -> discord.Message:
        """The same, where the last message is meant."""
        return (await self.answers(text, **more))[-1]

    async def stands_still(self) -> None:
        """When no edit of a growing answer is under way."""
        while self.client.errands.running:  # noqa: ASYNC110  # they set no event
            await asyncio.sleep(0.005)

    def said(self, at: Any = None) -> list[discord.Message]:
        """What the bot has said and everybody there sees, oldest first."""
        shown = [each for each in (at or self.general).history() if each.author.id == self.me]
        return [each for each in shown if not each.flags.ephemeral]

    def direct(self, who: Any = None) -> list[str]:
        """What the bot has said to somebody in direct messages."""
        return texts(self.said((who or self.ann).user.dm_channel))

    async def presses(self, message: Any, start: str, *, who: Any = None) -> Any:
        """A press on the button whose id starts so."""
        return await (who or self.ann).click(message, custom_id=button(message, start))

    def opens_thread(self, *, at: Any = None, of: Any = None, private: bool = False) -> Any:
        """A thread of Ann's, perhaps from the message *of*."""
        kind = ChannelType.PRIVATE_THREAD if private else ChannelType.PUBLIC_THREAD
        parent, backend = at or self.general, self.env.backend
        made = backend.create_thread(parent.id, "refunds", self.ann.id, type=kind, message_id=of.id if of else None)
        backend.add_thread_member(made.id, self.me)
        return next(each for each in parent.threads if each.id == made.id)

    async def posts(self, forum: Any, title: str, text: str, *, late: bool = False) -> Any:
        """A forum post of Ann's; *late*: its message arrives before the post itself."""
        backend = self.env.backend
        made = backend.create_thread(forum.id, title, self.ann.id, broadcast=False)
        message = backend.prepare_message(made.id, self.ann.id, text)
        message.id = made.id
        if not late:
            backend.announce_thread_create(made)
        backend.commit_message(message)
        await self.env.settle()
        return next(each for each in forum.threads if each.id == made.id)

    def give_role(self, role: Any, who: int) -> None:
        """Let *role* be that of a bot, as Discord makes one for each that is invited."""
        payload = {**role_payload(role._role), "managed": True, "tags": {"bot_id": str(who)}}
        self.env.backend.emit("GUILD_ROLE_UPDATE", {"guild_id": str(self.guild.id), "role": payload})

    def requests(self, method: str, path: str) -> list[Any]:
        """The bodies of what the bot sent to places like *path*."""
        return [r.json for r in self.env.http_requests if r.method == method and fnmatch(r.path, path)]

    def assert_pings_nobody(self) -> None:
        """In whatever it has said so far."""
        for request in self.env.http_requests:
            body = request.json if isinstance(request.json, dict) else {}
            said = body.get("data") or body
            if "content" in said or "embeds" in said:
                assert not any(said["allowed_mentions"].values()), request


def texts(messages: Sequence[discord.Message]) -> list[str]:
    return [each.content for each in messages]


def button(message: Any, start: str) -> str:
    """The id of the one button of *message* whose id starts so."""
    rows = [row if isinstance(row, dict) else row.to_dict() for row in message.components]
    (found,) = [each["custom_id"] for row in rows for each in row["components"] if each["custom_id"].startswith(start)]
    return str(found)


@asynccontextmanager
async def bot_on_discord(
    folder: Path,
    prepared: Prepared = lambda assistant: None,
    *,
    dies_at: str = "",
    shards: int | None = None,
    **settings: Any,
) -> AsyncIterator[Bot]:
    """Our bot, ready on a simulated Discord; its database survives in *folder*. `settings` are sections of the file."""
    if not (folder / "bot.db").exists():
        (folder / "bot.db").write_bytes(await new_database())
    async with AsyncExitStack() as opened, open_database(f"sqlite:///{folder / 'bot.db'}") as database:
        bot = Bot(folder, database, opened)
        await opened.enter_async_context(bot.files.served())
        client = await bot.connect(prepared, dies_at=dies_at, **settings)
        bot.env = await opened.enter_async_context(_discord_for(client, shards))
        bot.env.backend.cdn = bot.files
        bot.settle_in()
        yield bot
        bot.assert_pings_nobody()


@asynccontextmanager
async def _discord_for(client: DiscordClient, shards: int | None) -> AsyncIterator[simcord.Env]:
    """As simcord.run(), which pytest's fixtures cannot leave in the context in which they entered it."""
    env = simcord.Env(client, shard_count=shards, settle_timeout=PATIENCE)
    await env.start()
    try:
        yield env
    finally:
        if asking := env._operation_task:  # of a test that failed; left alone, it would spoil every test after it
            asking.cancel()
            await asyncio.wait([asking], timeout=PATIENCE)
        await env.shutdown()
    env._raise_errors_since(env._errors_acknowledged)
