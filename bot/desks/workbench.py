"""The learn page's desk: reads what was built, trained and judged, and hands work to whoever owns the index."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from adapters.datasets.building import SEED
from adapters.registry import NONE, AdapterRegistry, AdapterVersion
from adapters.stages import Stages
from bot.app import Stores, open_router_versions
from bot.errors import AdapterNotFound, Conflict, NotFound, StoreError
from bot.learning.checks import Check
from bot.learning.comparison import Comparison
from bot.learning.course import Course, read_course
from bot.learning.exhibits import Adapter, Change, Domain, GateReport, Router, Undertaking
from bot.learning.schedule import COUNTED
from bot.messages import BEING_DONE, DatasetVersion
from bot.settings import Settings
from bot.store.waiting import SqlWaiting

KINDS = (
    "dataset",
    "train",
    "judge",
    "promote",
    "share",
    "rollback",
    "retire",
    "router train",
    "router promote",
    "router rollback",
)
ADDED = ("by", "seed", "request", "decisions")  # to what somebody asked for
UNREVIEWED = "no reviewed reply of "  # how the error begins that no dataset can be built; more reviews may help
# Errors of a training that say what is wrong with its dataset or its form, which stay the same.
HOPELESS = re.compile(r"too few|tokens, at most|learns to refuse|with other answers|can start there|deadline passed")
SHOWN = 10  # rows that became better, and as many that became worse


@dataclass(frozen=True, slots=True)
class Workbench:
    """See console.ports.Workbench; work is a job in the database, so it survives tabs, and services that are killed."""

    settings: Settings
    stores: Stores
    registry: AdapterRegistry

    async def domain(self, name: str) -> Domain:
        """Returns: everything about a domain's adapter. Raises: NotFound if there is no such domain."""
        if name not in self._names:
            raise NotFound(f"{name!r} is no domain of pointsman.toml")
        datasets = [version for version in await self.stores.datasets.all() if version.domain == name]
        since = max((version.created for version in datasets), default=None)
        approved = await SqlWaiting(self.stores.database).approved(name, COUNTED, since)
        return await asyncio.to_thread(self._domain, name, approved, tuple(reversed(datasets)))

    async def dataset(self, domain: str, version: str) -> DatasetVersion:
        """Raises: NotFound if there is none."""
        found = await self.stores.datasets.find(domain, version)
        if found is None:
            raise NotFound(f"{domain} has no dataset {version}")
        return found

    async def compared(self, domain: str, first: str, second: str) -> Comparison:
        """Returns: how two adapters are voted on, by their answers in one domain."""
        tallies = self.stores.tallies
        return Comparison(first=await tallies.of(first, domain=domain), second=await tallies.of(second, domain=domain))

    async def router(self) -> Router:
        """Returns: the router's versions."""
        return await asyncio.to_thread(self._router)

    async def undertakings(self) -> Sequence[Undertaking]:
        """Returns: what runs, and what ended and was not put away, oldest first."""
        return tuple(Undertaking(listed=listed) for listed in await self.stores.jobs.listed(KINDS))

    async def courses(self) -> Mapping[str, Course]:
        """Returns: by domain the newest training, running or not."""
        names = [domain.name for domain in self.settings.domains]
        found = await asyncio.to_thread(lambda: {name: read_course(self._training(name)) for name in names})
        return {name: course for name, course in found.items() if course}

    async def begin(self, kind: str, payload: Mapping[str, Any], *, by: str) -> None:
        """
        Hand work over; it goes on whatever becomes of the page.

        Raises: Conflict if the same is being done, or another training runs.
        """
        domain = str(payload.get("domain") or "")
        await self._require_free(kind, domain, payload)
        whole = dict(payload) | {"by": by, "request": uuid4().hex}
        if kind == "dataset":
            whole |= {"seed": SEED, "decisions": await self.stores.reviews.count()}
        try:
            await self.stores.jobs.submit(kind, whole, sole=_sole(kind, domain, payload))
        except Conflict:  # somebody began something at the same moment, which can be seen by now
            await self._require_free(kind, domain, payload)
            raise
        if kind == "train":
            await self.stores.audit.record(by, f"training.start {domain}", None, dict(payload))

    async def stop(self, job: int, *, by: str) -> None:
        """Have work end before its time; a training that is started again goes on where it was."""
        found = await self.find(job)
        if not found.ended:
            await self.stores.jobs.stop(job)
            what = "training.stop" if found.kind == "train" else "work.stop"
            await self.stores.audit.record(by, f"{what} {found.domain or 'router'}", None, {"work": found.kind})

    async def again(self, job: int, *, by: str) -> None:
        """Begin work once more that failed or was stopped. Raises: Conflict."""
        found = await self.find(job)
        if not found.ended:
            raise Conflict(BEING_DONE)
        if not await self.repeatable(found):
            raise Conflict("this would end the same way again; do first what it says")
        own = {name: value for name, value in found.payload.items() if name not in ADDED}
        await self.begin(found.kind, own, by=by)
        await self.stores.jobs.forget(job)

    async def repeatable(self, work: Undertaking) -> bool:
        """Whether work that failed or was stopped may end well once it is begun again."""
        error = work.listed.status.error
        if not work.ended or error is None or HOPELESS.search(error):
            return False
        if any(
            _same(each, work.kind, work.domain, work.payload) for each in await self.undertakings() if not each.ended
        ):
            return False
        if error.startswith(UNREVIEWED) and await self.stores.reviews.count() == work.payload.get("decisions"):
            return False
        if work.domain:
            return work.domain in self._names and _allows(await self.domain(work.domain), work)
        return _router_allows(await self.router(), work)

    async def put_away(self, job: int) -> None:
        """Show the outcome of ended work no longer."""
        if (await self.find(job)).ended:
            await self.stores.jobs.forget(job)

    async def find(self, job: int) -> Undertaking:
        """Raises: NotFound if somebody has put it away."""
        found = next((each for each in await self.undertakings() if each.id == job), None)
        if found is None:
            raise NotFound("this is no longer there; somebody has put it away")
        return found

    async def _require_free(self, kind: str, domain: str, payload: Mapping[str, Any]) -> None:
        """Raises: Conflict if the same is being done, or another training runs."""
        running = [each for each in await self.undertakings() if not each.ended]
        if any(_same(each, kind, domain, payload) for each in running):
            raise Conflict(BEING_DONE)
        if kind != "train":
            return
        if any(each.kind == "train" for each in running) or any(c.running for c in (await self.courses()).values()):
            raise Conflict("another training runs, and there is one at a time; wait for its end, or stop it")

    @property
    def _names(self) -> Sequence[str]:
        return [domain.name for domain in self.settings.domains]

    def _training(self, domain: str) -> Path:
        return self.settings.storage.directory / "training" / domain

    def _domain(self, name: str, approved: int, datasets: tuple[DatasetVersion, ...]) -> Domain:
        damaged, stages, answering, back = "", Stages(), dict[str, float](), None
        try:
            stages, answering = self.registry.stages(name), self.registry.answering(name)
            back = self._back(name, stages)
            versions = [version for version in self.registry.all() if version.domain in (name, None)]
        except StoreError as exc:
            damaged, versions = str(exc), []
        adapters = [self._adapter(version, answering) for version in reversed(versions)]
        return Domain(
            name=name,
            approved=approved,
            datasets=datasets,
            adapters=tuple(sorted(adapters, key=lambda each: each.shipped)),
            course=read_course(self._training(name)),
            setting=self.registry.setting(name),
            back=back,
            damaged=damaged,
        )

    def _back(self, name: str, stages: Stages) -> str | None:
        if stages.canary:
            return self.registry.label(name, stages.production)
        return self.registry.label(name, stages.earlier[-1]) if stages.earlier else None

    def _adapter(self, version: AdapterVersion, answering: Mapping[str, float]) -> Adapter:
        share = answering.get(version.label, 0.0)
        shipped = version.domain is None
        stage = ("production" if share else "retired") if shipped else version.status
        score = version.scores.get("domain")
        return Adapter(
            label=version.label,
            version=version.version,
            stage=stage,
            share=share,
            created=version.created,
            numbers=_json(version.folder / "training.json"),
            score=float(score) if isinstance(score, int | float) else None,
            report=None if shipped else self._report(version.label),
            shipped=shipped,
        )

    def _report(self, label: str) -> GateReport | None:
        try:
            row = _json(self.registry.report_folder(label) / "gate.json")
            return _report(row) if row else None
        except (AdapterNotFound, KeyError, TypeError, ValueError):  # a report of another release
            return None

    def _router(self) -> Router:
        found = open_router_versions(self.settings)
        stages = found.stages
        versions = [(version, stages.status(version.version)) for version in reversed(found.all())]
        return Router(versions=tuple(versions), back=found.before)


