"""The audit log: who changed what, and when. It is only ever added to."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from bot.desks.accounts import AuditEntry
from bot.messages import now
from bot.store.database import Database
from bot.store.models import AuditRow


@dataclass(frozen=True, slots=True)
class SqlAudit:
    """The audit log in a SQL database."""

    database: Database

    async def record(self, who: str, what: str, before: object = None, after: object = None) -> None:
        """Add an entry with the current time."""
        async with self.database.writing() as session:
            session.add(AuditRow(who=who, what=what, before=before, after=after, at=now()))

    async def all(self) -> Sequence[AuditEntry]:
        """Returns: every entry, oldest first."""
        async with self.database.reading() as session:
            rows = await session.scalars(select(AuditRow).order_by(AuditRow.id))
            return tuple(_entry(row) for row in rows)

    async def page(
        self, *, who: str = "", what: str = "", before: int | None = None, limit: int = 100
    ) -> Sequence[AuditEntry]:
        """Returns: entries newest first, those with an id below *before*; *who* and *what* are parts of the words."""
        rows = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
        if who:
            rows = rows.where(AuditRow.who.icontains(who, autoescape=True))
        if what:
            rows = rows.where(AuditRow.what.icontains(what, autoescape=True))
        if before is not None:
            rows = rows.where(AuditRow.id < before)
        async with self.database.reading() as session:
            return tuple(_entry(row) for row in await session.scalars(rows))


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(who=row.who, what=row.what, before=row.before, after=row.after, at=row.at, id=row.id)
