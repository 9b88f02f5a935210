"""What every queue of jobs does, run over the fake and over the SQL database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes_jobs import InMemoryJobQueue

from bot.errors import Conflict, StoreError
from bot.messages import STOPPED, Job
from bot.ports import JobQueue
from bot.store.database import open_database
from bot.store.jobs import KEPT, SqlJobQueue


@pytest.fixture(params=["memory", "sql"])
async def jobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[JobQueue]:
    if request.param == "memory":
        yield InMemoryJobQueue()
        return
    async with open_database(f"sqlite:///{tmp_path / 'pointsman.db'}") as database:
        yield SqlJobQueue(database)


async def test_jobs_are_taken_oldest_first_and_once(jobs: JobQueue) -> None:
    ingest = await jobs.submit("ingest", {"paths": ["docs"], "prune": True})
    promote = await jobs.submit("promote", {})

    taken = [await jobs.take() for _ in range(3)]

    expected = Job(id=ingest, kind="ingest", payload={"paths": ["docs"], "prune": True})
    assert taken == [expected, Job(id=promote, kind="promote", payload={}), None]


async def test_the_waiting_command_sees_how_far_its_job_is(jobs: JobQueue) -> None:
    job = await jobs.submit("ingest", {})
    seen = [await jobs.status(job)]
    await jobs.take()
    await jobs.report(job, done=2, total=5, doing="reading a.pdf")
    seen.append(await jobs.status(job))

    await jobs.finish(job, result={"added": 3})

    assert seen == [("waiting", 0, 0, "", None, None), ("running", 2, 5, "reading a.pdf", None, None)]
    assert await jobs.status(job) == ("done", 2, 5, "reading a.pdf", {"added": 3}, None)


async def test_a_job_that_failed_says_why(jobs: JobQueue) -> None:
    job = await jobs.submit("ingest", {})

    await jobs.finish(job, error="docs does not exist")

    status = await jobs.status(job)
    assert (status.state, status.error) == ("failed", "docs does not exist")


async def test_the_jobs_of_a_dead_owner_wait_again_in_their_old_order(jobs: JobQueue) -> None:
    submitted = [await jobs.submit("ingest", {}) for _ in range(3)]
    for _ in range(2):
        await jobs.take()
    await jobs.finish(submitted[0])

    again = await jobs.requeue_running()

    assert again == 1
    assert [job.id for job in [await jobs.take(), await jobs.take()] if job] == submitted[1:]


async def test_finished_jobs_that_nobody_fetched_are_forgotten_at_the_owners_start_but_for_the_newest(
    jobs: JobQueue,
) -> None:
    waiting, oldest, kept, *rest = [await jobs.submit("ingest", {}) for _ in range(KEPT + 2)]
    for job in (oldest, kept, *rest):
        await jobs.finish(job, error="no" if job == oldest else None)

    again = await jobs.requeue_running()

    assert again == 0 and (await jobs.status(kept)).state == "done"
    assert (await jobs.status(waiting)).state == "waiting"
    with pytest.raises(StoreError, match=f"job {oldest} does not exist"):
        await jobs.status(oldest)


async def test_an_unknown_job_is_refused_by_name(jobs: JobQueue) -> None:
    with pytest.raises(StoreError, match="job 7 does not exist"):
        await jobs.status(7)
    with pytest.raises(StoreError, match="job 7 does not exist"):
        await jobs.report(7, done=1, total=1, doing="")
    with pytest.raises(StoreError, match="job 7 does not exist"):
        await jobs.finish(7)


async def test_job_that_was_forgotten_is_gone(jobs: JobQueue) -> None:
    job = await jobs.submit("ingest", {"domain": "billing"})

    await jobs.forget(job)

    assert await jobs.take() is None
    with pytest.raises(StoreError, match=f"job {job}"):
        await jobs.status(job)


async def test_job_that_has_not_begun_is_stopped_at_once(jobs: JobQueue) -> None:
    job = await jobs.submit("train", {})

    await jobs.stop(job)

    status = await jobs.status(job)
    assert (status.state, status.error, await jobs.take()) == ("failed", STOPPED, None)


async def test_running_job_is_stopped_by_who_does_it(jobs: JobQueue) -> None:
    job = await jobs.submit("train", {})
    await jobs.take()

    await jobs.stop(job)
    asked = await jobs.status(job)
    await jobs.requeue_running()

    assert (asked.state, asked.error) == ("stopping", None)
    assert await jobs.status(job) == ("failed", 0, 0, "", None, STOPPED)  # its owner died: it is not begun again


async def test_job_that_has_ended_cannot_be_stopped(jobs: JobQueue) -> None:
    job = await jobs.submit("train", {})
    await jobs.finish(job, result={"adapter": "billing@1"})

    await jobs.stop(job)

    assert (await jobs.status(job)).state == "done"


async def test_jobs_of_some_kinds_are_listed_oldest_first(jobs: JobQueue) -> None:
    numbers = [await jobs.submit(kind, {"domain": "billing"}) for kind in ("train", "ingest", "judge")]
    await jobs.take()

    found = await jobs.listed(("train", "judge"))

    assert [each.job.id for each in found] == [numbers[0], numbers[2]]
    assert [each.status.state for each in found] == ["running", "waiting"] and found[0].job.payload[
        "domain"
    ] == "billing"


async def test_second_job_of_which_there_may_be_one_is_not_taken_on_and_others_are(jobs: JobQueue) -> None:
    await jobs.submit("judge", {}, sole="judge billing")

    with pytest.raises(Conflict, match="this is being done already"):
        await jobs.submit("judge", {"again": True}, sole="judge billing")

    others = [await jobs.submit("judge", {}, sole=sole) for sole in ("judge travel", None, None)]
    await jobs.take()
    await jobs.requeue_running()  # its owner died, and it is still to be done
    with pytest.raises(Conflict):
        await jobs.submit("judge", {}, sole="judge billing")
    assert len(set(others)) == 3 and len(await jobs.listed(["judge"])) == 4


@pytest.mark.parametrize("end", ["done", "failed", "stopped", "stopped with its owner", "forgotten"])
async def test_job_that_has_ended_is_in_the_way_of_none(jobs: JobQueue, end: str) -> None:
    job = await jobs.submit("judge", {}, sole="judge billing")
    if end in ("done", "failed"):
        await jobs.finish(job, error="no" if end == "failed" else None)
    elif end == "forgotten":
        await jobs.forget(job)
    elif end == "stopped with its owner":
        await jobs.take()
    if end.startswith("stopped"):
        await jobs.stop(job)
        await jobs.requeue_running()

    assert await jobs.submit("judge", {}, sole="judge billing") is not None


async def test_jobs_of_a_kind_that_have_not_ended_are_all_there_is_to_see_of_it(jobs: JobQueue) -> None:
    numbers = [await jobs.submit(kind, {}) for kind in ("upload", "upload", "upload", "ingest")]
    await jobs.take()
    await jobs.stop(numbers[0])
    await jobs.finish(numbers[1])

    found = await jobs.unended("upload")  # type: ignore[attr-defined]  # of the queue that owners use

    assert [job.id for job in found] == [numbers[0], numbers[2]]


async def test_queue_knows_whether_anything_is_left_to_do(jobs: JobQueue) -> None:
    empty = await jobs.unfinished()
    job = await jobs.submit("train", {})
    waiting = await jobs.unfinished()
    await jobs.finish(job)

    assert (empty, waiting, await jobs.unfinished()) == (False, True, False)
