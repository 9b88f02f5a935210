"""A Discord bot of ours on simcord, with an assistant that answers at once or as a test likes."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import simcord
from slack_bot import ScriptedAssistant

from bot.settings import DomainSettings, Secrets, Settings
from bot.store.channels import SqlChannels
from bot.store.database import open_database
from bot.store.exchanges import SqlExchangeStore
from bot.store.feedback import SqlFeedbackStore
from bot.store.inbox import SqlInbox
from bot.store.people import SqlPeople
from connectors.discord import DiscordClient, DiscordConnector

BILLING = DomainSettings(name="billing", description="Invoices and refunds")


@dataclass
class Bot:
    """What a test looks at."""

    env: Any
    client: DiscordClient
    assistant: ScriptedAssistant
    votes: SqlFeedbackStore
    inbox: SqlInbox
    people: SqlPeople


@asynccontextmanager
async def bot_on_discord(folder: Path, **settings: Any) -> AsyncIterator[Bot]:
    """Our bot, ready on a simulated Discord; its database survives in *folder*."""
    tree = Settings(**{"domains": [BILLING], "storage": {"directory": folder}, **settings})
    async with open_database(f"sqlite:///{folder / 'bot.db'}") as database:
        exchanges, votes, inbox = SqlExchangeStore(database), SqlFeedbackStore(database), SqlInbox(database)
        assistant, people = ScriptedAssistant(exchanges), SqlPeople(database)
        connector = DiscordConnector(
            settings=tree,
            secrets=Secrets(),
            inbox=inbox,
            exchanges=exchanges,
            votes=votes,
            people=people,
            channels=SqlChannels(database),
            read_file=_read_text,
        )
        async with connector.client(assistant.reply_to, votes.save) as client, simcord.run(client) as env:
            yield Bot(env, client, assistant, votes, inbox, people)


async def _read_text(name: str, data: bytes) -> Sequence[str]:
    return [data.decode()]
