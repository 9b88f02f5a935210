"""What tests in a real browser share: a console in a process of its own, and hands on the keyboard."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE

needed = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="no chromium here; `apt-get install chromium chromium-driver` brings it",
)
TESTS = Path(__file__).parent


def serve(folder: Path, program: str = "console_served.py") -> Iterator[str]:
    """The address of a console in *folder*, while a test runs."""
    command = [sys.executable, str(TESTS / program), str(folder)]
    paths = {**os.environ, "PYTHONPATH": str(TESTS.parent)}
    with subprocess.Popen(command, env=paths, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as served:
        assert served.stdout and served.stdin
        yield served.stdout.readline().strip()
        served.stdin.close()  # which ends it


def wait_for(what: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """*what*, as soon as it is something."""
    end = time.monotonic() + patience
    while not (found := what()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
    return found


def sign_in(browser: Any, address: str, role: str) -> None:
    browser.delete_all_cookies()
    browser.get(f"{address}/signin")
    browser.find_element("id", "name").send_keys(role)
    browser.find_element("id", "password").send_keys("correct horse battery\n")
    wait_for(lambda: "/signin" not in browser.current_url)


def press(browser: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(browser).send_keys(key).perform()


def lines(browser: Any, state: str) -> int:
    return len(browser.find_elements("css selector", f".queue li[data-state={state}]"))


def shown(browser: Any) -> bool:
    """Whether the chosen answer stands beside the list, and keys act on it."""
    return bool(
        browser.execute_script(
            "return !document.querySelector('#pane[aria-busy]')"
            " && document.querySelector('li[aria-current]')?.dataset.reply === "
            "(document.querySelector('#pane article')?.dataset.reply ?? '')"
        )
    )
