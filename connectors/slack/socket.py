"""Socket Mode: the connection over which Slack tells us everything."""

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler

from connectors.proxies import proxy_for
from connectors.slack.api import MAKE_ANEW, trying


async def connect(handler: AsyncSocketModeHandler, api_base_url: str) -> None:
    """
    Open the first connection; the SDK renews it from then on.

    Raises: ConnectorError, where the SDK by itself would try a wrong token for ever.
    """
    socket = handler.client
    socket.proxy = proxy_for(api_base_url)  # the SDK does not know NO_PROXY
    with trying("SLACK_APP_TOKEN", "apps.connections.open", socket.web_client, MAKE_ANEW):
        socket.wss_uri = await socket.issue_new_wss_url()
    await handler.connect_async()  # type: ignore[no-untyped-call]  # not annotated
