"""
Releases: which version of a domain's adapter answers, changed while questions are answered.

    candidate -> canary (a share of the conversations) -> production -> retired, and back

An answer that has begun keeps its adapter; the next question gets the new one, which is loaded by then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from adapters.gate.evaluation import Evaluation, Evaluator
from adapters.gate.exam import Exam, exam_for
from adapters.gate.gate import Examination, Verdict, examine
from adapters.gate.report import write_report
from adapters.registry import NONE, PRODUCTION, SHIPPED_LABEL, AdapterRegistry
from adapters.stages import Stages, stages_row
from bot.app import Installation, evaluator
from bot.errors import AdapterUnusable, InputError
from bot.ports import AuditLog, DatasetStore, Progress
from bot.rows import Row

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Releaser:
    """Judges the versions of a domain's adapter, promotes them and takes them back."""

    registry: AdapterRegistry
    evaluator: Evaluator
    prepare: Callable[[str], Awaitable[None]]  # loads an adapter before the first question that it answers
    datasets: DatasetStore
    audit: AuditLog
    directory: Path  # the storage directory
    evaluating: asyncio.Lock  # held for minutes, until the report is written
    releasing: asyncio.Lock  # held for milliseconds: a rollback never waits for an evaluation
    write_report: Callable[[Verdict, Evaluation | None, Evaluation | None, Path], None] = write_report

    async def evaluate(self, label: str, progress: Progress) -> Row:
        """
        What an adapter scores, on the exam that it would have to pass now.

        Raises: AdapterNotFound, AdapterUnusable.
        """
        version = self.registry.get(label)
        exam = Exam()
        if version.domain:
            exam = await self._exam(label, self.registry.production(version.domain))
        async with self.evaluating:
            found = await self.evaluator.evaluate(label, exam.probe, progress)
            await asyncio.to_thread(self._keep, found)
        return {
            "adapter": label,
            "scores": found.scores,
            "probe": found.probe,
            "rows": len(found.rows),
            "notes": _told(exam),
        }

    async def judge(self, domain: str, version: str | None, progress: Progress) -> Row:
        """
        What the gate says to a version; nothing changes but the report beside it.

        Raises: InputError, AdapterNotFound if there is no such version.
        """
        row, _ = await self._judged(domain, self._chosen(domain, version), self.registry.stages(domain), progress)
        return row

    async def promote(
        self, domain: str, version: str | None, *, share: float | None, by: str, request: str, progress: Progress
    ) -> Row:
        """
        What became of a version that is to answer: in production, or as a canary for a *share* of the conversations.

        *request*: the same again, after a kill, is not done twice.
        Raises: InputError if there is no such version, or the stages changed meanwhile; AdapterNotFound.
        """
        before = self.registry.stages(domain)
        if request and before.request == request:
            return self._released(domain, before) | {"passed": True, "promoted": True, "reasons": []}
        chosen = self._chosen(domain, version)
        if before.production == chosen:
            raise InputError(f"{domain}@{chosen} is in production already; `pointsman adapters list` shows the others")
        row, passed = await self._judged(domain, chosen, before, progress)
        if not passed:
            await self.audit.record(by, f"adapter.refuse {domain}@{chosen}", None, {"reasons": row["reasons"]})
            return row | {"promoted": False}
        after = before.with_production(chosen) if share is None else before.with_canary(chosen, share)
        await self.prepare(f"{domain}@{chosen}")
        await self._change(domain, before, replace(after, request=request), by=by, what="adapter.promote")
        released = self._released(domain, after)
        if before.canary and before.canary.version != chosen:
            released["notes"].append(f"{domain}@{before.canary.version} is no longer a canary")
        return row | released | {"promoted": True, "notes": [*row["notes"], *released["notes"]]}

    async def rollback(self, domain: str, version: str | None, *, by: str, request: str) -> Row:
        """
        What answers now that a release is taken back: the canary, if there is one, else the version in production.

        *version*: one that was released before, or the shipped adapter's label; None: what was in production before.
        Raises: InputError if there is nothing to go back to; AdapterNotFound, AdapterUnusable.
        """
        before = self.registry.stages(domain)
        if not request or before.request != request:
            after = self._back(domain, version, before)
            await self._change(domain, before, replace(after, request=request), by=by, what="adapter.rollback")
            before = after
        row = self._released(domain, before)
        try:
            await self.prepare(row["adapter"])
        except AdapterUnusable as exc:
            row["notes"].append(f"the base model answers alone: {exc}")
        return row

    async def set_share(self, domain: str, share: float, *, by: str) -> Row:
        """
        What answers now that the canary answers another *share* of the conversations; the gate let it through before.

        Raises: InputError if there is no canary, or the share is none.
        """
        before = self.registry.stages(domain)
        if before.canary is None:
            raise InputError(f"{domain} has no canary; promote a version with a share first")
        if not 0 < share < 1:
            raise InputError(f"{share} is no share of the conversations; give one between 0 and 1, such as 0.1")
        after = before.with_share(share)
        await self._change(domain, before, after, by=by, what="adapter.share")
        return self._released(domain, after)

    async def retire(self, domain: str, version: str, *, by: str) -> Row:
        """
        What answers now that *version* is not offered any more.

        Raises: InputError if it is in production or retired already, AdapterNotFound.
        """
        before, chosen = self.registry.stages(domain), self._own(domain, version)
        status = before.status(chosen)
        if status == "production":
            raise InputError(f"{domain}@{chosen} is in production; roll back, or promote another, and it is retired")
        if status == "retired":
            raise InputError(f"{domain}@{chosen} is retired already; there is nothing to do")
        after = before.without_canary() if status == "canary" else before.without_candidate(chosen)
        await self._change(domain, before, after, by=by, what="adapter.retire")
        return self._released(domain, after)

    def _chosen(self, domain: str, version: str | None) -> str:
        """The version that is meant; without one the canary, else the newest candidate."""
        stages = self.registry.stages(domain)
        if version is None:
            return stages.canary.version if stages.canary else self.registry.newest_candidate(domain)
        return self._own(domain, version)

    def _own(self, domain: str, version: str) -> str:
        """The number in "2" or "billing@2". Raises: InputError for another domain's, AdapterNotFound."""
        number = version.removeprefix(f"{domain}@")
        if "@" in number:
            raise InputError(
                f"{version} is no version of {domain}; give its number, as `pointsman adapters list` shows it"
            )
        return self.registry.find(f"{domain}@{number}").version

    def _back(self, domain: str, version: str | None, stages: Stages) -> Stages:
        """The stages after a rollback."""
        if version is None:
            if stages.canary:
                return stages.without_canary()
            if not stages.earlier:
                raise InputError(f"nothing was in production for {domain} before; there is nothing to go back to")
            target = stages.earlier[-1]
        else:
            target = None if version == SHIPPED_LABEL else self._own(domain, version)
        if target == stages.production:
            if stages.canary:
                return stages.without_canary()
            raise InputError(f"{self.registry.label(domain, target)} is in production already; there is nothing to do")
        if target is not None:
            self._fit(domain, target, stages)
        return stages.back_to(target)

    def _fit(self, domain: str, version: str, stages: Stages) -> None:
        """Refuse a version that nothing was ever released of, or that cannot answer."""
        label, status = f"{domain}@{version}", stages.status(version)
        if status == "canary":
            raise InputError(
                f"{label} is the canary; `pointsman adapters promote {domain}` puts it in production, "
                f"`pointsman adapters rollback {domain}` ends it"
            )
        if status == "candidate" or version in stages.withdrawn:
            raise InputError(
                f"{label} was never released; `pointsman adapters promote {domain} {version}` judges it first"
            )
        self.registry.get(label)

    async def _judged(self, domain: str, version: str, stages: Stages, progress: Progress) -> tuple[Row, bool]:
        """The gate's word on a version against what is in production, and whether it passed."""
        label, against = f"{domain}@{version}", self.registry.label(domain, stages.production)
        exam = await self._exam(label, against)
        async with self.evaluating:
            found = await examine(self.evaluator, label, against, exam.probe, progress)
            report = await asyncio.to_thread(self._report, label, found)  # two at once would write the same files
        verdict = found.verdict
        row = {
            "domain": domain,
            "version": version,
            "passed": verdict.passed,
            "against": against,
            "checks": [asdict(check) for check in verdict.checks],
            "reasons": list(verdict.reasons),
            "report": str(report),
            "notes": [*_told(exam), *verdict.notes],
        }
        return row, verdict.passed

    async def _exam(self, label: str, against: str) -> Exam:
        datasets = await self.datasets.all()
        lineages = self.registry.lineage(label), self.registry.lineage(against)
        return await asyncio.to_thread(exam_for, *lineages, datasets, self.directory)

    def _report(self, label: str, found: Examination) -> Path:
        for evaluation in (found.candidate, found.production):
            if evaluation and evaluation.adapter != NONE:
                self._keep(evaluation)
        folder = self.registry.report_folder(label)
        self.write_report(found.verdict, found.candidate, found.production, folder)
        return folder / "gate.html"

    def _keep(self, found: Evaluation) -> None:
        self.registry.keep_scores(found.adapter, {**found.scores, "probe": found.probe, "at": found.created})

    async def _change(self, domain: str, before: Stages, after: Stages, *, by: str, what: str) -> None:
        async with self.releasing:
            if self.registry.stages(domain) != before:
                raise InputError(f"what answers {domain} was changed by somebody else meanwhile; look, and try again")
            # First: a kill in between leaves an entry for what did not happen, and never a change without an entry.
            await self.audit.record(by, f"{what} {domain}", _without_request(before), _without_request(after))
            self.registry.change(domain, after)

    def _released(self, domain: str, stages: Stages) -> Row:
        """What answers *domain* by these stages, for people and scripts."""
        row: Row = {
            "domain": domain,
            "adapter": self.registry.label(domain, stages.production),
            "canary": _without_request(stages)["canary"],
            "notes": [],
        }
        setting = self.registry.setting(domain)
        if setting != PRODUCTION:
            row["notes"].append(
                f"{setting} goes on answering {domain}, because pointsman.toml says so; take out the line "
                "`adapter = ...` there and start Pointsman again"
            )
        return row


