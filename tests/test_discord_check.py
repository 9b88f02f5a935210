"""What `pointsman doctor` and a start say of Discord's token, intent and permissions."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import discord
import pytest
import yarl
from aiohttp import web
from discord_bot import ANSWER, ASKED, QUESTION, Bot, Pause, bot_on_discord, texts
from pydantic import SecretStr

from bot.errors import ConnectorError
from bot.settings import DiscordSettings, Secrets, Settings
from connectors.discord.check import PERMISSIONS, check_discord, invite_link
from connectors.discord.connector import DiscordConnector

TOKEN = SecretStr("abc")
SECRETS = Secrets(discord_bot_token=TOKEN)
ME = {"id": "43", "username": "Pointsman", "discriminator": "0", "avatar": None, "bot": True}
APPLICATION = {
    "id": "42",
    "name": "Pointsman",
    "flags": 1 << 18,
    "verify_key": "",
    "description": "",
    "icon": None,
    "bot_public": True,
    "bot_require_code_grant": False,
    "owner": ME,
}


@asynccontextmanager
async def small_discord(
    *, application: object = APPLICATION, status: int = 200, closes: int = 4004
) -> AsyncIterator[DiscordSettings]:
    """Where a bot can log in as far as *status* goes, until its connection is closed with *closes*."""

    async def rest(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bot abc"
        answers = {"/applications/@me": application, "/oauth2/applications/@me": APPLICATION, "/users/@me": ME}
        body = json.dumps(answers.get(request.path.removeprefix("/api/v10"), []))
        # discord.py takes for JSON what is called exactly so.
        return web.Response(body=body, status=status, headers={"Content-Type": "application/json"})

    async def gateway(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.close(code=closes)
        return socket

    app = web.Application()
    app.add_routes([web.get("/gateway/", gateway), web.route("*", "/{path:.*}", rest)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        here = f"127.0.0.1:{runner.addresses[0][1]}"
        yield DiscordSettings(api_base_url=f"http://{here}/api/v10", gateway_url=f"ws://{here}/gateway/")
    finally:
        await runner.cleanup()


# The doctor


async def test_doctor_names_a_gateway_that_nobody_opens() -> None:
    async with small_discord() as settings:
        wrong = settings.model_copy(update={"gateway_url": "ws://127.0.0.1:9/gateway/"})

        with pytest.raises(ConnectorError, match=r"at ws://127.0.0.1:9/gateway/.*gateway_url"):
            await check_discord(wrong, Secrets(discord_bot_token=SecretStr("abc")))


async def test_doctor_passes_over_discord_where_it_is_not_set_up() -> None:
    assert "DISCORD_BOT_TOKEN" in await check_discord(DiscordSettings(), Secrets(discord_bot_token=None))


@pytest.mark.parametrize("flag", [1 << 18, 1 << 19])
async def test_doctor_prints_an_invite_link_where_all_is_well(flag: int) -> None:
    async with small_discord(application={**APPLICATION, "flags": flag}) as settings:
        said = await check_discord(settings, SECRETS)

    assert said == f"Pointsman; invite it with {invite_link(42)}"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"status": 401}, "DISCORD_BOT_TOKEN is not accepted; copy it anew"),
        ({"application": {**APPLICATION, "flags": 0}}, "the Message Content Intent is off; switch it on"),
        ({"status": 500}, "Discord answers 500 at http://127.0.0.1"),
    ],
)
async def test_doctor_says_what_is_wrong_and_where_to_mend_it(answer: dict[str, Any], told: str) -> None:
    async with small_discord(**answer) as settings:
        with pytest.raises(ConnectorError) as caught:
            await check_discord(settings, SECRETS)

    assert str(caught.value).startswith(told)
    assert answer.get("status") == 500 or "https://discord.com/developers/applications" in str(caught.value)


async def test_doctor_says_where_discord_cannot_be_reached() -> None:
    async with small_discord() as settings:
        pass

    with pytest.raises(ConnectorError, match=r"cannot be reached at http://127.0.0.1.*check the network"):
        await check_discord(settings, SECRETS)


# The invite link


def test_invite_link_asks_for_the_bot_its_commands_and_its_permissions() -> None:
    asked = parse_qs(urlsplit(invite_link(42)).query)

    assert (asked["client_id"], asked["scope"]) == (["42"], ["bot applications.commands"])
    given = discord.Permissions(int(asked["permissions"][0]))
    assert {name for name, has in given if has} == {
        "read_messages",  # discord.py's name of View Channel
        "send_messages",
        "send_messages_in_threads",
        "embed_links",
        "read_message_history",
    }


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    """A bot that has no more than the invite link asks for."""
    async with bot_on_discord(tmp_path) as bot:
        everyone, mine = roles(bot)
        everyone.permissions = discord.Permissions(use_application_commands=True, add_reactions=True).value
        mine.permissions = PERMISSIONS.value
        human = discord.Permissions.all()
        role = bot.guild.create_role("humans", permissions=human)
        bot.ann = bot.guild.add_member(bot.env.create_user("ann"), roles=[role])
        yield bot


def roles(bot: Bot) -> tuple[Any, Any]:
    """Everybody's, and the one that Discord makes for the bot."""
    guild = bot.env.backend.get_guild(bot.guild.id)
    return guild.everyone_role, guild.roles[bot.guild.roles["TestBot"].id]


