"""
What an adapter scores on a probe, row by row.

Each row is kept as soon as it is answered: a killed evaluation goes on with the next row, and rows that an adapter has
answered for one probe are not asked again for another.
"""

import asyncio
import hashlib
import json
import math
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import TypeVar, cast

from adapters.gate.probe import GeneralRow, Probe, ProbeRow, SafetyRow
from adapters.gate.scoring import Part, RowScore, score_domain, score_general, score_safety
from adapters.requests import MOST_ROWS
from bot.errors import AdapterUnusable, StoreError
from bot.files import whole
from bot.messages import Completion, Reply, now
from bot.ports import Progress, silent
from bot.rows import Row

SCORING = 1  # raise it when rows are scored in another way: what the old way kept is not read again
NONE = "none"

AnswerRow = Callable[[str, tuple[str, ...], str], Awaitable[Reply]]
"""Called with question, passages and the adapter's label ("name@version" or "none"); nothing is stored."""

Complete = Callable[[str, str], Awaitable[Completion]]
"""Called with a general question and a label: the general template, with the adapter switched on."""

Surprise = Callable[[Sequence[tuple[str, str]], str], Awaitable[Sequence[float]]]
"""Called with (general question, good answer) pairs and a label; mean negative log-likelihood per answer token."""

Asked = ProbeRow | GeneralRow | SafetyRow
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What one adapter scores on one probe."""

    adapter: str  # "name@version" or "none"
    model: str
    probe: str  # its hash
    rows: tuple[RowScore, ...]
    seconds: float  # of the run that finished it
    created: str

    def of(self, *parts: Part) -> list[RowScore]:
        """The rows of some parts."""
        return [row for row in self.rows if row.part in parts]

    @property
    def domain(self) -> float:
        """Mean over all domain rows: token F1 where the passages hold the answer, abstention where they do not."""
        return _mean(row.score for row in self.of("answerable", "unanswerable"))

    @property
    def f1(self) -> float:
        """Mean token F1 where the passages hold the answer; an abstention counts 0."""
        return _mean(row.score for row in self.of("answerable"))

    @property
    def abstention(self) -> float:
        """Share of abstentions where the passages do not hold the answer."""
        return _mean(row.score for row in self.of("unanswerable"))

    @property
    def false_refusals(self) -> float:
        """Share of abstentions where the passages hold the answer."""
        return _mean(float(row.abstained) for row in self.of("answerable"))

    @property
    def citations(self) -> float:
        """Mean share of citations whose quote supports the answer."""
        return _mean(row.citations for row in self.rows if row.citations is not None)

    @property
    def general(self) -> float:
        """Share of general questions that were answered right with the adapter switched on."""
        return _mean(row.score for row in self.of("general"))

    @property
    def perplexity(self) -> float:
        """Of good general answers with the adapter switched on; lower is better."""
        return math.exp(_mean(row.score for row in self.of("surprise")))

    @property
    def safety(self) -> float:
        """Share of the safety rows where the answer did not obey what it must not."""
        return _mean(row.score for row in self.of("safety"))

    @property
    def scores(self) -> dict[str, float]:
        """The numbers in short."""
        names = ("domain", "f1", "abstention", "false_refusals", "citations", "general", "perplexity", "safety")
        return {name: round(float(getattr(self, name)), 4) for name in names}

    def row(self) -> Row:
        """The evaluation as JSON holds it."""
        return {"scores": self.scores} | asdict(self)

    @classmethod
    def from_row(cls, row: Row) -> "Evaluation":
        """The evaluation that JSON holds. Raises: KeyError or TypeError if it holds none."""
        fields = {name: row[name] for name in ("adapter", "model", "probe", "seconds", "created")}
        return cls(rows=tuple(RowScore(**each) for each in row["rows"]), **fields)


async def all_of(work: Iterable[Awaitable[T]]) -> list[T]:
    """What *work* gives; where some of it fails, the first failure is raised once everything has ended."""
    done = await asyncio.gather(*work, return_exceptions=True)
    for each in done:
        if isinstance(each, BaseException):
            raise each
    return cast(list[T], done)


def batched(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """*rows* in their order, *size* at a time."""
    return (rows[begin : begin + size] for begin in range(0, len(rows), size))


def label_of(adapter: str) -> str:
    """A fingerprint for adapters that never change."""
    return adapter


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluator:
    """Has adapters answer a probe."""

    answer: AnswerRow
    complete: Complete
    surprise: Surprise
    directory: Path  # where evaluations are kept
    model: str = NONE  # the base model's name
    conditions: str = ""  # what else decides an answer: the templates
    fingerprint: Callable[[str], str] = label_of  # of an adapter's files; raises AdapterNotFound, AdapterUnusable
    alone: bool = False  # nobody waits for answers meanwhile, so that many rows may be asked at once

    async def evaluate(self, adapter: str, probe: Probe, progress: Progress = silent) -> Evaluation:
        """
        What *adapter* scores on *probe*; after a kill it goes on with the next row, and a finished one is only read.

        Raises: AdapterNotFound, AdapterUnusable if it cannot be switched on; GenerationError, StoreError.
        """
        kept = await asyncio.to_thread(self._kept, adapter)
        if (finished := await asyncio.to_thread(kept.finished, probe)) is not None:
            return finished
        started = time.monotonic()
        known = await asyncio.to_thread(kept.rows)
        wanted = {_key(part, row): (part, row) for part, row in _asked(probe)}
        if any(part == "surprise" for key, (part, _) in wanted.items() if key not in known):
            progress(0, len(wanted), f"Evaluating {adapter}")
            known |= await self._keep(kept, await self._surprises(adapter, probe))  # first: it fails soonest
        missing = [(key, row) for key, (_, row) in wanted.items() if key not in known]
        for some in batched(missing, MOST_ROWS if self.alone else 1):
            progress(sum(key in known for key in wanted), len(wanted), f"Evaluating {adapter}")
            asked = (self._keep_answer(kept, adapter, key, row) for key, row in some)
            known |= dict(await all_of(asked))
        evaluation = Evaluation(
            adapter=adapter,
            model=self.model,
            probe=probe.hash,
            rows=tuple(known[key] for key in wanted),
            seconds=round(time.monotonic() - started, 1),
            created=now().isoformat(timespec="seconds"),
        )
        await asyncio.to_thread(kept.finish, probe, evaluation)
        return evaluation

    def _kept(self, adapter: str) -> "_Kept":
        about = json.dumps([SCORING, adapter, self.fingerprint(adapter), self.model, self.conditions])
        name = re.sub(r"[^\w@-]", "_", adapter)
        return _Kept(self.directory / f"{name}-{hashlib.sha256(about.encode()).hexdigest()[:16]}")

    async def _keep(self, kept: "_Kept", scores: dict[str, RowScore]) -> dict[str, RowScore]:
        await asyncio.to_thread(kept.add, scores)
        return scores

    async def _keep_answer(self, kept: "_Kept", adapter: str, key: str, row: Asked) -> tuple[str, RowScore]:
        score = await self._ask(adapter, row)
        await self._keep(kept, {key: score})
        return key, score

    async def _surprises(self, adapter: str, probe: Probe) -> dict[str, RowScore]:
        found = await self.surprise([(row.question, row.reference) for row in probe.general], adapter)
        if not all(math.isfinite(nats) for nats in found):
            raise AdapterUnusable(adapter, "with it the model computes no numbers; train it again")
        return {_key("surprise", row): _expected(row, nats) for row, nats in zip(probe.general, found, strict=True)}

    async def _ask(self, adapter: str, row: Asked) -> RowScore:
        if isinstance(row, ProbeRow):
            return score_domain(row, await self._reply(row.question, row.passages, adapter))
        if isinstance(row, SafetyRow) and row.passages:
            reply = await self._reply(row.question, row.passages, adapter)
            return score_safety(row, reply.text, abstained=reply.abstained)
        completion = await self.complete(row.question, adapter)
        _was_on(adapter, completion.adapter)
        if isinstance(row, SafetyRow):
            return score_safety(row, completion.text, abstained=False)
        return score_general(row, completion)

    async def _reply(self, question: str, passages: tuple[str, ...], adapter: str) -> Reply:
        reply = await self.answer(question, passages, adapter)
        if reply.prompt != NONE:  # else no model was needed
            _was_on(adapter, reply.adapter)
        return reply


@dataclass(frozen=True, slots=True)
class _Kept:
    """The files of one adapter in one state, under one set of conditions."""

    path: Path  # what their names begin with

    @property
    def _lines(self) -> Path:
        return self.path.with_name(f"{self.path.name}.jsonl")

    def _whole(self, probe: Probe) -> Path:
        return self.path.with_name(f"{self.path.name}-{probe.hash}.json")

    def finished(self, probe: Probe) -> Evaluation | None:
        try:
            return Evaluation.from_row(json.loads(self._whole(probe).read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def rows(self) -> dict[str, RowScore]:
        """The rows that were answered, by key; a line that a kill tore apart is none."""
        found = {}
        for line in self._lines.read_bytes().splitlines() if self._lines.exists() else ():
            try:
                row = json.loads(line)
                key = str(row.pop("key"))
                found[key] = RowScore(**row)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
        return found

    def add(self, scores: Mapping[str, RowScore]) -> None:
        """Raises: StoreError if the disk is full or may not be written."""
        lines = (json.dumps({"key": key} | asdict(score)) for key, score in scores.items())
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._lines.open("a", encoding="utf-8") as file:
                file.write("".join(f"\n{line}\n" for line in lines))  # the line before may have been torn apart
        except OSError as exc:
            raise StoreError(
                f"{self._lines} cannot be written ({exc.strerror or exc}); free some space or correct the "
                "permissions, then run again"
            ) from exc

    def finish(self, probe: Probe, evaluation: Evaluation) -> None:
        with whole(self._whole(probe)) as part:
            part.write_text(json.dumps(evaluation.row(), indent=1), encoding="utf-8")


def _asked(probe: Probe) -> Iterator[tuple[Part, Asked]]:
    for part in ("surprise", "general"):
        yield from ((part, row) for row in probe.general)
    yield from (("safety", row) for row in probe.safety)
    for row in probe.domain:
        yield ("unanswerable" if row.answer is None else "answerable"), row


def _expected(row: GeneralRow, nats: float) -> RowScore:
    return RowScore(id=row.id, part="surprise", score=round(nats, 4), question=row.question, text=row.reference)


def _key(part: Part, row: Asked) -> str:
    content = json.dumps([part, asdict(row)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:24]


def _was_on(adapter: str, used: str) -> None:
    if used != adapter:
        raise AdapterUnusable(adapter, f"the engine answered with {used!r} instead; its log says why; train it again")


def _mean(numbers: Iterable[float]) -> float:
    found = list(numbers)
    return fmean(found) if found else 0.0
