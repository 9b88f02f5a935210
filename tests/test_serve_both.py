"""`pointsman serve` as operators run it: Slack, Discord and the console in one process, one store behind them."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from discord_double import DiscordDouble
from discord_double_rules import Json, walk
from slack_double import SlackDouble

from bot.app import open_stores
from bot.messages import Feedback
from bot.settings import load_settings

POINTSMAN = Path(sys.executable).parent / "pointsman"
SLOW = 180.0  # seconds for a start, on a machine that is busy with other things
QUESTION = "When is my refund?"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@asynccontextmanager
async def served(config: Path, slack: SlackDouble, discord_: DiscordDouble) -> AsyncIterator[None]:
    """The service, until SIGTERM."""
    tokens = {
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
        "DISCORD_BOT_TOKEN": discord_.token,
    }
    process = await asyncio.create_subprocess_exec(
        POINTSMAN, "serve", "--config", str(config), env=os.environ | tokens, stderr=subprocess.DEVNULL
    )
    try:
        await discord_.until(lambda: discord_.connected, SLOW)
        await slack.until(lambda: slack.sockets.open, SLOW)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), SLOW) == 0


@pytest.fixture
def config(tmp_path: Path, tiny_folder: Path) -> Path:
    file = tmp_path / "pointsman.toml"
    file.write_text(f'[model]\nbase = "{tiny_folder}"\n[[domains]]\nname = "billing"\ndescription = "Refunds"\n')
    return file


def thumb_up(components: list[Json]) -> str:
    return next(str(each["custom_id"]) for each in walk(components) if str(each.get("custom_id")).startswith("vote:up"))


async def two_votes(config: Path) -> list[Feedback]:
    """All votes, as soon as there are two."""
    async with open_stores(load_settings(config)) as stores, asyncio.timeout(SLOW):
        while len(votes := await stores.feedback.all()) < 2:  # noqa: ASYNC110  # another process writes them
            await asyncio.sleep(0.1)
        return list(votes)


async def test_both_chats_are_answered_and_their_votes_are_in_one_store(config: Path) -> None:
    port = free_port()
    async with SlackDouble() as slack, DiscordDouble() as discord_:
        slack.add_user("U1", "ada")
        slack.add_channel("C1")
        grace = discord_.add_user("grace")
        room = discord_.add_channel(discord_.add_guild("Acme", members=[grace]), "general")
        config.write_text(
            f'{config.read_text()}[slack]\napi_base_url = "{slack.url}"\n[console]\nport = {port}\n'
            f'[discord]\napi_base_url = "{discord_.api_url}"\ngateway_url = "{discord_.gateway_url}"\n'
        )
        async with served(config, slack, discord_):
            ts = await slack.says("U1", "C1", f"<@{slack.bot_user}> {QUESTION}")
            await discord_.says(grace, room, f"<@{discord_.bot_user}> {QUESTION}")
            await slack.until(lambda: slack.answers("C1", ts) and not slack.answers("C1", ts)[0].streaming, SLOW)
            await discord_.until(lambda: [each for each in discord_.answers(room) if each.components], SLOW)
            await slack.clicks("U1", slack.answers("C1", ts)[0], "vote", "positive")
            (answer,) = [each for each in discord_.answers(room) if each.components]
            await discord_.clicks(grace, answer.id, thumb_up(answer.components))
            async with aiohttp.ClientSession() as browser, browser.get(f"http://127.0.0.1:{port}/signin") as page:
                assert page.status == 200
            votes = await two_votes(config)
        slack.assert_clean()
        discord_.assert_clean()

    assert {(vote.platform, vote.rating) for vote in votes} == {("slack", 1), ("discord", 1)}
