"""Curation: what reviewers decided about replies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import Conflict, NotFound
from bot.learning.curation import before_latest, repeated, require_seen
from bot.messages import Decided, Exchange, Fault, Review, ReviewState, Seen
from bot.store.database import Database
from bot.store.listing import relist
from bot.store.models import AuditRow, ExchangeRow, ReviewRow, TargetAnswerRow, VoteRow
from bot.store.records import exchange


@dataclass(frozen=True, slots=True)
class SqlCurationStore:
    """A CurationStore in a SQL database. Every change is in the audit log, without the answers' text."""

    database: Database

    async def add(self, reviews: Sequence[Review], *, seen: Seen | None = None) -> Sequence[Review]:
        """Returns: what counts now. Raises: NotFound if a reply is not known; then none is kept."""
        async with self.database.writing() as session:
            await _require(session, [review.reply for review in reviews])
            histories = {review.reply: await _history(session, review.reply) for review in reviews}
            new = [review for review in reviews if repeated(review, histories[review.reply], seen) is None]
            require_seen({review.reply: histories[review.reply] for review in new}, seen)
            for review in new:
                await _append(session, review, histories[review.reply])
            await relist(session, [review.reply for review in new])
        return tuple(repeated(review, histories[review.reply], seen) or review for review in reviews)

    async def undo(self, replies: Sequence[str], *, by: str, seen: Seen | None = None) -> Sequence[Review]:
        """Returns: what counts now. Raises: Conflict if nothing is decided about one of *replies*."""
        found = []
        async with self.database.writing() as session:
            histories = {reply: await _history(session, reply) for reply in replies}
            require_seen(histories, seen)
            for reply, history in histories.items():
                earlier = before_latest(history, by=by)
                if earlier is None:
                    raise Conflict(f"nothing is decided about reply {reply!r}, so there is nothing to undo")
                await _append(session, earlier, history)
                found.append(earlier)
            await relist(session, replies)
        return tuple(found)

    async def history(self, reply: str) -> Sequence[Review]:
        """Returns: every decision on a reply, oldest first."""
        async with self.database.reading() as session:
            return tuple(await _history(session, reply))

    async def all(self) -> Sequence[Review]:
        """Returns: the decision that counts on each reply, oldest first, undecided ones left out."""
        decided = _reviews().where(_counts(), ReviewRow.state != "new").order_by(ReviewRow.id)
        async with self.database.reading() as session:
            return tuple(_review(row, answer) for row, answer in await session.execute(decided))

    async def undecided(self, *, unvoted: int) -> Sequence[Exchange]:
        """Returns: complete exchanges that wait for a decision, oldest first; the newest *unvoted* without a vote."""
        decided = select(ReviewRow.reply).where(_counts(), ReviewRow.state != "new")
        voted = exists().where(VoteRow.reply == ExchangeRow.reply, VoteRow.rating != 0)
        waiting = select(ExchangeRow).where(ExchangeRow.complete, ExchangeRow.reply.not_in(decided))
        newest = waiting.where(~voted).order_by(ExchangeRow.id.desc()).limit(unvoted)
        async with self.database.reading() as session:
            rows = [*await session.scalars(waiting.where(voted)), *await session.scalars(newest)]
            return tuple(exchange(row) for row in sorted(rows, key=lambda row: row.id))

    async def count(self) -> int:
        """Returns: how many decisions were ever made."""
        async with self.database.reading() as session:
            return await session.scalar(select(func.count()).select_from(ReviewRow)) or 0

    async def since(self, number: int, *, limit: int) -> Sequence[Decided]:
        """Returns: the first *limit* decisions behind that *number*, also those that no longer count, in order."""
        rows = _reviews().add_columns(ExchangeRow).outerjoin(ExchangeRow, ExchangeRow.reply == ReviewRow.reply)
        async with self.database.reading() as session:
            found = await session.execute(rows.where(ReviewRow.id > number).order_by(ReviewRow.id).limit(limit))
            return tuple(
                Decided(number=row.id, review=_review(row, text), exchange=about and exchange(about))
                for row, text, about in found
            )


def _reviews() -> Select[ReviewRow, str | None]:
    """Decisions with their answers."""
    answers = TargetAnswerRow.id == ReviewRow.id
    return select(ReviewRow, TargetAnswerRow.text).outerjoin(TargetAnswerRow, answers)


def _counts() -> ColumnElement[bool]:
    """Whether a decision is the newest on its reply."""
    return ReviewRow.id.in_(select(func.max(ReviewRow.id)).group_by(ReviewRow.reply))


async def _history(session: AsyncSession, reply: str) -> list[Review]:
    rows = await session.execute(_reviews().where(ReviewRow.reply == reply).order_by(ReviewRow.id))
    return [_review(row, answer) for row, answer in rows]


async def _require(session: AsyncSession, replies: Sequence[str]) -> None:
    known = set(await session.scalars(select(ExchangeRow.reply).where(ExchangeRow.reply.in_(replies))))
    for reply in replies:
        if reply not in known:
            raise NotFound(f"reply {reply!r} is not known; `pointsman feedback queue` shows those that are")


async def _append(session: AsyncSession, review: Review, history: Sequence[Review]) -> None:
    row = ReviewRow(
        reply=review.reply,
        state=review.state,
        target_route=review.route,
        fault=review.fault,
        undo=review.undo,
        by=review.by,
        at=review.at,
    )
    session.add(row)
    await session.flush()
    if review.answer is not None:
        session.add(TargetAnswerRow(id=row.id, reply=review.reply, text=review.answer))
    what = f"curation.{'undo' if review.undo else 'set'} {review.reply}"
    before = _noted(history[-1]) if history else None
    session.add(AuditRow(who=review.by, what=what, before=before, after=_noted(review), at=review.at))


def _noted(review: Review) -> dict[str, str | None]:
    """*review* for the audit log, which is kept for good: so without text that somebody wrote."""
    return {"state": review.state, "route": review.route, "fault": review.fault}


def _review(row: ReviewRow, answer: str | None) -> Review:
    return Review(
        reply=row.reply,
        state=cast(ReviewState, row.state),
        by=row.by,
        answer=answer,
        route=row.target_route,
        fault=cast("Fault | None", row.fault),
        undo=row.undo,
        at=row.at,
    )
