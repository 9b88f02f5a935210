"""The double refuses what Slack refuses, and the real slack-bolt runs against it in both modes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError
from aiohttp.test_utils import TestServer, unused_port
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.app.async_server import AsyncSlackAppServer
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_double import SlackDouble
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.http_retry.builtin_interval_calculators import FixedValueRetryIntervalCalculator
from slack_sdk.oauth.installation_store import FileInstallationStore
from slack_sdk.oauth.state_store import FileOAuthStateStore
from slack_sdk.web.async_client import AsyncWebClient

FORM_TYPE = "application/x-www-form-urlencoded"


def plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


GOOD, BAD = {"text": plain("Good"), "value": "up"}, {"text": plain("Bad"), "value": "down"}
BUTTONS = {"type": "feedback_buttons", "action_id": "vote", "positive_button": GOOD, "negative_button": BAD}
VOTE = {"type": "context_actions", "elements": [BUTTONS]}
WORDS = {"type": "plain_text_input", "action_id": "words"}
REASON = {"type": "input", "block_id": "reason", "label": plain("Reason"), "element": WORDS}
FORM = {"type": "modal", "callback_id": "why", "title": plain("Why?"), "submit": plain("Send"), "blocks": [REASON]}


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK takes proxies, bolt takes OAuth credentials from the environment."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def slack() -> AsyncIterator[SlackDouble]:
    async with SlackDouble() as slack:
        slack.retry_after = 0.1
        slack.add_user("U1", "ada")
        slack.add_user("U2", "bob")
        slack.add_channel("C1")
        yield slack


@pytest.fixture
def client(slack: SlackDouble) -> AsyncWebClient:
    return AsyncWebClient(token=slack.bot_token, base_url=slack.url)


def make_app(slack: SlackDouble, client: AsyncWebClient) -> AsyncApp:
    return with_listeners(AsyncApp(client=client, signing_secret=slack.signing_secret))


def with_listeners(app: AsyncApp) -> AsyncApp:
    """An app that echoes mentions, and asks why when it is voted down."""

    @app.event("app_mention")
    async def mentioned(event: dict[str, Any], client: AsyncWebClient) -> None:
        words = f"You said: {event['text']}"
        blocks = [section(words), VOTE]
        await client.chat_postMessage(channel=event["channel"], thread_ts=event["ts"], text=words, blocks=blocks)

    @app.event("message")
    async def heard() -> None: ...

    @app.action("vote")
    async def voted(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        if body["actions"][0]["value"] == "down":
            await client.views_open(trigger_id=body["trigger_id"], view=FORM)

    @app.view("why")
    async def submitted(ack: Any, view: dict[str, Any]) -> None:
        words = view["state"]["values"]["reason"]["words"]["value"]
        await (ack() if len(words) > 3 else ack(response_action="errors", errors={"reason": "Too short"}))

    @app.command("/ask")
    async def asked(ack: Any, respond: Any, body: dict[str, Any]) -> None:
        await ack("Wait")
        await respond(text=f"Asked: {body['text']}")

    return app


@asynccontextmanager
async def connected(slack: SlackDouble, app: AsyncApp) -> AsyncIterator[AsyncSocketModeHandler]:
    handler = AsyncSocketModeHandler(app, slack.app_token, ping_interval=0.2)
    await handler.connect_async()
    try:
        yield handler
    finally:
        await handler.close_async()


@asynccontextmanager
async def listening(slack: SlackDouble, app: AsyncApp, port: int | None = None) -> AsyncIterator[None]:
    async with TestServer(AsyncSlackAppServer(0, "/slack/events", app).web_app, port=port) as server:
        await slack.use_http(str(server.make_url("/slack/events")))
        yield


@pytest.fixture(params=["socket", "http"])
async def app(request: pytest.FixtureRequest, slack: SlackDouble, client: AsyncWebClient) -> AsyncIterator[AsyncApp]:
    app = make_app(slack, client)
    async with connected(slack, app) if request.param == "socket" else listening(slack, app):
        yield app


async def refusal(call: Any) -> str:
    with pytest.raises(SlackApiError) as refused:
        await call
    return str(refused.value.response["error"])


# The app in both modes


async def test_mention_comes_as_two_events_with_what_a_person_typed_escaped(app: AsyncApp, slack: SlackDouble) -> None:
    ts = await slack.says("U1", "C1", "<@UBOT> a < b?")

    await slack.until(lambda: slack.answers("C1", ts))
    await slack.settle()
    assert [each.payload["event"]["type"] for each in slack.wire.history] == ["message", "app_mention"]
    assert slack.answers("C1", ts)[0].shown == "You said: <@UBOT> a &lt; b?"
    assert len(slack.acks) == 3  # the third tells the app of its own answer
    assert max(slack.acks) < 1


async def test_vote_opens_form_that_can_be_corrected_and_sent(app: AsyncApp, slack: SlackDouble) -> None:
    ts = await slack.says("U1", "C1", "<@UBOT> Hi")
    await slack.until(lambda: slack.answers("C1", ts))

    await slack.clicks("U1", slack.answers("C1", ts)[0], "vote", "negative")
    await slack.until(lambda: slack.modal("U1"))
    [form] = slack.views.values()
    wrong = await slack.submits("U1", form, {"reason": "No"})
    right = await slack.submits("U1", form, {"reason": "It is not so"})

    assert wrong == {"response_action": "errors", "errors": {"reason": "Too short"}}
    assert right == {}
    assert slack.views == {}
    slack.assert_clean()


async def test_command_is_acknowledged_with_a_text_and_answered_later(app: AsyncApp, slack: SlackDouble) -> None:
    body = await slack.commands("U1", "C1", "/ask", "When?")

    await slack.until(lambda: len(slack.ephemeral("U1")) == 2)
    assert body == {"text": "Wait"}
    assert {each.shown for each in slack.ephemeral("U1")} == {"Wait", "Asked: When?"}  # bolt may answer before it acks


async def test_event_nobody_listens_to_is_sent_again_and_noted(app: AsyncApp, slack: SlackDouble) -> None:
    slack.ack_within = 0.2
    ts = await slack.says("U1", "C1", "Hi")

    await slack.reacts("U2", slack.find("C1", ts), "tada")
    await slack.settle()

    [problem] = slack.problems
    assert problem.startswith("reaction_added was never acknowledged")


async def test_listener_that_does_not_acknowledge_is_noted(app: AsyncApp, slack: SlackDouble) -> None:
    slack.ack_within = 0.2
    app.shortcut("explain")(silent)

    await slack.shortcut("U1", None, None, "explain")

    assert "shortcut was not acknowledged within 0.2 s" in slack.problems[0]


async def silent() -> None:
    """Forgets to acknowledge."""


async def test_events_that_come_twice_or_again_have_the_same_id(app: AsyncApp, slack: SlackDouble) -> None:
    heard: list[tuple[str, list[str]]] = []

    @app.event("reaction_added")
    async def reacted(body: dict[str, Any], request: Any) -> None:
        heard.append((body["event_id"], request.headers.get("x-slack-retry-num", ["0"])[0]))

    ts = await slack.says("U1", "C1", "Hi")
    slack.duplicate_next = True
    await slack.reacts("U1", slack.find("C1", ts), "tada")
    await slack.redeliver()

    await slack.until(lambda: len(heard) == 3)
    assert {event_id for event_id, _ in heard} == {heard[0][0]}
    assert [number for _, number in heard] == ["0", "0", "1"]


async def test_what_people_do_reaches_the_app_as_slack_tells_it(slack: SlackDouble, client: AsyncWebClient) -> None:
    told: list[str] = []

    async def tell(body: dict[str, Any], next: Any) -> None:
        event = body.get("event", body)
        told.append(" ".join(filter(None, [event["type"], event.get("subtype"), event.get("tab")])))
        await next()

    app = make_app(slack, client)
    app.use(tell)
    async with connected(slack, app):
        ts = await slack.says("U1", "D1", "<@UBOT> see this", files=[slack.add_file("a.txt", b"a")])
        await slack.edits("U1", "D1", ts, "No, this")
        await slack.reacts("U1", slack.find("D1", ts), "eyes")
        await slack.unreacts("U1", slack.find("D1", ts), "eyes")
        await slack.deletes("U1", "D1", ts)
        await slack.opens_messages_tab("U1")
        await slack.opens_home("U1")
        await slack.starts_assistant_thread("U1")
        await slack.until(lambda: len(told) >= 8)

    changes = ["message file_share", "message message_changed", "reaction_added", "reaction_removed"]
    tabs = ["app_home_opened messages", "app_home_opened home", "assistant_thread_started"]
    assert told[:8] == [*changes, "message message_deleted", *tabs]


async def test_app_hears_only_what_it_asked_for_where_it_is(slack: SlackDouble, client: AsyncWebClient) -> None:
    slack.events = {"message.im", "app_mention"}
    slack.add_channel("C2", members=["U1"])

    await slack.says("U1", "C1", "Hi")
    await slack.says("U1", "C2", "<@UBOT> Hi")
    await slack.opens_home("U1")
    await slack.says("U1", "D1", "Hi")

    assert [each.payload["event"]["channel"] for each in slack.wire.history] == ["D1"]


# Socket Mode


@pytest.mark.parametrize("how", [{}, {"reason": "refresh_requested"}, {"abruptly": True}])
async def test_app_comes_back_after_its_connection_is_lost(
    how: Any, slack: SlackDouble, client: AsyncWebClient
) -> None:
    async with connected(slack, make_app(slack, client)):
        await slack.drop_sockets(**how)
        ts = await slack.says("U1", "C1", "<@UBOT> Still there?")

        await slack.until(lambda: slack.answers("C1", ts))
        assert slack.count("apps.connections.open") == 2


async def test_socket_opens_only_for_the_app_token(slack: SlackDouble, client: AsyncWebClient) -> None:
    assert await refusal(client.apps_connections_open(app_token=slack.bot_token)) == "not_allowed_token_type"
    assert await refusal(client.auth_test(token=slack.app_token)) == "not_allowed_token_type"


# HTTP


async def test_app_takes_only_fresh_requests_signed_by_slack(slack: SlackDouble, client: AsyncWebClient) -> None:
    async with listening(slack, make_app(slack, client)):
        body = {"type": "event_callback", "event": {"type": "app_mention"}}

        assert await slack.verifies_url()
        assert (await slack.post_signed(body, secret="guessed")).status == 401
        assert (await slack.post_signed(body, age=600)).status == 401
        assert (
            await slack.post_signed("ssl_check=1&token=x", content_type="application/x-www-form-urlencoded")
        ).status == 200
        assert (await slack.replay()).status == 200


async def test_event_is_sent_again_when_the_app_was_away(slack: SlackDouble, client: AsyncWebClient) -> None:
    async with listening(slack, make_app(slack, client)):
        await slack.use_http(slack.wire.url.replace("/slack/events", "/nowhere"))
        ts = await slack.says("U1", "C1", "<@UBOT> Hi")
        await slack.use_http(slack.wire.url.replace("/nowhere", "/slack/events"))

        await slack.until(lambda: slack.answers("C1", ts))
        await slack.settle()
        assert slack.problems == []


# Installing


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")  # slack-sdk 3.47 with aiohttp 3.14
async def test_app_is_installed_in_two_workspaces(slack: SlackDouble, tmp_path: Path) -> None:
    port = unused_port()
    install = f"http://127.0.0.1:{port}/slack/install"

    async with listening(slack, make_installable(slack, port, tmp_path), port):
        pages = [await slack.installs(install), await slack.installs(install, team="T2")]
        await slack.says("U1", "C1", "<@UBOT> Hi", team="T2")
        await slack.until(lambda: slack.answers("C1"))

    assert [page.status for page in pages] == [200, 200]
    assert [call.team for call in slack.calls if call.method == "chat.postMessage"] == ["T2"]


def make_installable(slack: SlackDouble, port: int, folder: Path) -> AsyncApp:
    settings = AsyncOAuthSettings(
        client_id=slack.client_id,
        client_secret=slack.client_secret,
        scopes=["chat:write"],
        installation_store=FileInstallationStore(base_dir=str(folder)),
        state_store=FileOAuthStateStore(expiration_seconds=60, base_dir=str(folder)),
        authorization_url=slack.url.replace("/api/", "/oauth/v2/authorize"),
        redirect_uri=f"http://127.0.0.1:{port}/slack/oauth_redirect",
    )
    client = AsyncWebClient(base_url=slack.url)
    app = AsyncApp(client=client, signing_secret=slack.signing_secret, oauth_settings=settings)
    return with_listeners(app)


async def test_tokens_are_dead_when_the_app_hears_that_it_was_removed(app: AsyncApp, slack: SlackDouble) -> None:
    removed = asyncio.Event()

    @app.event("app_uninstalled")
    async def gone() -> None:
        removed.set()

    await slack.uninstalls()
    await asyncio.wait_for(removed.wait(), 1)

    assert await refusal(app.client.auth_test()) == "account_inactive"


# Faults


async def test_retry_handlers_get_over_faults(slack: SlackDouble, client: AsyncWebClient) -> None:
    handlers = (AsyncConnectionErrorRetryHandler, AsyncRateLimitErrorRetryHandler, AsyncServerErrorRetryHandler)
    pause = FixedValueRetryIntervalCalculator(0.0)
    client.retry_handlers = [each(3, pause) for each in handlers]  # each counts the attempts of all
    slack.fail("chat.postMessage", 429, retry_after=0)
    slack.fail("chat.postMessage", 503)
    slack.reset("chat.postMessage")

    await client.chat_postMessage(channel="C1", text="Hi")

    assert [call.error for call in slack.calls] == ["ratelimited", "503", "reset", None]
    assert len(slack.answers("C1")) == 1


async def test_work_may_be_done_though_the_answer_is_lost(slack: SlackDouble, client: AsyncWebClient) -> None:
    client.retry_handlers.clear()
    slack.reset("chat.postMessage", after_doing=True)

    with pytest.raises(ClientError):
        await client.chat_postMessage(channel="C1", text="Hi")

    assert len(slack.answers("C1")) == 1


async def test_method_may_be_used_as_often_as_its_tier_says() -> None:
    async with SlackDouble(tiers=True) as slack:
        slack.minute = 0.5
        slack.add_user("U1", "ada")
        client = AsyncWebClient(token=slack.bot_token, base_url=slack.url)

        for _ in range(20):
            await client.usergroups_list()
        with pytest.raises(SlackApiError) as refused:
            await client.usergroups_list()
        assert refused.value.response.headers["Retry-After"] == "1"
        await asyncio.sleep(0.5)
        await client.usergroups_list()


async def test_only_some_posts_at_once_are_taken_in_a_channel() -> None:
    async with SlackDouble(tiers=True) as slack:
        slack.add_user("U1", "ada")
        slack.add_user("U2", "bob")
        client = AsyncWebClient(token=slack.bot_token, base_url=slack.url)

        for _ in range(5):
            await client.chat_postMessage(channel="D1", text="Hi")
        assert await refusal(client.chat_postMessage(channel="D1", text="Hi")) == "ratelimited"
        await client.chat_postMessage(channel="D2", text="Hi")