def _same(work: Undertaking, kind: str, domain: str, payload: Mapping[str, Any]) -> bool:
    """Whether *work* is what somebody wants done; datasets of two kinds are built beside each other."""
    alike = (work.kind, work.domain) == (kind, domain)
    return alike and (kind != "dataset" or work.payload.get("kind") == payload.get("kind"))


def _sole(kind: str, domain: str, payload: Mapping[str, Any]) -> str:
    """What may be under way once: a training, whatever the domain, and what is the same by `_same`."""
    return kind if kind == "train" else json.dumps([kind, domain, payload.get("kind") if kind == "dataset" else ""])


def _allows(domain: Domain, work: Undertaking) -> bool:
    """Whether what *work* needs is there."""
    version = str(work.payload.get("version"))
    stage = next((each.stage for each in domain.adapters if each.version == version and not each.shipped), None)
    return {
        "dataset": True,
        "train": any(each.version == work.payload.get("dataset") for each in domain.datasets),
        "judge": stage is not None,
        "promote": stage not in (None, "production"),
        "retire": stage in ("candidate", "canary"),
        "share": domain.canary is not None,
        "rollback": domain.back is not None,
    }[work.kind]


def _router_allows(router: Router, work: Undertaking) -> bool:
    stages = {version.version: stage for version, stage in router.versions}
    return {
        "router train": True,
        "router promote": stages.get(str(work.payload.get("version"))) not in (None, "production"),
        "router rollback": router.back is not None,
    }[work.kind]


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, or being written
        return {}
    return found if isinstance(found, dict) else {}


def _report(row: Mapping[str, Any]) -> GateReport:
    production = row.get("production") or {}
    changes = _changes(row.get("candidate") or {}, production)
    return GateReport(
        passed=bool(row["passed"]),
        against=str(production.get("adapter", NONE)),
        created=str(row["created"]),
        reasons=tuple(map(str, row["reasons"])),
        notes=tuple(map(str, row["notes"])),
        checks=tuple(Check(**check) for check in row["checks"]),
        worse=tuple(change for change in changes if change.after < change.before)[:SHOWN],
        better=tuple(change for change in reversed(changes) if change.after > change.before)[:SHOWN],
    )


def _changes(candidate: Mapping[str, Any], production: Mapping[str, Any]) -> list[Change]:
    """The questions that both answered, those that became worst first; of perplexity every row changes a little."""
    held = {(row["part"], row["id"]): row for row in production.get("rows", ())}
    both = [(row, held.get((row["part"], row["id"]))) for row in candidate.get("rows", ()) if row["part"] != "surprise"]
    found = [
        Change(
            question=row["question"],
            before=before["score"],
            after=row["score"],
            said=row["text"],
            said_before=before["text"],
        )
        for row, before in both
        if before
    ]
    return sorted(found, key=lambda change: change.after - change.before)
