"""The overview: the database counts answers, so that fifty thousand of them are a few thousand rows."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Float,
    Select,
    SQLColumnExpression,
    and_,
    case,
    func,
    literal,
    not_,
    null,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from bot.learning.quality import Count, Overview, OverviewFilter, Wait, overview
from bot.messages import GENERAL, now
from bot.store.database import Database
from bot.store.listing import PROMPT, REVIEWED_AGAIN
from bot.store.models import ListedRow

NONE = "none"
WRITTEN = and_(ListedRow.prompt != NONE, not_(REVIEWED_AGAIN))  # by a model
VOTES = (ListedRow.up, ListedRow.down)

Conditions = Sequence[ColumnElement[bool]]


class utc_day(FunctionElement[date]):  # noqa: N801  # reads as the SQL function that it is
    """The day of a moment: databases have no common word for it."""

    type = Date()
    inherit_cache = True
    name = "utc_day"


@compiles(utc_day)
def _utc_day(element: utc_day, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(timezone('UTC', {compiler.process(element.clauses, **options)}) AS DATE)"


@compiles(utc_day, "sqlite")
def _utc_day_sqlite(element: utc_day, compiler: SQLCompiler, **options: Any) -> str:
    return f"substr({compiler.process(element.clauses, **options)}, 1, 10)"


@dataclass(frozen=True, slots=True)
class SqlOverview:
    """The figures of a SQL database; what is older than the retention time is gone from them."""

    database: Database

    async def figures(self, wanted: OverviewFilter) -> Overview:
        """Returns: every figure of the answers that *wanted* lets through."""
        today = now().date()
        since = wanted.since(today)
        conditions = _conditions(wanted, since)
        async with self.database.reading() as session:
            parts = [Count(*row) for row in await session.execute(by_part(conditions))]
            days = [Count(*row)._replace(day=day) for *row, day in await session.execute(by_day(conditions))]
            waits = [Wait(*row) for row in await session.execute(waits_by_day(conditions))]
        return await asyncio.to_thread(overview, parts, days, waits, since=since, today=today)


def _conditions(wanted: OverviewFilter, since: date | None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if since:
        found.append(ListedRow.at >= datetime.combine(since, time(), UTC))
    if wanted.route:
        found.append(ListedRow.route != GENERAL if wanted.route == "domains" else ListedRow.route == wanted.route)
    if wanted.platform:
        found.append(ListedRow.platform == wanted.platform)
    return found


def by_part(conditions: Conditions) -> Select[Any]:
    """Counts by everything but the day, in the order of Count's fields."""
    return _grouped(
        conditions,
        VOTES,
        outcome=ListedRow.outcome,
        route=ListedRow.route,
        platform=ListedRow.platform,
        adapter=ListedRow.adapter,
        prompt=PROMPT,
        seconds=case((WRITTEN, _seconds()), else_=null()),
    )


def by_day(conditions: Conditions) -> Select[Any]:
    """Counts by kind, in the same order, then the day."""
    route = case((ListedRow.route == GENERAL, GENERAL), else_="")
    return _grouped(conditions, VOTES, outcome=ListedRow.outcome, route=route, day=utc_day(ListedRow.at))


def waits_by_day(conditions: Conditions) -> Select[Any]:
    """Waits, in the order of their fields; with the kinds they would be three times as many rows."""
    return _grouped([*conditions, WRITTEN], (), seconds=_seconds(), day=utc_day(ListedRow.at))


def _grouped(
    conditions: Conditions, sums: Sequence[InstrumentedAttribute[int]], **keys: SQLColumnExpression[Any]
) -> Select[Any]:
    """How many answers there are for each of *keys*, and the sums of some columns, then the keys."""
    named: list[Any] = [key.label(name) for name, key in keys.items()]
    # Below, the keys are plain columns: PostgreSQL takes two expressions with values in them for different ones.
    rows = select(*named, *sums).where(*conditions).subquery().c
    columns = [rows[name] for name in keys]
    wanted: list[Any] = [func.count(), *(func.sum(rows[each.key]) for each in sums), *columns]
    return select(*wanted).group_by(*columns)


def _seconds() -> ColumnElement[Any]:
    """Seconds to the first word in steps of 0.02 below one, 0.2 below ten, and whole ones above."""
    first = ListedRow.first_token
    fine, coarse = (func.round(first * steps, type_=Float()) / literal(steps) for steps in (50.0, 5.0))
    return case((first < 1, fine), (first < 10, coarse), else_=func.round(first, type_=Float()))
