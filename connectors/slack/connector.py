"""
Slack: mentions, direct messages, threads, `/ask`, "Ask about this", votes and the home tab, over Socket Mode or HTTP.

Each listener stores what it was told and returns; bolt acknowledges behind it. Answers are written, and everything
else is done that takes a call to Slack, in tasks of their own.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pydantic import SecretStr
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from sqlalchemy.ext.asyncio import AsyncEngine

from bot import wording
from bot.messages import Message, Pending
from bot.ports import FeedbackHandler, MessageHandler, OnText
from bot.settings import Secrets
from connectors.access import help_channel
from connectors.desk import PAUSE, Errand, Errands, Screen
from connectors.parts import Parts
from connectors.slack import blocks as slack_blocks
from connectors.slack import events as slack_events
from connectors.slack.api import SlackApi, quiet_logger, web_client, web_session
from connectors.slack.events import IN_PRIVATE, PLATFORM, Payload
from connectors.slack.feedback import SlackFeedback, form_values
from connectors.slack.home import SlackHome
from connectors.slack.http import serve_http
from connectors.slack.install import Authorize, ManyWorkspaces, OneWorkspace, Workspaces, oauth_settings
from connectors.slack.private import LOOKING, PrivateScreen, ask_by_form
from connectors.slack.rooms import SlackRooms
from connectors.slack.screen import ThreadScreen
from connectors.slack.socket import connect
from connectors.slack.text import plain


@dataclass
class SlackConnector:
    """One Slack app, in one workspace or many."""

    parts: Parts
    secrets: Secrets
    engine: AsyncEngine  # of the database, for the installations of several workspaces
    ping_interval: float = 10.0  # seconds between two looks at the socket
    pause: float = PAUSE  # seconds before the first new try of what Slack did not take
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        return PLATFORM

    async def run(self, on_message: MessageHandler, on_feedback: FeedbackHandler) -> None:
        """
        Answer until cancelled.

        Raises: ConnectorError or SettingsError at the start, naming the token or setting that is wrong.
        """
        async with self.connected(on_message, on_feedback):
            self.ready.set()
            await asyncio.Event().wait()

    @asynccontextmanager
    async def connected(self, on_message: MessageHandler, on_feedback: FeedbackHandler) -> AsyncIterator["SlackApp"]:
        """Connected while the block runs."""
        slack, secrets = self.parts.settings.slack, self.secrets
        async with AsyncExitStack() as opened:
            session = await opened.enter_async_context(web_session())
            client = web_client(slack.api_base_url, session, retries=3, pause=self.pause)
            oauth = await oauth_settings(slack, secrets, self.engine) if secrets.slack_client_id else None
            workspaces: Workspaces
            if oauth is not None:
                workspaces = ManyWorkspaces(oauth.installation_store, self.engine)  # type: ignore[arg-type]  # it is ours
            else:
                workspaces = OneWorkspace(client, _text(secrets.slack_bot_token))
                await workspaces.find("")
            api = SlackApi(slack.api_base_url, session, _token_of(workspaces), pause=self.pause)
            app = SlackApp(self, api, workspaces, on_message, on_feedback)
            opened.push_async_callback(app.close)
            bolt = AsyncApp(
                name="pointsman",
                logger=quiet_logger(),
                client=client,
                signing_secret=_text(secrets.slack_signing_secret),
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
                token = secrets.slack_app_token.get_secret_value()
                handler = AsyncSocketModeHandler(bolt, token, ping_interval=self.ping_interval)
                opened.push_async_callback(handler.close_async)
                await connect(handler, slack.api_base_url)
            if secrets.slack_signing_secret:
                app.port = await opened.enter_async_context(serve_http(bolt, slack.host, slack.port))
            yield app


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""


def _token_of(workspaces: Workspaces) -> Callable[[str], Awaitable[str]]:
    async def token(team: str) -> str:
        return (await workspaces.find(team)).token

    return token


class SlackApp:
    """The listeners, and what they need."""

    name = PLATFORM
    port: int | None = None  # where signed requests arrive

    def __init__(
        self,
        connector: SlackConnector,
        api: SlackApi,
        workspaces: Workspaces,
        on_message: MessageHandler,
        on_feedback: FeedbackHandler,
    ) -> None:
        parts, settings = connector.parts, connector.parts.settings
        self.api, self.inbox, self.errands = api, parts.inbox, Errands()
        self._domains, self._workspaces = settings.domains, workspaces
        self._rooms = SlackRooms(
            api=api,
            access=settings.access,
            exchanges=parts.exchanges,
            read_file=parts.read_file,
            bot_user=self._bot_user,
        )
        self.desk = parts.desk(self, on_message, pause=connector.pause)
        self._home = SlackHome(api, settings, parts.people, parts.openers, self.desk.forget)
        self._feedback = SlackFeedback(
            api=api,
            rooms=self._rooms,
            exchanges=parts.exchanges,
            votes=parts.votes_on(PLATFORM, on_feedback),
            domains=self._domains,
        )

    async def close(self) -> None:
        """Leave; what is not answered stays in the inbox."""
        await self.errands.close()
        await self.desk.close()

    def screen(self, pending: Pending, begun: OnText) -> Screen:
        """Where this answer is read."""
        helped = frozenset(d.name for d in self._domains if help_channel(self._domains, d.name, PLATFORM))
        if pending.address["how"] == IN_PRIVATE:
            return PrivateScreen(api=self.api, pending=pending, helped=helped)
        return ThreadScreen(
            api=self.api,
            pending=pending,
            begun=begun,
            helped=helped,
            bot_user=self._bot_user,
            begun_for_others=partial(self._begun_for_others, pending.message.id),
        )

    async def _begun_for_others(self, message_id: str) -> set[str]:
        return {each.begun for each in await self.inbox.unfinished() if each.message.id != message_id}

    async def complete(self, message: Message, address: Mapping[str, str]) -> Message:
        """The message with labels and files."""
        return await self._rooms.complete(message, address)

    async def refused(self, message: Message, address: Mapping[str, str], reason: str) -> None:
        """A channel that is gone or closed to us: nobody waits there."""

    def listen(self, bolt: AsyncApp) -> None:
        """Tell bolt what we listen to; `slack_manifest.yaml` subscribes to the same."""
        bolt.event("message")(self._said)
        bolt.event("app_mention")(self._said)
        bolt.event("app_home_opened")(self._opened)
        bolt.event("assistant_thread_started")(self._thread_started)
        bolt.event("assistant_thread_context_changed")(_nothing)
        bolt.event("app_context_changed")(_nothing)
        bolt.event("app_uninstalled")(_nothing)  # with OAuth bolt has listened already, and forgets the token
        bolt.event("tokens_revoked")(_nothing)
        bolt.event("agent_session_stopped")(self._stopped)
        bolt.event("reaction_added")(partial(self._reacted, added=True))
        bolt.event("reaction_removed")(partial(self._reacted, added=False))
        bolt.command("/ask")(self._commanded)
        bolt.shortcut(slack_blocks.ASK_ABOUT)(self._ask_about)
        bolt.view(slack_blocks.ASK_ABOUT)(self._asked_about)
        bolt.view(slack_blocks.WHY)(self._acknowledged(self._feedback.explain))
        bolt.view(slack_blocks.RESOLVED)(self._acknowledged(self._feedback.resolved))
        for action, press in {
            slack_blocks.VOTE: self._feedback.vote,
            slack_blocks.SAY_WHY: self._feedback.say_why,
            slack_blocks.TAKE_BACK: self._feedback.take_back,
            slack_blocks.ASK_PERSON: self._feedback.ask_person,
            slack_blocks.RESOLVE: self._feedback.resolve,
            slack_blocks.FORGET_ME: self._home.forget,
        }.items():
            bolt.action(action)(self._acknowledged(press))

    def _acknowledged(self, press: "Press") -> Callable[..., Awaitable[None]]:
        """A listener that keeps what was pressed, acknowledges, and does the rest behind that."""

        async def listener(ack: Any, body: Payload) -> None:
            errand = await press(body)
            await ack()
            if errand is not None:
                self.errands.start(errand)

        return listener

    async def _said(self, event: Payload, context: Mapping[str, Any]) -> None:
        team, bot = context["team_id"], context["bot_user_id"]
        if not slack_events.said_by_a_person(event, bot=bot):
            return
        message, address = slack_events.said(event, team, bot=bot, domains=self._domains)
        known = bool(event.get("thread_ts")) and await self.inbox.takes_part(message.thread)
        meant = slack_events.is_addressed(event, bot=bot) or (known and slack_events.may_continue(event, bot=bot))
        if meant and await self.desk.take(message, address) and not known and slack_events.is_direct(event):
            self.errands.start(partial(self._home.entitle, address, message.text))

    async def _commanded(self, ack: Any, body: Payload, context: Mapping[str, Any]) -> None:
        if body.get("text", "").strip().casefold() in ("", "help"):
            text = wording.introduction({domain.name: domain for domain in self._domains})
            await ack(response_type="ephemeral", text=slack_blocks.fallback(text), blocks=slack_blocks.markdown(text))
            return
        message, address = slack_events.commanded(body, bot=context["bot_user_id"], domains=self._domains)
        await self.desk.take(message, address)
        await ack(response_type="ephemeral", text=LOOKING)

    async def _ask_about(self, ack: Any, body: Payload, context: Mapping[str, Any]) -> None:
        address = {
            "team": body["team"]["id"],
            "channel": body["channel"]["id"],
            "user": body["user"]["id"],
            "response_url": body["response_url"],
        }
        text = plain(body["message"].get("text", ""), bot=context["bot_user_id"])
        view = slack_blocks.ask_about(text, address, self._domains)
        await ack()
        self.errands.start(partial(ask_by_form, self.api, body, view))

    async def _asked_about(self, ack: Any, body: Payload) -> None:
        given, address = form_values(body), json.loads(body["view"]["private_metadata"])
        message, where = slack_events.asked_about(
            body, address, given.get("question", ""), given.get("route"), self._domains
        )
        await self.desk.take(message, where)
        await ack()

    async def _stopped(self, event: Payload, context: Mapping[str, Any]) -> None:
        team, channel, thread = context["team_id"], event["channel"], event["thread_ts"]
        if not self.desk.stop(slack_events.thread_id(team, channel, thread)):
            self.errands.start(partial(self._home.end_session, team, channel, thread))

    async def _reacted(self, event: Payload, context: Mapping[str, Any], *, added: bool) -> None:
        await self._feedback.reacted(event, context["team_id"], added=added)

    async def _opened(self, event: Payload, context: Mapping[str, Any]) -> None:
        team = context["team_id"]
        if event.get("tab") == "messages":
            self.errands.start(partial(self._home.suggest, team, event["channel"], None))
        else:
            self.errands.start(partial(self._home.publish, team, event["user"]))

    async def _thread_started(self, event: Payload, context: Mapping[str, Any]) -> None:
        thread = event["assistant_thread"]
        where = thread["channel_id"], thread["thread_ts"]
        self.errands.start(partial(self._home.suggest, context["team_id"], *where))

    async def _bot_user(self, team: str) -> str:
        return (await self._workspaces.find(team)).bot_user


Press = Callable[[Payload], Awaitable[Errand | None]]


async def _nothing(event: Payload) -> None:
    """Events that come with others and tell us nothing."""
