"""Training in a process of its own, behind everything else: nobody's question waits for it."""

import asyncio
import json
import multiprocessing
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any, cast, get_args

from adapters.registry import PRODUCTION
from adapters.training.recipe import Recipe
from bot.app import Installation, train_adapter, training_rows
from bot.errors import InputError, PointsmanError, TrainingError
from bot.messages import DatasetKind
from bot.ports import Progress, silent
from bot.progress import end_with_parent
from bot.rows import Row
from bot.settings import Settings

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How somebody wants a training to be."""

    method: DatasetKind | None = None  # None: that of the rows
    start: str = PRODUCTION
    minutes: float | None = None  # None: what the settings allow
    max_steps: int | None = None


async def train_apart(
    settings: Settings, domain: str, version: str, wish: Wish | None = None, progress: Progress = silent
) -> str:
    """
    The label of an adapter trained on a dataset version. Stopping the task ends the process; the same call goes on.

    Raises: TrainingError if the rows do not allow it, or the process died.
    """
    receiver, sender = multiprocessing.Pipe(duplex=False)
    arguments = (settings, domain, version, wish or Wish(), sender)
    process = multiprocessing.get_context("spawn").Process(target=_train, args=arguments)
    process.start()
    sender.close()
    try:
        label, error = await asyncio.to_thread(_outcome, receiver, progress)
    finally:
        process.terminate()  # which ends the waiting thread too
        await asyncio.to_thread(process.join)
    if error:
        raise TrainingError(error)
    return label


def _train(settings: Settings, domain: str, version: str, wish: Wish, sender: Connection) -> None:
    """The other process."""
    os.nice(19)
    end_with_parent()  # else the next service would go on with it, and they would meet

    def tell(done: int, total: int, doing: str) -> None:
        sender.send_bytes(json.dumps([done, total, doing]).encode())

    minutes = settings.learning.max_minutes if wish.minutes is None else wish.minutes
    try:
        recipe = Recipe(deadline_seconds=minutes * 60, max_steps=wish.max_steps)
        rows = asyncio.run(training_rows(settings, domain, version))
        trained = train_adapter(settings, domain, rows, recipe, tell, method=wish.method, start=wish.start)
        outcome = (trained.label, "")
    except PointsmanError as exc:
        outcome = ("", str(exc))
    sender.send_bytes(json.dumps(outcome).encode())


def _outcome(receiver: Connection, progress: Progress) -> tuple[str, str]:
    try:
        while len(told := json.loads(receiver.recv_bytes())) == 3:
            progress(*told)
    except EOFError:  # it died without a word
        return "", "the training ended early; the log says why. Start it again: it goes on where it was"
    label, error = told
    return label, error


async def _train_for(here: Installation, payload: Payload, progress: Progress) -> Row:
    """A training that somebody asked for."""
    domain = here.settings.domain(payload["domain"]).name
    wish = Wish(
        method=_method(payload.get("method")),
        start=payload.get("start") or PRODUCTION,
        minutes=payload.get("minutes"),
        max_steps=payload.get("max_steps"),
    )
    progress(0, 0, "Waiting for another training to end" if here.training.locked() else "Starting a process of its own")
    async with here.training:
        label = await train_apart(here.settings, domain, payload["dataset"], wish, progress)
    after = {"dataset": f"{domain}@{payload['dataset']}", **asdict(wish)}
    await here.stores.audit.record(payload["by"], f"adapter.train {label}", None, after)
    return {"domain": domain, "adapter": label}


def _method(name: str | None) -> DatasetKind | None:
    if name and name not in get_args(DatasetKind):
        raise InputError(f"there is no method {name!r}; there are {', '.join(get_args(DatasetKind))}")
    return cast("DatasetKind | None", name or None)


WORKERS: dict[str, Callable[[Installation, Payload, Progress], Awaitable[Row]]] = {"train": _train_for}
