"""The open database: a session to read, a session to write."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from bot.store.engine import BUSY_SECONDS, make_engine, name_of, parse, writer_slots, writing
from bot.store.failures import translated
from bot.store.schema import is_empty, require_current, upgrade


@dataclass(frozen=True, slots=True)
class Database:
    """What the stores share. Errors inside its sessions leave as StoreErrors."""

    engine: AsyncEngine
    readers: async_sessionmaker[AsyncSession]
    writers: async_sessionmaker[AsyncSession]
    slots: asyncio.Semaphore
    name: str

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session on one snapshot of the database."""
        with translated(self.name):
            async with self.readers.begin() as session:
                yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A session that holds the write lock; on the disk when the block ends, undone when it raises."""
        with translated(self.name):
            async with self.slots, self.writers.begin() as session:
                yield session


@asynccontextmanager
async def open_database(url: str, *, busy_seconds: float = BUSY_SECONDS) -> AsyncIterator[Database]:
    """
    The database at *url*; one that is missing or empty is created.

    *busy_seconds*: how long a write waits for another process.
    Raises: StoreError if it cannot be opened, or its schema is not this program's.
    """
    parsed = parse(url)
    engine = make_engine(parsed, busy_seconds=busy_seconds)
    try:
        with translated(name_of(parsed)):
            if await is_empty(engine):
                await upgrade(url, busy_seconds=busy_seconds)
            await require_current(engine)
        yield Database(
            engine=engine,
            readers=async_sessionmaker(engine),
            writers=async_sessionmaker(writing(engine)),
            slots=writer_slots(parsed),
            name=name_of(parsed),
        )
    finally:
        await engine.dispose()
