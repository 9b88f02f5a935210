"""Questions that no document answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select

from bot.desks.holdings import Unanswered
from bot.messages import GENERAL
from bot.store.database import Database
from bot.store.models import ExchangeRow

OPERATORS = "cli"  # who tries the bot out at the command line asks for no documents


@dataclass(frozen=True, slots=True)
class SqlUnanswered:
    """What was asked in vain, in a SQL database."""

    database: Database

    async def since(
        self, moment: datetime, *, domain: str = "", platform: str = "", limit: int = 1000
    ) -> Sequence[Unanswered]:
        """
        Returns: the newest questions that were asked back or answered with "I don't know", newest first.

        Those that could not be served at all, in another language or empty, are left out.
        """
        wanted = (ExchangeRow.reply, ExchangeRow.question, ExchangeRow.asked, ExchangeRow.user, ExchangeRow.route)
        rows = (
            select(*wanted, ExchangeRow.decision, ExchangeRow.at)
            .where(
                ExchangeRow.at >= moment,
                ExchangeRow.complete,
                ExchangeRow.platform != OPERATORS,
                or_(ExchangeRow.abstained, ExchangeRow.decision == "ask_back"),
                ExchangeRow.probability > 0,
            )
            .order_by(ExchangeRow.at.desc())
            .limit(limit)
        )
        if platform:
            rows = rows.where(ExchangeRow.platform == platform)
        if domain:
            # Nobody knows to which domain a question belongs that no domain took.
            rows = rows.where(ExchangeRow.route.in_([domain, GENERAL]))
        async with self.database.reading() as session:
            return tuple(
                Unanswered(
                    reply=row.reply,
                    question=row.question or row.asked,
                    user=row.user,
                    route=row.route,
                    asked_back=row.decision == "ask_back",
                    at=row.at,
                )
                for row in await session.execute(rows)
            )
