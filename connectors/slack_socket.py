"""Socket Mode: the connection over which Slack tells us everything."""

from urllib.parse import urlsplit
from urllib.request import proxy_bypass

import aiohttp
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_sdk.errors import SlackApiError

from bot.errors import ConnectorError


async def connect(handler: AsyncSocketModeHandler, api_base_url: str) -> None:
    """
    Open the first connection; the SDK renews it from then on.

    Raises: ConnectorError, where the SDK by itself would try a wrong token for ever.
    """
    socket = handler.client
    if proxy_bypass(urlsplit(api_base_url).hostname or ""):  # the SDK does not know NO_PROXY
        socket.proxy = None
    try:
        socket.wss_uri = await socket.issue_new_wss_url()
    except SlackApiError as exc:
        raise ConnectorError(
            f"Slack does not accept SLACK_APP_TOKEN ({exc.response.get('error')}); make an app-level token with the "
            "scope connections:write under Basic Information of your app, and switch Socket Mode on"
        ) from exc
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise ConnectorError(
            f"Slack cannot be reached ({type(exc).__name__}); check the network and the proxy"
        ) from exc
    await handler.connect_async()  # type: ignore[no-untyped-call]  # not annotated
