"""The desk: each question is answered once, whatever happens in between."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from fakes import MESSAGE, REPLY, InMemoryExchangeStore, InMemoryInbox, ScriptedPlatform
from patience import PATIENCE

from bot import wording
from bot.errors import ConnectorBusy, ConnectorError, GenerationError, InputError, StoreError
from bot.messages import Message, Reply
from bot.ports import OnText
from connectors.desk import Desk
from connectors.quota import Quota

FIRST = replace(MESSAGE, id="first", thread="T1")
SECOND = replace(MESSAGE, id="second", thread="T2")
ADDRESS = {"channel": "C1", "labels": "everyone finance"}
ANSWER = f"answer: {REPLY.text}"


class FullExchangeStore(InMemoryExchangeStore):
    async def show(self, reply: str, places: object) -> None:
        raise StoreError("the disk is full")


@dataclass
class Office:
    """A bot behind a desk. Answers to what is in `held` wait until it is taken out."""

    platform: ScriptedPlatform = field(default_factory=ScriptedPlatform)
    inbox: InMemoryInbox = field(default_factory=InMemoryInbox)
    exchanges: InMemoryExchangeStore = field(default_factory=InMemoryExchangeStore)
    breaks: Exception | None = None
    patience: float = 60.0
    quota: Quota = field(default_factory=lambda: Quota(100, 100))
    held: set[str] = field(default_factory=set)  # message ids
    asked: list[Message] = field(default_factory=list)
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        self.desk = Desk(self.platform, self.inbox, self.exchanges, self.on_message, self.quota, self.patience)

    async def on_message(self, message: Message, on_text: OnText) -> Reply:
        self.asked.append(message)
        await on_text("Within ")
        await until(lambda: message.id not in self.held)
        if self.breaks:
            raise self.breaks
        return replace(REPLY, id=f"reply to {message.id}")

    async def take(self, *messages: Message) -> list[bool]:
        return [await self.desk.take(message, ADDRESS) for message in messages]

    async def answered(self, *messages: Message) -> list[str]:
        """What was read of the first of *messages* by the time that all are done."""
        await until(lambda: not any(self.inbox.pending[each.id] for each in messages))
        return self.seen(messages[0])

    async def idle(self) -> None:
        """When nothing is being answered any more, done or not."""
        await until(lambda: len(asyncio.all_tasks()) == 1)

    def seen(self, message: Message) -> list[str]:
        return self.platform.seen.get(message.id, [])


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110  # what is waited for sets no event
            await asyncio.sleep(0.001)


def after_a_kill(office: Office) -> Office:
    """The next process, with what the first one left on the disk."""
    return Office(inbox=office.inbox, exchanges=office.exchanges)


async def test_question_is_answered_and_done() -> None:
    office = Office()

    assert await office.take(FIRST) == [True]

    assert (await office.answered(FIRST))[-1] == ANSWER
    assert office.exchanges.shown == {"place of first": "reply to first"}
    assert await office.inbox.unfinished() == ()


async def test_question_is_completed_by_the_platform_before_it_is_asked() -> None:
    office = Office()

    await office.take(FIRST)

    await office.answered(FIRST)
    assert [message.labels for message in office.asked] == [{"everyone", "finance"}]


async def test_duplicate_is_answered_once() -> None:
    office = Office(held={"first"})

    taken = await office.take(FIRST, FIRST)
    office.held.clear()
    await office.answered(FIRST)

    assert taken + await office.take(FIRST) == [True, False, False]
    assert len(office.asked) == 1 and office.seen(FIRST).count(ANSWER) == 1


async def test_question_that_was_being_answered_at_a_kill_is_answered_by_the_next_process_in_the_same_reply() -> None:
    first = Office(held={"first"})
    await first.take(FIRST)
    await until(lambda: "Within " in first.seen(FIRST))
    await first.desk.close()
    second = after_a_kill(first)

    await second.desk.resume()

    assert (await second.answered(FIRST))[-1] == ANSWER
    (pending,) = second.platform.pending
    assert (pending.begun, pending.address, pending.resumed) == ("place of first", ADDRESS, True)


async def test_question_that_was_taken_just_before_a_kill_is_answered_by_the_next_process() -> None:
    first = Office()
    await first.take(FIRST)
    await first.desk.close()
    second = after_a_kill(first)

    await second.desk.resume()

    assert first.asked == []
    assert (await second.answered(FIRST))[-1] == ANSWER


async def test_closed_desk_has_no_work_left_behind() -> None:
    office = Office(held={"first", "second"})
    await office.take(FIRST, SECOND)
    await until(lambda: len(office.asked) == 2)

    await office.desk.close()
    await office.desk.close()

    assert len(asyncio.all_tasks()) == 1
    assert ANSWER not in office.seen(FIRST) + office.seen(SECOND)


async def test_question_that_comes_while_the_desk_closes_waits_for_the_next_start() -> None:
    office = Office()
    await office.desk.close()

    await office.take(FIRST)

    assert len(asyncio.all_tasks()) == 1
    assert [pending.message for pending in await office.inbox.unfinished()] == [FIRST]


async def test_only_questions_of_its_own_platform_are_resumed() -> None:
    office = Office()
    await office.inbox.accept(replace(FIRST, platform="discord"), ADDRESS)

    await office.desk.resume()

    await office.idle()
    assert office.platform.pending == []


async def test_question_that_is_being_answered_is_not_resumed() -> None:
    office = Office(held={"first"})
    await office.take(FIRST)

    await office.desk.resume()
    office.held.clear()

    await office.answered(FIRST)
    assert len(office.asked) == 1


async def test_stop_ends_the_answers_of_its_thread_alone_and_they_are_done() -> None:
    office = Office(held={"first", "second"})
    await office.take(FIRST, SECOND)
    await until(lambda: len(office.asked) == 2)

    office.desk.stop("T1")

    assert (await office.answered(FIRST))[-1] == "stopped"
    office.held.clear()
    assert (await office.answered(SECOND))[-1] == ANSWER
    assert ANSWER not in office.seen(FIRST)


async def test_stop_that_comes_before_the_work_begins_is_heard() -> None:
    office = Office()
    await office.take(FIRST)

    office.desk.stop("T1")

    assert (await office.answered(FIRST))[-1] == "stopped"
    assert ANSWER not in office.seen(FIRST)


async def test_second_stop_does_not_cut_short_the_first() -> None:
    office = Office(held={"first"})
    office.platform.stops.clear()
    await office.take(FIRST)
    await until(lambda: office.asked)

    for _ in range(3):
        office.desk.stop("T1")
        await asyncio.sleep(0.001)
    office.platform.stops.set()

    assert (await office.answered(FIRST))[-1] == "stopped"


async def test_stop_is_done_although_the_platform_does_not_take_it_in_time() -> None:
    office = Office(held={"first"})
    office.platform.stops.clear()
    await office.take(FIRST)
    await until(lambda: office.asked)

    office.desk.stop("T1")

    assert "stopped" not in await office.answered(FIRST)


async def test_stop_after_the_answer_changes_nothing() -> None:
    office = Office()
    await office.take(FIRST)
    await office.answered(FIRST)

    office.desk.stop("T1")

    await office.idle()
    assert office.seen(FIRST)[-1] == ANSWER


async def test_answer_that_a_busy_platform_refuses_is_delivered_when_it_is_well_again() -> None:
    office = Office(ScriptedPlatform(failures=[ConnectorBusy("out of order")]))

    await office.take(FIRST)

    assert (await office.answered(FIRST))[-1] == ANSWER
    assert len(office.asked) == 1


async def test_question_that_a_busy_platform_cannot_complete_is_answered_when_it_is_well_again() -> None:
    office = Office(ScriptedPlatform(incomplete=[ConnectorBusy("out of order")]))

    await office.take(FIRST)

    assert (await office.answered(FIRST))[-1] == ANSWER


async def test_answer_waits_for_the_next_start_where_the_platform_is_out_of_order_for_too_long() -> None:
    first = Office(ScriptedPlatform(failures=[ConnectorBusy("out of order")]), patience=0)
    await first.take(FIRST)
    await first.idle()
    assert first.inbox.pending["first"] and ANSWER not in first.seen(FIRST)
    second = after_a_kill(first)

    await second.desk.resume()

    assert (await second.answered(FIRST))[-1] == ANSWER


async def test_answer_that_could_not_be_noted_waits_for_the_next_start() -> None:
    office = Office(exchanges=FullExchangeStore())

    await office.take(FIRST)

    await office.idle()
    assert office.inbox.pending["first"]


async def test_answer_that_the_platform_refuses_for_good_is_done() -> None:
    office = Office(ScriptedPlatform(failures=[ConnectorError("channel is archived")]))

    await office.take(FIRST)

    await office.answered(FIRST)
    assert not any(each.startswith(("answer", "said")) for each in office.seen(FIRST))


async def test_question_beyond_the_quota_is_refused_with_the_reason_and_not_asked() -> None:
    office = Office(quota=Quota(1, 100))
    await office.take(FIRST)
    await office.answered(FIRST)

    await office.take(SECOND)

    (said,) = await office.answered(SECOND)
    assert said.startswith("said: You have asked 1 question within an hour.")
    assert office.asked == [replace(FIRST, labels=frozenset({"everyone", "finance"}))]


async def test_file_that_cannot_be_read_is_told() -> None:
    office = Office(ScriptedPlatform(incomplete=[InputError("I cannot read a.png")]))

    await office.take(FIRST)

    assert await office.answered(FIRST) == ["said: I cannot read a.png"]


async def test_error_with_a_reason_is_told_with_regret() -> None:
    office = Office(breaks=GenerationError("the model cannot be loaded"))

    await office.take(FIRST)

    assert (await office.answered(FIRST))[-1] == "said: Sorry: the model cannot be loaded"


@pytest.mark.parametrize("failures", [[], [KeyError("ts")]])
async def test_defect_of_ours_leads_to_an_apology(failures: list[Exception]) -> None:
    office = Office(ScriptedPlatform(failures=failures), breaks=None if failures else ZeroDivisionError())

    await office.take(FIRST)

    assert (await office.answered(FIRST))[-1] == f"said: {wording.sorry(wording.APOLOGY)}"


async def test_defect_is_done_although_the_apology_cannot_be_delivered() -> None:
    office = Office(ScriptedPlatform(failures=[ConnectorError("archived")]), breaks=ZeroDivisionError())

    await office.take(FIRST)

    assert await office.answered(FIRST) == ["Within "]


async def test_asker_gets_a_sign_at_once_although_another_answer_is_slow() -> None:
    office = Office(held={"first", "second"})

    await office.take(FIRST, SECOND)

    await until(lambda: "waiting" in office.seen(FIRST) and "waiting" in office.seen(SECOND))
    assert ANSWER not in office.seen(FIRST) + office.seen(SECOND)
    await office.desk.close()


async def test_answers_overtake_a_slow_one() -> None:
    office = Office(held={"first"})

    await office.take(FIRST, SECOND)

    assert (await office.answered(SECOND))[-1] == ANSWER
    assert ANSWER not in office.seen(FIRST)
    await office.desk.close()


async def test_no_sign_comes_after_the_answer() -> None:
    office = Office(held={"first"})
    office.platform.signs.clear()  # the sign is on its way, and slow
    await office.take(FIRST)
    await until(lambda: office.asked)

    office.held.clear()
    await asyncio.sleep(0.01)
    office.platform.signs.set()

    assert await office.answered(FIRST) == ["Within ", "waiting", ANSWER]


async def test_sign_that_the_platform_refuses_does_not_matter() -> None:
    office = Office(ScriptedPlatform(refuses_signs=True), held={"first"})
    await office.take(FIRST)
    await until(lambda: office.asked)

    office.held.clear()

    assert await office.answered(FIRST) == ["Within ", ANSWER]


async def test_asker_gets_a_sign_before_slow_look_ups() -> None:
    office = Office(ScriptedPlatform(incomplete=[ConnectorBusy("slow")]))

    await office.take(FIRST)

    await until(lambda: "waiting" in office.seen(FIRST))
    assert office.asked == []
    assert (await office.answered(FIRST))[-1] == ANSWER


async def test_stop_says_whether_there_was_anything_to_stop() -> None:
    office = Office(held={"first"})
    await office.take(FIRST)

    assert (office.desk.stop("T1"), office.desk.stop("T1"), office.desk.stop("T9")) == (True, False, False)
    await office.answered(FIRST)
