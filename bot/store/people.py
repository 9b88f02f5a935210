"""People: what is kept of one of them, and its deletion."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast

import structlog
from sqlalchemy import ColumnElement, CursorResult, SQLColumnExpression, and_, delete, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from bot.messages import Stored, now
from bot.store.alike import settle
from bot.store.database import Database
from bot.store.listing import relist
from bot.store.models import AuditRow, DatasetRow, DatasetSourceRow, ExchangeRow, InboxRow, VoteRow

log = structlog.get_logger()

TrainedOn = Callable[[Collection[str]], Sequence[str]]
"""Called with labels of datasets. Returns: those of the adapters that learnt from them."""


def nothing(datasets: Collection[str]) -> Sequence[str]:
    """A TrainedOn where there are no adapters."""
    return ()


@dataclass(frozen=True, slots=True)
class SqlPeople:
    """People in a SQL database."""

    database: Database
    trained_on: TrainedOn = nothing

    async def stored(self, user: str, workspace: str | None) -> Stored:
        """Returns: how many questions and votes of *user* are kept."""
        mine = (ExchangeRow.user == user, _within(ExchangeRow.workspace, workspace))
        questions = select(func.count()).select_from(ExchangeRow).where(*mine)
        votes = select(func.count()).select_from(VoteRow).where(_votes(user, workspace), VoteRow.rating != 0)
        async with self.database.reading() as session:
            return Stored(
                questions=await session.scalar(questions) or 0,
                votes=await session.scalar(votes) or 0,
            )

    async def forget(self, user: str, workspace: str | None, *, by: str = "") -> Stored:
        """Returns: what was deleted. That it was deleted stays in the audit log, what it was does not."""
        async with self.database.writing() as session:
            voted = tuple(await session.scalars(select(VoteRow.reply).where(_votes(user, workspace))))
            votes = await session.execute(delete(VoteRow).where(_votes(user, workspace)))
            questions = await session.execute(
                delete(ExchangeRow).where(ExchangeRow.user == user, _within(ExchangeRow.workspace, workspace))
            )
            answered = InboxRow.user == user, _within(InboxRow.workspace, workspace), InboxRow.done.is_(True)
            await session.execute(delete(InboxRow).where(*answered))
            await relist(session, voted)
            await settle(session)
            gone = Stored(questions=_count(questions), votes=_count(votes))
            held = await self._held(session, user, workspace)
            after = {"user": user, "questions": gone.questions} | held
            session.add(AuditRow(who=by or user, what="people.forget", before=None, after=after, at=now()))
        if held:
            log.warning("datasets and adapters hold something, redacted, of a person who was forgotten", **held)
        return gone

    async def _held(self, session: AsyncSession, user: str, workspace: str | None) -> dict[str, Any]:
        """The datasets and adapters that used something of *user*: they are not changed, so somebody has to know."""
        mine = select(DatasetSourceRow.dataset).where(
            DatasetSourceRow.user == user, _within(DatasetSourceRow.workspace, workspace)
        )
        rows = await session.scalars(select(DatasetRow).where(DatasetRow.id.in_(mine)).order_by(DatasetRow.id))
        datasets = [f"{row.domain}@{row.version}" for row in rows]
        adapters = list(await asyncio.to_thread(self.trained_on, datasets)) if datasets else []
        return {name: labels for name, labels in (("datasets", datasets), ("adapters", adapters)) if labels}


def _within(column: SQLColumnExpression[str], workspace: str | None) -> ColumnElement[bool]:
    """That a row is of *workspace*; of any, where that is None."""
    return true() if workspace is None else column == workspace


def _votes(user: str, workspace: str | None) -> Any:
    """The votes of *user* on replies of *workspace*."""
    here = select(ExchangeRow.reply).where(_within(ExchangeRow.workspace, workspace))
    return and_(VoteRow.user == user, VoteRow.reply.in_(here))


def _count(done: object) -> int:
    return cast("CursorResult[Any]", done).rowcount
