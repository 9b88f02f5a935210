"""
Training without being told to: when enough answers were approved, at night, one domain at a time.

A round builds the dataset, trains in a process of its own that gives way to every question, and asks the gate. What the
gate lets through waits for an admin, unless the settings say that it answers from then on. Each step ends the same when
it is done again, so a round that was cut off by a stop goes on in the next night.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from adapters.datasets.building import SEED
from adapters.registry import AdapterVersion
from bot.app import Installation
from bot.errors import PointsmanError
from bot.jobs.apart import train_apart
from bot.learning.schedule import approved_since, is_due
from bot.messages import now
from bot.ports import AuditLog, CurationStore, DatasetStore, silent
from bot.rows import Row
from bot.settings import Settings
from bot.work import WORKERS

log = structlog.get_logger()

LOOK_SECONDS = 60.0
WHO = "pointsman"  # by whom the audit log says it was done

Train = Callable[[Settings, str, str], Awaitable[str]]
"""Called with settings, domain and dataset version. Returns: the new adapter's label. Raises: TrainingError."""


@contextlib.asynccontextmanager
async def learning(here: Installation) -> AsyncIterator[None]:
    """While the block runs, domains are trained anew as the settings say."""
    if not here.settings.learning.retrain_after:
        yield
        return
    task = asyncio.create_task(retraining(here).watch())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def retraining(here: Installation) -> "Retraining":
    """What looks after an installation."""

    async def do(kind: str, payload: Row) -> Row:
        found: Row = await WORKERS[kind](here, payload, silent)
        return found

    async def train(settings: Settings, domain: str, version: str) -> str:
        async with here.training:
            return await train_apart(settings, domain, version)

    stores = here.stores
    return Retraining(
        settings=here.settings,
        reviews=stores.reviews,
        datasets=stores.datasets,
        versions=here.registry.all,
        audit=stores.audit,
        do=do,
        train=train,
    )


def local_time() -> datetime:
    """The time on the operator's clock."""
    return now().astimezone()


@dataclass(slots=True, kw_only=True)
class Retraining:
    """Looks once a minute whether a domain is due."""

    settings: Settings
    reviews: CurationStore
    datasets: DatasetStore
    versions: Callable[[], Sequence[AdapterVersion]]  # oldest first
    audit: AuditLog
    do: Callable[[str, Row], Awaitable[Row]]  # a job of bot.work by its name
    train: Train = train_apart
    clock: Callable[[], datetime] = local_time
    tried: dict[str, int] = field(default_factory=dict)  # by domain, with how many approved answers a round failed

    async def watch(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for domain in self.settings.domains:
                try:
                    await self.look(domain.name)
                except PointsmanError as exc:
                    log.warning("a training that was due failed", domain=domain.name, reason=str(exc))
                    await self.audit.record(WHO, f"learning.failed {domain.name}", None, {"reason": str(exc)})

    async def look(self, domain: str) -> None:
        """
        One round for *domain*, if it is due.

        Raises: PointsmanError if a step fails; it is tried again when the number of approved answers has changed.
        """
        approved = approved_since(await self.reviews.all(), domain, await self._learnt_until(domain))
        if self.tried.get(domain) == approved or not is_due(self.settings.learning, approved, self.clock()):
            return
        self.tried[domain] = approved
        dataset = await self.do("dataset", {"domain": domain, "kind": "sft", "by": WHO, "seed": SEED})
        log.info("training", domain=domain, dataset=dataset["version"])
        label = await self.train(self.settings, domain, dataset["version"])
        await self._hand_over(domain, label)
        del self.tried[domain]

    async def _learnt_until(self, domain: str) -> datetime | None:
        """When the dataset of the domain's newest version was built; None where there is no such version."""
        own = [version for version in self.versions() if version.domain == domain and "@" in version.dataset]
        dataset = await self.datasets.find(domain, own[-1].dataset.partition("@")[2]) if own else None
        return dataset.created if dataset else None

    async def _hand_over(self, domain: str, label: str) -> None:
        """Past the gate, if the settings say so; else the admins find its report beside the candidate."""
        automatic = self.settings.learning.promote == "automatic"
        payload = {"domain": domain, "version": label.partition("@")[2], "by": WHO}
        found = await self.do("promote" if automatic else "judge", payload)
        after = {"adapter": label, "passed": found["passed"], "promoted": automatic and found["passed"]}
        await self.audit.record(WHO, f"learning.trained {domain}", None, after)
