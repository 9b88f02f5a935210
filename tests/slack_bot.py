"""A Slack app of ours on the double, with an assistant that answers at once or as a test likes."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import yaml
from fakes import REPLY
from patience import PATIENCE
from pydantic import SecretStr
from slack_double import Posted, SlackDouble

from bot.errors import InputError, StoreError
from bot.messages import Message, Reply
from bot.ports import OnText
from bot.settings import DomainSettings, Secrets, Settings
from bot.store.database import open_database
from bot.store.exchanges import SqlExchangeStore
from bot.store.feedback import SqlFeedbackStore
from bot.store.inbox import SqlInbox
from bot.store.people import SqlPeople
from connectors.parts import Parts
from connectors.slack import connector as connector_module
from connectors.slack.connector import SlackApp, SlackConnector

# The libraries would take them from the environment of whoever runs the tests.
for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "SLACK_BOT_TOKEN", "SLACK_CLIENT_ID"):
    os.environ.pop(name, None)

BILLING = DomainSettings(
    name="billing", description="Invoices and refunds", channels=("slack:CBILL",), help=("slack:CHELP",)
)
MANIFEST = yaml.safe_load((Path(connector_module.__file__).parent.parent / "slack_manifest.yaml").read_text("utf-8"))
QUESTION, ANSWER = "<@UBOT> When is my refund?", "Within 14 days [1]."


@dataclass
class ScriptedAssistant:
    """Answers every question in the same words, piece by piece, and keeps its exchanges as the real one does."""

    exchanges: SqlExchangeStore
    text: str = ANSWER
    pieces: Sequence[str] = ("Within ", "14 days [1].")
    change: Callable[[Reply], Reply] = lambda reply: reply
    before: Callable[[Message], Awaitable[object]] | None = None  # the first piece
    between: Callable[[Message], Awaitable[object]] | None = None  # the first piece and the second
    asked: list[Message] = field(default_factory=list)

    def says(self, text: str, *pieces: str) -> None:
        """The answer from now on; where *pieces* are not it, the verdict on them changed."""
        self.text, self.pieces = text, pieces or (text,)

    async def reply_to(self, message: Message, on_text: OnText) -> Reply:
        self.asked.append(message)
        reply = self.change(replace(REPLY, id=uuid4().hex, text=self.text))
        await self.exchanges.begin(message, reply)
        if self.before is not None:
            await self.before(message)
        for number, piece in enumerate(self.pieces):
            await on_text(piece)
            if self.between is not None and number == 0:
                await self.between(message)
        await self.exchanges.complete(reply)
        return reply


@dataclass
class Pause:
    """Where an answer stops until it is let go."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, message: Message) -> None:
        self.reached.set()
        await self.over.wait()


@dataclass(frozen=True)
class MortalInbox(SqlInbox):
    """The inbox of a process that comes no further than a step: "accept", "begin" or "done"."""

    dies_at: str = ""
    died: asyncio.Event = field(default_factory=asyncio.Event)
    refusals: list[StoreError] = field(default_factory=list)  # of the next questions

    async def accept(self, message: Message, address: Mapping[str, str] | None = None) -> bool:
        await self._survive("accept")
        if self.refusals:
            raise self.refusals.pop()
        return await super().accept(message, address)

    async def begin(self, message_id: str, shown: str) -> None:
        await self._survive("begin")
        await super().begin(message_id, shown)

    async def done(self, message_id: str) -> None:
        await self._survive("done")
        await super().done(message_id)

    async def _survive(self, step: str) -> None:
        if step == self.dies_at:
            self.died.set()
            await asyncio.Event().wait()


@dataclass
class Bot:
    """What a test looks at besides Slack."""

    slack: SlackDouble
    app: SlackApp
    assistant: ScriptedAssistant
    votes: SqlFeedbackStore
    exchanges: SqlExchangeStore
    inbox: MortalInbox

    async def idle(self, seconds: float = PATIENCE) -> None:
        """When all that was asked and pressed so far is answered and done, or left to the next start."""
        async with asyncio.timeout(seconds):
            await self.slack.settle()
            while self.app.errands.running or self.app.desk.working:  # noqa: ASYNC110  # they set no event
                await asyncio.sleep(0.005)
            await self.slack.settle()

    async def answers(self, user: str, channel: str, text: str = QUESTION, **more: Any) -> list[Posted]:
        """Somebody says *text*; what the bot has said in that thread in the end."""
        ts = await self.slack.says(user, channel, text, **more)
        await self.idle()
        return self.slack.answers(channel, more.get("thread_ts") or ts)

    async def answer(self, user: str = "U1", channel: str = "C1", text: str = QUESTION, **more: Any) -> Posted:
        """The same, where the last message is meant."""
        return (await self.answers(user, channel, text, **more))[-1]

    async def clicks(self, user: str, posted: Any, action: str, value: str | None = None) -> Any:
        """A press, with all that comes of it. Returns: the modal that is open then."""
        await self.slack.clicks(user, posted, action, value)
        await self.idle()
        return self.slack.modal(user)

    async def submits(self, user: str, view: Any, **values: str) -> None:
        await self.slack.submits(user, view, values)
        await self.idle()

    def whispers(self, user: str = "U1") -> list[str]:
        """What only *user* sees."""
        return [each.shown for each in self.slack.ephemeral(user)]

    @property
    def labels(self) -> frozenset[str] | None:
        """Those with which the last question was asked."""
        return self.assistant.asked[-1].labels


