"""Work that waits although nobody runs who owns the index: the console alone does it itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog

from bot.app import Stores, open_installation
from bot.errors import PointsmanError
from bot.owner import ownership
from bot.ports import silent
from bot.settings import Settings
from bot.work import LOOK_SECONDS, serving_jobs, to_its_end

log = structlog.get_logger()

PAUSE_SECONDS = 10.0  # before work is tried again that could not be begun


@contextlib.asynccontextmanager
async def minding_jobs(settings: Settings, stores: Stores) -> AsyncIterator[None]:
    """While the block runs, work that nobody is there to do is done here: the index is owned only meanwhile."""
    task = asyncio.create_task(_mind(settings, stores))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _mind(settings: Settings, stores: Stores) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            if not await to_its_end(stores.jobs.unfinished()):
                continue
            with ownership(settings.storage.directory) as mine:
                if mine:
                    async with open_installation(settings, silent, stores) as here, serving_jobs(here):
                        await _until_done(stores)
        except PointsmanError as exc:
            log.warning("work that waits cannot be done", reason=str(exc))
            await asyncio.sleep(PAUSE_SECONDS)


async def _until_done(stores: Stores) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if not await to_its_end(stores.jobs.unfinished()):
            return
