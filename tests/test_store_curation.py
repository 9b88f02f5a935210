"""What the stores of the learning loop do, run over the fakes and over the SQL database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest
from fakes import MESSAGE, REPLY, InMemoryExchangeStore, InMemoryFeedbackStore
from fakes_learning import InMemoryCurationStore, InMemoryDatasetStore

from bot.errors import Conflict, NotFound, StoreError
from bot.messages import DatasetSource, DatasetVersion, Feedback, Review, now
from bot.ports import CurationStore, DatasetStore, ExchangeStore, FeedbackStore
from bot.store.audit import SqlAudit
from bot.store.curation import SqlCurationStore
from bot.store.database import Database, open_database
from bot.store.datasets import SqlDatasetStore
from bot.store.exchanges import SqlExchangeStore
from bot.store.feedback import SqlFeedbackStore
from bot.store.people import SqlPeople

FULL_REVIEW = Review(
    reply="reply-1",
    state="corrected",
    by="ada",
    answer="After 30 days \U0001f682",
    route="travel",
    fault="route",
    undo=True,
    at=now(),
)
APPROVED = Review(reply="reply-1", state="approved", by="ada", route="billing")
REJECTED = Review(reply="reply-1", state="rejected", by="bob", fault="wording")
DRAFT = DatasetVersion(
    domain="billing",
    version="",
    kind="sft",
    rows=3,
    hash="abc",
    approved_by=("ada",),
    documents=("refunds.md",),
    report={"left_out": {"private": ["reply-2"]}},
)
SOURCE = DatasetSource(reply="reply-1", user="slack:U1", workspace="slack:T1", document="refunds.md")


@dataclass(frozen=True, slots=True)
class Stores:
    exchanges: ExchangeStore
    votes: FeedbackStore
    reviews: CurationStore
    datasets: DatasetStore

    async def answer(self, *replies: str) -> None:
        for reply in replies:
            await self.exchanges.begin(MESSAGE, replace(REPLY, id=reply))
            await self.exchanges.complete(replace(REPLY, id=reply))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite:///{tmp_path / 'pointsman.db'}") as opened:
        yield opened


@pytest.fixture(params=["memory", "sql"])
async def stores(request: pytest.FixtureRequest, database: Database) -> Stores:
    if request.param == "sql":
        exchanges = SqlExchangeStore(database)
        return Stores(exchanges, SqlFeedbackStore(database), SqlCurationStore(database), SqlDatasetStore(database))
    kept = InMemoryExchangeStore()
    votes = InMemoryFeedbackStore(kept)
    return Stores(kept, votes, InMemoryCurationStore(kept, votes), InMemoryDatasetStore())


def ignore(version: str) -> None:
    """Writes no files."""


def test_the_full_sample_leaves_no_field_at_its_default() -> None:
    assert [each.name for each in fields(FULL_REVIEW) if getattr(FULL_REVIEW, each.name) == each.default] == []


async def test_a_decision_comes_back_as_it_was_stored(stores: Stores) -> None:
    await stores.answer("reply-1")

    await stores.reviews.add([FULL_REVIEW])

    assert await stores.reviews.history("reply-1") == (FULL_REVIEW,)
    assert await stores.reviews.all() == (FULL_REVIEW,)


async def test_the_newest_decision_on_a_reply_counts_and_the_others_stay(stores: Stores) -> None:
    await stores.answer("reply-1")
    await stores.reviews.add([APPROVED])

    await stores.reviews.add([REJECTED])

    assert await stores.reviews.all() == (REJECTED,)
    assert await stores.reviews.history("reply-1") == (APPROVED, REJECTED)


async def test_several_decisions_are_kept_together_or_not_at_all(stores: Stores) -> None:
    await stores.answer("reply-1")

    with pytest.raises(NotFound, match="'reply-9' is not known"):
        await stores.reviews.add([APPROVED, replace(APPROVED, reply="reply-9")])

    assert await stores.reviews.all() == ()


async def test_undo_brings_back_the_decision_before(stores: Stores) -> None:
    await stores.answer("reply-1")
    await stores.reviews.add([replace(FULL_REVIEW, undo=False)])
    await stores.reviews.add([REJECTED])

    (now_counts,) = await stores.reviews.undo(["reply-1"], by="eve")

    assert now_counts == replace(FULL_REVIEW, by="eve", at=now_counts.at)
    assert await stores.reviews.all() == (now_counts,)
    assert len(await stores.reviews.history("reply-1")) == 3


async def test_undo_goes_back_step_by_step_until_nothing_is_decided(stores: Stores) -> None:
    await stores.answer("reply-1")
    for review in (APPROVED, REJECTED):
        await stores.reviews.add([review])

    states = [(await stores.reviews.undo(["reply-1"], by="eve"))[0].state for _ in range(2)]

    assert states == ["approved", "new"]
    assert await stores.reviews.all() == ()
    with pytest.raises(Conflict, match="nothing is decided about reply 'reply-1'"):
        await stores.reviews.undo(["reply-1"], by="eve")


async def test_undo_of_several_changes_none_where_one_cannot_be_undone(stores: Stores) -> None:
    await stores.answer("reply-1", "reply-2")
    await stores.reviews.add([APPROVED])

    with pytest.raises(Conflict, match="nothing is decided about reply 'reply-2'"):
        await stores.reviews.undo(["reply-1", "reply-2"], by="eve")

    assert await stores.reviews.all() == (APPROVED,)


async def test_a_decision_after_an_undo_can_be_undone_too(stores: Stores) -> None:
    await stores.answer("reply-1")
    await stores.reviews.add([APPROVED])
    await stores.reviews.undo(["reply-1"], by="eve")
    await stores.reviews.add([REJECTED])

    (counts,) = await stores.reviews.undo(["reply-1"], by="eve")

    assert counts.state == "new"


async def test_undecided_are_all_voted_replies_and_the_newest_others_oldest_first(stores: Stores) -> None:
    await stores.answer("a", "b", "c", "d", "reply-1")
    await stores.votes.save(Feedback(reply="a", user="u", platform="slack", rating=-1))
    await stores.votes.save(Feedback(reply="b", user="u", platform="slack", rating=0))
    await stores.reviews.add([APPROVED])

    found = await stores.reviews.undecided(unvoted=2)

    assert [exchange.reply.id for exchange in found] == ["a", "c", "d"]


async def test_a_reply_that_is_not_finished_waits_for_no_decision(stores: Stores) -> None:
    await stores.exchanges.begin(MESSAGE, REPLY)

    assert await stores.reviews.undecided(unvoted=5) == ()


async def test_a_reply_whose_decision_was_taken_back_waits_again(stores: Stores) -> None:
    await stores.answer("reply-1")
    await stores.reviews.add([APPROVED])
    assert await stores.reviews.undecided(unvoted=5) == ()

    await stores.reviews.undo(["reply-1"], by="eve")

    assert [exchange.reply.id for exchange in await stores.reviews.undecided(unvoted=5)] == ["reply-1"]


async def test_a_decision_outlives_its_exchange_but_the_answer_in_it_does_not(stores: Stores) -> None:
    await stores.answer("reply-1")
    await stores.reviews.add([FULL_REVIEW])

    await stores.exchanges.delete_older_than(now())

    assert await stores.reviews.all() == (replace(FULL_REVIEW, answer=None),)


async def test_every_decision_is_counted_and_read_in_order_from_any_point_on(stores: Stores) -> None:
    await stores.answer("reply-1", "reply-2")
    assert (await stores.reviews.count(), await stores.reviews.since(0, limit=9)) == (0, ())
    for review in (APPROVED, replace(FULL_REVIEW, reply="reply-2"), REJECTED):
        await stores.reviews.add([review])

    first, second = await stores.reviews.since(0, limit=2)
    rest = await stores.reviews.since(second.number, limit=9)

    assert [first.review, second.review, *(each.review for each in rest)] == [
        APPROVED,
        replace(FULL_REVIEW, reply="reply-2"),
        REJECTED,
    ]
    assert first.number < second.number < rest[0].number and await stores.reviews.count() == 3
    assert second.exchange == await stores.exchanges.find("reply-2")


async def test_decision_on_an_exchange_that_is_gone_is_read_without_it(stores: Stores) -> None:
    await stores.answer("reply-1")
    await stores.reviews.add([FULL_REVIEW])

    await stores.exchanges.delete_older_than(now())

    (decided,) = await stores.reviews.since(0, limit=9)
    assert (decided.exchange, decided.review) == (None, replace(FULL_REVIEW, answer=None))
    assert await stores.reviews.count() == 1


async def test_dataset_versions_are_numbered_within_their_domain(stores: Stores) -> None:
    drafts = [replace(DRAFT, domain=domain, hash=str(n)) for n, domain in enumerate(["billing", "travel", "billing"])]

    made = [await stores.datasets.add(draft, [], ignore, by="ada") for draft in drafts]

    assert [version.label for version in made] == ["billing@1", "travel@1", "billing@2"]
    assert list(await stores.datasets.all()) == made
    assert await stores.datasets.find("billing", "2") == made[2]
    assert await stores.datasets.find("billing", "3") is None


async def test_a_dataset_comes_back_as_it_was_made(stores: Stores) -> None:
    made = await stores.datasets.add(DRAFT, [SOURCE], ignore, by="ada")

    assert made == replace(DRAFT, version="1")
    assert await stores.datasets.all() == (made,)
    assert made.folder == "datasets/billing/1"


async def test_the_same_rows_stay_the_same_version(stores: Stores) -> None:
    first = await stores.datasets.add(DRAFT, [], ignore, by="ada")
    numbers: list[str] = []

    again = await stores.datasets.add(replace(DRAFT, created=now()), [], numbers.append, by="ada")
    other = await stores.datasets.add(replace(DRAFT, kind="kto"), [], numbers.append, by="ada")

    assert again == first and other.version == "2"
    assert numbers == ["2"]


async def test_a_version_whose_files_cannot_be_written_does_not_exist(stores: Stores) -> None:
    def full(version: str) -> None:
        raise StoreError("the disk is full")

    with pytest.raises(StoreError, match="the disk is full"):
        await stores.datasets.add(DRAFT, [SOURCE], full, by="ada")

    assert await stores.datasets.all() == ()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"reply": "reply-1"}, ["billing@1"]),
        ({"user": "slack:U1"}, ["billing@1", "billing@2"]),
        ({"user": "slack:U1", "workspace": "slack:T1"}, ["billing@1"]),
        ({"document": "refunds.md"}, ["billing@1"]),
        ({"user": "slack:U3"}, []),
    ],
)
async def test_datasets_are_found_by_what_they_were_made_from(
    stores: Stores, wanted: dict[str, str], found: list[str]
) -> None:
    elsewhere = DatasetSource(reply="reply-2", user="slack:U1", workspace="slack:T2")
    await stores.datasets.add(DRAFT, [SOURCE], ignore, by="ada")
    await stores.datasets.add(replace(DRAFT, hash="def"), [elsewhere], ignore, by="ada")

    assert [version.label for version in await stores.datasets.using(**wanted)] == found


async def test_audit_log_holds_every_decision_without_the_answer(database: Database) -> None:
    await SqlExchangeStore(database).begin(MESSAGE, REPLY)
    reviews = SqlCurationStore(database)
    await reviews.add([replace(FULL_REVIEW, undo=False)])
    await reviews.undo(["reply-1"], by="eve")

    first, second = await SqlAudit(database).all()

    corrected = {"state": "corrected", "route": "travel", "fault": "route"}
    assert (first.who, first.what, first.before, first.after) == ("ada", "curation.set reply-1", None, corrected)
    assert (second.who, second.what, second.before) == ("eve", "curation.undo reply-1", corrected)


async def test_audit_log_says_who_made_a_dataset_and_which_hold_something_of_a_forgotten_person(
    database: Database,
) -> None:
    await SqlDatasetStore(database).add(DRAFT, [SOURCE], ignore, by="ada")
    await SqlPeople(database).forget("slack:U1", "slack:T1")

    made, forgotten = await SqlAudit(database).all()

    assert (made.who, made.what, made.after) == (
        "ada",
        "dataset.add billing@1",
        {"kind": "sft", "rows": 3, "hash": "abc"},
    )
    assert forgotten.after == {"user": "slack:U1", "questions": 0, "datasets": ["billing@1"]}
