"""What reviewers decided, as it stands now, by the likeness of the questions; whoever decided it, in any process."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from bot import wording
from bot.conversation import leans_on_the_last, stood_alone
from bot.learning.curation import ALIKE, question_of
from bot.learning.sameness import Sense, same, sense
from bot.messages import Decided, Exchange, Query, Review
from bot.ports import Encoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PAGE = 100  # decisions that are read in one go
OVERLAP = 100  # numbers: where two decide at once, the later decision may be seen first

Words = tuple[str, ...]


class Decisions(Protocol):
    """What reviewers decided, one decision after the other."""

    async def count(self) -> int:
        """Returns: how many decisions were ever made; cheap enough for every question."""
        ...

    async def since(self, number: int, *, limit: int) -> Sequence[Decided]:
        """Returns: the first *limit* decisions behind that *number*, also those that no longer count, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """The decision that counts on an answer to a question."""

    number: int
    review: Review
    question: str
    reused: str  # the reviewed reply that was given again in this one
    sense: Sense


@dataclass(frozen=True, slots=True)
class Shelf:
    """Decisions by the words of their questions, so that few are compared with a question; it never changes."""

    decisions: Mapping[Words, Sequence[Standing]] = field(default_factory=dict)  # newest first
    overruled: Mapping[str, int] = field(default_factory=dict)  # replies, by the decision on where they were reused

    def worded_like(self, question: str) -> list[Standing]:
        """The decisions about questions with the words of this one, newest first."""
        asked = sense(question)
        return [standing for standing in self.decisions.get(asked.words, ()) if same(asked, standing.sense)]

    def approves(self, standing: Standing) -> bool:
        """Whether the answer is right, and nobody decided otherwise where it was given again."""
        good = standing.review.state in ("approved", "corrected")
        return good and self.overruled.get(standing.review.reply, 0) < standing.number


class StandingDecisions:
    """Keeps up with what is decided: a question costs one look at how many decisions there are."""

    def __init__(self, decisions: Decisions, encoder: Encoder) -> None:
        self.shelf = Shelf()
        self._decisions = decisions
        self._encoder = encoder
        self._known: dict[str, Standing] = {}  # by reply
        self._vectors: dict[str, NDArray[np.float32]] = {}  # by reply; of questions that were asked again
        self._gone: set[str] = set()
        self._count = self._last = 0  # decisions that were read, and the number of the last
        self._turn = asyncio.Lock()

    async def about(self, query: Query) -> list[Standing]:
        """The decisions about the question of *query*, newest first."""
        await self.catch_up()
        near = self.shelf.worded_like(query.text)
        vectors = {reply: self._vectors[reply] for each in near if (reply := each.review.reply) in self._vectors}
        if new := [each for each in near if each.review.reply not in vectors]:
            found = await asyncio.to_thread(self._encoder.encode, [each.question for each in new])
            vectors.update((each.review.reply, vector) for each, vector in zip(new, found, strict=True))
            self._vectors.update((reply, vector) for reply, vector in vectors.items() if reply in self._known)
        return [each for each in near if float(vectors[each.review.reply] @ query.vector) >= ALIKE]

    def forget(self, reply: str) -> None:
        """Drop a reply that was deleted, with the next question."""
        self._gone.add(reply)

    async def catch_up(self) -> None:
        """Read what was decided meanwhile."""
        async with self._turn:
            count = await self._decisions.count()
            if count == self._count and not self._gone:
                return
            await self._read()
            for reply in self._gone:
                self._drop(reply)
            self._gone.clear()
            self.shelf = await asyncio.to_thread(self._shelved)
            self._count = count

    async def _read(self) -> None:
        last = max(0, self._last - OVERLAP)
        while page := await self._decisions.since(last, limit=PAGE):
            found = await asyncio.to_thread(lambda page: [_standing(decided) for decided in page], page)
            for decided, standing in zip(page, found, strict=True):
                if standing:
                    self._known[decided.review.reply] = standing
                else:
                    self._drop(decided.review.reply)
            last = page[-1].number
        self._last = max(self._last, last)

    def _drop(self, reply: str) -> None:
        self._known.pop(reply, None)
        self._vectors.pop(reply, None)

    def _shelved(self) -> Shelf:
        known = sorted(self._known.values(), key=lambda standing: standing.number)
        decisions: dict[Words, list[Standing]] = defaultdict(list)
        for standing in reversed(known):
            decisions[standing.sense.words].append(standing)
        return Shelf(decisions, {standing.reused: standing.number for standing in known})


def _standing(decided: Decided) -> Standing | None:
    """A decision with its question; None where it is taken back, or not about a question that others may ask."""
    review, exchange = decided.review, decided.exchange
    if exchange is None or review.state == "new" or not _speaks_for_itself(review, exchange):
        return None
    question = question_of(exchange)
    return Standing(decided.number, review, question, exchange.reply.reused, sense(question))


def _speaks_for_itself(review: Review, exchange: Exchange) -> bool:
    """Whether a decision is one about a question that needs no thread and no file, and about an answer to it."""
    question, reply = question_of(exchange), exchange.reply
    if exchange.message.passages is not None or leans_on_the_last(question) or not stood_alone(exchange):
        return False
    if review.state != "approved":
        return True
    # To approve an answer that was given again says nothing new, and must not keep what its origin loses.
    return not reply.reused and not reply.text.endswith((wording.cut_off("length"), wording.cut_off("deadline")))
