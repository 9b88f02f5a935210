"""Jobs: work that a command hands to the process that owns the index."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import CursorResult, case, delete, exists, literal, null, select, update
from sqlalchemy.exc import IntegrityError

from bot.errors import Conflict, StoreError
from bot.messages import BEING_DONE, STOPPED, Job, JobStatus, ListedJob, now
from bot.store.database import Database
from bot.store.models import JobRow

State = Literal["waiting", "running", "stopping", "done", "failed"]
WAITING: State = "waiting"
RUNNING: State = "running"
STOPPING: State = "stopping"  # it is to end, and has not yet
DONE: State = "done"
FAILED: State = "failed"

LISTED = 50
KEPT = 100  # finished jobs: the rows have no time, and a command that waits fetches its result within a second


@dataclass(frozen=True, slots=True)
class SqlJobQueue:
    """A JobQueue in a SQL database that several processes share."""

    database: Database

    async def submit(self, kind: str, payload: Mapping[str, Any], *, sole: str | None = None) -> int:
        """Returns: the new job's id. Raises: Conflict while another with the same *sole* has not ended."""
        row = JobRow(kind=kind, payload=dict(payload), state=WAITING, done=0, total=0, doing="", sole=_short(sole))
        async with self.database.writing() as session:
            session.add(row)
            try:
                await session.flush()
            except IntegrityError as exc:  # two who submit at the same moment both saw none before
                raise Conflict(BEING_DONE) from exc
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
        await self._change(
            job, state=DONE if error is None else FAILED, result=result, error=error, sole=None, ended=now()
        )

    async def status(self, job: int) -> JobStatus:
        """Returns: how far a job is. Raises: StoreError if it is unknown."""
        async with self.database.reading() as session:
            row = await session.get(JobRow, job)
            if row is None:
                raise _unknown(job)
            return _status(row)

    async def forget(self, job: int) -> None:
        """Remove a job whose result was fetched: its questions and answers are kept as exchanges, once."""
        async with self.database.writing() as session:
            await session.execute(delete(JobRow).where(JobRow.id == job))

    async def stop(self, job: int) -> None:
        """Have a job end before its time; one that has not begun fails at once, one that has ended stays as it is."""
        waits = JobRow.state == WAITING
        values = {"state": case((waits, FAILED), else_=STOPPING), "error": case((waits, STOPPED), else_=JobRow.error)}
        values |= {
            "ended": case((waits, literal(now(), JobRow.ended.type)), else_=None),
            "sole": case((waits, null()), else_=JobRow.sole),
        }
        lives = JobRow.state.in_([WAITING, RUNNING])
        async with self.database.writing() as session:
            await session.execute(update(JobRow).where(JobRow.id == job, lives).values(values))

    async def listed(self, kinds: Collection[str]) -> Sequence[ListedJob]:
        """Returns: the newest jobs of these kinds, oldest first."""
        newest = select(JobRow).where(JobRow.kind.in_(kinds)).order_by(JobRow.id.desc()).limit(LISTED)
        async with self.database.reading() as session:
            rows = list(await session.scalars(newest))
            return tuple(ListedJob(job=_job(row), status=_status(row), ended=row.ended) for row in reversed(rows))

    async def unended(self, kind: str) -> Sequence[Job]:
        """Returns: all jobs of a kind that have not ended, oldest first."""
        lives = JobRow.state.in_([WAITING, RUNNING, STOPPING])
        async with self.database.reading() as session:
            rows = await session.scalars(select(JobRow).where(JobRow.kind == kind, lives).order_by(JobRow.id))
            return tuple(_job(row) for row in rows)

    async def unfinished(self) -> bool:
        """Returns: whether there is any job that has not ended."""
        lives = JobRow.state.in_([WAITING, RUNNING, STOPPING])
        async with self.database.reading() as session:
            return bool(await session.scalar(select(exists().where(lives))))

    async def requeue_running(self) -> int:
        """
        Returns: how many jobs of an owner that died wait again. Only the owner calls it, at its start.

        Of the finished ones, whose commands were killed before they fetched the result, the newest KEPT stay.
        """
        again = update(JobRow).where(JobRow.state == RUNNING)
        ended = (
            update(JobRow).where(JobRow.state == STOPPING).values(state=FAILED, error=STOPPED, sole=None, ended=now())
        )
        finished = JobRow.state.in_([DONE, FAILED])
        newest = select(JobRow.id).where(finished).order_by(JobRow.id.desc()).limit(KEPT)
        async with self.database.writing() as session:
            await session.execute(ended)
            await session.execute(delete(JobRow).where(finished, JobRow.id.not_in(newest)))
            changed = await session.execute(again.values(state=WAITING, done=0, total=0, doing=""))
            return cast("CursorResult[Any]", changed).rowcount

    async def _change(self, job: int, **values: Any) -> None:
        async with self.database.writing() as session:
            changed = await session.execute(update(JobRow).where(JobRow.id == job).values(**values))
            if not cast("CursorResult[Any]", changed).rowcount:
                raise _unknown(job)


def _job(row: JobRow) -> Job:
    return Job(id=row.id, kind=row.kind, payload=row.payload)


def _status(row: JobRow) -> JobStatus:
    return JobStatus(cast(State, row.state), row.done, row.total, row.doing, row.result, row.error)


def _short(sole: str | None) -> str | None:
    """A stand-in for *sole* that fits into an index however long it is."""
    return None if sole is None else hashlib.sha256(sole.encode()).hexdigest()


def _unknown(job: int) -> StoreError:
    return StoreError(f"job {job} does not exist; submit it first")
