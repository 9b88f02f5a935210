"""
Work on the index: done here, or by the process that owns it.

Run as a program, this file is an owner that takes one job and then does nothing any more.
"""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from fakes import FixedRetriever, FixedRouter, HashedWordsEncoder
from fakes_jobs import InMemoryJobQueue
from patience import PATIENCE
from tiny_model import ROOT

from bot import wording
from bot.app import Installation, Stores, open_installation, open_stores
from bot.errors import InputError, PointsmanError, StoreError
from bot.learning.router import RouteTeacher
from bot.messages import IngestReport, Passage, RouteChoice
from bot.owner import ownership
from bot.ports import Progress, silent
from bot.settings import DomainSettings, Settings, StorageSettings
from bot.work import run, serving_jobs

NO_QUESTION = {"rows": [{"id": "q1", "text": ""}]}  # answered without any model
NO_ADAPTER = {"rows": [], "adapter": "nope@9"}
INGEST = {"domain": "shop", "paths": [], "access": ["everyone"], "prune": False}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    # The general set's embeddings lie there already, so that no model has to be loaded.
    RouteTeacher(HashedWordsEncoder(), None, tmp_path / "router").tasks()  # type: ignore[arg-type]  # no model for it
    shop = DomainSettings(name="shop", description="What the shop sells")
    return Settings(storage=StorageSettings(directory=tmp_path, models=ROOT / "var" / "models"), domains=(shop,))


@asynccontextmanager
async def owner(settings: Settings, **parts: Any) -> AsyncIterator[Installation]:
    """A running Pointsman, with *parts* of it replaced."""
    with ownership(settings.storage.directory) as mine:
        assert mine
        async with open_installation(settings) as installation:
            installation = replace(installation, **parts)
            async with serving_jobs(installation):
                yield installation


async def states(settings: Settings, jobs: Sequence[int] = (1,)) -> list[str]:
    """The states of *jobs*; "forgotten" once their results were fetched."""
    async with open_stores(settings) as stores:
        return [await _state(stores, job) for job in jobs]


async def _state(stores: Stores, job: int) -> str:
    try:
        return (await stores.jobs.status(job)).state
    except StoreError:
        return "forgotten"


async def submitted(settings: Settings, job: int = 1) -> None:
    """Returns when there is such a job."""
    async with open_stores(settings) as stores:
        while True:
            try:
                await stores.jobs.status(job)
            except StoreError:
                await asyncio.sleep(0.05)
            else:
                return


async def test_without_an_owner_the_work_is_done_here_and_no_job_is_left(settings: Settings) -> None:
    (row,) = await run(settings, "answer", NO_QUESTION)

    assert (row["id"], row["text"], row["abstained"]) == ("q1", wording.EMPTY, True)
    assert await states(settings) == ["forgotten"]
    with ownership(settings.storage.directory) as free:
        assert free


async def test_owner_picks_work_up_within_two_seconds(settings: Settings) -> None:
    async with owner(settings):
        started = time.monotonic()
        (row,) = await run(settings, "answer", NO_QUESTION)
        waited = time.monotonic() - started

    assert row["text"] == wording.EMPTY and waited < 2
    assert await states(settings) == ["forgotten"]


async def test_commands_of_several_people_each_get_their_own_result(settings: Settings) -> None:
    rows = [{"rows": [{"id": number}]} for number in range(3)]

    async with owner(settings):
        found = await asyncio.gather(*(run(settings, "answer", payload) for payload in rows))

    assert [row["id"] for (row,) in found] == [0, 1, 2]
    assert await states(settings, (1, 2, 3)) == ["forgotten"] * 3


@pytest.mark.parametrize("handed_over", [False, True])
async def test_errors_travel_with_their_reason(settings: Settings, handed_over: bool) -> None:
    with pytest.raises(PointsmanError, match="adapter 'nope@9' does not exist"):
        if handed_over:
            async with owner(settings):
                await run(settings, "answer", NO_ADAPTER)
        else:
            await run(settings, "answer", NO_ADAPTER)


