"""People: what is kept of one of them, and its deletion."""

from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import CursorResult, and_, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.messages import Stored, now
from bot.store.database import Database
from bot.store.models import AuditRow, DatasetRow, DatasetSourceRow, ExchangeRow, InboxRow, VoteRow


@dataclass(frozen=True, slots=True)
class SqlPeople:
    """People in a SQL database."""

    database: Database

    async def stored(self, user: str, workspace: str) -> Stored:
        """Returns: how many questions and votes of *user* are kept."""
        mine = (ExchangeRow.user == user, ExchangeRow.workspace == workspace)
        questions = select(func.count()).select_from(ExchangeRow).where(*mine)
        votes = select(func.count()).select_from(VoteRow).where(_votes(user, workspace), VoteRow.rating != 0)
        async with self.database.reading() as session:
            return Stored(
                questions=await session.scalar(questions) or 0,
                votes=await session.scalar(votes) or 0,
            )

    async def forget(self, user: str, workspace: str, *, by: str = "") -> Stored:
        """Returns: what was deleted. That it was deleted stays in the audit log, what it was does not."""
        async with self.database.writing() as session:
            votes = await session.execute(delete(VoteRow).where(_votes(user, workspace)))
            questions = await session.execute(
                delete(ExchangeRow).where(ExchangeRow.user == user, ExchangeRow.workspace == workspace)
            )
            await session.execute(
                delete(InboxRow).where(InboxRow.user == user, InboxRow.workspace == workspace, InboxRow.done.is_(True))
            )
            gone = Stored(questions=_count(questions), votes=_count(votes))
            after = {"user": user, "questions": gone.questions} | await _datasets(session, user, workspace)
            session.add(AuditRow(who=by or user, what="people.forget", before=None, after=after, at=now()))
        return gone


async def _datasets(session: AsyncSession, user: str, workspace: str) -> dict[str, Any]:
    """The datasets that hold something of *user*, redacted: they are not changed, so somebody has to know."""
    mine = select(DatasetSourceRow.dataset).where(
        DatasetSourceRow.user == user, DatasetSourceRow.workspace == workspace
    )
    rows = await session.scalars(select(DatasetRow).where(DatasetRow.id.in_(mine)).order_by(DatasetRow.id))
    found = [f"{row.domain}@{row.version}" for row in rows]
    return {"datasets": found} if found else {}


def _votes(user: str, workspace: str) -> Any:
    """The votes of *user* on replies of *workspace*."""
    here = select(ExchangeRow.reply).where(ExchangeRow.workspace == workspace)
    return and_(VoteRow.user == user, VoteRow.reply.in_(here))


def _count(done: object) -> int:
    return cast("CursorResult[Any]", done).rowcount
