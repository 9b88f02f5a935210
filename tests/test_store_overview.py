"""The overview's counts: by the database, over what the review list knows of each exchange."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes import MESSAGE, REPLY
from sqlalchemy.dialects import postgresql

from bot.desks.accounts import ReviewFilter
from bot.learning.quality import OverviewFilter
from bot.messages import Feedback, now
from bot.store import overview
from bot.store.database import Database, open_database
from bot.store.exchanges import SqlExchangeStore
from bot.store.feedback import SqlFeedbackStore
from bot.store.listing import SqlReviewList
from bot.store.overview import SqlOverview

ALL = OverviewFilter(days=None)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite:///{tmp_path / 'a.db'}") as database:
        yield database


async def answer(database: Database, number: int, *, at: datetime | None = None, rating: Any = 0, **more: Any) -> None:
    exchanges = SqlExchangeStore(database)
    reply = replace(REPLY, id=f"reply{number}", **more)
    await exchanges.begin(replace(MESSAGE, id=f"event{number}", at=at or now()), reply)
    await exchanges.complete(reply)
    if rating:
        await SqlFeedbackStore(database).save(Feedback(reply=reply.id, user="U1", platform="slack", rating=rating))


async def test_seconds_are_those_of_answers_that_a_model_wrote(database: Database) -> None:
    for number, seconds in enumerate((0.123, 0.5, 2.34, 47.8)):
        await answer(database, number, seconds_to_first_token=seconds)
    await answer(database, 8, seconds_to_first_token=900.0, prompt="none")
    await answer(database, 9, seconds_to_first_token=900.0, prompt="reviewed@reply1")

    total = (await SqlOverview(database).figures(ALL)).total

    assert (total.median, total.slow) == (0.5, 48.0)


async def test_seconds_are_rounded_so_that_few_rows_leave_the_database(database: Database) -> None:
    for number in range(60):
        await answer(database, number, seconds_to_first_token=1.0 + number / 200)

    async with database.reading() as session:
        parts = (await session.execute(overview.by_part([]))).all()
        waits = (await session.execute(overview.waits_by_day([]))).all()

    assert (len(parts), len(waits)) == (2, 2)


async def test_answers_given_again_from_reviews_stand_together(database: Database) -> None:
    await answer(database, 1, prompt="reviewed@reply7", rating=1)
    await answer(database, 2, prompt="reviewed@reply8")

    ((name, figures),) = (await SqlOverview(database).figures(ALL)).parts["prompt"]

    assert (name, figures.questions, figures.up) == ("reviewed", 2, 1)
    assert (await SqlReviewList(database).choices()).prompts == ("reviewed",)
    assert await SqlReviewList(database).count(ReviewFilter(prompt="reviewed")) == 2


async def test_days_are_those_of_utc_and_none_is_left_out(database: Database) -> None:
    today = now().date()
    midnight = datetime(today.year, today.month, today.day, tzinfo=UTC)
    await answer(database, 1, at=midnight)
    await answer(database, 2, at=midnight - timedelta(microseconds=1))
    await answer(database, 3, at=midnight - timedelta(days=6, microseconds=1))

    week = await SqlOverview(database).figures(OverviewFilter(days=7))

    assert [period.figures.questions for period in week.periods] == [0, 0, 0, 0, 0, 1, 1]
    assert (week.periods[0].first, week.periods[-1].last) == (today - timedelta(days=6), today)


async def test_unfinished_answers_are_not_counted(database: Database) -> None:
    await SqlExchangeStore(database).begin(MESSAGE, REPLY)

    assert (await SqlOverview(database).figures(ALL)).total.questions == 0


async def test_review_list_is_filtered_by_how_it_ended(database: Database) -> None:
    await answer(database, 1)
    await answer(database, 2, abstained=True)
    await answer(database, 3, decision="ask_back")

    listed = SqlReviewList(database)
    found = {kind: await listed.page(ReviewFilter(outcome=kind)) for kind in ("answered", "unknown", "asked_back")}  # type: ignore[arg-type]  # three of the outcomes

    assert {kind: [row.reply for row in page.rows] for kind, page in found.items()} == {
        "answered": ["reply1"],
        "unknown": ["reply2"],
        "asked_back": ["reply3"],
    }


def test_postgresql_gets_its_own_words_for_the_day_and_groups_by_plain_columns() -> None:
    said = str(overview.waits_by_day([]).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]  # it has no types

    assert "CAST(timezone('UTC', listed.at) AS DATE)" in said and "substr" not in said
    assert said.partition("GROUP BY ")[2] == "anon_1.seconds, anon_1.day"
