"""What the learn page shows, as values: what can be learnt from, what was trained, what the gate said, what runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bot.learning.checks import Check
from bot.learning.course import Course
from bot.learning.router_versions import RouterVersion
from bot.learning.router_versions import Status as RouterStatus
from bot.messages import STOPPED, DatasetVersion, ListedJob

Stage = Literal["candidate", "canary", "production", "retired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Undertaking:
    """Something that was begun on the page: it runs on without it, and its outcome stays until somebody has read it."""

    listed: ListedJob

    @property
    def id(self) -> int:
        """The job's."""
        return self.listed.job.id

    @property
    def kind(self) -> str:
        """The job's."""
        return self.listed.job.kind

    @property
    def payload(self) -> Mapping[str, Any]:
        """What was asked for."""
        return self.listed.job.payload

    @property
    def domain(self) -> str:
        """Whose adapter it is about; empty for the router."""
        return str(self.payload.get("domain") or "")

    @property
    def result(self) -> Mapping[str, Any]:
        """What came of it."""
        return self.listed.status.result or {}

    @property
    def ended(self) -> bool:
        """Well or not."""
        return self.listed.status.state in ("done", "failed")

    @property
    def stopped(self) -> bool:
        """Somebody ended it."""
        return self.listed.status.error == STOPPED


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A question of the gate that two adapters did not answer equally well."""

    question: str
    before: float  # the score in production, in [0, 1]
    after: float
    said: str
    said_before: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """What the gate said of a version, the last time it was asked."""

    passed: bool
    against: str  # the adapter that it was compared with
    created: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    checks: tuple[Check, ...]
    worse: tuple[Change, ...] = ()  # most first
    better: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One version of a domain's adapter, or the one that comes with the product."""

    label: str
    version: str
    stage: Stage
    share: float  # of the conversations that it answers now
    created: str
    numbers: Mapping[str, Any]  # what training.json holds
    score: float | None  # of the domain, from its newest evaluation
    report: GateReport | None
    shipped: bool = False

    @property
    def losses(self) -> tuple[tuple[int, float], ...]:
        """Step and loss, as they were written down."""
        return tuple((int(step), float(loss)) for step, loss in self.numbers.get("loss", ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """Everything about one domain's adapter."""

    name: str
    approved: int  # answers since the newest dataset that was built, or ever
    datasets: tuple[DatasetVersion, ...]  # newest first
    adapters: tuple[Adapter, ...]  # newest first, the shipped one last
    course: Course | None  # of the newest training
    setting: str  # "production", or what pointsman.toml has answer whatever is released
    back: str | None  # what a rollback leads to; None: nowhere
    damaged: str = ""  # why the stages cannot be read

    @property
    def canary(self) -> Adapter | None:
        """The version that answers a share of the conversations."""
        return next((adapter for adapter in self.adapters if adapter.stage == "canary"), None)

    @property
    def answering(self) -> tuple[Adapter, ...]:
        """Those that answer now."""
        return tuple(adapter for adapter in self.adapters if adapter.share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """The router's versions."""

    versions: tuple[tuple[RouterVersion, RouterStatus], ...]  # newest first
    back: str | None  # what a rollback leads to
