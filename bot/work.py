"""
Work on the index: done here where this process owns it, else handed to the process that does.

A command that finds the index owned by somebody else (a running chat or server) puts its work into the database and
waits; the owner picks it up within two seconds. Where the owner leaves before, the waiting command takes over.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import uuid4

import structlog

from adapters.datasets.building import version_row
from bot import admission
from bot.app import Installation, Stores, dataset_builder, open_installation, open_stores
from bot.assistant import NOWHERE
from bot.conversation import understand
from bot.errors import PointsmanError
from bot.jobs import advising, again, apart, filing, releasing, rerouting
from bot.messages import GENERAL, STOPPED, Message
from bot.owner import ownership
from bot.ports import Progress, silent
from bot.rows import Row, choice_row, failed_row, passage_rows, passages_of, reply_row, text_of
from bot.settings import Settings

log = structlog.get_logger()

LOOK_SECONDS = 0.3  # how often owner and waiting commands look at the queue

T = TypeVar("T")

Payload = Mapping[str, Any]
Worker = Callable[[Installation, Payload, Progress], Awaitable[Any]]


async def run(settings: Settings, kind: str, payload: Payload, progress: Progress = silent) -> Any:
    """
    The result of a piece of work, done by whoever owns the index.

    Raises: PointsmanError with the reason, wherever it was done.
    """
    async with open_stores(settings) as stores:
        job: int | None = None
        while True:
            with ownership(settings.storage.directory) as mine:
                if mine:
                    return await _run_here(settings, stores, kind, payload, job, progress)
            job = job if job is not None else await stores.jobs.submit(kind, payload)
            done, result = await _wait_a_little(stores, job, progress)
            if done:
                return result


async def _run_here(
    settings: Settings, stores: Stores, kind: str, payload: Payload, job: int | None, progress: Progress
) -> Any:
    async with open_installation(settings, progress) as installation, serving_jobs(installation):
        if job is None:
            return await WORKERS[kind](replace(installation, alone=True), payload, progress)
        while True:
            done, result = await _wait_a_little(stores, job, progress)
            if done:
                return result


async def _wait_a_little(stores: Stores, job: int, progress: Progress) -> tuple[bool, Any]:
    """Returns: whether the job has ended, and its result."""
    status = await stores.jobs.status(job)
    if status.state in ("done", "failed"):
        await stores.jobs.forget(job)
        return True, _outcome(status)
    progress(status.done, status.total, status.doing or "Waiting for the running Pointsman to do it")
    await asyncio.sleep(LOOK_SECONDS)
    return False, None


def _outcome(status: Any) -> Any:
    if status.error is not None:
        raise PointsmanError(status.error)
    return status.result


@contextlib.asynccontextmanager
async def serving_jobs(installation: Installation) -> Any:
    """While the block runs, work that other commands hand over is done in the background."""
    await installation.stores.jobs.requeue_running()
    await filing.settle_uploads(installation)
    task = asyncio.create_task(_serve(installation))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def warming_up(installation: Installation) -> Any:
    """While the block begins, the models are loaded, so that the first question need not wait for all of it."""

    async def load() -> None:
        with contextlib.suppress(PointsmanError):  # the first question will say what is wrong
            await asyncio.to_thread(admission.objection, "What can I ask?")  # loads what tells languages apart
            await installation.retriever.embed("")
            await installation.generator.warm_up()
            await installation.reviewed.warm_up()

    task = asyncio.create_task(load())
    try:
        yield
    finally:
        await asyncio.wait([task])


async def _serve(installation: Installation) -> None:
    """Do every job as it comes, several at once: a question need not wait for the end of an ingest."""
    doing: set[asyncio.Task[None]] = set()
    try:
        while True:
            try:
                job = await to_its_end(installation.stores.jobs.take())
            except PointsmanError as exc:
                log.warning("the job queue cannot be read", reason=str(exc))
                job = None
            if job is None:
                await asyncio.sleep(LOOK_SECONDS)
            else:
                task = asyncio.create_task(_do(installation, job.id, job.kind, job.payload))
                doing.add(task)
                task.add_done_callback(doing.discard)
    finally:
        for task in doing:
            task.cancel()
        if doing:
            await asyncio.wait(doing)


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """The result of *work*, which a cancelled task waits for: SQLite's thread would else outlive the event loop."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _do(installation: Installation, job: int, kind: str, payload: Payload) -> None:
    """One job from the queue; how it ends is stored, a failure too."""
    latest = _Latest()
    work = asyncio.create_task(_begun(installation, kind, payload, latest))
    reporting = asyncio.create_task(latest.report(installation, job, work))
    result, error = None, None
    try:
        result = await work
    except PointsmanError as exc:
        error = str(exc)
    except asyncio.CancelledError:
        if not latest.stopped:  # the owner ends: the next one begins the job anew
            raise
        error = STOPPED
    # An edge of the program: a defect must neither end the owner nor leave the other side waiting.
    except Exception:
        log.exception("a job failed", job=job, kind=kind)
        error = "something went wrong in the running Pointsman; its log says what"
    finally:
        # Before the end is stored: the waiting side forgets the job as soon as it has seen it.
        reporting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reporting
    await installation.stores.jobs.finish(job, result=result, error=error)


