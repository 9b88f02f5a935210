"""
Slack: mentions, direct messages, threads, `/ask`, "Ask about this", votes and the home tab, over Socket Mode or HTTP.

Each listener stores what it was told and returns; bolt acknowledges behind it. The desk answers in tasks of its own.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from sqlalchemy.ext.asyncio import AsyncEngine

from bot import wording
from bot.errors import ConnectorError
from bot.messages import Message, Pending
from bot.ports import (
    ExchangeStore,
    FeedbackHandler,
    FeedbackStore,
    FileReader,
    Inbox,
    MessageHandler,
    OnText,
    People,
)
from bot.settings import Secrets, Settings
from connectors import slack_blocks, slack_events
from connectors.desk import Desk, Screen
from connectors.quota import Quota
from connectors.slack_api import SlackApi, web_client
from connectors.slack_events import IN_PRIVATE, PLATFORM, Payload
from connectors.slack_feedback import SlackFeedback, form_values, help_channel
from connectors.slack_http import serve_http
from connectors.slack_install import Authorize, ManyWorkspaces, OneWorkspace, Workspaces, oauth_settings
from connectors.slack_rooms import SlackRooms
from connectors.slack_screen import PrivateScreen, ThreadScreen
from connectors.slack_text import plain, shortened

log = structlog.get_logger()

LOOKING = "Looking for an answer…"


@dataclass
class SlackConnector:
    """One Slack app, in one workspace or many."""

    settings: Settings
    secrets: Secrets
    inbox: Inbox
    exchanges: ExchangeStore
    votes: FeedbackStore
    people: People
    read_file: FileReader
    engine: AsyncEngine  # of the database, for the installations of several workspaces

    async def run(self, on_message: MessageHandler, on_feedback: FeedbackHandler) -> None:
        """
        Answer until cancelled.

        Raises: ConnectorError or SettingsError at the start, naming the token or setting that is wrong.
        """
        async with self.connected(on_message, on_feedback):
            await asyncio.Event().wait()

    @asynccontextmanager
    async def connected(self, on_message: MessageHandler, on_feedback: FeedbackHandler) -> AsyncIterator["SlackApp"]:
        """Connected while the block runs."""
        slack, secrets = self.settings.slack, self.secrets
        async with AsyncExitStack() as opened:
            # trust_env: the proxy variables with their exceptions, of which the SDK's own handling knows none
            session = await opened.enter_async_context(aiohttp.ClientSession(trust_env=True))
            client = web_client(slack.api_base_url, session, retries=3)
            oauth = await oauth_settings(slack, secrets, self.engine) if secrets.slack_client_id else None
            workspaces: Workspaces
            if oauth is not None:
                workspaces = ManyWorkspaces(oauth.installation_store)
            else:
                workspaces = OneWorkspace(client, secrets.slack_bot_token.get_secret_value())  # type: ignore[union-attr]
                await workspaces.find("")
            app = SlackApp(self, SlackApi(slack.api_base_url, session, _token_of(workspaces)), workspaces)
            app.start(on_message, on_feedback)
            opened.push_async_callback(app.desk.close)
            bolt = AsyncApp(
                name="pointsman",
                logger=logging.getLogger("slack"),
                client=client,
                signing_secret=secrets.slack_signing_secret.get_secret_value() if secrets.slack_signing_secret else "",
                process_before_response=True,  # what a listener was told is stored before it is acknowledged
                authorize=Authorize(workspaces),  # type: ignore[arg-type]  # it takes its own class as well
                oauth_settings=oauth,
                attaching_conversation_kwargs_enabled=False,
            )
            if oauth is not None:
                bolt.enable_token_revocation_listeners()
            app.listen(bolt)
            await app.desk.resume()
            if secrets.slack_app_token:
                handler = AsyncSocketModeHandler(bolt, secrets.slack_app_token.get_secret_value())
                opened.push_async_callback(handler.close_async)
                await _connect(handler)
            if secrets.slack_signing_secret:
                app.port = await opened.enter_async_context(serve_http(bolt, slack.host, slack.port))
            yield app


def _token_of(workspaces: Workspaces) -> Callable[[str], Awaitable[str]]:
    async def token(team: str) -> str:
        return (await workspaces.find(team)).token

    return token


async def _connect(handler: AsyncSocketModeHandler) -> None:
    try:
        await handler.connect_async()  # type: ignore[no-untyped-call]  # not annotated
    # The SDK raises whatever its transport does.
    except Exception as exc:
        raise ConnectorError(
            f"Slack does not accept SLACK_APP_TOKEN, or cannot be reached ({exc}); make an app-level token with the "
            "scope connections:write under Basic Information of your app"
        ) from exc


class SlackApp:
    """The listeners, and what they need."""

    port: int | None = None  # where signed requests arrive

    def __init__(self, connector: SlackConnector, api: SlackApi, workspaces: Workspaces) -> None:
        self.api = api
        self.inbox = connector.inbox
        self._connector = connector
        self._settings = connector.settings
        self._domains = connector.settings.domains
        self._workspaces = workspaces
        self._rooms = SlackRooms(
            api=api,
            access=self._settings.access,
            exchanges=connector.exchanges,
            read_file=connector.read_file,
            bot_user=self._bot_user,
        )

    @property
    def name(self) -> str:
        return PLATFORM

    def start(self, on_message: MessageHandler, on_feedback: FeedbackHandler) -> None:
        """Open the desk."""
        limits = self._settings.limits
        self.desk = Desk(
            platform=self,
            inbox=self.inbox,
            exchanges=self._connector.exchanges,
            on_message=on_message,
            quota=Quota(limits.questions_per_user_per_hour, limits.questions_per_workspace_per_hour),
        )
        self._feedback = SlackFeedback(
            api=self.api,
            rooms=self._rooms,
            exchanges=self._connector.exchanges,
            votes=self._connector.votes,
            inbox=self.inbox,
            on_feedback=on_feedback,
            domains=self._domains,
        )

    def screen(self, pending: Pending, begun: OnText) -> Screen:
        """Where this answer is read."""
        helpers = any(help_channel(self._domains, domain.name) for domain in self._domains)
        if pending.address["how"] == IN_PRIVATE:
            return PrivateScreen(api=self.api, pending=pending, helpers=helpers)
        return ThreadScreen(api=self.api, pending=pending, begun=begun, helpers=helpers)

    async def complete(self, message: Message, address: Mapping[str, str]) -> Message:
        """The message with labels and files."""
        return await self._rooms.complete(message, address)

    def listen(self, bolt: AsyncApp) -> None:
        """Tell bolt what we listen to; `slack_manifest.yaml` subscribes to the same."""
        bolt.event("message")(self._said)
        bolt.event("app_mention")(self._said)
        bolt.event("app_home_opened")(self._opened)
        bolt.event("assistant_thread_started")(self._thread_started)
        bolt.event("assistant_thread_context_changed")(_nothing)
        bolt.event("app_context_changed")(_nothing)
        bolt.event("agent_session_stopped")(self._stopped)
        bolt.event("reaction_added")(partial(self._reacted, added=True))
        bolt.event("reaction_removed")(partial(self._reacted, added=False))
        bolt.command("/ask")(self._commanded)
        bolt.shortcut(slack_blocks.ASK_ABOUT)(self._ask_about)
        bolt.view(slack_blocks.ASK_ABOUT)(self._asked_about)
        bolt.view(slack_blocks.WHY)(_acknowledged(self._feedback.explain))
        bolt.view(slack_blocks.RESOLVED)(_acknowledged(self._feedback.resolved))
        for action, press in {
            slack_blocks.VOTE: self._feedback.vote,
            slack_blocks.TAKE_BACK: self._feedback.take_back,
            slack_blocks.ASK_PERSON: self._feedback.ask_person,
            slack_blocks.RESOLVE: self._feedback.resolve,
            slack_blocks.FORGET_ME: self._forget,
        }.items():
            bolt.action(action)(_acknowledged(press))

    async def _said(self, event: Payload, context: Mapping[str, Any]) -> None:
        team, bot = context["team_id"], context["bot_user_id"]
        if not slack_events.said_by_a_person(event, bot=bot):
            return
        message, address = slack_events.said(event, team, bot=bot, domains=self._domains)
        if slack_events.is_addressed(event, bot=bot) or (
            slack_events.may_continue(event, bot=bot) and await self.inbox.takes_part(message.thread)
        ):
            await self.desk.take(message, address)

    async def _commanded(self, ack: Any, body: Payload, context: Mapping[str, Any]) -> None:
        if body.get("text", "").strip().casefold() in ("", "help"):
            text = wording.introduction({domain.name: domain for domain in self._domains})
            await ack(response_type="ephemeral", text=slack_blocks.fallback(text), blocks=slack_blocks.markdown(text))
            return
        message, address = slack_events.commanded(body, bot=context["bot_user_id"], domains=self._domains)
        await self.desk.take(message, address)
        await ack(response_type="ephemeral", text=LOOKING)

    async def _ask_about(self, ack: Any, body: Payload) -> None:
        address = {
            "team": body["team"]["id"],
            "channel": body["channel"]["id"],
            "user": body["user"]["id"],
            "response_url": body["response_url"],
        }
        text = plain(body["message"].get("text", ""), bot="")
        view = slack_blocks.ask_about(text, address, [domain.name for domain in self._domains])
        await ack()
        await self.api.call(address["team"], "views.open", trigger_id=body["trigger_id"], view=view)

    async def _asked_about(self, ack: Any, body: Payload) -> None:
        given, address = form_values(body), json.loads(body["view"]["private_metadata"])
        message, where = slack_events.asked_about(
            body, address, given.get("question", ""), given.get("route"), self._domains
        )
        await self.desk.take(message, where)
        await ack()

    async def _stopped(self, event: Payload, context: Mapping[str, Any]) -> None:
        self.desk.stop(slack_events.thread_id(context["team_id"], event["channel"], event["thread_ts"]))

    async def _reacted(self, event: Payload, context: Mapping[str, Any], *, added: bool) -> None:
        await self._feedback.reacted(event, context["team_id"], added=added)

    async def _opened(self, event: Payload, context: Mapping[str, Any]) -> None:
        if event.get("tab") == "messages":
            await self._suggest(context["team_id"], event["channel"], None)
        else:
            await self._publish_home(context["team_id"], event["user"])

    async def _thread_started(self, event: Payload, context: Mapping[str, Any]) -> None:
        thread = event["assistant_thread"]
        await self._suggest(context["team_id"], thread["channel_id"], thread["thread_ts"])

    async def _suggest(self, team: str, channel: str, thread: str | None) -> None:
        """Offer questions; the agent view shows none where a thread is named, the older view none without."""
        prompts = suggestions(self._settings)
        arguments = {"thread_ts": thread} if thread else {}
        with suppress(ConnectorError):
            await self.api.call(
                team,
                "assistant.threads.setSuggestedPrompts",
                channel_id=channel,
                prompts=prompts,
                title="What can I help you with?",
                **arguments,
            )

    async def _publish_home(self, team: str, user: str) -> None:
        stored = await self._connector.people.stored(slack_events.user_id(user), slack_events.workspace_id(team))
        view = slack_blocks.home(
            self._domains, stored, self._settings.storage.retention_days, self._settings.contact.admins
        )
        await self.api.call(team, "views.publish", user_id=user, view=view)

    async def _forget(self, body: Payload) -> None:
        team, user = body["team"]["id"], body["user"]["id"]
        await self._connector.people.forget(slack_events.user_id(user), slack_events.workspace_id(team))
        await self._publish_home(team, user)

    async def _bot_user(self, team: str) -> str:
        return (await self._workspaces.find(team)).bot_user


def suggestions(settings: Settings) -> list[dict[str, str]]:
    """Up to four questions to begin with, each topic before any topic's second."""
    per_domain = [
        [f"{domain.name}: {question}" for question in domain.suggestions]
        or [f"{domain.name}: What should I know about {domain.name}?"]
        for domain in settings.domains
    ]
    rows = [row[n] for n in range(4) for row in per_domain if n < len(row)]
    return [{"title": shortened(row.partition(": ")[2], 60), "message": row} for row in rows[:4]]


Press = Callable[[Payload], Awaitable[None]]


def _acknowledged(press: Press) -> Callable[..., Awaitable[None]]:
    """A listener that does what was pressed, then acknowledges: what was acknowledged is kept."""

    async def listener(ack: Any, body: Payload) -> None:
        try:
            await press(body)
        except ConnectorError as exc:
            log.warning("Slack did not take what a button asks for", reason=str(exc))
        await ack()

    return listener


async def _nothing(event: Payload) -> None:
    """Events that come with others and tell us nothing."""
