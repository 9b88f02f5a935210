"""What datasets and adapters still hold of documents that are gone; they are not changed, so somebody has to know."""

import asyncio
from collections.abc import Collection

import structlog

from bot.app import Installation
from bot.rows import Row

REMEDY = "build the datasets again, train on them, and promote what passes"

log = structlog.get_logger()


async def held_of(here: Installation, domain: str, gone: Collection[str], *, by: str) -> Row:
    """
    The datasets and adapters that used documents of *domain* that are gone, by their labels; empty where none did.

    They are in the log and in the audit log from now on.
    """
    datasets = [
        version.label
        for version in await here.stores.datasets.all()
        if version.domain == domain and not set(version.documents).isdisjoint(gone)
    ]
    if not datasets:
        return {}
    adapters = await asyncio.to_thread(here.registry.trained_on, datasets)
    held = {"documents": sorted(gone), "datasets": datasets, "adapters": adapters}
    log.warning("removed documents are still in datasets and adapters", domain=domain, remedy=REMEDY, **held)
    await here.stores.audit.record(by, f"knowledge.removed {domain}", None, held)
    return held
