"""`pointsman serve`: every configured connector in one process, until it is told to stop."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import timedelta
from typing import Any, cast

import structlog

from bot.app import Installation, connectors_of, open_installation, open_stores
from bot.console.app import console
from bot.errors import PointsmanError, SettingsError, StoreError
from bot.health import Health
from bot.hosting import console_parts
from bot.jobs.retraining import learning
from bot.messages import now
from bot.owner import ownership
from bot.ports import Connector, Progress
from bot.settings import Secrets, Settings
from bot.work import serving_jobs, warming_up

log = structlog.get_logger()

FORGET_SECONDS = 3600.0  # how often what is older than retention_days is deleted
NOTHING_TO_SERVE = (
    "nothing to serve: set SLACK_BOT_TOKEN and SLACK_APP_TOKEN, or DISCORD_BOT_TOKEN, in the environment (the handbook "
    "says where they come from), or talk to me with `pointsman chat`"
)


async def serve(settings: Settings, secrets: Secrets, progress: Progress, say: Callable[[str], None]) -> None:
    """
    Answer on every connector until SIGTERM or SIGINT; *say* is called once questions arrive.

    Raises: PointsmanError if a connector cannot start, or another process owns the index.
    """
    if not secrets.has_slack and secrets.discord_bot_token is None:
        raise SettingsError(NOTHING_TO_SERVE)
    with _stopped_by_signals(), ownership(settings.storage.directory) as mine:
        if not mine:
            raise StoreError(
                f"{settings.storage.directory} is in use by another running Pointsman; stop that one, "
                "or give this one its own [storage] directory"
            )
        await _serve(settings, secrets, progress, say)


async def _serve(settings: Settings, secrets: Secrets, progress: Progress, say: Callable[[str], None]) -> None:
    health = Health()
    async with (
        open_stores(settings) as stores,
        health.pages(settings.console.host, settings.console.port, console(console_parts(settings, stores))),
        open_installation(settings, progress, stores) as here,
        serving_jobs(here),
        _forgetting(here),
        learning(here),
    ):
        async with warming_up(here):
            pass
        connectors = connectors_of(here, secrets)
        on_message, on_feedback = health.counting(here.on_message), health.counting_votes(here.on_feedback)
        async with asyncio.TaskGroup() as running:
            for connector in connectors:
                running.create_task(connector.run(on_message, on_feedback))
            for connector in connectors:
                await connector.ready.wait()
            health.ready = True
            say(f"Answering in {_names(connectors)}. Ctrl-C or SIGTERM ends it.")


async def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Do *work* until it ends, or SIGTERM or SIGINT ends it."""
    with _stopped_by_signals():
        await work


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Within the block SIGTERM and SIGINT end the work, which is no failure. Errors of a task leave as themselves."""
    task, loop = cast("asyncio.Task[None]", asyncio.current_task()), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, task.cancel)
    try:
        yield
    except asyncio.CancelledError:
        task.uncancel()
        log.info("stopped")
    except ExceptionGroup as group:
        refused, _ = group.split(PointsmanError)
        if refused is None:
            raise
        raise _first(refused) from group


def _first(group: BaseExceptionGroup[PointsmanError]) -> PointsmanError:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


@contextlib.asynccontextmanager
async def _forgetting(here: Installation) -> AsyncIterator[None]:
    """While the block runs, what is older than the retention time is deleted."""

    async def forget() -> None:
        while True:
            await asyncio.sleep(FORGET_SECONDS)
            oldest = now() - timedelta(days=here.settings.storage.retention_days)
            with contextlib.suppress(PointsmanError):  # the next hour comes
                await here.stores.exchanges.delete_older_than(oldest)
                await here.stores.inbox.delete_older_than(oldest)

    task = asyncio.create_task(forget())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _names(connectors: list[Connector]) -> str:
    return " and ".join(connector.name.capitalize() for connector in connectors)
