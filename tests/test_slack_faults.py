"""Slack is out of order, slow, or gone: the answer comes all the same, once, and nothing is left open."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from slack_bot import ANSWER, QUESTION, Bot, Pause, bot_on, slack_with_people
from slack_double import SlackDouble

FINANCE = [{"label": "finance", "members": ["slack:usergroup:S1"]}]
PAGES = "\n\n".join(f"{n}. {'All is paid within fourteen days after you have sent it back. ' * 22}" for n in range(15))

Trouble = Callable[[SlackDouble, str], None]


def too_often(slack: SlackDouble, method: str) -> None:
    slack.fail(method, 429, retry_after=0)


def out_of_order(slack: SlackDouble, method: str) -> None:
    slack.fail(method, 500)
    slack.fail(method, 503, times=5)


def lost_before(slack: SlackDouble, method: str) -> None:
    slack.reset(method)


def lost_behind(slack: SlackDouble, method: str) -> None:
    slack.reset(method, after_doing=True)


def busy(slack: SlackDouble, method: str) -> None:
    slack.fail(method, error="internal_error", times=2)


TROUBLES: list[Trouble] = [too_often, out_of_order, lost_before, lost_behind, busy]
METHODS = (
    "chat.startStream",
    "chat.appendStream",
    "chat.stopStream",
    "chat.postMessage",
    "chat.update",
    "assistant.threads.setStatus",
)


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with slack_with_people() as slack, bot_on(slack, tmp_path) as bot:
        yield bot
        slack.assert_clean()
        assert await bot.inbox.unfinished() == ()


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("method", METHODS)
async def test_answer_comes_once_whatever_call_fails(bot: Bot, method: str, trouble: Trouble) -> None:
    bot.app.api.rates["chat.startStream"] = 0 if method == "chat.postMessage" else 20
    if method == "chat.update":
        bot.assistant.says(ANSWER, "Perhaps ", "in June.")  # the verdict changed
    trouble(bot.slack, method)

    (answer,) = await bot.answers("U1", "C1", QUESTION)

    assert answer.shown.startswith(ANSWER) and answer.shown.count("14 days") == 1


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_long_answer_is_delivered_once_although_a_part_of_it_fails(bot: Bot, trouble: Trouble) -> None:
    bot.app.api.rates["chat.startStream"] = 0
    bot.assistant.says(PAGES)
    bot.slack.slow("chat.postMessage", 0)  # the first part
    trouble(bot.slack, "chat.postMessage")

    answers = await bot.answers("U1", "C1", QUESTION)

    assert [f"{n}. All" in "\n".join(each.shown for each in answers) for n in range(15)] == [True] * 15
    assert len({each.shown for each in answers}) == len(answers) == 3


@pytest.mark.parametrize("trouble", [out_of_order, lost_before])
@pytest.mark.parametrize("method", ["conversations.info", "conversations.members", "usergroups.users.list"])
async def test_labels_are_looked_up_again_until_slack_answers(tmp_path: Path, method: str, trouble: Trouble) -> None:
    async with slack_with_people() as slack, bot_on(slack, tmp_path, access=FINANCE) as bot:
        slack.add_channel("G1", private=True, members=["U1", "U2", "UBOT"])
        slack.add_usergroup("S1", ["U1", "U2"])
        trouble(slack, method)

        await bot.slack.deliver(
            {"type": "app_mention", "channel": "G1", "user": "U1", "text": QUESTION, "ts": slack.new_ts()}
        )
        await bot.idle()

        assert bot.labels == {"everyone", "finance"}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_form_opens_although_the_first_call_fails(bot: Bot, trouble: Trouble) -> None:
    answer = await bot.answer()
    trouble(bot.slack, "views.open")

    form = await bot.clicks("U1", answer, "vote", "negative")

    assert (form is None) == (trouble is out_of_order or trouble is busy)  # too long for Slack's three seconds
    assert bot.whispers() == ["Your 👎 is noted, thank you."] and len(await bot.votes.all()) == 1


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_suggestions_and_home_come_although_the_first_call_fails(bot: Bot, trouble: Trouble) -> None:
    for method in ("assistant.threads.setSuggestedPrompts", "views.publish"):
        bot.slack.reset(method) if trouble is out_of_order else trouble(bot.slack, method)
    if trouble is busy:
        return  # what Slack says with status 200 is believed: they come when the tab is opened again

    await bot.slack.opens_messages_tab("U1")
    await bot.slack.opens_home("U1")
    await bot.idle()

    assert bot.slack.suggested_prompts and bot.slack.home("U1")


@pytest.mark.parametrize("trouble", [too_often, out_of_order, lost_before])
async def test_private_answer_is_sent_until_its_address_answers(bot: Bot, trouble: Trouble) -> None:
    trouble(bot.slack, "response_url")

    await bot.slack.commands("U1", "C1", "/ask", "When is my refund?")
    await bot.idle()

    (whisper,) = bot.whispers()
    assert whisper.startswith(ANSWER)


async def test_slack_that_is_out_of_order_for_long_gets_the_answer_at_the_next_start(tmp_path: Path) -> None:
    async with slack_with_people() as slack:
        async with bot_on(slack, tmp_path) as bot:
            bot.app.desk.patience = 0
            slack.fail("chat.stopStream", 502, times=99)
            await slack.says("U1", "C1", QUESTION)
            await slack.until(lambda: bot.assistant.asked)
            await asyncio.sleep(0.1)
            assert await bot.inbox.unfinished()
        slack.server.faults.clear()

        async with bot_on(slack, tmp_path) as bot:
            await bot.idle()

            assert [each.shown.startswith(ANSWER) for each in slack.answers("C1")] == [True]
            slack.assert_clean()


# Places that are gone


@pytest.mark.parametrize("budget", [0, 20])
@pytest.mark.parametrize("error", ["channel_not_found", "is_archived", "not_in_channel"])
async def test_place_that_is_gone_ends_the_question_quietly(bot: Bot, error: str, budget: int) -> None:
    bot.app.api.rates["chat.startStream"] = budget
    for each in ("chat.startStream", "chat.postMessage"):
        bot.slack.fail(each, error=error)

    ts = await bot.slack.says("U1", "C1", QUESTION)
    await bot.idle()

    assert bot.slack.answers("C1", ts) == [] and bot.slack.status("C1", ts) == ""


async def test_answer_that_somebody_deletes_while_it_is_written_is_written_anew(bot: Bot) -> None:
    pause = bot.assistant.between = Pause()
    ts = await bot.slack.says("U1", "C1", QUESTION)
    await asyncio.wait_for(pause.reached.wait(), 5)
    (growing,) = bot.slack.answers("C1", ts)

    growing.deleted, growing.streaming = True, False
    pause.over.set()
    await bot.idle()

    assert [each.shown.startswith(ANSWER) for each in bot.slack.answers("C1", ts)] == [True]


# Connections


@pytest.mark.parametrize(
    "how", [{}, {"reason": "warning"}, {"reason": "refresh_requested"}, {"abruptly": True}], ids=str
)
async def test_lost_connection_is_renewed_and_nothing_is_lost(bot: Bot, how: dict[str, object]) -> None:
    pause = bot.assistant.between = Pause()
    ts = await bot.slack.says("U1", "D1", "When is my refund?")
    await asyncio.wait_for(pause.reached.wait(), 5)

    await bot.slack.drop_sockets(**how)  # type: ignore[arg-type]  # of every type
    pause.over.set()
    second = await bot.answer("U2", "D2", "And mine?")

    assert second.shown.startswith(ANSWER)
    assert bot.slack.answers("D1", ts)[0].shown.startswith(ANSWER)
    assert bot.slack.count("apps.connections.open") == 2


async def test_question_that_was_on_its_way_when_the_connection_failed_is_answered_once(bot: Bot) -> None:
    await bot.slack.says("U1", "D1", "When is my refund?")

    await bot.slack.drop_sockets(abruptly=True)
    await bot.idle()

    assert len(bot.slack.answers("D1")) == len(bot.assistant.asked) == 1


# Slow answers


async def test_slow_answer_does_not_delay_the_first_sign_of_life_of_another(bot: Bot) -> None:
    bot.assistant.before = Pause()
    for number in range(5):
        await bot.slack.says("U1", "C1", f"<@UBOT> {number}?")
    await bot.slack.until(lambda: len(bot.assistant.asked) == 5)

    ts = await bot.slack.says("U2", "D2", "When is my refund?")

    await bot.slack.until(lambda: bot.slack.status("D2", ts))
    assert bot.slack.answers("C1") == []
    bot.assistant.before.over.set()
    await bot.idle()


async def test_sign_of_life_comes_before_slow_look_ups(tmp_path: Path) -> None:
    async with slack_with_people() as slack, bot_on(slack, tmp_path, access=FINANCE) as bot:
        slack.add_channel("G1", private=True, members=["U1", "UBOT"])
        slack.slow("conversations.members", 0.3)

        ts = await slack.says("U1", "G1", QUESTION)

        await slack.until(lambda: slack.status("G1", ts))
        assert slack.count("conversations.members") == 0 and bot.assistant.asked == []
        await bot.idle()


async def test_events_are_acknowledged_at_once_although_slack_is_slow(bot: Bot) -> None:
    slow = ("assistant.threads.setStatus", "assistant.threads.setTitle", "chat.startStream")
    for method in slow:
        bot.slack.slow(method, 0.3)

    await bot.slack.says("U1", "D1", "When is my refund?")
    await bot.slack.settle()
    acknowledged = time.monotonic()
    await bot.idle()

    assert acknowledged < min(call.at for call in bot.slack.calls if call.method in slow)
