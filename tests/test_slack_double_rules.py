"""The double's Web API refuses what Slack refuses, and notes what Slack punishes only by silence."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from slack_double import SlackDouble
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient


def plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def button(action_id: str, text: str = "Go", value: str = "1") -> dict[str, Any]:
    return {"type": "button", "action_id": action_id, "text": plain(text), "value": value}


def icons(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "context_actions", "elements": list(elements)}


VOTE = {
    "type": "feedback_buttons",
    "action_id": "vote",
    "positive_button": {"text": plain("Good"), "value": "up"},
    "negative_button": {"text": plain("Bad"), "value": "down"},
}
WORDS = {"type": "input", "label": plain("Why"), "element": {"type": "plain_text_input", "action_id": "words"}}
MODAL = {"type": "modal", "title": plain("Why?"), "submit": plain("Send"), "blocks": [WORDS]}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def slack() -> AsyncIterator[SlackDouble]:
    async with SlackDouble() as slack:
        slack.add_user("U1", "ada")
        slack.add_user("U2", "bob")
        slack.add_channel("C1")
        yield slack


@pytest.fixture
def client(slack: SlackDouble) -> AsyncWebClient:
    return AsyncWebClient(token=slack.bot_token, base_url=slack.url)


async def refusal(call: Any) -> str:
    with pytest.raises(SlackApiError) as refused:
        await call
    return str(refused.value.response["error"])


async def reasons(call: Any) -> str:
    with pytest.raises(SlackApiError) as refused:
        await call
    assert refused.value.response["error"] in ("invalid_blocks", "invalid_arguments")
    return str(refused.value.response["response_metadata"]["messages"])


async def test_calls_without_a_good_token_are_refused(slack: SlackDouble) -> None:
    for token, error in (("", "not_authed"), ("xoxb-guessed", "invalid_auth")):
        client = AsyncWebClient(token=token, base_url=slack.url)
        assert await refusal(client.auth_test()) == error
    await slack.uninstalls()
    assert await refusal(AsyncWebClient(token=slack.bot_token, base_url=slack.url).auth_test()) == "account_inactive"


async def test_missing_scope_is_named(slack: SlackDouble, client: AsyncWebClient) -> None:
    slack.scopes = {"chat:write"}

    with pytest.raises(SlackApiError) as refused:
        await client.users_info(user="U1")

    answer = {"ok": False, "error": "missing_scope", "needed": "users:read", "provided": "chat:write"}
    assert refused.value.response.data == answer
    assert refused.value.response.headers["x-oauth-scopes"] == "chat:write"
    assert await refusal(client.api_call("chat.shout")) == "unknown_method"


async def test_app_sees_only_channels_it_may_see(slack: SlackDouble, client: AsyncWebClient) -> None:
    slack.add_channel("C2", members=["U1"])
    slack.add_channel("G1", private=True, members=["U1"])

    assert await refusal(client.chat_postMessage(channel="C9", text="Hi")) == "channel_not_found"
    assert await refusal(client.chat_postMessage(channel="G1", text="Hi")) == "channel_not_found"
    assert await refusal(client.chat_postMessage(channel="C2", text="Hi")) == "not_in_channel"
    await client.chat_postMessage(channel="U1", text="Hi")
    assert slack.answers("D1")[0].text == "Hi"


WRONG_BLOCKS = [
    ([section("x" * 3001)], "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
    ([section("")], "must be more than 0 characters"),
    ([{"type": "section"}], "must have one of text, fields"),
    ([{"type": "header", "text": plain("x" * 151)}], "must be less than 151 characters"),
    ([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], "unsupported type: mrkdwn"),
    ([{"type": "heading", "text": plain("x")}], "unsupported type: heading"),
    ([{"type": "section", "text": plain("x"), "colour": "red"}], "invalid additional property: colour"),
    ([{"type": "actions", "elements": [button("a", "x" * 76)]}], "must be less than 76 characters"),
    ([{"type": "actions", "elements": [button("a", value="x" * 2001)]}], "must be less than 2001 characters"),
    ([{"type": "actions", "elements": [button("a" * 256)]}], "must be less than 256 characters"),
    ([{"type": "actions", "elements": [button("a"), button("a")]}], "`action_id` a already exists"),
    ([{"type": "actions", "elements": [button(str(n)) for n in range(26)]}], "no more than 25 items allowed"),
    ([{"type": "context", "elements": [plain("x")] * 11}], "no more than 10 items allowed"),
    ([{"type": "divider", "block_id": "b"}] * 2, "`block_id` b already exists"),
    ([{"type": "divider"}] * 51, "no more than 50 items allowed"),
    ([{"type": "actions", "elements": [VOTE]}], "unsupported type: feedback_buttons"),
    ([icons({"type": "feedback_buttons", "action_id": "v"})], "missing required field: positive_button"),
    ([icons(*[VOTE] * 6)], "no more than 5 items allowed"),
    ([icons(button("a"))], "unsupported type: button"),
    ([{"type": "markdown", "text": "x" * 7000}] * 2, "markdown blocks of one payload"),
]


@pytest.mark.parametrize(("blocks", "reason"), WRONG_BLOCKS, ids=[reason for _, reason in WRONG_BLOCKS])
async def test_wrong_blocks_are_refused_with_the_reason(blocks: Any, reason: str, client: AsyncWebClient) -> None:
    assert reason in await reasons(client.chat_postMessage(channel="C1", text="Hi", blocks=blocks))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("no_text", {"text": ""}),
        ("msg_too_long", {"text": "x" * 40_001}),
        ("msg_too_long", {"markdown_text": "x" * 12_001}),
        ("markdown_text_conflict", {"markdown_text": "x", "blocks": [section("x")]}),
        ("msg_blocks_too_long", {"text": "x", "blocks": [section("x" * 2700)] * 5}),
        ("invalid_metadata_format", {"text": "x", "metadata": {"event_type": "x"}}),
    ],
)
async def test_message_that_slack_does_not_take_is_refused(
    error: str, message: Any, slack: SlackDouble, client: AsyncWebClient
) -> None:
    call = client.api_call("chat.postMessage", json={"channel": "C1", **message})  # past the SDK's own warning

    assert await refusal(call) == error
    assert slack.answers("C1") == []


async def test_only_own_messages_can_be_changed_to_no_more_than_4000_characters(
    slack: SlackDouble, client: AsyncWebClient
) -> None:
    theirs = await slack.says("U1", "C1", "Hi")
    ours = (await client.chat_postMessage(channel="C1", text="Hi"))["ts"]

    assert await refusal(client.chat_update(channel="C1", ts=theirs, text="Ho")) == "cant_update_message"
    assert await refusal(client.chat_delete(channel="C1", ts=theirs)) == "cant_delete_message"
    assert await refusal(client.chat_update(channel="C1", ts=ours, text="x" * 4001)) == "msg_too_long"
    assert await refusal(client.chat_update(channel="C1", ts="1.1", text="Ho")) == "message_not_found"
    await client.chat_update(channel="C1", ts=ours, text="Ho")
    assert (slack.find("C1", ours).shown, slack.find("C1", ours).edits) == ("Ho", 1)


# Streams


async def test_stream_is_read_as_it_grows_and_takes_blocks_at_its_end(
    slack: SlackDouble, client: AsyncWebClient
) -> None:
    ts = await slack.says("U1", "D1", "Hi")
    stream = await client.chat_stream(channel="D1", thread_ts=ts, buffer_size=1)
    await stream.append(markdown_text="**Hel")
    [posted] = slack.answers("D1", ts)
    assert (posted.shown, posted.streaming, slack.sessions["D1", ts]) == ("**Hel", True, "processing")

    await stream.append(markdown_text="lo**")
    await stream.stop(blocks=[section("By ada"), icons(VOTE)])

    assert (posted.shown, posted.streaming, slack.sessions["D1", ts]) == ("**Hello**\nBy ada", False, "active")
    slack.assert_clean()


async def test_stream_in_a_channel_needs_to_know_for_whom(slack: SlackDouble, client: AsyncWebClient) -> None:
    ts = await slack.says("U1", "C1", "Hi")
    start = {"channel": "C1", "thread_ts": ts}

    assert await refusal(client.chat_startStream(**start)) == "missing_recipient_user_id"
    assert await refusal(client.chat_startStream(**start, recipient_user_id="U1")) == "missing_recipient_team_id"
    await client.chat_startStream(**start, recipient_user_id="U1", recipient_team_id="T1")


async def test_stream_is_not_edited_while_it_runs_nor_written_afterwards(
    slack: SlackDouble, client: AsyncWebClient
) -> None:
    ts = await slack.says("U1", "D1", "Hi")
    at = {"channel": "D1", "ts": (await client.chat_startStream(channel="D1", thread_ts=ts))["ts"]}

    assert await refusal(client.chat_appendStream(**at, markdown_text="x" * 12_001)) == "msg_too_long"
    assert await refusal(client.chat_appendStream(**at, chunks=[{"type": "song"}])) == "invalid_chunks"
    assert await refusal(client.chat_update(**at, text="Hi")) == "streaming_state_conflict"
    slack.expire_streams()
    assert await refusal(client.chat_appendStream(**at, markdown_text="x")) == "message_not_in_streaming_state"
    await client.chat_update(**at, text="Hi")
    assert slack.find(**at).shown == "Hi"


async def test_stopped_stream_leaves_the_session_to_the_app(slack: SlackDouble, client: AsyncWebClient) -> None:
    ts = await slack.says("U1", "D1", "Hi")
    at = {"channel": "D1", "ts": (await client.chat_startStream(channel="D1", thread_ts=ts))["ts"]}

    await slack.stops("U1", slack.answers("D1", ts)[0])

    assert await refusal(client.chat_stopStream(**at)) == "message_not_in_streaming_state"
    assert slack.unfinished() == [f"session ('D1', '{ts}') is still processing"]
    await client.agents_sessions_setStatus(channel_id="D1", thread_ts=ts, status="active")
    slack.assert_clean()


# Agents


async def test_status_goes_away_with_the_reply(slack: SlackDouble, client: AsyncWebClient) -> None:
    ts = await slack.says("U1", "C1", "Hi")
    await client.assistant_threads_setStatus(channel_id="C1", thread_ts=ts, status="is thinking")
    with pytest.raises(AssertionError, match="status 'is thinking' is still on"):
        slack.assert_clean()

    await client.chat_postMessage(channel="C1", thread_ts=ts, text="Hi")

    assert (slack.statuses, slack.status("C1", ts)) == ([("C1", ts, "is thinking")], "")
    slack.assert_clean()


async def test_sessions_are_for_agents_and_have_four_statuses(slack: SlackDouble, client: AsyncWebClient) -> None:
    session = {"channel_id": "D1", "thread_ts": "1.1"}
    assert await refusal(client.agents_sessions_setStatus(**session, status="bored")) == "invalid_status"

    slack.agent = False

    assert await refusal(client.agents_sessions_setStatus(**session, status="active")) == "not_authorized"


async def test_prompts_in_a_thread_of_an_agent_do_nothing(slack: SlackDouble, client: AsyncWebClient) -> None:
    prompts = [{"title": "Refund", "message": "When is my refund?"}]

    await client.assistant_threads_setSuggestedPrompts(channel_id="D1", thread_ts="1.1", prompts=prompts)
    assert (slack.suggested_prompts, len(slack.problems)) == ([], 1)

    await client.assistant_threads_setSuggestedPrompts(channel_id="D1", prompts=prompts)
    assert slack.suggested_prompts[0]["prompts"] == prompts


# What is only noticed


@pytest.mark.parametrize(
    "message",
    [
        {"text": "<!channel> Hi"},
        {"text": "Hi", "blocks": [section("<!here|here>")]},
        {"text": "Hi", "blocks": [{"type": "markdown", "text": "<!subteam^S1>"}]},
        {"markdown_text": "Ask <@U2>"},
        {"text": "@channel", "link_names": True},
    ],
)
async def test_ping_is_noticed(message: Any, slack: SlackDouble, client: AsyncWebClient) -> None:
    ts = await slack.says("U1", "C1", "Hi")

    await client.chat_postMessage(channel="C1", thread_ts=ts, **message)

    assert "pings" in slack.problems[0]


async def test_asker_may_be_named_and_markup_be_quoted(slack: SlackDouble, client: AsyncWebClient) -> None:
    ts = await slack.says("U1", "C1", "Hi")

    await client.chat_postMessage(channel="C1", thread_ts=ts, text="<@U1> wrote &lt;!channel&gt;")

    assert slack.problems == []


async def test_ephemeral_message_in_a_thread_needs_a_reply_to_be_seen(
    slack: SlackDouble, client: AsyncWebClient
) -> None:
    ts = await slack.says("U1", "C1", "Hi")

    await client.chat_postEphemeral(channel="C1", user="U1", thread_ts=ts, text="Hi")

    assert slack.problems == ["an ephemeral message in a thread without replies is not shown"]


# Views, files, lists


async def test_trigger_opens_one_view_within_three_seconds(slack: SlackDouble, client: AsyncWebClient) -> None:
    slack.trigger_life = 0.1
    used, late = slack.new_trigger("U1"), slack.new_trigger("U1")

    await client.views_open(trigger_id=used, view=MODAL)
    assert await refusal(client.views_open(trigger_id=used, view=MODAL)) == "exchanged_trigger_id"
    await asyncio.sleep(0.1)
    assert await refusal(client.views_open(trigger_id=late, view=MODAL)) == "expired_trigger_id"
    assert await refusal(client.views_open(trigger_id="guessed", view=MODAL)) == "invalid_trigger_id"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"title": plain("x" * 25)}, "must be less than 25 characters [json-pointer:/view/title/text]"),
        ({"private_metadata": "x" * 3001}, "must be less than 3001 characters"),
        ({"submit": None}, "`submit` is required"),
        ({"blocks": [{"type": "divider"}] * 101}, "no more than 100 items allowed"),
        ({"blocks": [icons(VOTE)]}, "unsupported type: context_actions"),
        ({"type": "home"}, "invalid additional property: title"),
    ],
)
async def test_wrong_view_is_refused(change: Any, reason: str, slack: SlackDouble, client: AsyncWebClient) -> None:
    assert reason in await reasons(client.views_open(trigger_id=slack.new_trigger("U1"), view=MODAL | change))


async def test_home_is_kept_for_each_person(slack: SlackDouble, client: AsyncWebClient) -> None:
    await client.views_publish(user_id="U1", view={"type": "home", "blocks": [section("Hi")]})

    assert (slack.home("U1") or {})["blocks"][0]["text"]["text"] == "Hi"
    assert slack.home("U2") is None


async def test_response_url_serves_five_times(slack: SlackDouble) -> None:
    async with ClientSession() as session:
        link, _ = slack._response_url("U1", "C1")
        bodies = [{"text": "One"}, {"text": "Two", "replace_original": True}, {"delete_original": True}]
        bodies += [{"text": "All", "response_type": "in_channel"}] * 3
        statuses = [(await session.post(link, json=body)).status for body in bodies]

    assert statuses == [200] * 5 + [404]
    assert slack.ephemeral("U1") == []
    assert [each.text for each in slack.answers("C1")] == ["All", "All"]


async def test_file_is_a_page_to_sign_in_for_who_shows_no_token(slack: SlackDouble, client: AsyncWebClient) -> None:
    file = slack.add_file("terms.txt", b"30 days")
    await slack.says("U1", "D1", "Read this", files=[file])
    link = (await client.files_info(file=file))["file"]["url_private"]

    async with ClientSession() as session:
        stranger = await session.get(link)
        app = await session.get(link, headers={"Authorization": f"Bearer {slack.bot_token}"})
        assert (stranger.status, stranger.content_type, await app.read()) == (200, "text/html", b"30 days")


async def test_long_lists_come_in_pages(slack: SlackDouble, client: AsyncWebClient) -> None:
    slack.page_size = 2

    first = await client.conversations_members(channel="C1")
    rest = await client.conversations_members(channel="C1", cursor=first["response_metadata"]["next_cursor"])

    assert first["members"] + rest["members"] == ["U1", "U2", "UBOT"]
    assert rest["response_metadata"]["next_cursor"] == ""


async def test_methods_that_read_take_no_json(client: AsyncWebClient) -> None:
    assert await refusal(client.api_call("users.info", json={"user": "U1"})) == "invalid_arguments"


async def test_thread_is_listed_from_its_root(slack: SlackDouble, client: AsyncWebClient) -> None:
    ts = await slack.says("U1", "C1", "Hi")
    await client.chat_postMessage(channel="C1", thread_ts=ts, text="Hello")

    replies = (await client.conversations_replies(channel="C1", ts=ts))["messages"]
    history = (await client.conversations_history(channel="C1"))["messages"]

    assert [(each["text"], each["thread_ts"]) for each in replies] == [("Hi", ts), ("Hello", ts)]
    assert [each["text"] for each in history] == ["Hi"]
    assert await refusal(client.conversations_replies(channel="C1", ts="1.1")) == "thread_not_found"
