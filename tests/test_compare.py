"""Votes on versions: what is counted, how sure it is, and what it means."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import MESSAGE, REPLY

from bot.learning.comparison import Comparison, Tally, newcombe, wilson
from bot.messages import Feedback
from bot.store.database import Database, open_database
from bot.store.exchanges import SqlExchangeStore
from bot.store.feedback import SqlFeedbackStore
from bot.store.tallies import SqlTallies

OLD, NEW = "billing@1", "billing@2"


def tally(adapter: str, up: int, down: int) -> Tally:
    return Tally(adapter=adapter, answers=100, up=up, down=down, voters=up + down)


def compared(first: tuple[int, int], second: tuple[int, int]) -> Comparison:
    return Comparison(first=tally(OLD, *first), second=tally(NEW, *second))


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_interval_of_a_share_is_the_published_one(hits: int, of: int, low: float, high: float) -> None:
    """Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3."""
    assert wilson(hits, of) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((48, 80), (56, 70), 0.0524, 0.3339),
        ((3, 10), (9, 10), 0.1705, 0.8090),
        ((2, 7), (6, 7), 0.0582, 0.8062),
        ((0, 10), (10, 10), 0.6075, 1.0),
    ],
)
def test_interval_of_a_difference_is_the_published_one(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    """Newcombe 1998, Statistics in Medicine 17, 873-890, table II, method 10."""
    assert newcombe(first, second) == pytest.approx((low, high), abs=5e-5)


def test_without_votes_anything_is_possible() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("hits", [0, 1, 7, 20])
def test_interval_holds_what_was_counted(hits: int) -> None:
    low, high = wilson(hits, 20)

    assert low <= hits / 20 <= high


def test_clear_difference_is_said_to_be_more_than_chance() -> None:
    found = compared((48, 32), (56, 14))

    assert found.difference == pytest.approx(0.2) and found.more_than_chance
    assert found.sentence == (
        "billing@2 is liked better than billing@1, by more than chance: the true difference lies between +5 and +33 "
        "percentage points, with 95 % confidence."
    )


def test_worse_version_is_named_as_such() -> None:
    base = Comparison(first=tally("none", 56, 14), second=tally(NEW, 48, 32))

    assert compared((56, 14), (48, 32)).sentence.startswith("billing@1 is liked better than billing@2")
    assert base.sentence.startswith("The base model alone is liked better than billing@2")


def test_same_rates_from_few_votes_may_be_chance() -> None:
    found = compared((3, 2), (4, 1))

    assert not found.more_than_chance and found.interval is not None
    assert found.sentence.startswith("The difference may be chance: the true difference lies between -3")


@pytest.mark.parametrize(
    ("first", "second", "who"),
    [((0, 0), (3, 1), OLD), ((3, 1), (0, 0), NEW), ((0, 0), (0, 0), f"{OLD} or {NEW}")],
)
def test_without_votes_nothing_is_said(first: tuple[int, int], second: tuple[int, int], who: str) -> None:
    found = compared(first, second)

    assert (found.difference, found.interval, found.more_than_chance) == (None, None, False)
    assert found.sentence == f"Nobody has voted on {who} yet, so nothing can be said."


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite:///{tmp_path / 'pointsman.db'}") as database:
        yield database


async def answered(database: Database, reply: str, adapter: str, votes: dict[str, int], **more: object) -> None:
    """A reply by *adapter*, voted on by people; *more*: what else is particular about it."""
    store, done = SqlExchangeStore(database), replace(REPLY, id=reply, adapter=adapter, **more)  # type: ignore[arg-type]  # of every type
    await store.begin(replace(MESSAGE, id=f"event of {reply}"), done)
    if reply != "unfinished":
        await store.complete(done)
    for user, rating in votes.items():
        vote = Feedback(reply=reply, user=user, platform="slack", rating=rating)  # type: ignore[arg-type]  # one of the ratings
        await SqlFeedbackStore(database).save(vote)


async def test_votes_are_counted_per_version(database: Database) -> None:
    await answered(database, "1", OLD, {"ada": 1, "bob": -1})
    await answered(database, "2", OLD, {"ada": 1})
    await answered(database, "3", OLD, {})
    await answered(database, "4", NEW, {"ada": -1})

    found = await SqlTallies(database).of(OLD)

    assert found == Tally(adapter=OLD, answers=3, up=2, down=1, voters=2)
    assert await SqlTallies(database).of("billing@9") == Tally(adapter="billing@9", answers=0, up=0, down=0, voters=0)


async def test_vote_that_was_taken_back_does_not_count(database: Database) -> None:
    await answered(database, "1", OLD, {"ada": 0, "bob": 1})

    found = await SqlTallies(database).of(OLD)

    assert (found.up, found.down, found.voters) == (1, 0, 1)


async def test_vote_that_was_changed_counts_once(database: Database) -> None:
    await answered(database, "1", OLD, {"ada": 1})
    await SqlFeedbackStore(database).save(Feedback(reply="1", user="ada", platform="slack", rating=-1))

    found = await SqlTallies(database).of(OLD)

    assert (found.up, found.down) == (0, 1)


async def test_adapter_of_several_domains_is_counted_in_one_of_them(database: Database) -> None:
    await answered(database, "1", "reading@1", {"ada": 1}, route="billing")
    await answered(database, "2", "reading@1", {"ada": -1}, route="travel")

    everywhere, here = [await SqlTallies(database).of("reading@1", domain=domain) for domain in (None, "billing")]

    assert [(found.up, found.down) for found in (everywhere, here)] == [(1, 1), (1, 0)]


async def test_answers_that_no_adapter_could_have_given_are_nobodys(database: Database) -> None:
    await answered(database, "1", "none", {"ada": 1}, route="general")
    await answered(database, "2", "none", {"ada": 1}, prompt="none")
    await answered(database, "3", "none", {"ada": 1}, prompt="reviewed@1")
    await answered(database, "unfinished", "none", {"ada": 1})
    await answered(database, "4", "none", {"ada": -1})

    assert await SqlTallies(database).of("none") == Tally(adapter="none", answers=1, up=0, down=1, voters=1)
