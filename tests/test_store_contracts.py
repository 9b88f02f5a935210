"""What every store does, run over the fakes and over the SQL database; for jobs see test_store_jobs.py."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from fakes import (
    MESSAGE,
    REPLY,
    InMemoryExampleStore,
    InMemoryExchangeStore,
    InMemoryFeedbackStore,
    InMemoryInbox,
)

from bot.errors import StoreError
from bot.messages import Citation, Exchange, Feedback, LabelledQuestion, Message, Passage, Pending, Reply
from bot.ports import ExampleStore, ExchangeStore, FeedbackStore, Inbox
from bot.store.database import open_database
from bot.store.examples import SqlExampleStore
from bot.store.exchanges import SqlExchangeStore
from bot.store.feedback import SqlFeedbackStore
from bot.store.inbox import SqlInbox
from bot.store.schema import upgrade

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
THUMB_DOWN = Feedback(reply="reply-1", user="slack:U1", platform="slack", rating=-1, at=NOON)

FULL_MESSAGE = Message(
    id="event-9",
    text="Wann? \U0001f682 '; drop table exchanges; --",
    user="discord:42",
    platform="discord",
    workspace="discord:guild:7",
    thread="T9",
    route="billing",
    bound="travel",
    labels=frozenset({"everyone", "finance"}),
    passages=("A refund takes five days.",),
    source="terms.pdf",
    private=True,
    at=datetime(2026, 3, 1, 13, 30, tzinfo=timezone(timedelta(hours=1))),
)
FULL_REPLY = Reply(
    id="reply-9",
    text="Morgen [1].",
    route="billing",
    probability=0.25,
    domain_probability=0.75,
    decision="ask_back",
    abstained=True,
    citations=(Citation(number=1, document="d.md", chunk=2, title="D", url=None, quote="tomorrow"),),
    adapter="billing@3",
    prompt="domain/answer@1",
    model="m",
    grounding=0.5,
    prompt_tokens=7,
    completion_tokens=3,
    seconds_to_first_token=0.125,
    seconds=2.5,
    question="When is the refund paid?",
    passages=(Passage(document="d.md", chunk=2, text="t", heading="h", title="D", url="u", score=0.5),),
)


@dataclass(frozen=True, slots=True)
class Stores:
    exchanges: ExchangeStore
    feedback: FeedbackStore
    examples: ExampleStore
    inbox: Inbox


def in_memory() -> Stores:
    exchanges = InMemoryExchangeStore()
    return Stores(
        exchanges,
        InMemoryFeedbackStore(exchanges),
        InMemoryExampleStore(),
        InMemoryInbox(),
    )


@pytest.fixture(scope="module")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy, because a migration takes longer than a test."""
    file = tmp_path_factory.mktemp("new") / "pointsman.db"
    asyncio.run(upgrade(f"sqlite:///{file}"))
    return file


@pytest.fixture(params=["memory", "sql"])
async def stores(request: pytest.FixtureRequest, new_database: Path, tmp_path: Path) -> AsyncIterator[Stores]:
    if request.param == "memory":
        yield in_memory()
        return
    file = shutil.copy(new_database, tmp_path)
    async with open_database(f"sqlite:///{file}") as db:
        yield Stores(SqlExchangeStore(db), SqlFeedbackStore(db), SqlExampleStore(db), SqlInbox(db))


def test_the_full_samples_leave_no_field_at_its_default() -> None:
    """A field that somebody adds must be stored; this fails until the samples below carry it."""
    for sample in (FULL_MESSAGE, FULL_REPLY):
        assert [each.name for each in fields(sample) if getattr(sample, each.name) == each.default] == []


async def test_an_exchange_comes_back_as_it_was_stored(stores: Stores) -> None:
    await stores.exchanges.begin(FULL_MESSAGE, replace(FULL_REPLY, text=""))
    await stores.exchanges.complete(FULL_REPLY)

    found = await stores.exchanges.find("reply-9")

    assert found == Exchange(message=FULL_MESSAGE, reply=FULL_REPLY, complete=True)
    assert found is not None and found.message.at.tzinfo is not None


async def test_an_exchange_that_was_never_completed_is_visible_as_incomplete(stores: Stores) -> None:
    await stores.exchanges.begin(MESSAGE, REPLY)

    found = await stores.exchanges.find(REPLY.id)

    assert found == Exchange(message=MESSAGE, reply=REPLY, complete=False)


async def test_an_unknown_reply_is_not_found(stores: Stores) -> None:
    assert await stores.exchanges.find("nobody's") is None


async def test_an_asker_who_reads_everything_is_told_from_one_who_reads_nothing(stores: Stores) -> None:
    for number, labels in enumerate([None, frozenset[str]()]):
        await stores.exchanges.begin(replace(MESSAGE, labels=labels), replace(REPLY, id=str(number)))

    found = [await stores.exchanges.find(str(number)) for number in range(2)]

    assert [exchange.message.labels for exchange in found if exchange] == [None, frozenset()]


