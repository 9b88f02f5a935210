"""The audit log: who changed what, and when. It is only ever added to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from bot.messages import now
from bot.store.database import Database
from bot.store.models import AuditRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change by one person."""

    who: str
    what: str  # "adapter.promote billing"
    before: object  # as JSON holds it; None: nothing was there
    after: object  # as JSON holds it; None: nothing is left
    at: datetime


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


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(who=row.who, what=row.what, before=row.before, after=row.after, at=row.at)
