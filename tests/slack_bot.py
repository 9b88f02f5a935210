"""A Slack app of ours on the double, with an assistant that answers at once or as a test likes."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from fakes import REPLY
from pydantic import SecretStr
from slack_double import SlackDouble

from bot.messages import Message, Reply
from bot.ports import OnText
from bot.settings import DomainSettings, Secrets, Settings
from bot.store.database import open_database
from bot.store.exchanges import SqlExchangeStore
from bot.store.feedback import SqlFeedbackStore
from bot.store.inbox import SqlInbox
from bot.store.people import SqlPeople
from connectors.slack import SlackConnector

BILLING = DomainSettings(name="billing", description="Invoices and refunds", channels=("slack:CBILL",), help=("slack:CHELP",))


@dataclass
class ScriptedAssistant:
    """Answers every question in the same words, piece by piece, and keeps its exchanges as the real one does."""

    exchanges: SqlExchangeStore
    text: str = "Within 14 days [1]."
    pieces: Sequence[str] = ("Within ", "14 days [1].")
    change: Callable[[Reply], Reply] = lambda reply: reply
    before: Callable[[Message], Any] | None = None
    asked: list[Message] = field(default_factory=list)

    async def reply_to(self, message: Message, on_text: OnText) -> Reply:
        self.asked.append(message)
        reply = self.change(replace(REPLY, id=f"reply-{len(self.asked)}-{message.id}", text=self.text))
        await self.exchanges.begin(message, reply)
        if self.before is not None:
            await self.before(message)
        for piece in self.pieces:
            await on_text(piece)
        await self.exchanges.complete(reply)
        return reply


@dataclass
class Bot:
    """What a test looks at besides Slack."""

    slack: SlackDouble
    assistant: ScriptedAssistant
    votes: SqlFeedbackStore
    inbox: SqlInbox
    connector: SlackConnector


@asynccontextmanager
async def bot_on(
    slack: SlackDouble, folder: Path, *, socket: bool = True, oauth: bool = False, **settings: Any
) -> AsyncIterator[Bot]:
    """Our app, connected to *slack* while the block runs; its database survives in *folder*."""
    tree = Settings(
        **{"domains": [BILLING], "slack": {"api_base_url": slack.url, "port": 0}, **settings},
    )
    secrets = Secrets(
        slack_bot_token=None if oauth else SecretStr(slack.bot_token),
        slack_app_token=SecretStr(slack.app_token) if socket else None,
        slack_signing_secret=None if socket else SecretStr(slack.signing_secret),
        slack_client_id="client" if oauth else None,
        slack_client_secret=SecretStr("secret") if oauth else None,
    )
    async with open_database(f"sqlite:///{folder / 'bot.db'}") as database:
        exchanges, votes, inbox = SqlExchangeStore(database), SqlFeedbackStore(database), SqlInbox(database)
        assistant = ScriptedAssistant(exchanges)
        connector = SlackConnector(
            settings=tree,
            secrets=secrets,
            inbox=inbox,
            exchanges=exchanges,
            votes=votes,
            people=SqlPeople(database),
            read_file=_read_text,
            engine=database.engine,
        )
        async with connector.connected(assistant.reply_to, votes.save) as app:
            if not socket:
                await slack.use_http(f"http://127.0.0.1:{app.port}/slack/events")
            yield Bot(slack, assistant, votes, inbox, connector)


async def _read_text(name: str, data: bytes) -> Sequence[str]:
    return [data.decode()]
