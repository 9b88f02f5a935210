"""Stands in for the queue of jobs; beside fakes.py."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.errors import Conflict, StoreError
from bot.messages import BEING_DONE, STOPPED, Job, JobStatus, ListedJob


@dataclass(slots=True)
class InMemoryJobQueue:
    jobs: list[Job] = field(default_factory=list)  # the first has id 1
    states: dict[int, JobStatus] = field(default_factory=dict)
    soles: dict[int, str] = field(default_factory=dict)

    async def submit(self, kind: str, payload: Mapping[str, Any], *, sole: str | None = None) -> int:
        if sole in [each for job, each in self.soles.items() if self._lives(job)]:
            raise Conflict(BEING_DONE)
        job = Job(id=len(self.jobs) + 1, kind=kind, payload=dict(payload))
        self.jobs.append(job)
        self.states[job.id] = JobStatus("waiting", 0, 0, "", None, None)
        if sole is not None:
            self.soles[job.id] = sole
        return job.id

    def _lives(self, job: int) -> bool:
        return job in self.states and self.states[job].state not in ("done", "failed")

    async def take(self) -> Job | None:
        for job in self.jobs:
            if self.states[job.id].state == "waiting":
                self.states[job.id] = self.states[job.id]._replace(state="running")
                return job
        return None

    async def report(self, job: int, *, done: int, total: int, doing: str) -> None:
        self.states[job] = (await self.status(job))._replace(done=done, total=total, doing=doing)

    async def finish(self, job: int, *, result: Any = None, error: str | None = None) -> None:
        status = (await self.status(job))._replace(result=result, error=error)
        self.states[job] = status._replace(state="done" if error is None else "failed")

    async def status(self, job: int) -> JobStatus:
        if job not in self.states:
            raise StoreError(f"job {job} does not exist")
        return self.states[job]

    async def forget(self, job: int) -> None:
        self.jobs = [each for each in self.jobs if each.id != job]
        self.states.pop(job, None)

    async def stop(self, job: int) -> None:
        status = await self.status(job)
        if status.state == "waiting":
            self.states[job] = status._replace(state="failed", error=STOPPED)
        elif status.state == "running":
            self.states[job] = status._replace(state="stopping")

    async def listed(self, kinds: Collection[str]) -> Sequence[ListedJob]:
        return tuple(ListedJob(job=job, status=self.states[job.id]) for job in self.jobs if job.kind in kinds)

    async def unended(self, kind: str) -> Sequence[Job]:
        return tuple(job for job in self.jobs if job.kind == kind and self._lives(job.id))

    async def unfinished(self) -> bool:
        return any(status.state not in ("done", "failed") for status in self.states.values())

    async def requeue_running(self) -> int:
        for job in [job for job, status in self.states.items() if status.state == "stopping"]:
            self.states[job] = self.states[job]._replace(state="failed", error=STOPPED)
        running = [job for job, status in self.states.items() if status.state == "running"]
        for job in running:
            self.states[job] = JobStatus("waiting", 0, 0, "", None, None)
        for job in [job for job, status in self.states.items() if status.state in ("done", "failed")][:-100]:
            await self.forget(job)
        return len(running)
