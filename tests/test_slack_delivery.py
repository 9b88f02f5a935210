"""Whatever happens on the way: one question, one answer, and nothing left open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from slack_bot import ANSWER, QUESTION, Bot, Pause, ScriptedAssistant, bot_on, slack_with_people
from slack_double import Posted, SlackDouble

from bot.errors import StoreError

PAGES = "\n\n".join(f"{n}. {'All is paid within fourteen days after you have sent it back. ' * 22}" for n in range(15))


@pytest.fixture
async def slack() -> AsyncIterator[SlackDouble]:
    async with slack_with_people() as slack:
        yield slack
        slack.assert_clean()


@pytest.fixture
async def bot(slack: SlackDouble, tmp_path: Path) -> AsyncIterator[Bot]:
    async with bot_on(slack, tmp_path) as bot:
        yield bot


# Duplicates


async def test_event_that_comes_twice_at_once_is_answered_once(bot: Bot) -> None:
    bot.slack.duplicate_next = True

    assert len(await bot.answers("U1", "C1", QUESTION)) == 1


async def test_retry_of_an_answered_event_changes_nothing(bot: Bot) -> None:
    answer = await bot.answer()

    await bot.slack.redeliver(-1)
    await bot.slack.redeliver(-2)
    await bot.idle()

    assert (len(bot.slack.answers("C1")), answer.edits, len(bot.assistant.asked)) == (1, 0, 1)


async def test_retry_after_a_restart_changes_nothing(slack: SlackDouble, tmp_path: Path) -> None:
    async with bot_on(slack, tmp_path) as bot:
        await bot.answer()

    async with bot_on(slack, tmp_path) as bot:
        await slack.redeliver()
        await bot.idle()

        assert bot.assistant.asked == [] and len(slack.answers("C1")) == 1


async def test_retry_can_be_the_only_delivery(bot: Bot) -> None:
    message = {"type": "message", "channel": "C1", "channel_type": "channel", "user": "U1", "text": QUESTION}
    event = {**message, "ts": bot.slack.new_ts()}

    await bot.slack.deliver(event, retry_num=2)
    await bot.idle()

    assert len(bot.assistant.asked) == 1


async def test_question_that_could_not_be_stored_is_not_acknowledged_and_comes_again(bot: Bot) -> None:
    bot.inbox.refusals.append(StoreError("the disk is full"))

    await bot.slack.says("U1", "D1", "When is my refund?")
    await bot.idle()

    assert len(bot.slack.answers("D1")) == 1


# A process that is killed


@dataclass(frozen=True)
class Moment:
    """How far the first process comes."""

    name: str
    dies_at: str = ""
    hangs_at: str = ""  # "before" or "between": the assistant's first piece, or its first two
    streams: int = 20

    async def comes(self, bot: Bot) -> None:
        reached = bot.inbox.died
        if self.hangs_at:
            pause = Pause()
            setattr(bot.assistant, self.hangs_at, pause)
            reached = pause.reached
        bot.app.api.rates["chat.startStream"] = self.streams
        await bot.slack.says("U1", "C1", QUESTION)
        await asyncio.wait_for(reached.wait(), 5)


MOMENTS = [
    Moment("asked", hangs_at="before"),
    Moment("stream begun, not noted", dies_at="begin"),
    Moment("stream noted", hangs_at="between"),
    Moment("stream finished, not marked done", dies_at="done"),
    Moment("nothing posted yet", hangs_at="between", streams=0),
    Moment("posted, not noted", dies_at="begin", streams=0),
    Moment("posted, not marked done", dies_at="done", streams=0),
]


@asynccontextmanager
async def after_a_kill(
    slack: SlackDouble, folder: Path, moment: Moment, says: str = ANSWER
) -> AsyncIterator[tuple[Bot, str]]:
    """The next process, when it has done what the first one left; and the question's ts."""

    def prepared(assistant: ScriptedAssistant) -> None:
        assistant.says(says)

    async with bot_on(slack, folder, dies_at=moment.dies_at) as bot:
        await moment.comes(bot)
    async with bot_on(slack, folder, prepared=prepared) as bot:
        await bot.idle()
        yield bot, slack.messages("C1")[0].ts


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.name)
async def test_killed_process_leaves_one_answer_in_the_end(slack: SlackDouble, tmp_path: Path, moment: Moment) -> None:
    async with after_a_kill(slack, tmp_path, moment) as (bot, ts):
        (answer,) = slack.answers("C1", ts)

        assert answer.shown.startswith(ANSWER) and answer.shown.count("14 days") == 1
        assert len(bot.assistant.asked) == 1 and slack.unfinished() == []


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.name)
async def test_answer_of_the_next_process_takes_the_place_of_the_first(
    slack: SlackDouble, tmp_path: Path, moment: Moment
) -> None:
    async with after_a_kill(slack, tmp_path, moment, "In June.") as (bot, ts):
        (answer,) = slack.answers("C1", ts)
        await bot.clicks("U1", answer, "vote", "positive")
        await slack.reacts("U2", answer, "-1")
        await bot.idle()

        assert answer.shown.startswith("In June.") and "14 days" not in answer.shown
        assert len({vote.reply for vote in await bot.votes.all()}) == 1


