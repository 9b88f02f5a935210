"""The review list: which answers wait for a reviewer, most useful first, a page at a time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any, cast

from sqlalchemy import ColumnElement, Row, Select, and_, case, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from bot.desks.accounts import Choices, ListedAnswer, ReviewFilter, ReviewPage
from bot.desks.holdings import Rests
from bot.errors import InputError
from bot.learning.curation import REASONS, WINDOW
from bot.messages import GENERAL, REVIEWED, Feedback, ReviewState
from bot.store.alike import CONTRADICTION, compare, key_of
from bot.store.database import Database
from bot.store.models import ExchangeRow, ListedRow, ReviewRow, VoteRow
from bot.store.records import feedback_of

NONE = "none"  # in place of a prompt: no model was asked
ANSWER_CHARACTERS = 300  # as much as a line of the list shows
PLACE = (ListedRow.usefulness, ListedRow.votes, ListedRow.id)  # sorted by, all of them from the greatest down
Cursor = tuple[int, int, int]

KINDS: dict[str, ColumnElement[bool]] = {
    "up": and_(ListedRow.up > 0, ListedRow.down == 0),
    "down": and_(ListedRow.down > 0, ListedRow.up == 0),
    "both": or_(and_(ListedRow.up > 0, ListedRow.down > 0), ListedRow.usefulness == CONTRADICTION),
    "corrected": ListedRow.corrections > 0,
    "none": ListedRow.votes == 0,
}
OUTCOME = case(
    (ExchangeRow.decision == "ask_back", "asked_back"), (ExchangeRow.abstained, "unknown"), else_="answered"
).label("outcome")
REVIEWED_AGAIN = ListedRow.prompt.startswith(f"{REVIEWED}@", autoescape=True)
PROMPT = case((REVIEWED_AGAIN, REVIEWED), else_=ListedRow.prompt)  # those that are given again each name another answer
FIRST_TOKEN = ExchangeRow.seconds_to_first_token.label("first_token")


@dataclass(frozen=True, slots=True)
class SqlReviewList:
    """A ReviewList in a SQL database."""

    database: Database

    async def page(
        self, wanted: ReviewFilter, *, after: str | None = None, before: str | None = None, limit: int = 50
    ) -> ReviewPage:
        """Returns: the page after one cursor, or before another. Raises: InputError for a cursor that is none."""
        chosen = _chosen(wanted).limit(limit + 1)
        if before is not None:
            chosen = chosen.where(tuple_(*PLACE) > parsed(before)).order_by(*PLACE)
        else:
            chosen = chosen.order_by(*(column.desc() for column in PLACE))
        if after is not None:
            chosen = chosen.where(tuple_(*PLACE) < parsed(after))
        async with self.database.reading() as session:
            found = [_line(*row) for row in await session.execute(chosen)]
        more, found = len(found) > limit, found[:limit]
        if before is not None:
            found.reverse()
        has_earlier = more if before is not None else after is not None
        has_later = more if before is None else True
        return ReviewPage(
            rows=tuple(found),
            earlier=found[0].cursor if found and has_earlier else None,
            later=found[-1].cursor if found and has_later else None,
        )

    async def count(self, wanted: ReviewFilter) -> int:
        """Returns: how many answers the filter lets through."""
        rows = select(func.count()).select_from(ListedRow).where(*_conditions(wanted))
        if wanted.text:
            rows = rows.join(ExchangeRow, ExchangeRow.id == ListedRow.id)
        async with self.database.reading() as session:
            return await session.scalar(rows) or 0

    async def choices(self) -> Choices:
        """Returns: what answers can be filtered by."""
        columns = (ListedRow.route, ListedRow.adapter, PROMPT, ListedRow.platform)
        async with self.database.reading() as session:
            found = list(await session.execute(select(*columns).distinct()))
        routes, adapters, prompts, platforms = (tuple(sorted({row[n] for row in found})) for n in range(4))
        return Choices(routes=routes, adapters=adapters, prompts=prompts, platforms=platforms)

    async def rests(self, replies: Sequence[str]) -> Mapping[str, Sequence[Rests]]:
        """Returns: by reply what its answer rests on: its passages, and the answers that its model was reminded of."""
        wanted = (ExchangeRow.id, ExchangeRow.reply, ExchangeRow.thread, ExchangeRow.route)
        rows = select(*wanted, ExchangeRow.labels, ExchangeRow.passages)
        talk = rows.where(ExchangeRow.decision != "ask_back")
        async with self.database.reading() as session:
            found = list(await session.execute(rows.where(ExchangeRow.reply.in_(replies))))
            # Only where no document is searched is a model given the conversation; to ask back says nothing of any.
            talks = {row.thread for row in found if row.thread and row.route == GENERAL}
            talked = list(await session.execute(talk.where(ExchangeRow.thread.in_(talks)))) if talks else []
        before = {
            row.reply: [each for each in talked if each.thread == row.thread and each.id < row.id]
            for row in found
            if row.thread in talks and row.route == GENERAL
        }
        return {row.reply: tuple(_rests(each) for each in (row, *before.get(row.reply, ()))) for row in found}

    async def own_words(self, replies: Sequence[str]) -> Mapping[str, str]:
        """Returns: those of *replies* that are sentences of the bot's own and quote nothing, each with its route."""
        # "I don't know" of a domain quotes the nearest places.
        quoteless = or_(ListedRow.outcome == "asked_back", ListedRow.route == GENERAL)
        mine = (ListedRow.reply.in_(replies), ListedRow.prompt == NONE, quoteless)
        async with self.database.reading() as session:
            return {
                row.reply: row.route
                for row in await session.execute(select(ListedRow.reply, ListedRow.route).where(*mine))
            }

    async def votes(self, reply: str) -> Sequence[Feedback]:
        """Returns: the votes on a reply, oldest first, those taken back left out."""
        rows = select(VoteRow).where(VoteRow.reply == reply, VoteRow.rating != 0).order_by(VoteRow.at, VoteRow.id)
        async with self.database.reading() as session:
            return tuple(feedback_of(row) for row in await session.scalars(rows))

    async def near(self, votes: Sequence[Feedback]) -> Sequence[int]:
        """Returns: for each of *votes*, how many its user cast less than WINDOW before or after, it included."""
        found = []
        async with self.database.reading() as session:
            for vote in votes:
                within = (VoteRow.at > vote.at - WINDOW, VoteRow.at < vote.at + WINDOW)
                own = (VoteRow.user == vote.user, VoteRow.rating != 0, *within)
                found.append(await session.scalar(select(func.count()).select_from(VoteRow).where(*own)) or 1)
        return found


