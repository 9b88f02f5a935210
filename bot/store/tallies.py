"""Tallies: how the answers of an adapter were voted on."""

from dataclasses import dataclass

from sqlalchemy import and_, case, distinct, func, select

from bot.learning.comparison import Tally
from bot.messages import GENERAL, REVIEWED
from bot.store.database import Database
from bot.store.models import ExchangeRow, VoteRow

NONE = "none"


@dataclass(frozen=True, slots=True)
class SqlTallies:
    """Votes on adapters in a SQL database; those older than the retention time are gone with their answers."""

    database: Database

    async def of(self, adapter: str, *, domain: str | None = None) -> Tally:
        """
        Returns: the votes on what *adapter* wrote, in one *domain* or in all.

        General answers, and those that needed no model or were given again from a review, are no adapter's.
        """
        route = ExchangeRow.route != GENERAL if domain is None else ExchangeRow.route == domain
        written = and_(ExchangeRow.prompt != NONE, ExchangeRow.prompt.not_like(f"{REVIEWED}@%"))
        mine = (ExchangeRow.adapter == adapter, written, ExchangeRow.complete, route)
        answers = select(func.count()).select_from(ExchangeRow).where(*mine)
        votes = (
            select(
                func.count(case((VoteRow.rating > 0, 1))),
                func.count(case((VoteRow.rating < 0, 1))),
                func.count(distinct(VoteRow.user)),
            )
            .join(ExchangeRow, ExchangeRow.reply == VoteRow.reply)
            .where(*mine, VoteRow.rating != 0)
        )
        async with self.database.reading() as session:
            up, down, voters = (await session.execute(votes)).one()
            return Tally(adapter=adapter, answers=await session.scalar(answers) or 0, up=up, down=down, voters=voters)
