"""Copies of an SQLite database: out while it is in use, and back when nobody uses it."""

import asyncio
import os
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from bot.errors import StoreError
from bot.messages import now
from bot.store.engine import file_of, parse
from bot.store.failures import EXTENDED_BITS, translated
from bot.store.schema import require_known

SIDECARS = ("-wal", "-shm", "-journal")  # what SQLite keeps beside a database in use
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


async def backup(url: str, target: Path) -> None:
    """
    Copy the database at *url*, as it is at one moment, to the new file *target*; others may keep writing.

    Raises: StoreError if *target* exists, the copy fails or it is not intact, or the database is not SQLite.
    """
    await asyncio.to_thread(_backup, file_of(parse(url)), target)


async def restore(url: str, source: Path) -> Path | None:
    """
    Put a copy of *source* in the place of the database at *url*.

    Returns: where the replaced database is kept; None if there was none.
    Raises: StoreError if *source* is not an intact Pointsman database, or another process has ours open.
    """
    return await asyncio.to_thread(_restore, file_of(parse(url)), source, now())


def _backup(database: Path, target: Path) -> None:
    if target.exists():
        raise StoreError(f"{target} exists; name a new file for the backup")
    _copy(database, target)


def _restore(database: Path, source: Path, moment: datetime) -> Path | None:
    # Beside the database, so that the last step is a rename within one file system.
    fresh = database.with_name(f"{database.name}.restoring-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    try:
        _copy(source, fresh)
    except StoreError as exc:
        raise StoreError(f"{source} cannot be restored; name a file that `pointsman db backup` wrote ({exc})") from exc
    try:
        _require_ours(fresh, source)
        kept = _set_aside(database, f".before-restore-{moment:%Y%m%dT%H%M%S.%fZ}")
        _move(fresh, database)
    finally:
        fresh.unlink(missing_ok=True)
    return kept


def _copy(source: Path, target: Path) -> None:
    part = target.with_name(f"{target.name}.part-{os.getpid()}")
    try:
        with translated(str(source)), closing(_connect(source)) as origin:
            origin.execute("PRAGMA schema_version")  # what is no database fails here, under its own name
            with translated(str(target)), closing(sqlite3.connect(part)) as copy:
                origin.backup(copy)
        _finish(part, source)
        _move(part, target)
    finally:
        for name in (part, *_sidecars(part)):
            name.unlink(missing_ok=True)


def _connect(database: Path) -> sqlite3.Connection:
    if not database.is_file():
        raise StoreError(f"the database {database} does not exist; name one that does")
    return sqlite3.connect(database, isolation_level=None)


def _finish(part: Path, source: Path) -> None:
    with translated(str(source)), closing(sqlite3.connect(part)) as copy:
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, readable from read-only media too
        (verdict,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise StoreError(f"the database {source} is corrupt ({verdict}); use another copy")


def _require_ours(copy: Path, source: Path) -> None:
    with translated(str(source)), closing(sqlite3.connect(copy)) as connection:
        found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
        version = connection.execute("SELECT version_num FROM alembic_version").fetchone() if found else None
    if version is None:
        raise StoreError(f"{source} is not a Pointsman database; name a file made by `pointsman db backup`")
    require_known(version[0], str(source))


def _set_aside(database: Path, suffix: str) -> Path | None:
    kept = database.with_name(database.name + suffix)
    existed = database.exists()
    if existed:
        _fold_log(database)
    with translated(str(database)):
        # A log that stayed would be replayed into the restored file; under the kept name it is still of use.
        for old, new in zip((*_sidecars(database), database), (*_sidecars(kept), kept), strict=True):
            if old.exists():
                old.rename(new)
    return kept if existed else None


def _fold_log(database: Path) -> None:
    """Raises: StoreError if another process has the database open."""
    with translated(str(database)), closing(_connect(database)) as connection:
        try:
            # Leaving WAL mode needs the file for itself, and empties the log into it.
            connection.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.DatabaseError as exc:
            if exc.sqlite_errorcode & EXTENDED_BITS not in DAMAGED:  # a damaged database is what a restore is for
                raise


def _move(old: Path, new: Path) -> None:
    with translated(str(new)):
        _sync(old)
        old.replace(new)
        _sync(new.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sidecars(database: Path) -> tuple[Path, ...]:
    return tuple(database.with_name(database.name + suffix) for suffix in SIDECARS)