def _rests(row: Row[Any]) -> Rests:
    labels = None if row.labels is None else frozenset(row.labels)
    return Rests(row.route, tuple(passage["document"] for passage in row.passages), labels)


async def relist(session: AsyncSession, replies: Iterable[str]) -> None:
    """Have the list say of *replies* what votes and decisions say now; incomplete exchanges are not listed."""
    await session.flush()
    touched: set[str] = set()  # what nobody votes on disagrees with nothing
    for reply in replies:
        if (row := await _row(session, reply)) is not None:
            before = await session.get(ListedRow, row.id)
            touched |= {each.alike for each in (before, row) if each and each.votes}
            await session.merge(row)
    await compare(session, touched)


async def _row(session: AsyncSession, reply: str) -> ListedRow | None:
    """What the list has to say of a reply by itself; None of one that is gone or not complete."""
    wanted = (ExchangeRow.id, ExchangeRow.route, ExchangeRow.platform, ExchangeRow.adapter, ExchangeRow.prompt)
    rows = select(
        *wanted, ExchangeRow.at, OUTCOME, FIRST_TOKEN, ExchangeRow.question, ExchangeRow.asked, ExchangeRow.text
    )
    found = (
        await session.execute(rows.where(ExchangeRow.reply == reply, ExchangeRow.complete.is_(True)))
    ).one_or_none()
    if found is None:
        return None
    newest = select(ReviewRow.state).where(ReviewRow.reply == reply).order_by(ReviewRow.id.desc()).limit(1)
    state = await session.scalar(newest) or "new"
    votes = await session.execute(select(VoteRow.rating, VoteRow.correction).where(VoteRow.reply == reply))
    *columns, question, asked, text = found
    return ListedRow(
        reply=reply,
        state=state,
        alike=key_of(question or asked, text),
        **dict(zip(found._fields, columns, strict=False)),
        **_tally([(rating, correction) for rating, correction in votes]),
    )