async def test_defect_neither_ends_the_owner_nor_leaves_the_other_side_waiting(settings: Settings) -> None:
    async with owner(settings):
        with pytest.raises(PointsmanError, match="something went wrong in the running Pointsman; its log says what"):
            await run(settings, "answer", {"no": "rows"})
        (row,) = await run(settings, "answer", NO_QUESTION)

    assert row["text"] == wording.EMPTY


async def test_work_is_taken_over_when_the_owner_leaves_without_doing_it(settings: Settings) -> None:
    said: list[str] = []
    with ownership(settings.storage.directory):
        waiting = asyncio.create_task(
            run(settings, "answer", NO_QUESTION, lambda done, total, doing: said.append(doing))
        )
        await submitted(settings)
        await asyncio.sleep(0.5)
        assert not waiting.done()

    (row,) = await asyncio.wait_for(waiting, PATIENCE)

    assert row["text"] == wording.EMPTY and await states(settings) == ["forgotten"]
    assert said[0] == "Waiting for the running Pointsman to do it"


async def test_job_that_was_taken_by_an_owner_who_was_killed_is_done_by_the_next(settings: Settings) -> None:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    command = [sys.executable, __file__, str(settings.storage.directory)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, env=environment)
    assert process.stdout and await process.stdout.readline() == b"ready\n"
    waiting = asyncio.create_task(run(settings, "answer", NO_QUESTION))
    assert await process.stdout.readline() == b"taken\n"
    assert await states(settings) == ["running"]

    process.kill()

    (row,) = await asyncio.wait_for(waiting, PATIENCE)
    await process.wait()
    assert row["text"] == wording.EMPTY and await states(settings) == ["forgotten"]


UNSERVED = [{"id": 1}, {"id": 2, "text": " ?"}, {"id": 3, "text": "Как оплатить счёт?"}]
REASONS = [wording.EMPTY, wording.EMPTY, wording.not_served("other")]
ANYTHING = FixedRetriever({"shop": [Passage(document="a.md", chunk=0, text="We sell hats.")]})


async def test_question_that_is_not_served_gets_a_reason_and_no_passages(settings: Settings) -> None:
    payload = {"rows": [*UNSERVED, {"id": 4, "text": "What do you sell?"}], "domain": "shop", "top_k": 5}

    async with owner(settings, retriever=ANYTHING):
        *unserved, served = await run(settings, "retrieve", payload)

    assert [(row["id"], row["abstained"], row["text"]) for row in unserved] == [
        (number, True, reason) for number, reason in enumerate(REASONS, 1)
    ]
    assert [row["passages"] for row in unserved] == [[]] * 3
    assert served.keys() == {"id", "passages"} and len(served["passages"]) == 1


async def test_question_that_is_not_served_gets_a_reason_and_is_not_routed(settings: Settings) -> None:
    rows = [*UNSERVED, {"id": 4, "text": "shop: "}, {"id": 5, "text": "What do you sell?"}]
    shop = RouteChoice(route="shop", probability=0.9, domain_probability=0.9)

    async with owner(settings, retriever=ANYTHING, router=FixedRouter(shop)):
        *unserved, served = await run(settings, "route", {"rows": rows})

    nowhere = {"route": "general", "probability": 0.0, "domain_probability": 0.0, "decision": "answer"}
    for row, reason in zip(unserved, [*REASONS, wording.EMPTY], strict=True):
        assert row == {"id": row["id"], **nowhere, "abstained": True, "text": reason}
    assert served.keys() == {"id", *nowhere} and served["route"] == "shop"


async def test_row_whose_passages_are_no_texts_says_so_and_the_others_are_answered(settings: Settings) -> None:
    rows = [{"id": 1, "text": "Why?", "passages": "a text"}, {"id": 2, "text": "Why?", "passages": ["a", 5]}, {"id": 3}]

    found = await run(settings, "answer", {"rows": rows})

    assert [(row["id"], row["abstained"]) for row in found] == [(1, True), (2, True), (3, True)]
    wrong = "passages is a list of texts; leave it out to have the documents searched"
    assert [row["text"] for row in found] == [wrong, wrong, wording.EMPTY]