async def _begun(installation: Installation, kind: str, payload: Payload, progress: Progress) -> Any:
    return await WORKERS[kind](installation, payload, progress)


@dataclass
class _Latest:
    """A Progress that keeps the newest report and stores it now and then: each store is a write to the disk."""

    newest: tuple[int, int, str] | None = None
    stopped: bool = False  # somebody wants the job to end

    def __call__(self, done: int, total: int, doing: str) -> None:
        self.newest = (done, total, doing)

    async def report(self, installation: Installation, job: int, work: asyncio.Task[Any]) -> None:
        """Store reports, and look whether the job is to be stopped."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if (await to_its_end(installation.stores.jobs.status(job))).state == "stopping":
                self.stopped = True
                work.cancel(STOPPED)  # the worker sees by this that it is not the owner who ends
                return
            if self.newest:
                done, total, doing = self.newest
                self.newest = None
                await to_its_end(installation.stores.jobs.report(job, done=done, total=total, doing=doing))


async def _learn(here: Installation, payload: Payload, progress: Progress) -> None:
    async with here.changing:
        await here.learn_routes(progress, origin="examples")


async def _route(here: Installation, payload: Payload, progress: Progress) -> list[Row]:
    found = []
    for number, row in enumerate(payload["rows"]):
        progress(number, len(payload["rows"]), "Routing")
        found.append({"id": row.get("id"), **await _routed(here, text_of(row))})
    return found


async def _routed(here: Installation, text: str) -> Row:
    asked = understand(Message(id="", text=text), (), [d.name for d in here.settings.domains])
    if asked.objection:
        return {**choice_row(NOWHERE), **_unserved(asked.objection)}
    query = await here.retriever.embed(asked.text)
    evidence = await here.retriever.retrieve(query, labels=None, top_k=0)
    return choice_row(here.router.choose(query, evidence, explicit=asked.route))


async def _retrieve(here: Installation, payload: Payload, progress: Progress) -> list[Row]:
    found = []
    for number, row in enumerate(payload["rows"]):
        progress(number, len(payload["rows"]), "Retrieving")
        passages = await _passages(here, text_of(row), payload["domain"], payload["top_k"])
        found.append({"id": row.get("id"), **passages})
    return found


async def _passages(here: Installation, text: str, domain: str, top_k: int) -> Row:
    if reason := admission.objection(admission.clean(text)):
        return {"passages": [], **_unserved(reason)}
    query = await here.retriever.embed(text)
    retrievals = await here.retriever.retrieve(query, labels=None, top_k=top_k)
    return {"passages": passage_rows(retrievals[domain].passages)}


def _unserved(reason: str) -> Row:
    """What a row says whose question nobody would answer."""
    return {"abstained": True, "text": reason}


async def _answer(here: Installation, payload: Payload, progress: Progress) -> list[Row]:
    found = []
    labels = here.labels_of(payload.get("user"))
    assistant = here.assistant_with(payload.get("adapter"))
    for number, row in enumerate(payload["rows"]):
        progress(number, len(payload["rows"]), "Answering")
        try:
            message = Message(
                id=f"cli-{uuid4().hex}",
                text=text_of(row),
                user=payload.get("user") or "operator",
                thread=payload.get("thread") or "",
                route=payload.get("route"),
                labels=labels,
                passages=passages_of(row) if payload.get("route") != GENERAL else None,
            )
            reply = reply_row(await assistant.reply_to(message))
        except PointsmanError as exc:
            reply = failed_row(str(exc))
        found.append({**reply, "reply": reply["id"], "id": row.get("id")})
    return found


async def _dataset(here: Installation, payload: Payload, progress: Progress) -> Row:
    library = await asyncio.to_thread(here.library, payload["domain"])
    builder = dataset_builder(here.settings, here.stores)
    version = await builder.build(
        library, kind=payload["kind"], by=payload["by"], seed=payload["seed"], progress=progress
    )
    return version_row(version)


WORKERS: dict[str, Worker] = {
    "learn": _learn,
    "route": _route,
    "retrieve": _retrieve,
    "answer": _answer,
    "dataset": _dataset,
    "advise": advising.advise_domain,
    "again": again.answer_again,
    "preview": again.preview,
    **apart.WORKERS,
    **filing.WORKERS,
    **releasing.WORKERS,
    **rerouting.WORKERS,
}
