"""`pointsman serve`: every configured connector in one process, until it is told to stop."""

import asyncio
import signal
from contextlib import AsyncExitStack, suppress

import structlog

from bot.app import Installation, connectors_of, open_installation
from bot.errors import PointsmanError, SettingsError, StoreError
from bot.health import Health
from bot.owner import ownership
from bot.ports import Connector, Progress
from bot.settings import Secrets, Settings
from bot.work import serving_jobs, warming_up

log = structlog.get_logger()

NOTHING_TO_SERVE = (
    "nothing to serve: set SLACK_BOT_TOKEN and SLACK_APP_TOKEN, or DISCORD_BOT_TOKEN, in the environment (the handbook "
    "says where they come from), or talk to me with `pointsman chat`"
)


async def serve(settings: Settings, secrets: Secrets, progress: Progress) -> None:
    """
    Answer on every connector until SIGTERM or SIGINT.

    Raises: PointsmanError if a connector cannot start, or another process owns the index.
    """
    if not secrets.has_slack and secrets.discord_bot_token is None:
        raise SettingsError(NOTHING_TO_SERVE)
    health = Health()
    with ownership(settings.storage.directory) as mine:
        if not mine:
            raise StoreError(
                f"{settings.storage.directory} is in use by another running Pointsman; stop that one, "
                "or give this one its own [storage] directory"
            )
        async with AsyncExitStack() as opened:
            await opened.enter_async_context(health.pages(settings.console.host, settings.console.port))
            here = await opened.enter_async_context(open_installation(settings, progress))
            await opened.enter_async_context(serving_jobs(here))
            async with warming_up(here):
                pass
            health.ready = True
            await _run_until_stopped(here, connectors_of(here, secrets), health)


async def _run_until_stopped(here: Installation, connectors: list[Connector], health: Health) -> None:
    on_message, on_feedback = health.counting(here.on_message), health.counting_votes(here.on_feedback)
    work = asyncio.gather(*(connector.run(on_message, on_feedback) for connector in connectors))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, work.cancel)
    log.info("serving", connectors=[type(connector).__name__ for connector in connectors])
    try:
        await work
    except asyncio.CancelledError:
        log.info("stopping")
    except PointsmanError:
        work.cancel()
        raise
