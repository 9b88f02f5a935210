"""`pointsman console` and `pointsman admin create` as one types them."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from bot.app import open_stores
from bot.desks.accounts import Account
from bot.settings import load_settings
from bot.store.accounts import SqlAccounts

PASSWORD = "correct horse battery"


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def config(tmp_path: Path, port: int) -> Path:
    file = tmp_path / "pointsman.toml"
    file.write_text(f'[storage]\ndirectory = "var"\n[console]\nport = {port}\n')
    return file


def pointsman(config: Path, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "bot.cli", *arguments, "--config", str(config)]
    code = "from bot.cli import main; main()"
    command[1:3] = ["-c", code]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)


def account_in(config: Path, name: str) -> Account | None:
    async def find() -> Account | None:
        async with open_stores(load_settings(config)) as stores:
            return await SqlAccounts(stores.database).find(name)

    return asyncio.run(find())


def test_first_admin_is_made_at_the_command_line(config: Path) -> None:
    done = pointsman(config, "admin", "create", "Ada", "--role", "admin", "--password-stdin", "--json", stdin=PASSWORD)

    made = account_in(config, "ada")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"name": "ada", "role": "admin"})
    assert made and made.role == "admin" and PASSWORD not in str(made.password)


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "said"),
    [
        (["ada", "--role", "admin", "--password-stdin"], "short", 1, "at least 12 characters"),
        (["ada", "--role", "admin", "--password-stdin"], "", 1, "at least 12 characters"),
        (["ada", "--role", "admin"], PASSWORD, 1, "--password-stdin"),
        (["a b", "--role", "admin", "--password-stdin"], PASSWORD, 1, "cannot be a name"),
        (["ada", "--role", "boss", "--password-stdin"], PASSWORD, 2, "viewer"),
        (["ada", "--password-stdin"], PASSWORD, 2, "--role"),
    ],
)
def test_account_that_cannot_be_is_refused_in_a_line(
    config: Path, arguments: list[str], stdin: str, code: int, said: str
) -> None:
    done = pointsman(config, "admin", "create", *arguments, stdin=stdin)

    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr and "Traceback" not in done.stderr
    assert account_in(config, "ada") is None


def test_console_is_served_alone_until_it_is_stopped(config: Path, port: int) -> None:
    command = [sys.executable, "-c", "from bot.cli import main; main()", "console", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as served:
        try:
            assert served.stderr
            said = served.stderr.readline()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/review", timeout=30) as page:
                shown, where = page.read().decode(), page.url
            busy = pointsman(config, "console")
        finally:
            os.kill(served.pid, signal.SIGTERM)
            begin = time.monotonic()
            served.wait(15)

    assert f"http://127.0.0.1:{port}" in said and "/signin" in where and "pointsman admin create" in shown
    assert (served.returncode, time.monotonic() - begin < 15) == (0, True)
    assert (busy.returncode, busy.stderr.count("\n"), str(port) in busy.stderr) == (1, 1, True)
