"""Is Discord's token right, does the bot get what it needs, and how is it invited?"""

import asyncio

import aiohttp
import discord

from bot.errors import ConnectorError
from bot.settings import DiscordSettings, Secrets
from connectors.proxies import proxy_for

PAGES = "https://discord.com/developers/applications"
GATEWAY_SECONDS = 10.0
PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    embed_links=True,
    read_message_history=True,
)


def invite_link(application: int) -> str:
    """Where somebody who manages a server adds the bot to it."""
    return discord.utils.oauth_url(application, permissions=PERMISSIONS, scopes=("bot", "applications.commands"))


async def check_discord(settings: DiscordSettings, secrets: Secrets) -> str:
    """
    What works, and the invite link.

    Raises: ConnectorError naming the token or intent that is missing, and where to get it.
    """
    if secrets.discord_bot_token is None:
        return "not set up; DISCORD_BOT_TOKEN switches it on"
    headers = {"Authorization": f"Bot {secrets.discord_bot_token.get_secret_value()}"}
    url = f"{settings.api_base_url}/applications/@me"
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, headers=headers, proxy=proxy_for(url)) as response,
        ):
            if response.status == 401:
                raise ConnectorError(
                    f"DISCORD_BOT_TOKEN is not accepted; copy it anew from the page Bot of your application at {PAGES}"
                )
            if response.status != 200:
                raise ConnectorError(f"Discord answers {response.status} at {url}; try again later")
            application = await response.json()
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise ConnectorError(
            f"Discord cannot be reached at {settings.api_base_url} ({type(exc).__name__}); check the network, the "
            "proxy and [discord] api_base_url"
        ) from exc
    await _knock(settings.gateway_url)
    flags = discord.ApplicationFlags._from_value(int(application.get("flags", 0)))
    if not (flags.gateway_message_content or flags.gateway_message_content_limited):
        raise ConnectorError(
            f"the Message Content Intent is off; switch it on at the page Bot of your application at {PAGES}"
        )
    return f"{application.get('name', 'the bot')}; invite it with {invite_link(int(application['id']))}"


async def _knock(url: str) -> None:
    """Raises: ConnectorError where nobody opens the gateway; what is said there needs no look."""
    try:
        async with (
            aiohttp.ClientSession() as session,
            asyncio.timeout(GATEWAY_SECONDS),
            session.ws_connect(url, params={"v": "10", "encoding": "json"}, proxy=proxy_for(url)),
        ):
            pass
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise ConnectorError(
            f"Discord cannot be reached at {url} ({type(exc).__name__}); check the network, the proxy and [discord] "
            "gateway_url"
        ) from exc
