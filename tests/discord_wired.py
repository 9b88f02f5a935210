"""
Our connector and the real discord.py, connected to our double of Discord.

Run as a program, this file is a bot that stops in the middle of its first answer, to be killed there.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discord_double import DiscordDouble, Posted
from pydantic import SecretStr
from slack_bot import Pause, ScriptedAssistant, openers, read_text

from bot.settings import DomainSettings, Settings
from bot.store.channels import SqlChannels
from bot.store.database import open_database
from bot.store.exchanges import SqlExchangeStore
from bot.store.feedback import SqlFeedbackStore
from bot.store.inbox import SqlInbox
from bot.store.people import SqlPeople
from connectors.discord.connector import DiscordConnector
from connectors.parts import Parts

ROOT = Path(__file__).parent.parent


@dataclass
class Place:
    """A server with one person and one channel."""

    discord: DiscordDouble
    ada: int
    general: int

    async def ask(self) -> int:
        return await self.discord.says(self.ada, self.general, f"<@{self.discord.bot_user}> When is my refund?")

    @property
    def said(self) -> list[Posted]:
        """All that the bot has said, whole or not."""
        return self.discord.answers(self.general)

    def answers(self) -> list[str]:
        """What was answered for good: a growing answer has no buttons yet."""
        return [each.content for each in self.said if each.components]


@dataclass
class Wired:
    """What a test looks at besides Discord."""

    assistant: ScriptedAssistant
    connector: DiscordConnector


@asynccontextmanager
async def bot_at(api_url: str, gateway_url: str, token: str, folder: Path, **settings: Any) -> AsyncIterator[Wired]:
    """A bot that is on its way to Discord; its database survives in *folder*."""
    tree = {
        "storage": {"directory": folder},
        "domains": [DomainSettings(name="billing", description="Invoices")],
        "discord": {"api_base_url": api_url, "gateway_url": gateway_url},
        **settings,
    }
    async with open_database(f"sqlite:///{folder / 'bot.db'}") as database:
        exchanges, votes = SqlExchangeStore(database), SqlFeedbackStore(database)
        assistant = ScriptedAssistant(exchanges)
        parts = Parts(
            settings=Settings(**tree),
            inbox=SqlInbox(database),
            exchanges=exchanges,
            votes=votes,
            people=SqlPeople(database),
            read_file=read_text,
            openers=openers,
        )
        connector = DiscordConnector(parts=parts, token=SecretStr(token), channels=SqlChannels(database))
        running = asyncio.create_task(connector.run(assistant.reply_to, votes.save))
        try:
            yield Wired(assistant, connector)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def bot_in(place: Place, folder: Path, **settings: Any) -> AsyncIterator[Wired]:
    """The same, connected to the server of *place*."""
    discord_ = place.discord
    async with bot_at(discord_.api_url, discord_.gateway_url, discord_.token, folder, **settings) as wired:
        await discord_.until(lambda: discord_.connected)
        yield wired


async def killed_in_the_middle(place: Place, folder: Path) -> None:
    """A bot in a process of its own is asked, begins its answer, and is killed."""
    discord_ = place.discord
    command = [sys.executable, __file__, discord_.api_url, discord_.gateway_url, discord_.token, str(folder)]
    bot = await asyncio.create_subprocess_exec(*command, env=os.environ | {"PYTHONPATH": str(ROOT)})
    try:
        await discord_.until(lambda: discord_.connected)
        await place.ask()
        await discord_.until(lambda: place.said)
    finally:
        bot.kill()
        await bot.wait()


async def _stop_in_the_middle(api_url: str, gateway_url: str, token: str, folder: str) -> None:
    async with bot_at(api_url, gateway_url, token, Path(folder)) as wired:
        wired.assistant.between = Pause()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_stop_in_the_middle(*sys.argv[1:]))
