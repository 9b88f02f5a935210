"""Usage: how many questions came, and how often documents changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from bot.store.database import Database
from bot.store.models import AuditRow, ExchangeRow

INGESTED = "knowledge.ingest"  # what the audit log calls an ingest that changed something; its domain follows
REMOVED = "knowledge.remove"  # the same for documents that somebody removed


@dataclass(frozen=True, slots=True)
class SqlUsage:
    """What the database knows about how much the bot is used."""

    database: Database

    async def questions(self, since: datetime) -> Mapping[str, int]:
        """Returns: by route, how many questions were answered since then; those of operators are left out."""
        rows = (
            select(ExchangeRow.route, func.count())
            .where(ExchangeRow.at >= since, ExchangeRow.complete, ExchangeRow.platform != "cli")
            .group_by(ExchangeRow.route)
        )
        async with self.database.reading() as session:
            return {row[0]: row[1] for row in await session.execute(rows)}

    async def first_question(self) -> datetime | None:
        """Returns: when the oldest question that is still kept was asked."""
        async with self.database.reading() as session:
            return await session.scalar(select(func.min(ExchangeRow.at)))

    async def document_changes(self, domain: str, since: datetime) -> int:
        """Returns: how many documents of *domain* were replaced or removed since then."""
        rows = select(AuditRow.after).where(
            AuditRow.what.in_([f"{INGESTED} {domain}", f"{REMOVED} {domain}"]), AuditRow.at >= since
        )
        async with self.database.reading() as session:
            return sum(after["updated"] + after["removed"] for after in await session.scalars(rows))
