"""A Discord of our own with a server, a person and a channel, for tests at the wire."""

from collections.abc import AsyncIterator

import pytest
from discord_double import DiscordDouble
from discord_echo import point


@pytest.fixture
async def discord_(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DiscordDouble]:
    async with DiscordDouble() as discord_:
        point(monkeypatch, discord_)
        yield discord_


@pytest.fixture
def ada(discord_: DiscordDouble) -> int:
    return discord_.add_user("ada")


@pytest.fixture
def guild(discord_: DiscordDouble, ada: int) -> int:
    return discord_.add_guild("Acme", members=[ada])


@pytest.fixture
def general(discord_: DiscordDouble, guild: int) -> int:
    return discord_.add_channel(guild, "general")
