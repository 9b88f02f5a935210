"""Which answers of the review list say the same to the same question, and whether the votes on them disagree."""

import json
from collections.abc import Iterable
from hashlib import sha256

from sqlalchemy import case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.grounding import without_markers
from bot.learning.curation import REASONS
from bot.learning.sameness import sense
from bot.store.models import ListedRow

CONTRADICTION, DOWNVOTE, UPVOTE = (
    len(REASONS) - 1 - REASONS.index(name) for name in ("contradiction", "downvote", "upvote")
)
ONE_WAY = (ListedRow.votes > 0, ListedRow.corrections == 0, or_(ListedRow.up == 0, ListedRow.down == 0))


def key_of(question: str, answer: str) -> str:
    """
    The same for answers in the same words to questions that ask the same, as far as their words tell.

    A model that compares questions is not at hand where votes are kept, and the list has to be sorted there.
    """
    asked = sense(question)
    words = asked.words or (question.strip().casefold(),)
    parts = [words, sorted(asked.kind), asked.marks, without_markers(answer)]
    return sha256(json.dumps(parts).encode()).hexdigest()[:32]


async def compare(session: AsyncSession, keys: Iterable[str]) -> None:
    """Have the list say of the answers of *keys* whether the votes on them, in one state, disagree."""
    await session.flush()
    sums = select(ListedRow.alike, ListedRow.state, func.sum(ListedRow.up), func.sum(ListedRow.down))
    voted = sums.where(ListedRow.alike.in_(set(keys)), ListedRow.votes > 0)
    for alike, state, up, down in list(await session.execute(voted.group_by(ListedRow.alike, ListedRow.state))):
        usefulness = CONTRADICTION if up and down else case((ListedRow.down > 0, DOWNVOTE), else_=UPVOTE)
        group = (ListedRow.alike == alike, ListedRow.state == state, *ONE_WAY)
        change = update(ListedRow).where(*group, ListedRow.usefulness != usefulness).values(usefulness=usefulness)
        await session.execute(change.execution_options(synchronize_session=False))


async def settle(session: AsyncSession) -> None:
    """Have those contradict nothing any more whose other half is gone."""
    halves = select(ListedRow.alike).where(ListedRow.usefulness == CONTRADICTION, *ONE_WAY).distinct()
    await compare(session, list(await session.scalars(halves)))