async def test_permissions_of_the_link_are_enough(bot: Bot) -> None:
    pause = bot.assistant.between = Pause()
    asking = asyncio.create_task(bot.answers(at=bot.opens_thread()))
    await pause.reached.wait()
    await bot.stands_still()
    await bot.client.desk.close()
    await asking
    await bot.restart()

    (answer,) = bot.said(bot.general.threads[0])
    await bot.presses(answer, "vote:up:")
    await bot.answer()
    await bot.ann.slash(bot.general, "ask", question=QUESTION)

    assert texts(bot.said()) == [ANSWER, ASKED] and len(await bot.votes.all()) == 1


@pytest.mark.parametrize("name", ["send_messages", "send_messages_in_threads"])
async def test_permissions_of_the_link_are_needed(bot: Bot, name: str) -> None:
    _, mine = roles(bot)
    mine.permissions &= ~getattr(discord.Permissions, name).flag
    place = bot.general if name == "send_messages" else bot.opens_thread()

    assert await bot.answers(at=place) == []

    assert len(bot.direct()) == 1


# The start


@pytest.fixture
def _discord_as_before() -> Any:
    before = discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
    yield
    discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = before


async def start(bot: Bot, settings: DiscordSettings) -> str:
    """Why a bot cannot run there."""
    parts = replace(bot.parts, settings=Settings(storage={"directory": bot.folder}, discord=settings))
    connector = DiscordConnector(parts=parts, token=TOKEN, channels=bot.channels)
    with pytest.raises(ConnectorError) as caught:
        await connector.run(bot.assistant.reply_to, bot.votes.save)
    return str(caught.value)


@pytest.mark.usefixtures("_discord_as_before")
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"status": 401}, "Discord does not accept DISCORD_BOT_TOKEN; copy it anew"),
        ({"closes": 4004}, "Discord does not accept DISCORD_BOT_TOKEN; copy it anew"),
        ({"closes": 4014}, "Discord does not give the bot the Message Content Intent; switch it on"),
        ({"closes": 4011}, "Discord wants several connections for a bot on so many servers; set [discord] sharded"),
        ({"closes": 4012}, "Discord closed the connection (4012)"),
        ({"status": 403}, "Discord cannot be reached (403 Forbidden"),
    ],
)
async def test_start_says_what_is_wrong_and_where_to_mend_it(bot: Bot, answer: dict[str, Any], told: str) -> None:
    await bot.env.shutdown()
    async with small_discord(**answer) as settings:
        assert (await start(bot, settings)).startswith(told)

        assert yarl.URL(settings.gateway_url) == discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
