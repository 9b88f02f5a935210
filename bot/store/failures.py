"""Database errors as StoreErrors that name the database and the remedy: the one boundary."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError, StatementError

from bot.errors import StoreError

LOCKED = "is locked: another process is writing; try again, or stop it"
CLOSED = "cannot be opened or written; give this user write permission on the file and its folder"
REMEDIES = {
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full; free some space and try again",
    sqlite3.SQLITE_CORRUPT: "is corrupt; bring back a copy with `pointsman db restore FILE`",
    sqlite3.SQLITE_NOTADB: "is corrupt or no database; bring back a copy with `pointsman db restore FILE`",
    sqlite3.SQLITE_READONLY: CLOSED,
    sqlite3.SQLITE_PERM: CLOSED,
    sqlite3.SQLITE_CANTOPEN: CLOSED,
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error; check it and its free space",
}
"""By primary result code: https://www.sqlite.org/rescode.html"""

EXTENDED_BITS = 0xFF  # the low byte of an extended result code is the primary one


@contextmanager
def translated(name: str) -> Iterator[None]:
    """
    Turn every failure of the database *name* (a path, or a URL without password) into a StoreError.

    Raises: StoreError.
    """
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as exc:
        raise StoreError(explanation(exc, name)) from exc


def explanation(exc: Exception, name: str) -> str:
    """One line: the database, what is wrong with it, and what to do."""
    cause = exc.orig if isinstance(exc, StatementError) and exc.orig is not None else exc
    code = getattr(cause, "sqlite_errorcode", None)
    primary = None if code is None else code & EXTENDED_BITS
    if primary == sqlite3.SQLITE_CANTOPEN and not Path(name).parent.is_dir():
        return f"the database {name} cannot be opened: its folder is missing; create {Path(name).parent}"
    if primary in REMEDIES:
        return f"the database {name} {REMEDIES[primary]}"
    reason = " ".join(str(cause).split())  # some drivers answer in several lines
    return f"the database {name} refused: {reason}; `pointsman doctor` checks the installation"
