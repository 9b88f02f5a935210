"""What waits to be learnt from: answers that reviewers approved since the last time."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from bot.store.database import Database
from bot.store.models import ReviewRow


@dataclass(frozen=True, slots=True)
class SqlWaiting:
    """Counts decisions in a SQL database, without reading them."""

    database: Database

    async def approved(self, domain: str, states: Collection[str], since: datetime | None) -> int:
        """Returns: on how many replies the decision that counts is one of *states*, for *domain*, after *since*."""
        newest = select(func.max(ReviewRow.id)).group_by(ReviewRow.reply)
        counted = select(func.count()).where(
            ReviewRow.id.in_(newest), ReviewRow.state.in_(states), ReviewRow.target_route == domain
        )
        async with self.database.reading() as session:
            return await session.scalar(counted if since is None else counted.where(ReviewRow.at > since)) or 0