async def test_a_reply_is_begun_once_and_completed_only_after_that(stores: Stores) -> None:
    await stores.exchanges.begin(MESSAGE, REPLY)

    with pytest.raises(StoreError, match="'reply-1' was begun before"):
        await stores.exchanges.begin(MESSAGE, REPLY)
    with pytest.raises(StoreError, match="'other' is not known"):
        await stores.exchanges.complete(replace(REPLY, id="other"))


async def test_a_thread_gives_its_last_complete_exchanges_oldest_first(stores: Stores) -> None:
    for number in range(5):
        reply = replace(REPLY, id=str(number))
        await stores.exchanges.begin(replace(MESSAGE, thread="T2" if number == 2 else "T1"), reply)
        if number != 4:
            await stores.exchanges.complete(reply)

    found = await stores.exchanges.thread("T1", last=2)

    assert [exchange.reply.id for exchange in found] == ["1", "3"]
    assert await stores.exchanges.thread("T1", last=0) == ()


async def test_messages_without_a_thread_share_no_memory(stores: Stores) -> None:
    await stores.exchanges.begin(replace(MESSAGE, thread=""), REPLY)
    await stores.exchanges.complete(REPLY)

    assert await stores.exchanges.thread("", last=5) == ()


async def test_old_exchanges_are_deleted_with_their_feedback(stores: Stores) -> None:
    for number in range(3):
        await stores.exchanges.begin(replace(MESSAGE, at=NOON + number * HOUR), replace(REPLY, id=str(number)))
        await stores.feedback.save(replace(THUMB_DOWN, reply=str(number)))

    deleted = await stores.exchanges.delete_older_than(NOON + 2 * HOUR)

    assert deleted == 2
    assert await stores.exchanges.find("0") is None
    assert [vote.reply for vote in await stores.feedback.all()] == ["2"]


async def test_a_reply_is_found_by_each_place_where_it_is_read(stores: Stores) -> None:
    for reply in ("a", "b"):
        await stores.exchanges.begin(MESSAGE, replace(REPLY, id=reply))
    await stores.exchanges.show("a", ["slack:T1:C1:1.1", "slack:T1:C1:1.2"])
    await stores.exchanges.show("b", [])

    found = [await stores.exchanges.shown_at(f"slack:T1:C1:1.{number}") for number in (1, 2, 3)]

    assert found == ["a", "a", None]


async def test_a_place_belongs_to_the_reply_that_was_shown_there_last(stores: Stores) -> None:
    for reply in ("a", "b"):
        await stores.exchanges.begin(MESSAGE, replace(REPLY, id=reply))
        await stores.exchanges.show(reply, ["slack:T1:C1:1.1"])
    await stores.exchanges.show("b", ["slack:T1:C1:1.1"])

    assert await stores.exchanges.shown_at("slack:T1:C1:1.1") == "b"


async def test_where_an_old_exchange_was_read_is_forgotten_with_it(stores: Stores) -> None:
    for number in range(2):
        await stores.exchanges.begin(replace(MESSAGE, at=NOON + number * HOUR), replace(REPLY, id=str(number)))
        await stores.exchanges.show(str(number), [f"place {number}"])

    await stores.exchanges.delete_older_than(NOON + HOUR)

    assert [await stores.exchanges.shown_at(f"place {number}") for number in range(2)] == [None, "1"]


async def test_the_latest_vote_of_a_user_on_a_reply_counts(stores: Stores) -> None:
    await stores.exchanges.begin(MESSAGE, REPLY)
    await stores.feedback.save(replace(THUMB_DOWN, reason="outdated"))
    later = replace(THUMB_DOWN, rating=1, at=NOON + HOUR)

    await stores.feedback.save(later)

    assert await stores.feedback.all() == (later,)


async def test_a_reason_and_a_correction_may_follow_the_thumb_in_later_steps(stores: Stores) -> None:
    await stores.exchanges.begin(MESSAGE, REPLY)
    await stores.feedback.save(THUMB_DOWN)
    await stores.feedback.save(replace(THUMB_DOWN, reason="wrong", wrong_route="unknown"))

    await stores.feedback.save(replace(THUMB_DOWN, correction="After 30 days.", at=NOON + HOUR))

    (vote,) = await stores.feedback.all()
    assert (vote.reason, vote.wrong_route, vote.correction) == ("wrong", "unknown", "After 30 days.")
    assert vote.at == NOON + HOUR


async def test_a_vote_taken_back_is_left_out_and_may_be_cast_anew(stores: Stores) -> None:
    await stores.exchanges.begin(MESSAGE, REPLY)
    await stores.feedback.save(replace(THUMB_DOWN, reason="wrong"))
    await stores.feedback.save(replace(THUMB_DOWN, rating=0))
    assert await stores.feedback.all() == ()

    await stores.feedback.save(THUMB_DOWN)

    assert await stores.feedback.all() == (THUMB_DOWN,)