@asynccontextmanager
async def slack_with_people(team: str = "T1") -> AsyncIterator[SlackDouble]:
    """Ada, Bob and Eve in a workspace; of our app it knows what the manifest says."""
    async with SlackDouble(team) as slack:
        slack.retry_after = 0.1
        slack.events = set(MANIFEST["settings"]["event_subscriptions"]["bot_events"])
        slack.scopes = set(MANIFEST["oauth_config"]["scopes"]["bot"])
        for user, name in (("U1", "ada"), ("U2", "bob"), ("U3", "eve")):
            slack.add_user(user, name)
        slack.add_user("UCI", "jenkins", bot=True)
        for channel in ("C1", "CBILL", "CHELP"):
            slack.add_channel(channel, members=["U1", "U2", "U3", "UBOT"])
        yield slack


@asynccontextmanager
async def bot_on(
    slack: SlackDouble,
    folder: Path,
    *,
    socket: bool = True,
    oauth: bool = False,
    dies_at: str = "",
    pause: float = 0.0,
    prepared: Callable[[ScriptedAssistant], object] = lambda assistant: None,
    port: int = 0,
    public_url: str = "",
    **settings: Any,
) -> AsyncIterator[Bot]:
    """
    Our app, connected to *slack* while the block runs; its database survives in *folder*.

    *prepared* is called before the app starts; `settings` are sections of pointsman.toml.
    """
    of_slack = {"api_base_url": slack.url, "port": port, "public_url": public_url}
    tree = Settings(**{"domains": [BILLING], "slack": of_slack, **settings})
    if not (folder / "bot.db").exists():
        (folder / "bot.db").write_bytes(await new_database())
    async with open_database(f"sqlite:///{folder / 'bot.db'}") as database:
        exchanges, votes = SqlExchangeStore(database), SqlFeedbackStore(database)
        assistant, inbox = ScriptedAssistant(exchanges), MortalInbox(database, dies_at)
        prepared(assistant)
        parts = Parts(
            settings=tree,
            inbox=inbox,
            exchanges=exchanges,
            votes=votes,
            people=SqlPeople(database),
            read_file=read_text,
            openers=openers,
        )
        connector = SlackConnector(
            parts=parts,
            secrets=_secrets(slack, socket=socket, oauth=oauth),
            engine=database.engine,
            ping_interval=0.2,
            pause=pause,
        )
        async with connector.connected(assistant.reply_to, votes.save) as app:
            app.api.append_seconds, app.api.post_seconds = 0.0, 0.0
            if not socket:
                await slack.use_http(f"http://127.0.0.1:{app.port}/slack/events")
            yield Bot(slack, app, assistant, votes, exchanges, inbox)


def _secrets(slack: SlackDouble, *, socket: bool, oauth: bool) -> Secrets:
    return Secrets(
        slack_bot_token=None if oauth else SecretStr(slack.bot_token),
        slack_app_token=SecretStr(slack.app_token) if socket else None,
        slack_signing_secret=None if socket else SecretStr(slack.signing_secret),
        slack_client_id=slack.client_id if oauth else None,
        slack_client_secret=SecretStr(slack.client_secret) if oauth else None,
    )


async def openers(domain: str) -> Sequence[str]:
    """Questions that the documents of billing answer; other domains have none."""
    return ["How do I pay?", "How do I cancel?"] if domain == "billing" else []


async def read_text(name: str, data: bytes) -> Sequence[str]:
    if b"\x00" in data:
        raise InputError("it holds no text")
    return [data.decode()]


_made: list[bytes] = []  # a database as a first start makes it, which takes a while


async def new_database() -> bytes:
    if not _made:
        with TemporaryDirectory() as folder:
            async with open_database(f"sqlite:///{folder}/new.db"):
                pass
            _made.append((Path(folder) / "new.db").read_bytes())
    return _made[0]
