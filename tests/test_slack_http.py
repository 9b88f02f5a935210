"""Slack over HTTP: only fresh requests that Slack has signed are served, each once; and all is as in Socket Mode."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from slack_bot import ANSWER, QUESTION, Bot, Pause, bot_on, slack_with_people
from slack_double import SlackDouble

from bot.errors import ConnectorError

FORM_TYPE = "application/x-www-form-urlencoded"


@pytest.fixture
async def slack() -> AsyncIterator[SlackDouble]:
    async with slack_with_people() as slack:
        yield slack
        slack.assert_clean()


@pytest.fixture(params=["socket", "http"])
async def bot(request: pytest.FixtureRequest, slack: SlackDouble, tmp_path: Path) -> AsyncIterator[Bot]:
    async with bot_on(slack, tmp_path, socket=request.param == "socket") as bot:
        yield bot
        assert slack.mode == request.param


@pytest.fixture
async def by_http(slack: SlackDouble, tmp_path: Path) -> AsyncIterator[Bot]:
    async with bot_on(slack, tmp_path, socket=False) as bot:
        yield bot


# In both modes


async def test_mention_is_answered(bot: Bot) -> None:
    assert (await bot.answer()).shown.startswith(ANSWER)


async def test_command_is_acknowledged_and_answered(bot: Bot) -> None:
    said = await bot.slack.commands("U1", "C1", "/ask", "When is my refund?")
    await bot.idle()

    assert said["text"] == "Looking for an answer…" and bot.whispers()[0].startswith(ANSWER)


async def test_message_is_asked_about(bot: Bot) -> None:
    ts = await bot.slack.says("U2", "C1", "It is late")
    await bot.slack.shortcut("U1", "C1", ts, "ask_about")
    await bot.idle()

    await bot.submits("U1", bot.slack.modal("U1"), question="Why?")

    assert bot.whispers()[0].startswith(ANSWER)


async def test_vote_with_its_reason_is_kept(bot: Bot) -> None:
    form = await bot.clicks("U1", await bot.answer(), "vote", "negative")

    await bot.submits("U1", form, reason="Too long")

    assert [vote.reason for vote in await bot.votes.all()] == ["Too long"]


async def test_reaction_counts(bot: Bot) -> None:
    await bot.slack.reacts("U1", await bot.answer(), "+1")
    await bot.idle()

    assert [vote.rating for vote in await bot.votes.all()] == [1]


async def test_person_helps(bot: Bot) -> None:
    answer = await bot.answer()
    await bot.clicks("U1", answer, "ask_person")
    form = await bot.clicks("U2", bot.slack.answers("CHELP")[0], "resolve")

    await bot.submits("U2", form, answer="In 30 days")

    assert "In 30 days" in bot.slack.answers("C1", answer.thread_ts)[-1].shown


async def test_answer_is_stopped(bot: Bot) -> None:
    pause = bot.assistant.between = Pause()
    ts = await bot.slack.says("U1", "C1", QUESTION)
    await asyncio.wait_for(pause.reached.wait(), 5)

    await bot.slack.stops("U1", bot.slack.answers("C1", ts)[0])
    await bot.idle()

    assert bot.slack.answers("C1", ts)[0].shown == "Within "


async def test_data_are_deleted_on_the_home_tab(bot: Bot) -> None:
    await bot.answer()
    await bot.slack.opens_home("U1")
    await bot.idle()

    await bot.clicks("U1", bot.slack.home("U1"), "forget_me")

    assert "0 questions" in str(bot.slack.home("U1"))


async def test_acknowledgement_comes_in_time(bot: Bot) -> None:
    await bot.answer()
    await bot.slack.commands("U1", "C1", "/ask", "When is my refund?")
    await bot.idle()

    assert max(bot.slack.acks) < 3  # seconds that Slack waits


@pytest.mark.parametrize("socket", [True, False])
async def test_question_of_a_killed_process_is_answered_by_the_next(
    slack: SlackDouble, tmp_path: Path, socket: bool
) -> None:
    async with bot_on(slack, tmp_path, socket=socket) as bot:
        bot.assistant.between = Pause()
        await slack.says("U1", "C1", QUESTION)
        await asyncio.wait_for(bot.assistant.between.reached.wait(), 5)

    async with bot_on(slack, tmp_path, socket=socket) as bot:
        await bot.idle()

        assert [each.shown.startswith(ANSWER) for each in slack.answers("C1")] == [True]


# Signatures


def mention(slack: SlackDouble) -> str:
    event = {"type": "app_mention", "channel": "C1", "user": "U1", "text": QUESTION, "ts": slack.new_ts()}
    return json.dumps(slack.wrapped(event))


async def test_challenge_that_slack_sends_when_the_address_is_saved_is_answered(by_http: Bot) -> None:
    assert await by_http.slack.verifies_url()


@pytest.mark.parametrize("how", [{"secret": "guessed"}, {"age": 301}, {"age": 600}, {"age": -400}])
async def test_bad_and_stale_signatures_are_refused(by_http: Bot, how: dict[str, object]) -> None:
    answer = await by_http.slack.post_signed(mention(by_http.slack), **how)
    await by_http.idle()

    assert answer.status == 401 and by_http.assistant.asked == []


async def test_request_without_a_signature_is_refused(by_http: Bot) -> None:
    headers = {"X-Slack-Signature": "", "X-Slack-Request-Timestamp": ""}

    answer = await by_http.slack.post_signed(mention(by_http.slack), headers=headers)

    assert answer.status == 401 and by_http.assistant.asked == []


async def test_request_is_served_once(by_http: Bot) -> None:
    answer = await by_http.slack.post_signed(mention(by_http.slack))

    again = await by_http.slack.replay()
    await by_http.idle()

    assert (answer.status, again.status, len(by_http.assistant.asked)) == (200, 401, 1)


async def test_press_that_is_replayed_does_not_vote_again(by_http: Bot) -> None:
    await by_http.clicks("U1", await by_http.answer(), "vote", "positive")
    await by_http.clicks("U1", by_http.slack.ephemeral("U1")[0], "take_back")
    raw, headers = by_http.slack.wire.last_request or (b"", {})
    assert b"take_back" in raw and headers["Content-Type"] == FORM_TYPE

    assert (await by_http.slack.replay()).status == 401


async def test_request_that_failed_may_be_sent_again(by_http: Bot) -> None:
    refused = await by_http.slack.post_signed(mention(by_http.slack), secret="guessed")

    assert (refused.status, (await by_http.slack.replay()).status) == (401, 401)
    assert (await by_http.slack.post_signed(mention(by_http.slack))).status == 200
    await by_http.idle()


async def test_event_that_was_sent_while_the_bot_was_away_comes_again(slack: SlackDouble, tmp_path: Path) -> None:
    async with bot_on(slack, tmp_path, socket=False) as bot:
        address = slack.wire.url or ""
        await slack.use_http(address.replace("/slack/events", "/nowhere"))
        await slack.says("U1", "D1", "When is my refund?")
        await asyncio.sleep(0.05)
        await slack.use_http(address)
        await bot.idle()

        assert len(slack.answers("D1")) == 1


async def test_request_that_is_too_large_is_refused(by_http: Bot) -> None:
    body = "x" * 2_000_001

    with pytest.warns(ResourceWarning, match="large body"):  # of the one who sends
        assert (await by_http.slack.post_signed(body)).status == 413


async def test_port_that_is_taken_is_named(by_http: Bot, tmp_path: Path) -> None:
    slack, taken = by_http.slack, by_http.app.port
    (tmp_path / "second").mkdir()

    with pytest.raises(ConnectorError, match=rf"port {taken} for Slack's events is taken; set another \[slack\] port"):
        async with bot_on(slack, tmp_path / "second", socket=False, port=taken):
            pass
