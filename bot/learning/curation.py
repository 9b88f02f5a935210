"""
What a reviewer looks at first, and what becomes of their decisions.

The queue saves work: replies that somebody corrected come first, questions that are nearly the same stand together,
votes that contradict each other side by side, and likely personal data is marked. How much a vote weighs depends on how
many its user cast at about the same time, so nobody decides alone what the bot learns.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bot.errors import DecidedMeanwhile, InputError
from bot.grounding import without_markers
from bot.messages import Exchange, Feedback, Review, ReviewState, Seen, now
from bot.ports import CurationStore, Encoder, ExchangeStore, FeedbackStore, Progress, silent
from bot.privacy.redaction import Redactor
from bot.progress import in_thread

WINDOW = timedelta(days=1)  # votes of one user that are nearer than this share their weight
ALIKE = 0.9  # cosine from which two questions count as the same; of 17 pairs tried, other questions stayed below 0.84
REASONS = ("correction", "contradiction", "downvote", "upvote", "no vote")  # most useful first


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueItem:
    """A reply that waits for a reviewer, with what helps to decide."""

    exchange: Exchange
    votes: tuple[tuple[Feedback, float], ...]  # each with its weight in (0, 1]
    reason: str  # why it is worth a look, one of REASONS
    group: str = ""  # the reply whose question is nearly the same, and comes first of all such
    personal: tuple[str, ...] = ()  # kinds of likely personal data in question, answer and votes
    state: ReviewState = "new"

    @property
    def question(self) -> str:
        """As it was answered."""
        return question_of(self.exchange)

    @property
    def score(self) -> float:
        """The weighted sum of the votes: negative where they speak against the answer."""
        return score(self.votes)


def question_of(exchange: Exchange) -> str:
    """The question that was answered: a follow-up made standalone, else as the user wrote it."""
    return exchange.reply.question or exchange.message.text


def weighted(votes: Sequence[Feedback]) -> dict[str, tuple[tuple[Feedback, float], ...]]:
    """
    *votes* by reply, each with its weight: one over the root of its user's votes less than WINDOW before or after.

    A hundred votes in one day so count as much as ten of a hundred different users.
    """
    times: dict[str, list[float]] = defaultdict(list)
    for vote in sorted(votes, key=lambda each: each.at):
        times[vote.user].append(vote.at.timestamp())
    found: dict[str, list[tuple[Feedback, float]]] = defaultdict(list)
    for vote in votes:
        own, at = times[vote.user], vote.at.timestamp()
        near = bisect_left(own, at + WINDOW.total_seconds()) - bisect_right(own, at - WINDOW.total_seconds())
        found[vote.reply].append((vote, weight(near)))
    return {reply: tuple(each) for reply, each in found.items()}


def weight(near: int) -> float:
    """How much a vote counts, in (0, 1], whose user cast so many less than WINDOW before or after, it included."""
    return float(near**-0.5)


def score(votes: Sequence[tuple[Feedback, float]]) -> float:
    """The weighted sum of *votes*."""
    return sum(vote.rating * weight for vote, weight in votes)


def standing(history: Sequence[Review]) -> list[Review]:
    """The decisions of *history* that nobody took back, oldest first."""
    kept: list[Review] = []
    for review in history:
        if review.undo:
            del kept[-1:]
        else:
            kept.append(review)
    return kept


def before_latest(history: Sequence[Review], *, by: str) -> Review | None:
    """The decision that counts again once the latest is taken back; None if there is none to take back."""
    kept = standing(history)
    if not kept:
        return None
    earlier = kept[-2] if len(kept) > 1 else Review(reply=kept[-1].reply, state="new", by=by)
    return replace(earlier, by=by, undo=True, at=now())


def repeated(decision: Review, history: Sequence[Review], seen: Seen | None) -> Review | None:
    """
    The latest decision of *history*, where *decision* is the same of the same person who had not *seen* it; else None.

    So a key that is pressed twice decides once, and who decides the same once more on purpose is heard.
    """
    latest = history[-1] if history else None
    if latest is None or not seen or seen.get(decision.reply, latest.at) == latest.at:
        return None
    return latest if latest and replace(decision, undo=latest.undo, at=latest.at) == latest else None


def require_seen(histories: Mapping[str, Sequence[Review]], seen: Seen | None) -> None:
    """Raises: DecidedMeanwhile if the latest decision on a reply is not the one that was *seen*; by reply."""
    latest = {reply: history[-1] for reply, history in histories.items() if history}
    times = {reply: latest[reply].at if reply in latest else None for reply in histories}
    if new := [latest.get(reply) for reply, at in times.items() if seen and reply in seen and seen[reply] != at]:
        raise DecidedMeanwhile({each.reply: (each.by, each.state) for each in new if each})


def leaders(vectors: NDArray[np.float32], alike: float = ALIKE) -> list[int]:
    """
    Per row of *vectors* (n, dimension; unit L2 norm) the first row that it is *alike*, which may be itself.

    Rows are compared with first ones only: a chain of small differences does not make one group.
    """
    first: list[int] = []
    heads = np.empty_like(vectors)
    found = []
    for number, vector in enumerate(vectors):
        cosines = heads[: len(first)] @ vector
        if first and cosines.max() >= alike:
            found.append(first[int(cosines.argmax())])
        else:
            heads[len(first)] = vector
            first.append(number)
            found.append(number)
    return found


def ranked(
    exchanges: Sequence[Exchange],
    votes: Mapping[str, tuple[tuple[Feedback, float], ...]],
    encoder: Encoder,
) -> list[QueueItem]:
    """The queue, most useful first; questions that are nearly the same follow each other."""
    items = [_item(exchange, votes.get(exchange.reply.id, ())) for exchange in exchanges]
    items.sort(key=_urgency)
    found = leaders(encoder.encode([item.question for item in items])) if items else []
    items = [replace(item, group=items[first].exchange.reply.id) for item, first in zip(items, found, strict=True)]
    items = [_marked_contradiction(item, items) for item in items]
    place = {item.exchange.reply.id: number for number, item in enumerate(items)}
    best: dict[str, tuple[int, float]] = {}
    for item in items:
        best[item.group] = min(best.get(item.group, _urgency(item)), _urgency(item))
    return sorted(items, key=lambda item: (best[item.group], place[item.group], _urgency(item)))


def _item(exchange: Exchange, votes: tuple[tuple[Feedback, float], ...]) -> QueueItem:
    ratings = {vote.rating for vote, _ in votes}
    if any(vote.rating < 0 and vote.correction for vote, _ in votes):
        reason = "correction"
    elif ratings >= {1, -1}:
        reason = "contradiction"
    else:
        reason = "downvote" if -1 in ratings else "upvote" if 1 in ratings else "no vote"
    return QueueItem(exchange=exchange, votes=votes, reason=reason)


def _urgency(item: QueueItem) -> tuple[int, float]:
    return REASONS.index(item.reason), item.score if item.reason != "contradiction" else -len(item.votes)


def _marked_contradiction(item: QueueItem, items: Sequence[QueueItem]) -> QueueItem:
    """*item*, as a contradiction where the same answer to the same question was voted on otherwise elsewhere."""
    if item.reason not in ("downvote", "upvote"):
        return item
    answer = without_markers(item.exchange.reply.text)
    same = [each for each in items if each.group == item.group and without_markers(each.exchange.reply.text) == answer]
    ratings = {vote.rating for each in same for vote, _ in each.votes}
    return replace(item, reason="contradiction") if ratings >= {1, -1} else item


@dataclass(frozen=True, slots=True, kw_only=True)
class Curator:
    """The reviewer's desk, over the stores."""

    exchanges: ExchangeStore
    votes: FeedbackStore
    reviews: CurationStore
    encoder: Encoder
    redactor: Redactor

    async def queue(
        self, *, state: ReviewState = "new", limit: int = 50, progress: Progress = silent
    ) -> Sequence[QueueItem]:
        """Returns: what is in *state*, at most *limit* items, most useful first."""
        exchanges = await self._in(state, limit)
        votes = weighted(await self.votes.all())
        progress(0, 0, "Comparing the questions")
        items = await asyncio.to_thread(ranked, exchanges, votes, self.encoder)
        return await in_thread(partial(self._marked, items[:limit], state), progress)

    async def decide(self, decisions: Sequence[Review], *, seen: Seen | None = None) -> Sequence[Review]:
        """
        Keep *decisions*, all of them or none; what the same person decided just before is not kept twice.

        An approved or corrected reply was on the right route unless another is named. Returns: what counts now.
        Raises: NotFound for a reply that is not known, InputError for one without an answer to decide on,
            DecidedMeanwhile for one whose latest decision is not the one in *seen*.
        """
        whole = [await self._completed(decision) for decision in decisions]
        return await self.reviews.add(whole, seen=seen)

    async def undo(self, replies: Sequence[str], *, by: str, seen: Seen | None = None) -> Sequence[Review]:
        """Take back the latest decision on each of *replies*. Raises: Conflict where there is none, as `decide`."""
        return await self.reviews.undo(replies, by=by, seen=seen)

    async def hints(self, replies: Sequence[str]) -> Mapping[str, tuple[str, tuple[str, ...]]]:
        """Returns: per reply the first of them that asks nearly the same, and kinds of likely personal data."""
        found = [await self.exchanges.find(reply) for reply in replies]
        items = await asyncio.to_thread(ranked, [each for each in found if each], {}, self.encoder)
        marked = await in_thread(partial(self._marked, items, "new"), silent)
        return {item.exchange.reply.id: (item.group, item.personal) for item in marked}

    async def _in(self, state: ReviewState, limit: int) -> Sequence[Exchange]:
        if state == "new":
            return await self.reviews.undecided(unvoted=limit)
        found = [await self.exchanges.find(each.reply) for each in await self.reviews.all() if each.state == state]
        return [exchange for exchange in found if exchange]

    def _marked(self, items: Sequence[QueueItem], state: ReviewState, progress: Progress) -> list[QueueItem]:
        found = []
        for number, item in enumerate(items):
            progress(number, len(items), "Looking for personal data")
            found.append(replace(item, personal=self._kinds(item), state=state))
        return found

    def _kinds(self, item: QueueItem) -> tuple[str, ...]:
        said = (text for vote, _ in item.votes for text in (vote.reason, vote.correction) if text)
        texts = (item.question, item.exchange.reply.text, *said)
        return tuple(sorted({found.kind for text in texts for found in self.redactor.find(text)}))

    async def _completed(self, decision: Review) -> Review:
        if decision.state == "corrected" and not (decision.answer or "").strip():
            raise InputError(f"the correction of reply {decision.reply!r} holds no text; say what the right answer is")
        exchange = await self.exchanges.find(decision.reply)
        if exchange is None:
            return decision  # the store says what is to be said
        if not exchange.complete:
            raise InputError(f"reply {decision.reply!r} was never finished, so there is no answer to decide on")
        took = exchange.reply.route
        route = decision.route or (took if decision.state in ("approved", "corrected") else None)
        fault = decision.fault or ("route" if decision.route not in (None, took) else None)
        return replace(decision, route=route, fault=fault)
