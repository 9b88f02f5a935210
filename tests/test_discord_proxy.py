"""Discord behind a company's proxy, at the wire."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from discord_double import DiscordDouble
from discord_wired import Place, bot_at
from pydantic import SecretStr
from slack_bot import ANSWER

from bot.settings import DiscordSettings, Secrets
from connectors.discord.check import check_discord

pytest_plugins = ["discord_fixtures"]

CREDENTIALS = "ann:secret"
REQUEST = re.compile(rb"[A-Z]+ (http|ws)://")


@dataclass
class Proxy:
    """Passes on what it gets, and notes the requests in it."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://{CREDENTIALS}@127.0.0.1:{self.port}"

    @property
    def asked_for(self) -> set[str]:
        """The first parts of the paths."""
        return {urlsplit(each.split()[1].decode()).path.split("/")[1] for each in self.requests}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        target = urlsplit(head.split()[1].decode())
        behind, out = await asyncio.open_connection(target.hostname, target.port)
        self.open |= {writer, out}
        self.pass_on(head, out)
        await asyncio.gather(pipe(reader, partial(self.pass_on, to=out)), pipe(behind, writer.write))
        out.close()
        writer.close()

    def pass_on(self, data: bytes, to: asyncio.StreamWriter) -> None:
        if REQUEST.match(data):
            self.requests.append(data)
        to.write(data)


async def pipe(reader: asyncio.StreamReader, write: Callable[[bytes], None]) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            write(data)


@pytest.fixture
async def proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    proxy = Proxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.delenv("http_proxy", raising=False)
    yield proxy
    for each in proxy.open:
        each.close()
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.05)


@pytest.fixture
def place(discord_: DiscordDouble, ada: int, general: int) -> Place:
    return Place(discord_, ada, general)


async def answered(place: Place, folder: Path, *, api_url: str = "") -> None:
    discord_ = place.discord
    async with bot_at(api_url or discord_.api_url, discord_.gateway_url, discord_.token, folder):
        await discord_.until(lambda: discord_.connected)
        await place.ask()
        await discord_.until(place.answers)
    assert place.answers() == [ANSWER]


async def test_bot_reaches_api_and_gateway_by_the_proxy_with_its_password(
    place: Place, proxy: Proxy, tmp_path: Path
) -> None:
    await answered(place, tmp_path)

    assert proxy.asked_for == {"api", "gateway"}
    password = base64.b64encode(CREDENTIALS.encode())
    assert all(b"Proxy-Authorization: Basic " + password in each for each in proxy.requests)


async def test_bot_does_without_the_proxy_where_no_proxy_says_so(
    place: Place, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    await answered(place, tmp_path)

    assert proxy.requests == []


async def test_relay_inside_the_house_is_reached_without_the_proxy_and_the_gateway_with_it(
    place: Place, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost")

    await answered(place, tmp_path, api_url=place.discord.api_url.replace("127.0.0.1", "localhost"))

    assert proxy.asked_for == {"gateway"}


async def test_doctor_goes_the_same_way(place: Place, proxy: Proxy) -> None:
    settings = DiscordSettings(api_base_url=place.discord.api_url, gateway_url=place.discord.gateway_url)

    await check_discord(settings, Secrets(discord_bot_token=SecretStr(place.discord.token)))

    assert proxy.asked_for == {"api", "gateway"}
