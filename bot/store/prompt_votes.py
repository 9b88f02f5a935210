"""How the versions of a prompt were voted on, and questions that were answered with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, distinct, func, select

from bot.desks.trials import PastQuestion
from bot.learning.comparison import Tally
from bot.store.database import Database
from bot.store.listing import PLACE
from bot.store.models import ExchangeRow, ListedRow, VoteRow


@dataclass(frozen=True, slots=True)
class SqlPromptVotes:
    """Votes on prompts in a SQL database; those older than the retention time are gone with their answers."""

    database: Database

    async def tallies(self, name: str, since: datetime | None = None) -> Sequence[Tally]:
        """Returns: the votes on what each version of the prompt called *name* answered, since then or ever."""
        mine = [ListedRow.prompt.startswith(f"{name}@", autoescape=True)]
        if since is not None:
            mine.append(ListedRow.at >= since)
        answers = select(ListedRow.prompt, func.count()).where(*mine).group_by(ListedRow.prompt)
        votes = (
            select(
                ListedRow.prompt,
                func.count(case((VoteRow.rating > 0, 1))),
                func.count(case((VoteRow.rating < 0, 1))),
                func.count(distinct(VoteRow.user)),
            )
            .join(VoteRow, VoteRow.reply == ListedRow.reply)
            .where(*mine, VoteRow.rating != 0)
            .group_by(ListedRow.prompt)
        )
        async with self.database.reading() as session:
            counts = {row[0]: row[1] for row in await session.execute(answers)}
            voted = {row[0]: row[1:] for row in await session.execute(votes)}
        return tuple(
            Tally(
                adapter=label,
                answers=count,
                **dict(zip(("up", "down", "voters"), voted.get(label, (0, 0, 0)), strict=True)),
            )
            for label, count in sorted(counts.items())
        )

    async def asked(self, name: str, *, limit: int = 20) -> Sequence[PastQuestion]:
        """Returns: questions that the prompt called *name* answered, those most worth a look first."""
        shown = (ListedRow.reply, ListedRow.prompt, ListedRow.up, ListedRow.down, ListedRow.route)
        rows = (
            select(*shown, ExchangeRow.question, ExchangeRow.asked)
            .join(ExchangeRow, ExchangeRow.id == ListedRow.id)
            .where(ListedRow.prompt.startswith(f"{name}@", autoescape=True))
            .order_by(*(column.desc() for column in PLACE))
            .limit(limit)
        )
        async with self.database.reading() as session:
            return tuple(
                PastQuestion(
                    reply=row.reply,
                    question=row.question or row.asked,
                    prompt=row.prompt,
                    route=row.route,
                    up=row.up,
                    down=row.down,
                )
                for row in await session.execute(rows)
            )