def _tally(votes: Sequence[tuple[int, str | None]]) -> dict[str, int]:
    """What the list says of the votes on one reply."""
    up, down = sum(rating > 0 for rating, _ in votes), sum(rating < 0 for rating, _ in votes)
    corrections = sum(rating < 0 and correction is not None for rating, correction in votes)
    reasons = {"correction": corrections, "contradiction": up and down, "downvote": down, "upvote": up, "no vote": 1}
    first = next(number for number, reason in enumerate(REASONS) if reasons[reason])
    return {
        "usefulness": len(REASONS) - 1 - first,
        "votes": up + down,
        "up": up,
        "down": down,
        "corrections": corrections,
    }


def parsed(cursor: str) -> Cursor:
    """
    A cursor's three numbers.

    Raises: InputError if it has others.
    """
    parts = cursor.split(".")
    if len(parts) != 3 or not all(part.isdecimal() and len(part) < 18 for part in parts):
        raise InputError("this address names no place in the list; open the list anew")
    return cast(Cursor, tuple(int(part) for part in parts))


def _chosen(wanted: ReviewFilter) -> Select[Any]:
    """The lines that *wanted* lets through, with what they show of the exchange."""
    answer = func.substr(ExchangeRow.text, 1, ANSWER_CHARACTERS)
    shown = (ExchangeRow.asked, ExchangeRow.question, answer, ExchangeRow.probability)
    latest = select(ReviewRow.at).where(ReviewRow.reply == ListedRow.reply).order_by(ReviewRow.id.desc()).limit(1)
    more = (ExchangeRow.private, ExchangeRow.abstained, ExchangeRow.decision, latest.scalar_subquery())
    rows = select(ListedRow, *shown, *more).join(ExchangeRow, ExchangeRow.id == ListedRow.id)
    return rows.where(*_conditions(wanted))


def _conditions(wanted: ReviewFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.state != "any":
        found.append(ListedRow.state == wanted.state)
    if wanted.vote:
        found.append(KINDS[wanted.vote])
    if wanted.route:
        found.append(ListedRow.route != GENERAL if wanted.route == "domains" else ListedRow.route == wanted.route)
    if wanted.adapter:
        found.append(ListedRow.adapter == wanted.adapter)
    if wanted.prompt:
        found.append(REVIEWED_AGAIN if wanted.prompt == REVIEWED else ListedRow.prompt == wanted.prompt)
    if wanted.platform:
        found.append(ListedRow.platform == wanted.platform)
    if wanted.outcome:
        found.append(ListedRow.outcome == wanted.outcome)
    if wanted.since:
        found.append(ListedRow.at >= datetime.combine(wanted.since, time(), UTC))
    if wanted.until:
        found.append(ListedRow.at <= datetime.combine(wanted.until, time.max, UTC))
    if wanted.text:
        texts = [ExchangeRow.asked, ExchangeRow.question, *([ExchangeRow.text] if wanted.answers else [])]
        found.append(or_(*(column.icontains(wanted.text, autoescape=True) for column in texts)))
    return found


def _line(
    row: ListedRow,
    asked: str,
    question: str,
    answer: str,
    probability: float,
    private: bool,
    abstained: bool,
    decision: str,
    decided: datetime | None,
) -> ListedAnswer:
    return ListedAnswer(
        id=row.id,
        reply=row.reply,
        question=question or asked,
        answer=answer,
        route=row.route,
        probability=probability,
        adapter=row.adapter,
        prompt=row.prompt,
        platform=row.platform,
        private=private,
        abstained=abstained,
        decision=decision,
        at=row.at,
        up=row.up,
        down=row.down,
        corrected=row.corrections > 0,
        reason=REASONS[len(REASONS) - 1 - row.usefulness],
        state=cast(ReviewState, row.state),
        decided=decided,
        cursor=f"{row.usefulness}.{row.votes}.{row.id}",
    )
