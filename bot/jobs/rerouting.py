"""The router's changes as jobs: done by the process that owns the index, while it answers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

from bot.app import Installation, router_changes
from bot.learning.router_changes import Outcome
from bot.learning.router_versions import RouterVersion, Status
from bot.ports import Progress
from bot.rows import Row

Payload = Mapping[str, Any]


def version_row(version: RouterVersion, status: Status) -> Row:
    """A version of the router as lists have it."""
    return {
        "version": version.version,
        "status": status,
        "origin": version.origin,
        "created": version.created,
        "examples": dict(version.examples),
        "hash": version.hash,
        "scores": {check.name: round(check.candidate, 4) for check in version.checks},
    }


def outcome_row(outcome: Outcome, status: Status) -> Row:
    """What became of a version."""
    verdict = outcome.verdict
    return version_row(outcome.version, status) | {
        "made": outcome.made,
        "against": outcome.version.against,
        "left_out": dict(outcome.left_out),
        "checks": [asdict(check) for check in (verdict.checks if verdict else outcome.version.checks)],
        "reasons": list(verdict.reasons if verdict else () if outcome.in_use else outcome.version.reasons),
    }


async def _train(here: Installation, payload: Payload, progress: Progress) -> Row:
    async with here.changing:
        changes = router_changes(here)
        outcome = await changes.train(by=payload["by"], progress=progress)
        return outcome_row(outcome, changes.versions.stages.status(outcome.version.version))


async def _promote(here: Installation, payload: Payload, progress: Progress) -> Row:
    async with here.changing:
        changes = router_changes(here)
        outcome = await changes.promote(
            payload.get("version"), by=payload["by"], request=payload.get("request", ""), progress=progress
        )
        return outcome_row(outcome, changes.versions.stages.status(outcome.version.version))


async def _rollback(here: Installation, payload: Payload, progress: Progress) -> Row:
    async with here.changing:
        changes = router_changes(here)
        outcome = await changes.rollback(
            payload.get("version"), by=payload["by"], request=payload.get("request", ""), progress=progress
        )
        return outcome_row(outcome, changes.versions.stages.status(outcome.version.version))


WORKERS: dict[str, Callable[[Installation, Payload, Progress], Awaitable[Row]]] = {
    "router train": _train,
    "router promote": _promote,
    "router rollback": _rollback,
}
