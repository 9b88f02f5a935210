"""
Is the answer supported by the passages, and by which words of which one.

A sentence is supported to the degree that one passage holds its content words; a number that the passage does not hold
makes it unsupported. That is cheap enough for every sentence, needs no second model, and its verdict can be explained:
the citation quotes the words that support the answer.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.messages import Citation, Passage
from bot.ports import OnText

SUPPORTED = 0.6  # a sentence with less of its content words in one passage is not shown
MAX_QUOTE = 240  # characters
STEM = 6  # words that begin alike mean alike: "retrieved", "retrieval"

_WORD = re.compile(r"[^\W_]+(?:[.'’-][^\W_]+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+")
_REFUSAL = re.compile(
    r"\b(i (do not|don['’]t) know|(not|isn['’]t) (mentioned|stated|given|provided|specified|in the passages?)|"
    r"(passages?|text|context) (do|does) not|cannot (find|answer)|no information)\b",
    re.I,
)
_STOP = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "been",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "for",
        "from",
        "had",
        "has",
        "have",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "may",
        "might",
        "more",
        "most",
        "no",
        "not",
        "of",
        "on",
        "or",
        "our",
        "shall",
        "should",
        "so",
        "some",
        "such",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "whom",
        "whose",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of an answer."""

    text: str  # the supported sentences, with markers
    citations: tuple[Citation, ...]
    grounding: float  # share of the answer's sentences that are supported, in [0, 1]

    @property
    def refused(self) -> bool:
        """Nothing of the answer may be shown."""
        return not self.text


@dataclass(slots=True)
class Release:
    """
    Lets an answer through sentence by sentence, each after its check; an OnText for a generator.

    `verdict` gives what was let through. After the first sentence that is not supported nothing more is: what follows
    usually builds on it.
    """

    question: str
    passages: Sequence[Passage]
    on_text: OnText
    _pending: str = ""
    _kept: list[str] = field(default_factory=list)
    _cited: dict[int, Citation] = field(default_factory=dict)
    _checked: int = 0
    _closed: bool = False

    async def __call__(self, piece: str) -> None:
        """Take the next piece of the answer."""
        self._pending += piece
        while match := _SENTENCE_END.search(self._pending):
            sentence, gap = self._pending[: match.start()], match.group()
            self._pending = self._pending[match.end() :]
            await self._check(sentence, gap)

    async def verdict(self) -> Verdict:
        """The outcome, once the model has stopped."""
        await self._check(self._pending, "")
        self._pending = ""
        return Verdict(
            text="".join(self._kept).strip(),
            citations=tuple(self._cited[number] for number in sorted(self._cited)),
            grounding=sum(1 for text in self._kept if text.strip()) / self._checked if self._checked else 0.0,
        )

    async def _check(self, sentence: str, gap: str) -> None:
        if not _WORD.search(sentence):
            return
        self._checked += 1
        number, score = best_passage(sentence, self.passages)
        if self._closed or score < SUPPORTED or is_refusal(sentence):
            self._closed = True
            return
        if number not in self._cited:
            self._cited[number] = cite(number, self.passages[number - 1], f"{sentence} {self.question}")
        shown = f"{sentence.rstrip()} [{number}]{' ' if gap.isspace() and gap[0] == ' ' else gap}"
        self._kept.append(shown)
        await self.on_text(shown)


def is_refusal(text: str) -> bool:
    """Whether the model says that the passages do not hold the answer."""
    return bool(_REFUSAL.search(text))


def support(sentence: str, passage: str) -> float:
    """The share of *sentence*'s content words that *passage* holds, in [0, 1]; 0 if a number is not among them."""
    have = set(_stems(passage))
    wanted = _stems(sentence)
    if not wanted or any(word not in have for word in wanted if any(c.isdigit() for c in word)):
        return 0.0
    return sum(word in have for word in wanted) / len(wanted)


def best_passage(sentence: str, passages: Sequence[Passage]) -> tuple[int, float]:
    """The number, from 1, of the passage that supports *sentence* best, and how much; (0, 0.0) without passages."""
    scores = [support(sentence, passage.text) for passage in passages]
    best = max(scores, default=0.0)
    return (scores.index(best) + 1, best) if scores else (0, 0.0)


def cite(number: int, passage: Passage, words: str) -> Citation:
    """A citation of *passage* that quotes its sentence nearest to *words*."""
    wanted = set(_stems(words))
    body = passage.text[len(passage.heading) :] if passage.text.startswith(passage.heading) else passage.text
    sentences = [s.strip() for s in _SENTENCE_END.split(body) if s and s.strip()] or [passage.text.strip()]
    quote = max(sentences, key=lambda sentence: len(wanted & set(_stems(sentence))))
    return Citation(
        number=number,
        document=passage.document,
        chunk=passage.chunk,
        title=passage.heading or passage.title or passage.document,
        url=passage.url,
        quote=quote if len(quote) <= MAX_QUOTE else quote[: MAX_QUOTE - 1].rstrip() + "…",
    )


def _stems(text: str) -> list[str]:
    words = [word.casefold() for word in _WORD.findall(text)]
    return [word[:STEM] for word in words if word not in _STOP]
