"""The review list of an older database, and of one whose exchanges go."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes import MESSAGE, REPLY
from sqlalchemy import delete, func, select, text, update

from bot.desks.accounts import ReviewFilter
from bot.messages import Feedback, Review, now
from bot.store.curation import SqlCurationStore
from bot.store.database import Database, open_database
from bot.store.exchanges import SqlExchangeStore
from bot.store.feedback import SqlFeedbackStore
from bot.store.listing import SqlReviewList
from bot.store.migrations.versions.version_0006_overview import FILL
from bot.store.migrations.versions.version_0007_alike import compare
from bot.store.models import ExchangeRow, ListedRow
from bot.store.people import SqlPeople

EVERYTHING = ReviewFilter(state="any")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite:///{tmp_path / 'a.db'}") as database:
        exchanges, votes = SqlExchangeStore(database), SqlFeedbackStore(database)
        for number in range(5):
            reply = replace(REPLY, id=f"reply{number}")
            await exchanges.begin(replace(MESSAGE, id=f"event{number}", user=f"U{number}"), reply)
            if number != 4:
                await exchanges.complete(reply)
        for reply, user, rating, correction in (
            ("reply0", "U1", 1, None),
            ("reply1", "U1", -1, None),
            ("reply1", "U2", 1, None),
            ("reply2", "U1", -1, "Better."),
            ("reply3", "U1", 0, None),
        ):
            await votes.save(Feedback(reply=reply, user=user, platform="slack", rating=rating, correction=correction))  # type: ignore[arg-type]  # one of the ratings
        reviews = SqlCurationStore(database)
        await reviews.add([Review(reply="reply0", state="approved", by="ada")])
        yield database


async def rows(database: Database) -> list[dict[str, object]]:
    async with database.reading() as session:
        found = await session.scalars(select(ListedRow).order_by(ListedRow.id))
        return [{c.key: getattr(row, c.key) for c in ListedRow.__table__.columns} for row in found]


async def test_upgrade_lists_what_the_stores_would_have_listed(database: Database) -> None:
    listed = await rows(database)
    async with database.writing() as session:
        await session.execute(delete(ListedRow))
        await session.execute(text(FILL))
        await (await session.connection()).run_sync(compare)

    assert await rows(database) == listed
    assert [(row["reply"], row["state"], row["usefulness"]) for row in listed] == [
        ("reply0", "approved", 1),
        ("reply1", "new", 3),
        ("reply2", "new", 4),
        ("reply3", "new", 0),
    ]


async def test_deleted_exchange_leaves_the_list(database: Database) -> None:
    await SqlExchangeStore(database).delete_older_than(now())

    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(ListedRow)) == 0


async def test_votes_of_a_forgotten_person_leave_the_list(database: Database) -> None:
    await SqlPeople(database, lambda name: []).forget("U2", MESSAGE.workspace)  # type: ignore[arg-type, return-value]  # it reads no names

    found = {row.reply: row for row in (await SqlReviewList(database).page(EVERYTHING)).rows}
    assert (found["reply1"].up, found["reply1"].down, found["reply1"].reason) == (0, 1, "downvote")
    assert "reply2" not in found


async def answer(database: Database, name: str, question: str, text: str, *, rating: int, day: int = 0) -> None:
    """An answer of its own, on which one person votes."""
    exchanges, at = SqlExchangeStore(database), MESSAGE.at + timedelta(days=day)
    reply = replace(REPLY, id=name, question=question, text=text)
    await exchanges.begin(replace(MESSAGE, id=name, user="U9", at=at), reply)
    await exchanges.complete(reply)
    if rating:
        await SqlFeedbackStore(database).save(Feedback(reply=name, user=f"of {name}", platform="slack", rating=rating))  # type: ignore[arg-type]  # one of the ratings


async def reasons(database: Database, **wanted: Any) -> dict[str, str]:
    """Why each answer of disagreement() is worth a look, in the order of the list."""
    page = await SqlReviewList(database).page(ReviewFilter(**({"state": "any"} | wanted)))
    return {row.reply: row.reason for row in page.rows if not row.reply.startswith("reply")}


async def disagreement(database: Database) -> None:
    """Two people vote on the same answer to the same question, which was asked twice."""
    await answer(database, "good", "How do I rent a skiff?", "Ask the warden [1].", rating=1)
    await answer(database, "other", "How do I rent a boat?", "Ask the warden [1].", rating=-1)
    await answer(database, "silent", "How do I rent a skiff?", "Ask the warden [1].", rating=0)
    await answer(database, "bad", "how can I rent the skiff", "Ask the warden [2].", rating=-1, day=1)


async def test_votes_disagree_on_the_same_answer_to_the_same_question(database: Database) -> None:
    await disagreement(database)

    found = await reasons(database, state="new")

    assert found == {"bad": "contradiction", "good": "contradiction", "other": "downvote", "silent": "no vote"}
    assert list(found) == ["bad", "good", "other", "silent"]
    assert await reasons(database, vote="both") == {"bad": "contradiction", "good": "contradiction"}


async def test_upgrade_finds_votes_that_disagree(database: Database) -> None:
    await disagreement(database)
    listed = await rows(database)
    async with database.writing() as session:
        await session.execute(delete(ListedRow))
        await session.execute(text(FILL))
        await (await session.connection()).run_sync(compare)

    assert await rows(database) == listed


async def undone(database: Database) -> None:
    await SqlFeedbackStore(database).save(Feedback(reply="bad", user="of bad", platform="slack", rating=0))


async def decided(database: Database) -> None:
    await SqlCurationStore(database).add([Review(reply="bad", state="rejected", by="ada")])


async def forgotten(database: Database) -> None:
    await answer(database, "worse", "How do I rent a skiff?", "Ask the warden [1].", rating=0)
    await undone(database)
    async with database.writing() as session:
        asker = update(ExchangeRow).where(ExchangeRow.reply == "worse").values(user="gone")
        await session.execute(asker)
    await SqlFeedbackStore(database).save(Feedback(reply="worse", user="of worse", platform="slack", rating=-1))
    assert (await reasons(database))["good"] == "contradiction"
    await SqlPeople(database, lambda name: []).forget("gone", MESSAGE.workspace)  # type: ignore[arg-type, return-value]  # it reads no names


async def expired(database: Database) -> None:
    await SqlExchangeStore(database).delete_older_than(MESSAGE.at + timedelta(hours=1))


@pytest.mark.parametrize(
    ("end", "left", "reason"),
    [
        (undone, "good", "upvote"),
        (decided, "good", "upvote"),
        (forgotten, "good", "upvote"),
        (expired, "bad", "downvote"),
    ],
)
async def test_vote_whose_opposite_is_gone_contradicts_nothing(
    database: Database, end: Callable[[Database], Awaitable[None]], left: str, reason: str
) -> None:
    await disagreement(database)

    await end(database)

    assert (await reasons(database))[left] == reason


async def test_decision_that_is_taken_back_has_votes_disagree_again(database: Database) -> None:
    await disagreement(database)
    await decided(database)

    await SqlCurationStore(database).undo(["bad"], by="ada")

    assert (await reasons(database))["good"] == "contradiction"
