"""An answer grows before its reader's eyes while Slack allows it, and comes in one piece otherwise."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from slack_bot import ANSWER, QUESTION, Bot, Pause, bot_on, slack_with_people

WRITING = ("chat.startStream", "chat.appendStream", "chat.stopStream", "chat.postMessage", "chat.update", "chat.delete")


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with slack_with_people() as slack, bot_on(slack, tmp_path) as bot:
        yield bot
        slack.assert_clean()
        assert await bot.inbox.unfinished() == ()


def written(bot: Bot) -> list[str]:
    """How the answers were written."""
    return [call.method for call in bot.slack.calls if call.method in WRITING]


async def paused(bot: Bot, *, channel: str = "C1", text: str = QUESTION) -> tuple[Pause, str]:
    """A question whose answer has stopped behind its first piece."""
    pause = bot.assistant.between = Pause()
    ts = await bot.slack.says("U1", channel, text)
    await asyncio.wait_for(pause.reached.wait(), 5)
    return pause, ts


# While the budget lasts


async def test_first_words_are_read_while_the_rest_is_written(bot: Bot) -> None:
    pause, ts = await paused(bot)

    (growing,) = bot.slack.answers("C1", ts)
    assert (growing.streaming, growing.shown) == (True, "Within ")

    pause.over.set()
    await bot.idle()
    assert not growing.streaming and growing.shown.startswith(ANSWER)
    assert written(bot) == ["chat.startStream", "chat.appendStream", "chat.stopStream"]


async def test_asker_sees_that_work_goes_on_before_the_first_word(bot: Bot) -> None:
    pause = bot.assistant.before = Pause()
    ts = await bot.slack.says("U1", "C1", QUESTION)

    await bot.slack.until(lambda: bot.slack.status("C1", ts))
    assert bot.slack.status("C1", ts) == "is looking for an answer…"

    pause.over.set()
    await bot.idle()
    assert bot.slack.status("C1", ts) == ""


async def test_stream_in_a_channel_names_whom_it_is_for(bot: Bot) -> None:
    await bot.answer("U2", "C1", QUESTION)
    await bot.answer("U2", "D2", "When?")

    in_channel, in_private = (call.args for call in bot.slack.calls if call.method == "chat.startStream")
    assert (in_channel["recipient_user_id"], in_channel["recipient_team_id"]) == ("U2", "T1")
    assert "recipient_user_id" not in in_private


async def test_pieces_wait_for_one_another_between_two_additions(bot: Bot) -> None:
    bot.app.api.append_seconds = 60
    bot.assistant.says("a b c d", "a ", "b ", "c ", "d")

    answer = await bot.answer()

    assert answer.shown.startswith("a b c d")
    assert written(bot) == ["chat.startStream", "chat.stopStream"]


async def test_additions_stop_when_their_budget_is_used_up_and_nothing_is_missing(bot: Bot) -> None:
    bot.app.api.rates["chat.appendStream"] = 1
    bot.assistant.says("a b c d", "a ", "b ", "c ", "d")

    answer = await bot.answer()

    assert answer.shown.startswith("a b c d")
    assert written(bot) == ["chat.startStream", "chat.appendStream", "chat.stopStream"]


async def test_answer_that_begins_with_white_space_loses_nothing(bot: Bot) -> None:
    bot.assistant.says(" \n Yes <b>", " ", "\n ", "Yes <", "b>")

    assert (await bot.answer()).shown.strip().startswith("Yes <b>")


async def test_workspace_without_budget_gets_each_answer_in_one_post(bot: Bot) -> None:
    bot.app.api.rates["chat.startStream"] = 1

    await bot.answer("U1", "C1", QUESTION)
    second = await bot.answer("U2", "C1", QUESTION)

    assert second.shown.startswith(ANSWER)
    assert written(bot)[-1] == "chat.postMessage" and bot.slack.count("chat.startStream") == 1


@pytest.mark.parametrize("error", ["method_not_supported_for_channel_type", "missing_recipient_team_id"])
async def test_stream_that_slack_does_not_begin_becomes_a_post(bot: Bot, error: str) -> None:
    bot.slack.fail("chat.startStream", error=error)

    assert (await bot.answer()).shown.startswith(ANSWER)
    assert written(bot) == ["chat.startStream", "chat.postMessage"]


async def test_stream_that_is_refused_for_too_many_calls_is_not_waited_for(bot: Bot) -> None:
    bot.slack.fail("chat.startStream", 429, retry_after=30)

    (answer,) = await bot.answers("U1", "C1", QUESTION)

    assert answer.shown.startswith(ANSWER) and bot.slack.count("conversations.replies") == 0


async def test_addition_that_comes_too_often_is_made_later(bot: Bot) -> None:
    bot.slack.fail("chat.appendStream", 429, retry_after=30)
    bot.assistant.says("a b c", "a ", "b ", "c")

    assert (await bot.answer()).shown.startswith("a b c")
    assert written(bot) == ["chat.startStream", "chat.appendStream", "chat.appendStream", "chat.stopStream"]


# When a stream ends otherwise


async def test_stream_that_slack_has_ended_is_completed_by_an_update(bot: Bot) -> None:
    pause, ts = await paused(bot)

    bot.slack.expire_streams()
    pause.over.set()
    await bot.idle()

    (answer,) = bot.slack.answers("C1", ts)
    assert answer.shown.startswith(ANSWER) and answer.edits == 1
    assert bot.slack.sessions["C1", ts] == "active"


async def test_stream_that_ends_just_before_its_end_is_completed_by_an_update(bot: Bot) -> None:
    bot.app.api.append_seconds = 60  # nothing is written between the first piece and the end
    pause, ts = await paused(bot)

    bot.slack.expire_streams()
    pause.over.set()
    await bot.idle()

    (answer,) = bot.slack.answers("C1", ts)
    assert answer.shown.startswith(ANSWER) and bot.slack.sessions["C1", ts] == "active"


async def test_addition_of_which_nobody_knows_whether_it_was_made_is_not_made_twice(bot: Bot) -> None:
    bot.slack.reset("chat.appendStream", after_doing=True)

    (answer,) = await bot.answers("U1", "C1", QUESTION)

    assert answer.shown.startswith(ANSWER) and answer.shown.count("14 days") == 1


async def test_verdict_that_changed_takes_the_place_of_what_was_read(bot: Bot) -> None:
    bot.assistant.says("I don't know.", "Within ", "14 days.")

    (answer,) = await bot.answers("U1", "C1", QUESTION)

    assert answer.shown.startswith("I don't know.") and "14 days" not in answer.shown


# Stop


async def test_stop_ends_the_answer_and_leaves_what_was_read(bot: Bot) -> None:
    _, ts = await paused(bot)
    (growing,) = bot.slack.answers("C1", ts)

    await bot.slack.stops("U1", growing)
    await bot.idle()

    assert [each.shown for each in bot.slack.answers("C1", ts)] == ["Within "]
    assert bot.slack.sessions["C1", ts] == "active"
    assert bot.slack.status("C1", ts) == ""


async def test_stop_before_the_first_word_is_confirmed(bot: Bot) -> None:
    pause = bot.assistant.before = Pause()
    ts = await bot.slack.says("U1", "C1", QUESTION)
    await asyncio.wait_for(pause.reached.wait(), 5)
    bot.slack.sessions["C1", ts] = "processing"  # another answer of the thread has begun

    await bot.slack.stops("U1", bot.slack.find("C1", ts))
    await bot.idle()

    (said,) = bot.slack.answers("C1", ts)
    assert said.shown == "Stopped. Ask again whenever you like."
    assert (bot.slack.sessions["C1", ts], bot.slack.status("C1", ts)) == ("active", "")


async def test_stop_while_the_stream_begins_leaves_no_open_stream(bot: Bot) -> None:
    bot.slack.slow("chat.startStream", 0.1)
    ts = await bot.slack.says("U1", "C1", QUESTION)
    await bot.slack.until(lambda: bot.assistant.asked)
    await asyncio.sleep(0.05)

    await bot.slack.deliver({"type": "agent_session_stopped", "channel": "C1", "thread_ts": ts, "user": "U1"})
    await bot.idle()
    await asyncio.sleep(0.1)

    assert [each.streaming for each in bot.slack.answers("C1", ts)] == [False]


async def test_stop_in_one_thread_does_not_touch_another(bot: Bot) -> None:
    pause, ts = await paused(bot)
    other = await bot.slack.says("U2", "C1", QUESTION)
    await bot.slack.until(lambda: len(bot.slack.answers("C1", other)) == 1)

    await bot.slack.stops("U1", bot.slack.answers("C1", ts)[0])
    await bot.slack.settle()
    pause.over.set()
    await bot.idle()

    assert bot.slack.answers("C1", other)[0].shown.startswith(ANSWER)


async def test_stop_in_a_thread_where_nothing_is_written_any_more_ends_its_session(bot: Bot) -> None:
    answer = await bot.answer()
    bot.slack.sessions["C1", answer.thread] = "processing"  # an earlier process was killed

    await bot.slack.stops("U1", answer)
    await bot.idle()

    assert bot.slack.sessions["C1", answer.thread] == "active" and answer.shown.startswith(ANSWER)


async def test_session_of_an_app_that_is_no_agent_is_left_alone(bot: Bot) -> None:
    bot.slack.agent = False
    pause, ts = await paused(bot)

    bot.slack.expire_streams()
    pause.over.set()
    await bot.idle()

    assert bot.slack.answers("C1", ts)[0].shown.startswith(ANSWER)


async def test_status_that_slack_takes_slowly_does_not_stay_behind_the_answer(bot: Bot) -> None:
    bot.app.api.hint_seconds = 0.05
    bot.slack.slow("assistant.threads.setStatus", 0.1)

    answer = await bot.answer()
    await asyncio.sleep(0.1)
    assert answer.shown.startswith(ANSWER)

    bot.slack.current.clear()  # it arrived late; Slack itself takes it away after two minutes
