"""Jobs: work that a command hands to the process that owns the index."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import CursorResult, delete, select, update

from bot.errors import StoreError
from bot.messages import Job, JobStatus
from bot.store.database import Database
from bot.store.models import JobRow

State = Literal["waiting", "running", "done", "failed"]
WAITING: State = "waiting"
RUNNING: State = "running"
DONE: State = "done"
FAILED: State = "failed"

KEPT = 100  # finished jobs: the rows have no time, and a command that waits fetches its result within a second


@dataclass(frozen=True, slots=True)
class SqlJobQueue:
    """A JobQueue in a SQL database that several processes share."""

    database: Database

    async def submit(self, kind: str, payload: Mapping[str, Any]) -> int:
        """Returns: the new job's id."""
        row = JobRow(kind=kind, payload=dict(payload), state=WAITING, done=0, total=0, doing="")
        async with self.database.writing() as session:
            session.add(row)
            await session.flush()
            return row.id

    async def take(self) -> Job | None:
        """Returns: the oldest waiting job, now marked as running; no two takers get the same one."""
        oldest = select(JobRow.id).where(JobRow.state == WAITING).order_by(JobRow.id).limit(1)
        unlocked = oldest.with_for_update(skip_locked=True).scalar_subquery()  # SQLite has one writer anyway
        claim = update(JobRow).where(JobRow.id == unlocked).values(state=RUNNING)
        async with self.database.writing() as session:
            taken = await session.execute(claim.returning(JobRow.id, JobRow.kind, JobRow.payload))
            row = taken.one_or_none()
            return None if row is None else Job(id=row.id, kind=row.kind, payload=row.payload)

    async def report(self, job: int, *, done: int, total: int, doing: str) -> None:
        """Store progress: steps *done* of *total* (0: not known). Raises: StoreError if *job* is unknown."""
        await self._change(job, done=done, total=total, doing=doing)

    async def finish(self, job: int, *, result: Any = None, error: str | None = None) -> None:
        """Store how a job ended: a result for JSON, or why it failed. Raises: StoreError if it is unknown."""
        await self._change(job, state=DONE if error is None else FAILED, result=result, error=error)

    async def status(self, job: int) -> JobStatus:
        """Returns: how far a job is. Raises: StoreError if it is unknown."""
        async with self.database.reading() as session:
            row = await session.get(JobRow, job)
            if row is None:
                raise _unknown(job)
            return JobStatus(cast(State, row.state), row.done, row.total, row.doing, row.result, row.error)

    async def forget(self, job: int) -> None:
        """Remove a job whose result was fetched: its questions and answers are kept as exchanges, once."""
        async with self.database.writing() as session:
            await session.execute(delete(JobRow).where(JobRow.id == job))

    async def requeue_running(self) -> int:
        """
        Returns: how many jobs of an owner that died wait again. Only the owner calls it, at its start.

        Of the finished ones, whose commands were killed before they fetched the result, the newest KEPT stay.
        """
        again = update(JobRow).where(JobRow.state == RUNNING)
        finished = JobRow.state.in_([DONE, FAILED])
        newest = select(JobRow.id).where(finished).order_by(JobRow.id.desc()).limit(KEPT)
        async with self.database.writing() as session:
            await session.execute(delete(JobRow).where(finished, JobRow.id.not_in(newest)))
            changed = await session.execute(again.values(state=WAITING, done=0, total=0, doing=""))
            return cast("CursorResult[Any]", changed).rowcount

    async def _change(self, job: int, **values: Any) -> None:
        async with self.database.writing() as session:
            changed = await session.execute(update(JobRow).where(JobRow.id == job).values(**values))
            if not cast("CursorResult[Any]", changed).rowcount:
                raise _unknown(job)


def _unknown(job: int) -> StoreError:
    return StoreError(f"job {job} does not exist; submit it first")
