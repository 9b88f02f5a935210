"""
Is the answer supported by the passages, and by which words of which one.

A sentence is supported to the degree that one passage holds its content words; a number that the passage does not hold
makes it unsupported. That is cheap enough for every sentence, needs no second model, and its verdict can be explained:
the citation quotes the words that support the answer.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot import wording
from bot.messages import Citation, Passage
from bot.ports import OnText

SUPPORTED = 0.6  # a sentence with less of its content words in one passage is not shown
MAX_QUOTE = 240  # characters
FRAGMENT = 4  # content words
STEM = 6  # words that begin alike mean alike: "retrieved", "retrieval"; numbers do not

# [1] is for us to write: models copy it from the numbered passages.
_MARKER = re.compile(r"^\[\d{1,2}\]\s*|(?:\s+|(?<=[.!?,;:]))\[\d{1,2}\](?!\w)")
_LIST_NUMBER = re.compile(r"\s*\d{1,2}\.")
_WORD = re.compile(r"[^\W_]+(?:[.'’-][^\W_]+)*")
_CLOSED = re.compile(r"[.!?][\"'”’)\]]*\s*$")  # a sentence, not a fragment
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+")
_REFUSAL = re.compile(
    r"\bi (do not|don['’]t|cannot|can['’]t) (know|find|answer|tell)\b|"
    r"\b(there is|i have) no information\b|"
    r"\b(passages?|texts?|context) (do|does) not\b|"
    r"\b(not|n['’]t) (mentioned|stated|given|provided|specified|said)? ?in the (passages?|text|context)\b",
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


# Chance that a passage does not hold the answer, from the cosine of question and passage: a logistic regression on 600
# questions of six SQuAD 2.0 articles, own paragraph against the nearest, and a random, paragraph of another article;
# one question in four is taken to be unanswerable.
INTERCEPT, SLOPE = 5.17, -17.93
TAUGHT_ODDS = 0.45  # refusals to answers in the rows of the reading adapter: what its own probability presumes
FLOOR = 0.2  # 98 % of those questions are nearer to their own paragraph than this, 95 % farther from a random one


def too_weak(passages: Sequence[Passage]) -> bool:
    """Whether even the nearest passage is about something else."""
    return max(passage.dense for passage in passages) < FLOOR


def refuse_above(passages: Sequence[Passage]) -> float:
    """
    How probable the model has to hold a refusal for it to be believed, in [0, 1].

    By Bayes' rule: the model learnt its odds where refusals had TAUGHT_ODDS; here the passages' nearness gives others.
    """
    nearest = max(passage.dense for passage in passages)
    odds = math.exp(min(INTERCEPT + SLOPE * nearest, 20.0))
    return 1.0 / (1.0 + odds / TAUGHT_ODDS)


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
        # A gap at the very end may go on in the next piece.
        while (end := _sentence_end(self._pending)) and end.end() < len(self._pending):
            await self._take(end)

    async def verdict(self, note: str = "") -> Verdict:
        """The outcome, once the model has stopped; *note* says that it was cut off, where more was to come."""
        while end := _sentence_end(self._pending):
            await self._take(end)
        last = _whole_words(_MARKER.sub("", self._pending)) if note else self._pending
        self._pending = ""
        if not (note and self._kept and says_too_little(last, self.passages)):
            await self._check(last, "")
        grounding = len(self._kept) / self._checked if self._checked else 0.0
        if note and self._kept and not self._closed:
            await self._show(note.lstrip() if self._kept[-1][-1].isspace() else note)
        return Verdict(
            text="".join(self._kept).strip(),
            citations=tuple(self._cited[number] for number in sorted(self._cited)),
            grounding=grounding,
        )

    async def _take(self, end: re.Match[str]) -> None:
        gap = end.group().lstrip("\"')]")
        sentence = self._pending[: end.end() - len(gap)]
        self._pending = self._pending[end.end() :]
        await self._check(sentence, gap)

    async def _check(self, sentence: str, gap: str) -> None:
        sentence = _MARKER.sub("", sentence)
        if not has_words(sentence):
            return
        self._checked += 1
        number, score = best_passage(sentence, self.passages)
        if self._closed or score < SUPPORTED or is_refusal(sentence):
            self._closed = True
            return
        if number not in self._cited:
            self._cited[number] = cite(number, self.passages[number - 1], f"{sentence} {self.question}")
        await self._show(f"{sentence.rstrip()} [{number}]{' ' if gap.startswith(' ') else gap}")

    async def _show(self, text: str) -> None:
        self._kept.append(text)
        await self.on_text(text)


def _sentence_end(text: str) -> re.Match[str] | None:
    """Where the first sentence of *text* ends; the number in front of a list item is not a sentence."""
    ends = _SENTENCE_END.finditer(text)
    return next((end for end in ends if not _LIST_NUMBER.fullmatch(text, 0, end.start())), None)


def _whole_words(cut: str) -> str:
    """A sentence that was cut off without its last word, which may be half of one: 1 is not 14."""
    return cut if _CLOSED.search(cut) else cut.rpartition(" ")[0]


def says_too_little(cut: str, passages: Sequence[Passage]) -> bool:
    """Whether a sentence was cut off so early that it is not worth showing, though nothing speaks against its words."""
    words = _stems(cut)
    if not words or _LIST_NUMBER.fullmatch(cut):
        return True
    return len(words) <= FRAGMENT and not _CLOSED.search(cut) and best_passage(f"{cut}.", passages)[1] >= SUPPORTED


def without_markers(text: str) -> str:
    """*text* without the [1] that we wrote into it, and without what is said behind a reviewed answer."""
    return _MARKER.sub("", wording.without_review(text)).strip()


def supporting(answer: str, passages: Sequence[Passage]) -> frozenset[int] | None:
    """The numbers, from 1, of the passages that *answer* rests on; None where a sentence of it has no support."""
    numbers, rest = set(), answer
    while rest:
        end = _sentence_end(rest)
        sentence, rest = (rest[: end.end()], rest[end.end() :]) if end else (rest, "")
        if has_words(sentence):
            number, score = best_passage(sentence.rstrip(), passages)
            if score < SUPPORTED:
                return None
            numbers.add(number)
    return frozenset(numbers) or None


def has_words(text: str) -> bool:
    """Whether *text* says anything that could be supported."""
    return bool(_WORD.search(text))


def is_refusal(text: str) -> bool:
    """Whether the model says that the passages do not hold the answer."""
    return bool(_REFUSAL.search(text))


def support(sentence: str, passage: str) -> float:
    """
    The share of *sentence*'s content words that *passage* holds, in [0, 1].

    It is 0 if a number is not among them, or if a fragment of a few words is not in the passage just as it is: in a
    fragment the order is all there is.
    """
    there, wanted = _stems(passage), _stems(sentence)
    have = set(there)
    if not wanted or any(word not in have for word in wanted if any(c.isdigit() for c in word)):
        return 0.0
    if len(wanted) <= FRAGMENT and not _CLOSED.search(sentence) and not _holds_in_order(there, wanted):
        return 0.0
    return sum(word in have for word in wanted) / len(wanted)


def nearness(question: str, passages: Sequence[Passage]) -> float:
    """The share of *question*'s content words that the best of *passages* holds, in [0, 1]."""
    wanted = set(_stems(question))
    return max((len(wanted & set(_stems(each.text))) for each in passages), default=0) / max(len(wanted), 1)


def _holds_in_order(there: list[str], wanted: list[str]) -> bool:
    starts = (i for i, word in enumerate(there) if word == wanted[0])
    return any(there[i : i + len(wanted)] == wanted for i in starts)


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
    return [word if any(c.isdigit() for c in word) else word[:STEM] for word in words if word not in _STOP]
