"""
Gaps: what people ask about and no document answers.

Questions of the same words are put together first, which takes no model. Then a model compares what is left, those of
most people first and only so many at a time: each takes it some 50 ms.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bot.desks.holdings import Gap, Unanswered
from bot.learning.curation import leaders
from bot.learning.sameness import sense
from bot.ports import Encoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAME_GAP = 0.7  # cosine from which questions stand together: 8 of 10 pairs that ask the same do, 3 of 10 others
AT_ONCE = 100  # questions that are new to the model
REMEMBERED = 20_000  # vectors of questions, some 30 MB: who looks again need not wait again


class GapFinder:
    """Groups questions by likeness; remembers their vectors."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    def find(self, questions: Sequence[Unanswered]) -> list[Gap]:
        """The gaps behind *questions*, those of most people first; those not yet compared with others say so."""
        worded = _ordered(_same_words(questions))
        compared = self._compared([gap.question for gap in worded])
        near = [gap for gap in worded if gap.question in compared]
        groups: dict[int, list[Unanswered]] = defaultdict(list)
        if near:
            vectors = np.stack([self._vectors[gap.question] for gap in near])
            for gap, leader in zip(near, leaders(vectors, SAME_GAP), strict=True):
                groups[leader] += gap.questions
        rest = [replace(gap, compared=False) for gap in worded if gap.question not in compared]
        return _ordered([*(_gap(group) for group in groups.values()), *rest])

    def _compared(self, texts: Sequence[str]) -> set[str]:
        """Those of *texts* that have a vector now."""
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors][:AT_ONCE]
        if new:
            self._vectors.update(zip(new, self._encoder.encode(new), strict=True))
        while len(self._vectors) > REMEMBERED:
            self._vectors.popitem(last=False)
        return set(texts) & self._vectors.keys()


def _same_words(questions: Sequence[Unanswered]) -> list[Gap]:
    groups: dict[object, list[Unanswered]] = defaultdict(list)
    for question in questions:
        asked = sense(question.question)
        groups[(asked.words, asked.kind, asked.marks) if asked.words else question.question].append(question)
    return [_gap(group) for group in groups.values()]


def _gap(questions: Sequence[Unanswered]) -> Gap:
    return Gap(questions=tuple(sorted(questions, key=_time, reverse=True)))


def _ordered(gaps: Sequence[Gap]) -> list[Gap]:
    return sorted(gaps, key=lambda gap: (-gap.people, -len(gap.questions), -_time(gap.questions[0])))


def _time(question: Unanswered) -> float:
    return question.at.timestamp()
