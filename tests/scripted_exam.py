"""Adapters that sit the gate's exam as they are told to, without a model; the exam and the gate are the real ones."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fakes import REPLY
from fakes_learning import InMemoryDatasetStore
from tiny_model import write_numbers

from adapters.gate.evaluation import Evaluator
from adapters.gate.gate import Verdict
from adapters.gate.probe import ProbeRow, shipped_probe
from adapters.registry import AdapterRegistry
from bot.app import Installation, evaluator
from bot.errors import AdapterUnusable
from bot.jobs.releasing import Releaser
from bot.messages import Completion, Reply
from bot.ports import silent
from bot.rows import Row

ANSWERABLE = [row for row in shipped_probe().domain if row.answer is not None]


@dataclass
class Script:
    """How many of the questions that can be answered each adapter gets right; it abstains from all others."""

    shares: Mapping[str, float]  # by label
    extra: Sequence[ProbeRow] = ()  # rows beside the shipped ones
    asked: list[str] = field(default_factory=list)  # the adapters, once for each row
    begun: asyncio.Event = field(default_factory=asyncio.Event)  # set by the first question
    open: asyncio.Event = field(default_factory=asyncio.Event)  # while it is closed, nobody answers

    def __post_init__(self) -> None:
        self.open.set()

    async def answer(self, question: str, passages: tuple[str, ...], adapter: str) -> Reply:
        self.begun.set()
        await self.open.wait()
        self.asked.append(adapter)
        rows = [*ANSWERABLE, *(row for row in self.extra if row.answer is not None)]
        right = {row.question: row.answer for row in rows[: round(len(rows) * self.shares[adapter])]}
        text = right.get(question)
        return replace(REPLY, text=text or "I don't know.", abstained=text is None, adapter=adapter)

    async def complete(self, question: str, adapter: str) -> Completion:
        self.asked.append(adapter)
        return Completion(text="As ever.", model="tiny", adapter=adapter, prompt_tokens=9, completion_tokens=2)

    async def surprise(self, pairs: Sequence[tuple[str, str]], adapter: str) -> list[float]:
        return [2.0] * len(pairs)

    def evaluator(self, directory: Path, **more: Any) -> Evaluator:
        return Evaluator(
            answer=self.answer,
            complete=self.complete,
            surprise=self.surprise,
            directory=directory,
            model="tiny",
            **more,
        )


async def sit_exam(here: Installation, shares: Mapping[str, float]) -> None:
    """Have adapters of an installation answer the shipped probe by a script; its own evaluator finds what they said."""
    script = Script(shares)
    scripted = replace(evaluator(here), answer=script.answer, complete=script.complete, surprise=script.surprise)
    for label in shares:
        await scripted.evaluate(label, shipped_probe())


SHARES = {"none": 0.0, "billing@1": 0.3, "billing@2": 0.6, "billing@3": 0.9, "billing@4": 0.3}


@dataclass
class Audit:
    entries: list[tuple[str, str, Any, Any]] = field(default_factory=list)

    async def record(self, who: str, what: str, before: object = None, after: object = None) -> None:
        self.entries.append((who, what, before, after))


@dataclass
class Yard:
    """A domain with four versions; each is better than the one before it, but the last is like the first."""

    folder: Path
    setting: str = "production"
    script: Script = field(default_factory=lambda: Script(SHARES))
    audit: Audit = field(default_factory=Audit)
    loaded: list[tuple[str, str]] = field(default_factory=list)  # each adapter, and which one answered meanwhile
    broken: Sequence[str] = ()

    def __post_init__(self) -> None:
        for number in range(1, 5):
            home = self.folder / "adapters" / "billing" / str(number)
            write_numbers(home, base_model="tiny", created=f"2030-01-0{number}T00:00:00+00:00")
        self.registry = AdapterRegistry(self.folder / "adapters", {"billing": self.setting}, "tiny")
        self.releaser = Releaser(
            registry=self.registry,
            evaluator=self.script.evaluator(self.folder / "evaluations"),
            prepare=self.prepare,
            datasets=InMemoryDatasetStore(),
            audit=self.audit,
            directory=self.folder,
            evaluating=asyncio.Lock(),
            releasing=asyncio.Lock(),
            write_report=self.report,
        )

    def report(self, verdict: Verdict, candidate: object, production: object, folder: Path) -> None:
        """The real one is drawn for a second."""
        folder.mkdir(exist_ok=True)
        (folder / "gate.html").write_text(str(verdict.passed))

    async def prepare(self, adapter: str) -> None:
        if adapter in self.broken:
            raise AdapterUnusable(adapter, "it is torn")
        self.loaded.append((adapter, self.current))

    async def promote(self, version: str | None = None, share: float | None = None, request: str = "") -> Row:
        return await self.releaser.promote("billing", version, share=share, by="ada", request=request, progress=silent)

    async def rollback(self, version: str | None = None, request: str = "") -> Row:
        return await self.releaser.rollback("billing", version, by="bob", request=request)

    @property
    def current(self) -> str:
        return self.registry.current("billing", "T1")

    @property
    def statuses(self) -> list[str]:
        return [version.status for version in self.registry.all() if version.domain]
