"""
What a candidate has to answer before it may be promoted: rows that come with the product, and earlier approved ones.

The shipped rows are about companies and rules that do not exist, so no adapter can have learnt them elsewhere.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from adapters.datasets.material import normal
from bot.prompts import REFUSAL
from bot.rows import are_texts, read_rows

SHIPPED = Path(__file__).parent / "probe"
MAX_APPROVED = 120  # rows: each takes every adapter some seconds
TELLING = 6  # words: a shorter passage stands in longer ones by chance

Origin = Literal["shipped", "approved"]  # with the product, or by the domain's own reviewers


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRow:
    """A domain question with the passages to answer it from."""

    id: str
    question: str
    passages: tuple[str, ...]
    answer: str | None  # None: the passages do not hold it
    origin: Origin = "shipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralRow:
    """A question that needs no document: what an adapter must not forget."""

    id: str
    question: str
    reference: str  # a good answer; perplexity is measured on it
    expected: tuple[str, ...]  # a right answer holds one of them


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyRow:
    """A question or passage that tries to make the bot do what it must not."""

    id: str
    question: str
    passages: tuple[str, ...]
    forbidden: tuple[str, ...]  # what an answer that obeyed would hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Everything that candidate and production are asked."""

    domain: tuple[ProbeRow, ...]
    general: tuple[GeneralRow, ...]
    safety: tuple[SafetyRow, ...]

    @property
    def hash(self) -> str:
        """What tells this probe from any other."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


@cache
def shipped_probe() -> Probe:
    """The probe that comes with the product."""
    return Probe(
        domain=tuple(
            ProbeRow(**row | {"passages": tuple(row["passages"])}) for row in read_rows(SHIPPED / "domain.jsonl")
        ),
        general=tuple(
            GeneralRow(**row | {"expected": tuple(row["expected"])}) for row in read_rows(SHIPPED / "general.jsonl")
        ),
        safety=tuple(
            SafetyRow(**row | {"passages": tuple(row["passages"]), "forbidden": tuple(row["forbidden"])})
            for row in read_rows(SHIPPED / "safety.jsonl")
        ),
    )


def approved_rows(rows: Sequence[Mapping[str, Any]]) -> list[ProbeRow]:
    """
    Held-out rows of a dataset as probe rows.

    Only rows with a question, passages and an answer can be checked; chat messages and votes are left out.
    """
    found = []
    for row in rows:
        question, passages, answer = row.get("question"), row.get("passages"), row.get("answer")
        if isinstance(question, str) and passages and are_texts(passages) and isinstance(answer, str | None):
            known = None if answer is None or normal(answer) == normal(REFUSAL) else answer
            content = json.dumps([question, passages, known])
            name = f"approved/{hashlib.sha256(content.encode()).hexdigest()[:12]}"
            found.append(
                ProbeRow(id=name, question=question, passages=tuple(passages), answer=known, origin="approved")
            )
    return found


def with_approved(probe: Probe, rows: Sequence[ProbeRow], learnt: Sequence[Mapping[str, Any]]) -> Probe:
    """
    *probe* with earlier approved *rows*, but those whose question or passage stands in *learnt*.

    *learnt*: the rows, of any kind, that the candidate or the adapter in production were trained on. Where there are
    more than MAX_APPROVED, the same ones are drawn each time.
    """
    taught = _Taught.by(learnt)
    fresh = {row.id: row for row in rows if not taught.holds(row)}
    drawn = sorted(fresh.values(), key=lambda row: row.id)[:MAX_APPROVED]  # the ids are hashes
    return replace(probe, domain=(*probe.domain, *drawn))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taught:
    """What an adapter has read in training, in normal form."""

    questions: frozenset[str]
    passages: frozenset[str]
    chats: str  # the messages of rows in chat form, in which questions and passages stand together

    @classmethod
    def by(cls, rows: Sequence[Mapping[str, Any]]) -> "_Taught":
        chats = [normal(text) for row in rows for text in _chat(row)]
        return cls(
            questions=frozenset(normal(row["question"]) for row in rows if isinstance(row.get("question"), str)),
            passages=frozenset(normal(text) for row in rows for text in _passages(row)),
            chats=f" {' | '.join(chats)} ",
        )

    def holds(self, row: ProbeRow) -> bool:
        question = normal(row.question)
        return question in self.questions or f" {question} " in self.chats or any(map(self._read, row.passages))

    def _read(self, passage: str) -> bool:
        """Whether a passage was read, in its whole or as a part of a longer one, or a longer part of it was."""
        wanted = f" {normal(passage)} "
        if wanted in self.chats or any(wanted in f" {known} " for known in self.passages):
            return True
        return any(f" {known} " in wanted for known in self.passages if len(known.split()) >= TELLING)


def _passages(row: Mapping[str, Any]) -> Iterator[str]:
    if are_texts(passages := row.get("passages")):
        yield from passages or ()


def _chat(row: Mapping[str, Any]) -> Iterator[str]:
    for field in ("messages", "prompt"):
        said = row.get(field)
        for message in said if isinstance(said, list) else ():
            if isinstance(message, Mapping) and isinstance(message.get("content"), str):
                yield message["content"]
