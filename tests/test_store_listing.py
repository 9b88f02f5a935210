"""The review list of an older database, and of one whose exchanges go."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import MESSAGE, REPLY
from sqlalchemy import delete, func, select, text

from bot.desks.accounts import ReviewFilter
from bot.messages import Feedback, Review, now
from bot.store.curation import SqlCurationStore
from bot.store.database import Database, open_database
from bot.store.exchanges import SqlExchangeStore
from bot.store.feedback import SqlFeedbackStore
from bot.store.listing import SqlReviewList
from bot.store.migrations.versions.version_0006_overview import FILL
from bot.store.models import ListedRow
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
