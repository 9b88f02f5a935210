"""Feedback: the votes on replies."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import StoreError
from bot.messages import Feedback
from bot.store.database import Database
from bot.store.listing import relist
from bot.store.models import ExchangeRow, VoteRow
from bot.store.records import feedback_of


@dataclass(frozen=True, slots=True)
class SqlFeedbackStore:
    """A FeedbackStore in a SQL database."""

    database: Database

    async def save(self, feedback: Feedback) -> None:
        """
        Store a vote in place of the user's earlier one; the same rating again keeps what it leaves out.

        Raises: StoreError if the reply is not known.
        """
        async with self.database.writing() as session:
            await _require_reply(session, feedback.reply)
            mine = select(VoteRow).where(VoteRow.reply == feedback.reply, VoteRow.user == feedback.user)
            row = await session.scalar(mine)
            if row is None:
                session.add(VoteRow(**asdict(feedback)))
            else:
                _change(row, feedback)
            await relist(session, [feedback.reply])

    async def find(self, reply: str, user: str) -> Feedback | None:
        """Returns: the vote of *user* on *reply*, also one that was taken back."""
        async with self.database.reading() as session:
            row = await session.scalar(select(VoteRow).where(VoteRow.reply == reply, VoteRow.user == user))
            return None if row is None else feedback_of(row)

    async def all(self) -> Sequence[Feedback]:
        """Returns: one row per user and reply, oldest first, votes taken back left out."""
        votes = select(VoteRow).where(VoteRow.rating != 0).order_by(VoteRow.at, VoteRow.id)
        async with self.database.reading() as session:
            return tuple(feedback_of(row) for row in await session.scalars(votes))


async def _require_reply(session: AsyncSession, reply: str) -> None:
    if await session.scalar(select(ExchangeRow.id).where(ExchangeRow.reply == reply)) is None:
        raise StoreError(f"reply {reply!r} is not known; it may be older than [storage] retention_days")


def _change(row: VoteRow, feedback: Feedback) -> None:
    same = row.rating == feedback.rating
    details: dict[str, Any] = asdict(feedback)
    for name in ("reason", "correction", "wrong_route"):
        # A reason comes in a second step, and pressing the thumb once more must not wipe it.
        if same and details[name] is None:
            del details[name]
    for name, value in details.items():
        setattr(row, name, value)
