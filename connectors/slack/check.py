"""Are Slack's tokens right, and does the app hold every scope that we use?"""

from pydantic import SecretStr
from slack_sdk.web.async_client import AsyncWebClient

from bot.errors import ConnectorError
from bot.settings import Secrets, SlackSettings
from connectors.slack.api import APPS, COPY_ANEW, MAKE_ANEW, trying, web_client, web_session
from connectors.slack.http import EVENTS
from connectors.slack.install import SCOPES


async def check_slack(settings: SlackSettings, secrets: Secrets) -> str:
    """
    What works, on one line.

    Raises: ConnectorError naming the token or scope that is missing, and where to get it.
    """
    if not secrets.has_slack:
        return "not set up; SLACK_BOT_TOKEN and SLACK_APP_TOKEN switch it on"
    async with web_session() as session:
        client = web_client(settings.api_base_url, session, retries=1)
        found = [
            await _bot_token(client, secrets.slack_bot_token) if secrets.slack_bot_token else "installed by OAuth",
            await _app_token(client, secrets.slack_app_token) if secrets.slack_app_token else "",
            f"signed requests at port {settings.port}, {EVENTS}" if secrets.slack_signing_secret else "",
        ]
    return ", ".join(part for part in found if part)


async def _bot_token(client: AsyncWebClient, token: SecretStr) -> str:
    _require_prefix("SLACK_BOT_TOKEN", token, "xoxb-", "OAuth & Permissions")
    with trying("SLACK_BOT_TOKEN", "auth.test", client, COPY_ANEW):
        answer = await client.auth_test(token=token.get_secret_value())
    granted = {scope.strip() for scope in answer.headers.get("x-oauth-scopes", "").split(",")}
    missing = sorted(set(SCOPES) - granted)
    if missing:
        raise ConnectorError(
            f"the Slack app lacks the scopes {', '.join(missing)}; add them under OAuth & Permissions at {APPS} "
            "and install the app again"
        )
    return f"{answer['user']} in {answer['team']}"


async def _app_token(client: AsyncWebClient, token: SecretStr) -> str:
    _require_prefix("SLACK_APP_TOKEN", token, "xapp-", "Basic Information")
    with trying("SLACK_APP_TOKEN", "apps.connections.open", client, MAKE_ANEW):
        await client.apps_connections_open(app_token=token.get_secret_value())
    return "Socket Mode"


def _require_prefix(name: str, token: SecretStr, prefix: str, page: str) -> None:
    if not token.get_secret_value().startswith(prefix):
        raise ConnectorError(f"{name} begins with {prefix}; this is another token. It is under {page} at {APPS}")
