"""
Several processes on one database file, and what a kill leaves behind.

Run as a program, this file is such a process.
"""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from fakes import MESSAGE, REPLY
from patience import PATIENCE

from bot.errors import Conflict
from bot.messages import Feedback
from bot.store.database import Database, open_database
from bot.store.exchanges import SqlExchangeStore
from bot.store.feedback import SqlFeedbackStore
from bot.store.jobs import SqlJobQueue

ROOT = Path(__file__).parent.parent
ACKNOWLEDGED = 40  # exchanges before the kill
JOBS = 60


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pointsman.db"


def start(role: str, file: Path) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, role, f"sqlite:///{file}"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def run_together(*processes: "subprocess.Popen[str]") -> list[list[str]]:
    """What each printed, after all of them were told to go at the same moment."""
    for process in processes:
        assert line_of(process) == "ready"
    for process in processes:
        go(process)
    return [process.communicate(timeout=PATIENCE)[0].split() for process in processes]


def test_what_was_acknowledged_survives_a_kill(file: Path) -> None:
    process = start("write", file)
    go(process)
    assert line_of(process) == "ready"
    printed = [line_of(process) for _ in range(ACKNOWLEDGED)]

    process.kill()

    printed += process.communicate(timeout=PATIENCE)[0].split()
    with closing(sqlite3.connect(file)) as connection:
        votes = connection.execute("SELECT reply FROM votes JOIN exchanges USING (reply)").fetchall()
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert set(printed) <= {reply for (reply,) in votes}


async def test_two_processes_never_take_the_same_job(file: Path) -> None:
    async with open_database(f"sqlite:///{file}") as database:
        submitted = [str(await SqlJobQueue(database).submit("ingest", {})) for _ in range(JOBS)]

    first, second = await asyncio.to_thread(run_together, start("take", file), start("take", file))

    assert sorted(first + second, key=int) == submitted


def test_of_two_processes_that_want_the_same_done_one_is_first_each_time(file: Path) -> None:
    first, second = run_together(start("press", file), start("press", file))

    assert sorted(first + second, key=int) == [str(number) for number in range(JOBS)]


def test_processes_that_start_together_create_one_database(file: Path) -> None:
    starters = [start("take", file) for _ in range(2)]

    run_together(*starters)

    assert [starter.returncode for starter in starters] == [0, 0]


async def write(database: Database) -> None:
    """Print the id of each vote once it is acknowledged, until killed."""
    for number in count():
        reply = replace(REPLY, id=str(number))
        await SqlExchangeStore(database).begin(MESSAGE, reply)
        vote = Feedback(reply=reply.id, user="slack:U1", platform="slack", rating=1)
        await SqlFeedbackStore(database).save(vote)
        print(number, flush=True)


async def take(database: Database) -> None:
    """Print the id of each job taken, until there is none left."""
    while job := await SqlJobQueue(database).take():
        print(job.id, flush=True)


async def press(database: Database) -> None:
    """Print the number of each piece of work that was not begun by somebody else."""
    for number in range(JOBS):
        with suppress(Conflict):
            await SqlJobQueue(database).submit("judge", {}, sole=f"judge {number}")
            print(number, flush=True)


async def main(role: str, url: str) -> None:
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    async with open_database(url) as database:
        await {"write": write, "take": take, "press": press}[role](database)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
