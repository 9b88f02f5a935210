"""A database URL becomes an engine."""

import asyncio
from pathlib import Path
from sqlite3 import OperationalError

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from bot.errors import StoreError

BUSY_SECONDS = 5.0  # how long a write waits for another process
WRITERS = 5  # of one process; on SQLite one, because waiting here is fair and SQLite's busy loop is not
ASYNC_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


def parse(url: str) -> URL:
    """
    *url* with the asynchronous driver filled in.

    Raises: StoreError if it is no database URL, or an SQLite URL without a file.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as exc:
        raise StoreError("the database URL cannot be read; write it like sqlite:///var/pointsman.db") from exc
    if is_sqlite(parsed) and parsed.database in (None, "", ":memory:"):
        raise StoreError(f"the database URL {url} names no file; write it like sqlite:///var/pointsman.db")
    return parsed.set(drivername=ASYNC_DRIVERS.get(parsed.drivername, parsed.drivername))


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def name_of(url: URL) -> str:
    """What messages call the database: the file, or the URL without its password."""
    return str(url.database) if is_sqlite(url) else url.render_as_string(hide_password=True)


def file_of(url: URL) -> Path:
    """
    The file of an SQLite database.

    Raises: StoreError for every other database.
    """
    if not is_sqlite(url):
        raise StoreError(f"{name_of(url)} is not an SQLite file; use pg_dump and pg_restore for PostgreSQL")
    return Path(str(url.database))


def make_engine(url: URL, *, busy_seconds: float = BUSY_SECONDS, foreign_keys: bool = True) -> AsyncEngine:
    """
    An engine whose commits survive a power cut; connections open as they are needed.

    Transactions begin as readers; those of `writing(engine)` take the write lock first.
    Raises: StoreError if the driver is not installed or not asynchronous, or the folder of a file is missing.
    """
    try:
        if not is_sqlite(url):
            return create_async_engine(url, hide_parameters=True)  # errors would quote questions and tokens
        _require_folder(url)
        options = {"timeout": busy_seconds, "isolation_level": None}
        engine = create_async_engine(url, connect_args=options, hide_parameters=True)
    except ImportError as exc:
        raise StoreError(f"{name_of(url)} needs a missing driver; run `pip install {exc.name}`") from exc
    except SQLAlchemyError as exc:
        raise StoreError(f"{name_of(url)} has an unusable driver ({exc}); leave the driver out") from exc
    event.listen(engine.sync_engine, "connect", _durable_with_keys if foreign_keys else _durable)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _require_folder(url: URL) -> None:
    """Looked at before connecting: where that fails, aiosqlite's thread outlives it and may meet a closed loop."""
    folder = file_of(url).parent
    if not folder.is_dir():
        raise StoreError(f"the database {name_of(url)} cannot be opened: its folder is missing; create {folder}")


def writing(engine: AsyncEngine) -> AsyncEngine:
    """The same engine, for transactions that write."""
    return engine.execution_options(writes=True)


def writer_slots(url: URL) -> asyncio.Semaphore:
    """How many transactions of this process may write at once."""
    return asyncio.Semaphore(1 if is_sqlite(url) else WRITERS)


def _durable(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    # Only the first change of a new file's mode can meet a lock, and SQLite does not wait for that one by itself:
    # https://www.sqlite.org/c3ref/busy_handler.html
    locked = retry_if_exception_type(OperationalError)
    for attempt in Retrying(retry=locked, stop=stop_after_delay(BUSY_SECONDS), wait=wait_fixed(0.02), reraise=True):
        with attempt:
            cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _durable_with_keys(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    _durable(connection, entry)
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A reader that becomes a writer fails at once if another wrote meanwhile; one that says so first waits.
    # https://www.sqlite.org/lang_transaction.html#deferred_immediate_and_exclusive_transactions
    immediate = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