async def test_a_users_vote_on_a_reply_is_found_also_after_it_was_taken_back(stores: Stores) -> None:
    await stores.exchanges.begin(MESSAGE, REPLY)
    await stores.feedback.save(THUMB_DOWN)
    cast = await stores.feedback.find("reply-1", "slack:U1")
    await stores.feedback.save(replace(THUMB_DOWN, rating=0))

    taken_back = await stores.feedback.find("reply-1", "slack:U1")

    assert cast == THUMB_DOWN
    assert taken_back == replace(THUMB_DOWN, rating=0)


async def test_a_vote_that_was_never_cast_is_not_found(stores: Stores) -> None:
    await stores.exchanges.begin(MESSAGE, REPLY)
    await stores.feedback.save(THUMB_DOWN)

    assert await stores.feedback.find("reply-1", "slack:U2") is None
    assert await stores.feedback.find("reply-2", "slack:U1") is None


async def test_votes_come_oldest_first_one_per_user_and_reply(stores: Stores) -> None:
    for reply in ("a", "b"):
        await stores.exchanges.begin(MESSAGE, replace(REPLY, id=reply))
    votes = [
        replace(THUMB_DOWN, reply=reply, user=user, at=NOON - number * HOUR)
        for number, (reply, user) in enumerate([("a", "u"), ("a", "v"), ("b", "u")])
    ]

    for vote in votes:
        await stores.feedback.save(vote)

    assert list(await stores.feedback.all()) == votes[::-1]


async def test_a_vote_on_an_unknown_reply_is_refused_by_name(stores: Stores) -> None:
    with pytest.raises(StoreError, match="'reply-1' is not known"):
        await stores.feedback.save(THUMB_DOWN)


async def test_an_example_is_added_once_and_takes_the_latest_route(stores: Stores) -> None:
    first = [LabelledQuestion(text=text, route="general") for text in ("hello", "refund?", "hello")]
    second = [LabelledQuestion(text=text, route="billing") for text in ("refund?", "invoice?")]

    added = [await stores.examples.add(first), await stores.examples.add(second)]

    assert added == [2, 1]
    found = [(example.text, example.route) for example in await stores.examples.all()]
    assert found == [("hello", "general"), ("refund?", "billing"), ("invoice?", "billing")]


async def test_an_event_is_accepted_once_even_after_it_was_answered(stores: Stores) -> None:
    accepted = [await stores.inbox.accept(MESSAGE), await stores.inbox.accept(MESSAGE)]
    await stores.inbox.done(MESSAGE.id)

    accepted.append(await stores.inbox.accept(MESSAGE))

    assert accepted == [True, False, False]
    assert await stores.inbox.unfinished() == ()


async def test_unfinished_events_come_whole_and_oldest_first(stores: Stores) -> None:
    messages = (replace(MESSAGE, id="3", labels=None), FULL_MESSAGE, replace(MESSAGE, id="1"))
    for message in (*messages[:2], MESSAGE, messages[2]):
        await stores.inbox.accept(message)

    await stores.inbox.done(MESSAGE.id)
    await stores.inbox.done("never heard of")

    assert tuple(pending.message for pending in await stores.inbox.unfinished()) == messages


async def test_an_unfinished_event_knows_where_its_answer_goes_and_that_it_was_begun(stores: Stores) -> None:
    address = {"team": "T1", "channel": "C1", "thread": "1.1"}
    await stores.inbox.accept(FULL_MESSAGE, address)
    await stores.inbox.accept(MESSAGE)

    await stores.inbox.begin(FULL_MESSAGE.id, "1.2")

    assert await stores.inbox.unfinished() == (
        Pending(message=FULL_MESSAGE, address=address, begun="1.2", resumed=True),
        Pending(message=MESSAGE, address={}, begun="", resumed=True),
    )


async def test_an_answered_event_cannot_be_begun_any_more(stores: Stores) -> None:
    await stores.inbox.accept(MESSAGE)
    await stores.inbox.done(MESSAGE.id)

    await stores.inbox.begin(MESSAGE.id, "1.2")
    await stores.inbox.begin("never heard of", "1.2")

    assert await stores.inbox.unfinished() == ()


async def test_the_bot_takes_part_in_the_threads_where_it_was_asked(stores: Stores) -> None:
    await stores.inbox.accept(MESSAGE)
    await stores.inbox.done(MESSAGE.id)
    await stores.inbox.accept(replace(MESSAGE, id="event-2", thread="T2"))

    assert [await stores.inbox.takes_part(thread) for thread in ("T1", "T2", "T3")] == [True, True, False]


async def test_old_events_are_forgotten_once_they_are_answered(stores: Stores) -> None:
    for number in range(3):
        await stores.inbox.accept(replace(MESSAGE, id=str(number), thread=str(number), at=NOON + number * HOUR))
    for answered in ("0", "2"):
        await stores.inbox.done(answered)

    deleted = await stores.inbox.delete_older_than(NOON + 2 * HOUR)

    assert deleted == 1
    assert [await stores.inbox.takes_part(thread) for thread in "012"] == [False, True, True]
    assert [pending.message.id for pending in await stores.inbox.unfinished()] == ["1"]