def _told(exam: Exam) -> list[str]:
    return [exam.note] if exam.note else []


def _without_request(stages: Stages) -> Row:
    return {name: value for name, value in stages_row(stages).items() if name != "request"}


def releaser(here: Installation) -> Releaser:
    """The releaser of an installation."""
    return Releaser(
        registry=here.registry,
        evaluator=evaluator(here),
        prepare=here.generator.prepare,
        datasets=here.stores.datasets,
        audit=here.stores.audit,
        directory=here.settings.storage.directory,
        evaluating=here.evaluating,
        releasing=here.releasing,
    )


async def _evaluate(here: Installation, payload: Payload, progress: Progress) -> Row:
    return await releaser(here).evaluate(payload["adapter"], progress)


async def _judge(here: Installation, payload: Payload, progress: Progress) -> Row:
    domain = here.settings.domain(payload["domain"]).name
    return await releaser(here).judge(domain, payload.get("version"), progress)


async def _promote(here: Installation, payload: Payload, progress: Progress) -> Row:
    return await releaser(here).promote(
        here.settings.domain(payload["domain"]).name,
        payload.get("version"),
        share=payload.get("canary"),
        by=payload["by"],
        request=payload.get("request", ""),
        progress=progress,
    )


async def _rollback(here: Installation, payload: Payload, progress: Progress) -> Row:
    return await releaser(here).rollback(
        here.settings.domain(payload["domain"]).name,
        payload.get("version"),
        by=payload["by"],
        request=payload.get("request", ""),
    )


async def _share(here: Installation, payload: Payload, progress: Progress) -> Row:
    domain = here.settings.domain(payload["domain"]).name
    return await releaser(here).set_share(domain, payload["share"], by=payload["by"])


async def _retire(here: Installation, payload: Payload, progress: Progress) -> Row:
    domain = here.settings.domain(payload["domain"]).name
    return await releaser(here).retire(domain, payload["version"], by=payload["by"])


WORKERS: dict[str, Callable[[Installation, Payload, Progress], Awaitable[Row]]] = {
    "evaluate": _evaluate,
    "judge": _judge,
    "promote": _promote,
    "rollback": _rollback,
    "share": _share,
    "retire": _retire,
}
