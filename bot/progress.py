"""A progress bar on stderr for work that takes more than two seconds; threads and processes that end in time."""

import asyncio
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from bot.errors import PointsmanError
from bot.ports import Progress as OnProgress

PATIENCE = 2.0  # seconds

T = TypeVar("T")


@contextmanager
def progress_bar() -> Iterator[OnProgress]:
    """Gives the function that work reports to; on a screen a bar, in a log a line per kind of work."""
    console = Console(stderr=True)
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),  # names of documents may hold brackets
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=False,  # what a command prints belongs on stdout, whatever stderr is
        redirect_stderr=False,
    )
    task = bar.add_task("", start=True, total=None)
    started = time.monotonic()
    said = ""

    def report(done: int, total: int, doing: str) -> None:
        nonlocal said
        if time.monotonic() - started < PATIENCE and total:
            return
        bar.start()
        bar.update(task, completed=done, total=total or None, description=doing[:60])
        kind = doing.partition(" ")[0]
        if not console.is_terminal and kind != said:
            console.print(f"{doing} ({total} in all)..." if total else f"{doing}...", highlight=False, markup=False)
            said = kind

    try:
        yield report
    finally:
        bar.stop()


def progress_line(done: int, total: int, doing: str) -> None:
    """A Progress for a running chat, in which a bar would be in the way: says once what takes its time."""
    if not done:
        print(f"{doing}...", file=sys.stderr, flush=True)


def end_with_parent() -> None:
    """Have this process end as soon as the one that began it is gone, killed or not."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _Stopped(Exception):
    """Ends work in a thread at its next step."""


async def in_thread(work: Callable[[OnProgress], T], progress: OnProgress) -> T:
    """
    The result of *work*, done in a thread.

    When cancelled, the work is ended at its next step and waited for: it must not go on without owning the index.
    """
    stop = threading.Event()

    def step(done: int, total: int, doing: str) -> None:
        if stop.is_set():
            raise _Stopped
        progress(done, total, doing)

    thread = asyncio.ensure_future(asyncio.to_thread(work, step))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([thread])
        with suppress(_Stopped, PointsmanError):
            thread.result()
        raise
