"""Work that waits while nobody owns the index, and work that somebody stops."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from fakes import HashedWordsEncoder
from tiny_model import ROOT

from bot import wording
from bot.app import Stores, open_installation, open_stores
from bot.jobs.minding import minding_jobs
from bot.learning.router import RouteTeacher
from bot.messages import STOPPED, IngestReport, JobStatus
from bot.owner import ownership
from bot.ports import Progress, silent
from bot.settings import DomainSettings, Settings, StorageSettings
from bot.work import serving_jobs

NO_QUESTION = {"rows": [{"id": "q1", "text": ""}]}  # answered without any model
INGEST = {"domain": "shop", "paths": [], "access": ["everyone"], "prune": False}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    # The general set's embeddings lie there already, so that no model has to be loaded.
    RouteTeacher(HashedWordsEncoder(), None, tmp_path / "router").tasks()  # type: ignore[arg-type]  # no model for it
    shop = DomainSettings(name="shop", description="What the shop sells")
    return Settings(storage=StorageSettings(directory=tmp_path, models=ROOT / "var" / "models"), domains=(shop,))


@dataclass
class EndlessSync:
    """Reads documents for ever."""

    begun: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)

    def ingest(self, *_: object, progress: Progress = silent, **_more: object) -> IngestReport:
        try:
            while True:
                progress(1, 0, "Ingesting")
                self.begun.set()
                self.left.wait(0.02)
        finally:
            self.left.set()

    def listed(self, domain: str) -> tuple[()]:
        return ()

    def list_documents(self, domain: str) -> IngestReport:
        return IngestReport(documents=0, chunks=0)


@asynccontextmanager
async def owner(settings: Settings, stores: Stores, sync: EndlessSync) -> AsyncIterator[None]:
    with ownership(settings.storage.directory) as mine:
        assert mine
        async with open_installation(settings, silent, stores) as here:
            here = replace(here, sync=sync)  # type: ignore[arg-type]  # what is needed of it
            async with serving_jobs(here):
                yield


async def status_when(stores: Stores, job: int, holds: Callable[[JobStatus], bool]) -> JobStatus:
    while True:
        status = await stores.jobs.status(job)
        if holds(status):
            return status
        await asyncio.sleep(0.05)


def ended(status: JobStatus) -> bool:
    return status.state in ("done", "failed")


async def test_work_that_waits_is_done_where_nobody_owns_the_index(settings: Settings) -> None:
    async with open_stores(settings) as stores, minding_jobs(settings, stores):
        job = await stores.jobs.submit("answer", NO_QUESTION)

        status = await status_when(stores, job, ended)
        await asyncio.sleep(0.5)

        assert (status.state, status.result[0]["text"]) == ("done", wording.EMPTY)
        with ownership(settings.storage.directory) as free:
            assert free


async def test_work_is_left_to_who_owns_the_index(settings: Settings) -> None:
    with ownership(settings.storage.directory):
        async with open_stores(settings) as stores, minding_jobs(settings, stores):
            job = await stores.jobs.submit("answer", NO_QUESTION)
            await asyncio.sleep(1)

            assert (await stores.jobs.status(job)).state == "waiting"


async def test_stopped_work_ends_and_says_so(settings: Settings) -> None:
    sync = EndlessSync()
    async with open_stores(settings) as stores, owner(settings, stores, sync):
        job = await stores.jobs.submit("ingest", INGEST)
        await asyncio.to_thread(sync.begun.wait, 20)

        await stores.jobs.stop(job)

        status = await status_when(stores, job, ended)
        other = await status_when(stores, await stores.jobs.submit("answer", NO_QUESTION), ended)
        assert (status.state, status.error, sync.left.is_set()) == ("failed", STOPPED, True)
        assert other.state == "done"  # whoever owns the index goes on


async def test_owner_that_leaves_has_its_work_done_anew(settings: Settings) -> None:
    sync = EndlessSync()
    async with open_stores(settings) as stores:
        async with owner(settings, stores, sync):
            job = await stores.jobs.submit("ingest", INGEST)
            await asyncio.to_thread(sync.begun.wait, 20)
        left = await stores.jobs.status(job)
        await stores.jobs.requeue_running()

        assert (left.state, (await stores.jobs.status(job)).state) == ("running", "waiting")
