"""
Which process may open the index.

Run as a program, this file is another process: it says whether the index is its own and waits.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.errors import StoreError
from bot.owner import make_directory, ownership

ROOT = Path(__file__).parent.parent


@contextmanager
def other_process(directory: Path) -> Iterator[tuple["subprocess.Popen[str]", bool]]:
    """Another process, and whether it owns the index below *directory*."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    command = [sys.executable, __file__, str(directory)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        assert process.stdout
        try:
            yield process, process.stdout.readline() == "True\n"
        finally:
            process.kill()


def test_first_process_owns_the_index_and_a_second_does_not(tmp_path: Path) -> None:
    with other_process(tmp_path) as (_, first), other_process(tmp_path) as (_, second), ownership(tmp_path) as third:
        assert (first, second, third) == (True, False, False)


def test_lock_of_a_killed_owner_is_free(tmp_path: Path) -> None:
    with other_process(tmp_path) as (process, theirs):
        process.kill()
        process.wait()

        with ownership(tmp_path) as mine:
            assert (theirs, mine) == (True, True)


def test_index_is_free_after_the_block(tmp_path: Path) -> None:
    with ownership(tmp_path) as before:
        pass

    with other_process(tmp_path) as (_, after):
        assert (before, after) == (True, True)


def test_index_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broken"), ownership(tmp_path):
        raise ValueError("broken")

    with ownership(tmp_path) as mine:
        assert mine


def test_one_who_does_not_own_the_index_leaves_it_owned(tmp_path: Path) -> None:
    with ownership(tmp_path):
        with ownership(tmp_path) as second:
            pass
        with ownership(tmp_path) as third:
            assert (second, third) == (False, False)


def test_directory_is_made_with_those_above_it(tmp_path: Path) -> None:
    with ownership(tmp_path / "a" / "var") as mine:
        assert mine
        assert (tmp_path / "a" / "var" / "chroma.lock").exists()


@pytest.mark.parametrize("directory", ["file", "file/var"])
def test_directory_that_cannot_be_written_is_named(tmp_path: Path, directory: str) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match=rf"{directory} cannot be written \(.*\); correct \[storage\] directory"):
        make_directory(tmp_path / directory)


def test_lock_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "chroma.lock").mkdir()

    with pytest.raises(StoreError, match=r"cannot be written"), ownership(tmp_path):
        pass


if __name__ == "__main__":
    with ownership(Path(sys.argv[1])) as owned:
        print(owned, flush=True)
        sys.stdin.read()
