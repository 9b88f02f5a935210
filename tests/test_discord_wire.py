"""What simcord cannot show: our connector and the real discord.py at the wire, with drops, limits and lost answers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from discord_double import DiscordDouble
from discord_echo import point
from pydantic import SecretStr
from slack_bot import ANSWER, Pause, ScriptedAssistant

from bot.settings import DomainSettings, Secrets, Settings
from bot.store.channels import SqlChannels
from bot.store.database import open_database
from bot.store.exchanges import SqlExchangeStore
from bot.store.feedback import SqlFeedbackStore
from bot.store.inbox import SqlInbox
from bot.store.people import SqlPeople
from connectors.discord.connector import DiscordConnector


@dataclass
class Place:
    """A server with one person and one channel."""

    discord: DiscordDouble
    ada: int
    general: int

    async def ask(self) -> int:
        return await self.discord.says(self.ada, self.general, f"<@{self.discord.bot_user}> When is my refund?")

    def answers(self) -> list[str]:
        """What was answered for good: a growing answer has no buttons yet."""
        return [each.content for each in self.discord.answers(self.general) if each.components]


@pytest.fixture
async def place(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    async with DiscordDouble() as discord:
        point(monkeypatch, discord)
        ada = discord.add_user("ada")
        yield Place(discord, ada, discord.add_channel(discord.add_guild("Acme", members=[ada]), "general"))


async def read_text(name: str, data: bytes) -> Sequence[str]:
    return [data.decode()]


@asynccontextmanager
async def bot_at(place: Place, folder: Path) -> AsyncIterator[ScriptedAssistant]:
    """Our connector, connected; its database survives in *folder*."""
    settings = Settings.model_validate(
        {
            "storage": {"directory": folder},
            "domains": [DomainSettings(name="billing", description="Invoices")],
            "discord": {"api_base_url": place.discord.api_url, "gateway_url": place.discord.gateway_url},
        }
    )
    async with open_database(f"sqlite:///{folder / 'bot.db'}") as database:
        exchanges, votes = SqlExchangeStore(database), SqlFeedbackStore(database)
        assistant = ScriptedAssistant(exchanges)
        connector = DiscordConnector(
            settings=settings,
            secrets=Secrets(discord_bot_token=SecretStr(place.discord.token)),
            inbox=SqlInbox(database),
            exchanges=exchanges,
            votes=votes,
            people=SqlPeople(database),
            channels=SqlChannels(database),
            read_file=read_text,
        )
        running = asyncio.create_task(connector.run(assistant.reply_to, votes.save))
        await place.discord.until(lambda: place.discord.connected)
        try:
            yield assistant
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await asyncio.sleep(0.05)  # discord.py tells of its end in a task that nobody waits for


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_answer_rides_out_what_discord_does_not_take_at_first(place: Place, tmp_path: Path, status: int) -> None:
    async with bot_at(place, tmp_path):
        place.discord.fail("POST /channels/*/messages", status)
        place.discord.fail("PATCH /channels/*/messages/*", status)

        await place.ask()
        await place.discord.until(place.answers, 8)

        assert place.answers() == [ANSWER]
    place.discord.assert_clean()


async def test_message_whose_answer_was_lost_is_not_sent_twice(place: Place, tmp_path: Path) -> None:
    async with bot_at(place, tmp_path) as assistant:
        place.discord.reset("POST /channels/*/messages", after_doing=True)
        pause = assistant.between = Pause()
        await place.ask()
        await pause.reached.wait()

        pause.over.set()
        await place.discord.until(place.answers)

        assert [each.content for each in place.discord.answers(place.general)] == [ANSWER]
    place.discord.assert_clean()


async def test_event_that_a_resume_repeats_is_answered_once(place: Place, tmp_path: Path) -> None:
    place.discord.gateway.replay_duplicates = True
    async with bot_at(place, tmp_path) as assistant:
        await place.ask()
        await place.discord.until(place.answers)

        await place.discord.drop_gateway(resumable=True)
        await place.discord.until(lambda: place.discord.gateway.resumes, 8)
        await asyncio.sleep(0.2)

        assert place.answers() == [ANSWER] and len(assistant.asked) == 1


async def test_session_that_is_invalid_is_begun_anew(place: Place, tmp_path: Path) -> None:
    async with bot_at(place, tmp_path):
        await place.discord.invalid_session(resumable=False)
        await place.discord.until(lambda: len(place.discord.gateway.identifies) >= 2 and place.discord.connected, 8)

        await place.ask()
        await place.discord.until(place.answers, 8)

        assert place.answers() == [ANSWER]
