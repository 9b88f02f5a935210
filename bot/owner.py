"""Who may open the index: the process that holds `chroma.lock`. Several writers would corrupt it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bot.errors import StoreError


def make_directory(directory: Path) -> None:
    """
    Make sure that the storage directory is there.

    Raises: StoreError if it cannot be.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise _unwritable(directory, exc) from exc


@contextmanager
def ownership(directory: Path) -> Iterator[bool]:
    """
    Whether this process owns the index below *directory* for the time of the block; a killed owner's lock is free.

    Raises: StoreError if the directory cannot be written.
    """
    make_directory(directory)
    lock = FileLock(directory / "chroma.lock", timeout=0)
    try:
        lock.acquire()
        mine = True
    except Timeout:
        mine = False
    except OSError as exc:
        raise _unwritable(directory, exc) from exc
    try:
        yield mine
    finally:
        lock.release()


def _unwritable(directory: Path, exc: OSError) -> StoreError:
    return StoreError(
        f"the storage directory {directory} cannot be written ({exc.strerror}); "
        "correct [storage] directory in pointsman.toml, or its permissions"
    )