class EmptyList:
    """What all of these have listed."""

    def listed(self, domain: str) -> tuple[()]:
        return ()

    def list_documents(self, domain: str) -> IngestReport:
        return IngestReport()


@dataclass
class EndlessSync(EmptyList):
    """Ingests one document after the other, for ever."""

    steps: int = 0
    begun: threading.Event = field(default_factory=threading.Event)

    def ingest(self, *_: object, progress: Progress = silent, **_more: object) -> IngestReport:
        while True:
            progress(self.steps, 0, "Ingesting")
            self.steps += 1
            self.begun.set()
            time.sleep(0.02)


class BrokenSync(EmptyList):
    def ingest(self, *_: object, progress: Progress = silent, **_more: object) -> IngestReport:
        raise InputError("docs does not exist")


class NothingNew(EmptyList):
    def ingest(self, *_: object, progress: Progress = silent, **_more: object) -> IngestReport:
        return IngestReport(documents=1, chunks=1)


@dataclass
class Lesson:
    """A teacher and a router that knows the shop; counts what was taught."""

    behind: bool
    domains: tuple[str, ...] = ("shop",)
    taught: int = 0

    async def teach(self, *_: object) -> dict[str, object]:
        self.taught += 1
        return {}

    def use(self, classifiers: object) -> None:
        pass


@pytest.mark.parametrize("behind", [True, False])
async def test_teaching_that_was_cut_short_is_made_up_for_by_the_next_ingest(settings: Settings, behind: bool) -> None:
    lesson = Lesson(behind)

    async with owner(settings, sync=NothingNew(), teacher=lesson, router=lesson):
        await run(settings, "ingest", INGEST)

    assert lesson.taught == behind


async def test_owner_that_leaves_stops_writing_to_the_index(settings: Settings) -> None:
    sync = EndlessSync()
    async with owner(settings, sync=sync):
        async with open_stores(settings) as stores:
            await stores.jobs.submit("ingest", INGEST)
        assert await asyncio.to_thread(sync.begun.wait, 10)

    steps = sync.steps
    await asyncio.sleep(0.1)
    assert sync.steps == steps
    assert await states(settings) == ["running"]  # the next owner begins it again


async def test_question_is_answered_while_an_ingest_that_was_handed_over_goes_on(settings: Settings) -> None:
    sync = EndlessSync()
    async with owner(settings, sync=sync):
        async with open_stores(settings) as stores:
            await stores.jobs.submit("ingest", INGEST)
        assert await asyncio.to_thread(sync.begun.wait, 10)

        (row,) = await asyncio.wait_for(run(settings, "answer", NO_QUESTION), 10)

    assert row["text"] == wording.EMPTY


async def test_ingest_that_fails_says_why(settings: Settings) -> None:
    async with owner(settings, sync=BrokenSync()):
        with pytest.raises(PointsmanError, match="docs does not exist"):
            await run(settings, "ingest", INGEST)


class SlowQueue(InMemoryJobQueue):
    """Takes its time to look; counts how often it was stopped while it did."""

    stopped = 0

    async def take(self) -> None:
        try:
            await asyncio.sleep(0.2)
        except asyncio.CancelledError:
            self.stopped += 1
            raise


async def test_owner_that_leaves_does_not_break_off_in_the_database(settings: Settings) -> None:
    async with owner(settings) as here:
        slow = SlowQueue()
        async with serving_jobs(replace(here, stores=replace(here.stores, jobs=slow))):
            await asyncio.sleep(0.05)

    assert slow.stopped == 0


async def take_and_hang(directory: Path) -> None:
    with ownership(directory):
        async with open_stores(Settings(storage=StorageSettings(directory=directory))) as stores:
            print("ready", flush=True)
            for _ in range(1_000):
                if await stores.jobs.take():
                    print("taken", flush=True)
                await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(take_and_hang(Path(sys.argv[1])))
