"""
Progress on stderr, on a screen and in a log.

Run as a program, this file is work that takes a while and prints one result.
"""

import os
import pty
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from bot import progress
from bot.progress import progress_bar

ROOT = Path(__file__).parent.parent
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "80"}
COMMAND = [sys.executable, __file__]


def run_on_a_screen() -> tuple[bytes, bytes]:
    """What the program below writes to stdout, a file, and to stderr, a screen."""
    screen, end = pty.openpty()
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=end, env=ENVIRONMENT) as process:
        os.close(end)
        shown = b""
        with suppress(OSError):  # the end of a screen
            while piece := os.read(screen, 4096):
                shown += piece
        os.close(screen)
        return process.communicate()[0], shown


def test_nothing_but_the_result_is_on_stdout_where_stderr_is_a_screen() -> None:
    stdout, shown = run_on_a_screen()

    assert stdout == b"the result\n"
    assert b"Reading things [/b]" in shown
    assert b"Writing two" in shown and b"2/3" in shown


def test_log_gets_one_line_a_kind_of_work() -> None:
    done = subprocess.run(COMMAND, capture_output=True, text=True, env=ENVIRONMENT, check=True)

    assert done.stdout == "the result\n"
    assert done.stderr == "Reading things [/b]...\nWriting one (3 in all)...\n"


def test_work_of_known_length_is_silent_for_two_seconds(capfd: pytest.CaptureFixture[str]) -> None:
    with progress_bar() as report:
        report(1, 3, "Writing one")
        report(2, 3, "Writing two")

    assert capfd.readouterr() == ("", "")
    assert progress.PATIENCE == 2.0


def test_error_within_the_work_passes_through(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="broken"), progress_bar() as report:
        report(0, 0, "Reading things")
        raise ValueError("broken")

    assert capfd.readouterr().out == ""


if __name__ == "__main__":
    with progress_bar() as report:
        report(0, 0, "Reading things [/b]")
        report(1, 3, "Writing nothing yet")
        time.sleep(progress.PATIENCE + 0.1)
        report(1, 3, "Writing one")
        report(2, 3, "Writing two")
        print("the result")
        time.sleep(0.2)
