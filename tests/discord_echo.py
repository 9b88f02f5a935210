"""The smallest app on discord.py, and how tests bring discord.py to our double of Discord."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import ModuleType
from typing import Any

import aiohttp
import discord
import pytest
from discord import app_commands, ui
from discord.gateway import DiscordWebSocket
from discord.http import Route
from discord_double import DiscordDouble
from yarl import URL


class Hurried:
    """asyncio for a module of discord.py's, but sleeping takes a hundredth of the time."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    @staticmethod
    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / 100)


def hurry(monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
    """
    Shortens the pauses of *modules*.

    discord.client, discord.shard: 5 s before a second IDENTIFY, and those before reconnecting.
    discord.http, discord.webhook.async_: those after a 5xx; after a 429 too, so not for tests of limits.
    """
    for module in modules:
        monkeypatch.setattr(module, "asyncio", Hurried())


def point(monkeypatch: pytest.MonkeyPatch, discord_: DiscordDouble) -> None:
    """Makes discord.py talk to the double, and connect anew without waiting for long."""
    monkeypatch.setattr(Route, "BASE", discord_.api_url)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", URL(discord_.gateway_url))
    hurry(monkeypatch, discord.client, discord.shard)
    discord_.gateway.identify_every /= 100


class Why(ui.Modal, title="What was wrong?"):
    reason: ui.Label["Why"] = ui.Label(text="Reason", component=ui.TextInput(custom_id="reason", min_length=3))

    async def on_submit(self, interaction: discord.Interaction) -> None:
        words = self.reason.component
        assert isinstance(words, ui.TextInput)
        await interaction.response.send_message(f"Noted: {words.value}", ephemeral=True)


class Votes(ui.View):
    def __init__(self) -> None:
        super().__init__(timeout=None)

    @ui.button(label="Good", custom_id="vote:up")
    async def up(self, interaction: discord.Interaction, button: ui.Button["Votes"]) -> None:
        await interaction.response.edit_message(content="Thank you", view=None)

    @ui.button(label="Bad", custom_id="vote:down")
    async def down(self, interaction: discord.Interaction, button: ui.Button["Votes"]) -> None:
        await interaction.response.send_modal(Why())


class Echo(discord.Client):
    """Echoes messages, answers /ask, and asks why when it is voted down."""

    def __init__(self, *, content: bool = True, **options: Any) -> None:
        intents = discord.Intents.default()
        intents.message_content = content
        options.setdefault("allowed_mentions", discord.AllowedMentions.none())
        options.setdefault("guild_ready_timeout", 0.05)
        super().__init__(intents=intents, **options)
        self.tree = app_commands.CommandTree(self)
        self.heard: list[str] = []
        self.work: asyncio.Task[None] | None = None
        self.resumed, self.pause = 0, 0.0  # pause: seconds before /ask is answered
        self.tree.add_command(app_commands.Command(name="ask", description="Asks", callback=self.ask))

    async def setup_hook(self) -> None:
        self.add_view(Votes())
        await self.tree.sync()

    async def ask(self, interaction: discord.Interaction, question: str, private: bool = False) -> None:
        await asyncio.sleep(self.pause)
        await interaction.response.defer(thinking=True, ephemeral=private)
        await interaction.edit_original_response(content=f"Asked: {question}", view=Votes())

    async def on_message(self, message: discord.Message) -> None:
        if not message.author.bot:
            self.heard.append(message.content)
            await message.reply(f"You said: {message.content}")

    async def on_resumed(self) -> None:
        self.resumed += 1


class ShardedEcho(Echo, discord.AutoShardedClient):
    """The same in several shards."""


@asynccontextmanager
async def running(discord_: DiscordDouble, client: Echo | None = None) -> AsyncIterator[Echo]:
    client = client or Echo()
    work = client.work = asyncio.create_task(client.start(discord_.token))
    try:
        await discord_.until(lambda: client.is_ready() or work.done())
        if work.done():
            await work
        yield client
    finally:
        await client.close()
        with suppress(discord.DiscordException):
            await work


async def call(discord_: DiscordDouble, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bot {discord_.token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, discord_.api_url + path, json=body) as answer,
    ):
        return answer.status, await answer.json() if answer.status != 204 else None
