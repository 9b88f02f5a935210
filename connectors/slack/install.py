"""Which workspaces the app is in, and its token for each: one from the environment, or many by OAuth."""

from dataclasses import dataclass, field
from typing import Protocol

from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_sdk.oauth.installation_store.sqlalchemy import AsyncSQLAlchemyInstallationStore
from slack_sdk.oauth.state_store.sqlalchemy import AsyncSQLAlchemyOAuthStateStore
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.errors import ConnectorError, SettingsError, StoreError
from bot.settings import Secrets, SlackSettings
from connectors.slack.api import COPY_ANEW, trying

# What the manifest asks for; a test holds both together.
SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "groups:history",
    "groups:read",
    "im:history",
    "im:write",
    "mpim:history",
    "mpim:read",
    "reactions:read",
    "usergroups:read",
)
STATE_SECONDS = 600  # how long an installation may take


@dataclass(frozen=True, slots=True)
class Installed:
    """The app in one workspace."""

    team: str
    token: str = field(repr=False)
    bot_user: str
    bot_id: str


class Workspaces(Protocol):
    """Where the app is installed."""

    async def find(self, team: str) -> Installed:
        """Raises: ConnectorError if the app is not, or no longer, in this workspace."""
        ...


@dataclass
class OneWorkspace:
    """The workspace of SLACK_BOT_TOKEN."""

    client: AsyncWebClient
    token: str = field(repr=False)
    _known: Installed | None = None

    async def find(self, team: str) -> Installed:
        """The one there is; Slack says at the first call which."""
        if self._known is None:
            with trying("SLACK_BOT_TOKEN", "auth.test", self.client, COPY_ANEW):
                who = await self.client.auth_test(token=self.token)
            self._known = Installed(str(who["team_id"]), self.token, str(who["user_id"]), str(who.get("bot_id", "")))
        return self._known


@dataclass
class ManyWorkspaces:
    """The workspaces that installed the app by OAuth, in our database."""

    store: AsyncSQLAlchemyInstallationStore
    engine: AsyncEngine

    async def find(self, team: str) -> Installed:
        """The newest installation in *team*."""
        bot = self.store.bots.c
        # By the team alone: the store's own way asks for its organisation as well, which not every caller knows.
        newest = (
            select(bot.bot_token, bot.bot_user_id, bot.bot_id)
            .where(bot.client_id == self.store.client_id, bot.team_id == team, bot.bot_token.is_not(None))
            .order_by(bot.installed_at.desc(), bot.id.desc())
            .limit(1)
        )
        try:
            async with self.engine.connect() as connection:
                found = (await connection.execute(newest)).first()
        except SQLAlchemyError as exc:
            raise StoreError(f"the installations in Slack workspaces cannot be read ({type(exc).__name__})") from exc
        if found is None:
            raise ConnectorError(
                f"the app is not installed in the Slack workspace {team}; install it at /slack/install"
            )
        return Installed(team, found.bot_token, found.bot_user_id, found.bot_id)


class Authorize(AsyncAuthorize):
    """Bolt's question whose event this is, answered without a call to Slack."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    async def __call__(
        self,
        *,
        context: AsyncBoltContext,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None,
        actor_enterprise_id: str | None = None,
        actor_team_id: str | None = None,
        actor_user_id: str | None = None,
    ) -> AuthorizeResult | None:
        """None where the app is not installed: bolt refuses the event then."""
        try:
            found = await self._workspaces.find(team_id or "")
        except ConnectorError:
            return None
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=found.team,
            bot_user_id=found.bot_user,
            bot_id=found.bot_id,
            bot_token=found.token,
        )


async def oauth_settings(settings: SlackSettings, secrets: Secrets, engine: AsyncEngine) -> AsyncOAuthSettings:
    """What OAuth needs, with its tables made where they are missing. Raises: SettingsError."""
    client_id, client_secret = secrets.slack_client_id, secrets.slack_client_secret
    if client_id is None or client_secret is None:
        raise SettingsError("OAuth needs both SLACK_CLIENT_ID and SLACK_CLIENT_SECRET")
    # They read before they write; only a transaction that says so at its begin waits for other writers.
    engine = engine.execution_options(writes=True)
    installations = AsyncSQLAlchemyInstallationStore(client_id=client_id, engine=engine)
    states = AsyncSQLAlchemyOAuthStateStore(expiration_seconds=STATE_SECONDS, engine=engine)
    await installations.create_tables()  # type: ignore[no-untyped-call]  # not annotated
    await states.create_tables()  # type: ignore[no-untyped-call]  # the same
    return AsyncOAuthSettings(
        client_id=client_id,
        client_secret=client_secret.get_secret_value(),
        scopes=list(SCOPES),
        redirect_uri=f"{settings.public_url.rstrip('/')}/slack/oauth_redirect" if settings.public_url else None,
        authorization_url=f"{settings.origin}/oauth/v2/authorize",
        installation_store=installations,
        installation_store_bot_only=True,
        state_store=states,
    )