async def test_question_that_was_not_stored_before_a_kill_comes_again(slack: SlackDouble, tmp_path: Path) -> None:
    async with bot_on(slack, tmp_path, dies_at="accept") as bot:
        await slack.says("U1", "D1", "When is my refund?")
        await asyncio.wait_for(bot.inbox.died.wait(), 5)
        assert slack.acks == []

    async with bot_on(slack, tmp_path) as bot:
        await bot.idle()

        assert len(slack.answers("D1")) == 1


async def test_begun_message_is_found_in_a_long_thread_among_those_of_others(
    slack: SlackDouble, tmp_path: Path
) -> None:
    slack.page_size = 2
    async with bot_on(slack, tmp_path, dies_at="begin") as bot:
        await Moment("posted, not noted", dies_at="begin", streams=0).comes(bot)
        ts = slack.messages("C1")[0].ts
        slack.keep(Posted(channel="C1", ts=slack.new_ts(), user="UCI", text="Build failed", thread_ts=ts))
        for text in ("Hm", "Well", "So"):
            await slack.says("U2", "C1", f"<@U1> {text}", thread_ts=ts)

    async with bot_on(slack, tmp_path) as bot:
        await bot.idle()

        assert [each.edits for each in slack.answers("C1", ts)] == [1]


async def test_two_answers_of_one_thread_do_not_take_each_others_message(slack: SlackDouble, tmp_path: Path) -> None:
    async with bot_on(slack, tmp_path) as bot:
        first = bot.assistant.between = Pause()
        ts = await slack.says("U1", "C1", QUESTION)
        await asyncio.wait_for(first.reached.wait(), 5)
        second = bot.assistant.before = Pause()
        await slack.says("U2", "C1", "And mine?", thread_ts=ts)
        await asyncio.wait_for(second.reached.wait(), 5)

    async with bot_on(slack, tmp_path) as bot:
        await bot.idle()

        assert [each.shown.startswith(ANSWER) for each in slack.answers("C1", ts)] == [True, True]


@pytest.mark.parametrize(("again", "messages"), [(PAGES, 3), (ANSWER, 1)])
async def test_answer_of_several_messages_is_completed_not_repeated(
    slack: SlackDouble, tmp_path: Path, again: str, messages: int
) -> None:
    async with bot_on(slack, tmp_path, pause=60, prepared=lambda one: one.says(PAGES)) as bot:
        bot.app.api.rates["chat.startStream"] = 0
        slack.slow("chat.postMessage", 0)
        slack.reset("chat.postMessage", after_doing=True)
        await slack.says("U1", "C1", QUESTION)
        await slack.until(lambda: len(slack.answers("C1")) == 2)
        await asyncio.sleep(0.05)

    async with bot_on(slack, tmp_path, prepared=lambda one: one.says(again)) as bot:
        await bot.idle()

        shown = [each.shown for each in slack.answers("C1")]
        assert len(shown) == messages and len(set(shown)) == messages
        assert slack.answers("C1")[-1].shown.endswith("🔎 Looked in the documents of billing")


async def test_private_answer_that_comes_too_late_goes_into_direct_messages(slack: SlackDouble, tmp_path: Path) -> None:
    async with bot_on(slack, tmp_path) as bot:
        bot.assistant.before = Pause()
        await slack.commands("U1", "C1", "/ask", "When is my refund?")
        await asyncio.wait_for(bot.assistant.before.reached.wait(), 5)
    slack.responses.clear()

    async with bot_on(slack, tmp_path) as bot:
        await bot.idle()

        assert slack.answers("D1")[0].shown.startswith(ANSWER) and slack.answers("C1") == []


async def test_file_of_a_question_is_read_again_by_the_next_process(slack: SlackDouble, tmp_path: Path) -> None:
    file = slack.add_file("terms.md", b"Refunds take 30 days.")
    async with bot_on(slack, tmp_path) as bot:
        bot.assistant.before = Pause()
        await slack.says("U1", "C1", QUESTION, files=[file])
        await asyncio.wait_for(bot.assistant.before.reached.wait(), 5)

    async with bot_on(slack, tmp_path) as bot:
        await bot.idle()

        assert [asked.source for asked in bot.assistant.asked] == ["terms.md"]
