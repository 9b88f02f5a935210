"""Files and folders that are there whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bot.errors import StoreError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """
    A place to write a file or make a folder, which becomes *path* when the block ends well.

    Raises: StoreError naming *path* and the remedy if the disk is full or may not be written.
    """
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        if path.is_dir():
            shutil.rmtree(path)
        part.replace(path)
    except OSError as exc:
        raise StoreError(
            f"{path} cannot be written ({exc.strerror or exc}); free some space or correct the permissions, "
            "then run again"
        ) from exc
    finally:
        shutil.rmtree(part, ignore_errors=True)
        with suppress(OSError):
            part.unlink()
