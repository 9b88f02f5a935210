"""Curated replies as material for datasets: which may be used, and why the others may not."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bot import wording
from bot.grounding import supporting, without_markers
from bot.learning.curation import question_of, score
from bot.messages import EVERYONE, DatasetKind, Exchange, Feedback, Passage, Review
from bot.prompts import REFUSAL

DELETED = "deleted: its asker was forgotten, or it is older than retention_days"
PRIVATE = "asked in a private place"
SHARED_FILE = "answered from passages that came with the question"
ASKED_BACK = "not an answer: the bot asked back"
REUSED = "a reviewed answer that was given again, so it teaches nothing new"
ELSEWHERE = "answered on another route, so its passages are of another kind"
NO_PASSAGES = "answered without passages"
NOT_WORDING = "the route or the retrieval was at fault, not the wording"
CUT = "the answer was cut off"
REJECTED = "rejected, and the right answer is not known"
NO_PAIR = "not corrected, so there is no pair"
SAME = "the correction says what the bot said"
NO_VOTES = "no votes, or votes that cancel out"
AGAINST = "the votes contradict the review"
UNSUPPORTED = "the passages do not hold the answer"
DOCUMENT_GONE = "its document is no longer in the index"
RESTRICTED = "its document may not be read by everyone who may ask the domain"
REPEATED = "says the same as another row"

Redact = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """What a domain's index holds now, and for whom the adapter is."""

    domain: str
    documents: Mapping[str, frozenset[str]]  # access labels by document
    readers: frozenset[str]  # access labels, of which one lets a person ask the domain

    def is_open(self, document: str) -> bool:
        """Whether everyone who may ask the domain may read *document*."""
        labels = self.documents[document]
        return EVERYONE in labels or self.readers <= labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Curated:
    """A reviewed reply, with what the stores hold about it."""

    review: Review
    exchange: Exchange | None  # None: deleted since
    votes: tuple[tuple[Feedback, float], ...]  # each with its weight

    def belongs_to(self, domain: str) -> bool:
        """Whether the question is one of *domain*, by what the reviewer said or else by the route it took."""
        return (self.review.route or (self.exchange.reply.route if self.exchange else None)) == domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A reply that may become a row; every text redacted."""

    reply: str
    user: str
    workspace: str
    thread: str
    voters: tuple[str, ...]
    approved_by: str
    question: str
    passages: tuple[Passage, ...]
    sources: frozenset[str]  # the documents that the answer rests on; without one, the document found first
    given: str | None  # what the bot said; None: that the passages do not hold it
    target: str | None  # what it should have said, in the same way
    votes: float  # their weighted sum

    @property
    def documents(self) -> frozenset[str]:
        """The documents of all passages."""
        return frozenset(passage.document for passage in self.passages)

    @property
    def keys(self) -> frozenset[str]:
        """Rows that share one of these must not be parted into training and held-out rows."""
        found = {f"document {document}" for document in self.sources} | {f"question {normal(self.question)}"}
        return frozenset(found | ({f"thread {self.workspace} {self.thread}"} if self.thread else set()))


def normal(text: str) -> str:
    """*text* without what does not matter for saying the same: case, punctuation, spaces."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def assess(curated: Curated, library: Library, kind: DatasetKind, redact: Redact) -> Material | str:
    """The material in a curated reply for a dataset of *kind*, or the reason why there is none."""
    if curated.exchange is None:
        return DELETED
    if reason := _not_allowed(curated.exchange, library.domain):
        return reason
    if curated.exchange.reply.reused and curated.review.answer is None:
        return REUSED
    material = _material(curated, curated.exchange, redact)
    return _useless(curated, material, kind) or _within(material, library, kind)


def _not_allowed(exchange: Exchange, domain: str) -> str | None:
    message, reply = exchange.message, exchange.reply
    if message.private:
        return PRIVATE
    if message.passages is not None:
        return SHARED_FILE
    if reply.decision == "ask_back":
        return ASKED_BACK
    if reply.route != domain:
        return ELSEWHERE
    return None if reply.passages else NO_PASSAGES


def _material(curated: Curated, exchange: Exchange, redact: Redact) -> Material:
    message, reply, review = exchange.message, exchange.reply, curated.review
    given = None if reply.abstained else redact(without_markers(reply.text))
    return Material(
        reply=reply.id,
        user=message.user,
        workspace=message.workspace,
        thread=message.thread,
        voters=tuple(vote.user for vote, _ in curated.votes),
        approved_by=review.by,
        question=redact(question_of(exchange)),
        passages=tuple(replace(passage, text=redact(passage.text)) for passage in reply.passages),
        sources=frozenset(),
        given=given,
        target=_target(redact(review.answer)) if review.answer is not None else given,
        votes=score(curated.votes),
    )


def _target(answer: str) -> str | None:
    return None if normal(answer.replace("’", "'")) == normal(REFUSAL) else answer.strip()


def _useless(curated: Curated, material: Material, kind: DatasetKind) -> str | None:
    """Why a reply that may be used teaches nothing in a dataset of *kind*."""
    state = curated.review.state
    if curated.review.fault in ("route", "retrieval"):
        return NOT_WORDING
    if kind == "kto":
        good = state == "approved"
        return NO_VOTES if not material.votes else AGAINST if (material.votes > 0) != good else None
    if state == "rejected":
        return REJECTED
    if kind == "dpo":
        same = normal(material.target or "") == normal(material.given or "")
        return NO_PAIR if state == "approved" else SAME if same else None
    cut = (wording.cut_off("length"), wording.cut_off("deadline"))
    return CUT if (material.target or "").endswith(cut) else None


def _within(material: Material, library: Library, kind: DatasetKind) -> Material | str:
    """*material* with the passages that everyone may still read, if the answer rests on none of the others."""
    learnt = material.given if kind == "kto" else material.target
    numbers = None if learnt is None else supporting(learnt, material.passages)
    if numbers is None and learnt is not None and kind != "kto":
        return UNSUPPORTED
    sources = frozenset(material.passages[number - 1].document for number in numbers or {1})
    if not sources <= library.documents.keys():
        return DOCUMENT_GONE
    if not all(library.is_open(document) for document in sources):
        return RESTRICTED
    held = (passage for passage in material.passages if passage.document in library.documents)
    return replace(material, sources=sources, passages=tuple(p for p in held if library.is_open(p.document)))
