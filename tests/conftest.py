"""What every test gets: no network, and language models to run on."""

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported
os.environ["OMP_NUM_THREADS"] = "1"  # read by torch; threads that wait for each other slow tiny models down

import pytest
from patience import PATIENCE
from tiny_model import ROOT, engine, write_adapter, write_base

from adapters.base_model import BaseModel
from adapters.generator import TransformersGenerator
from bot.learning.router import RouteTeacher
from bot.settings import load_settings
from bot.work import run
from knowledge.encoder import MiniLmEncoder

LOOPBACK = ("127.", "::1", "localhost")
refused: list[object] = []  # addresses that a test tried to reach


class NetworkRefused(AssertionError):
    """A test tried to reach another machine."""


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
    elif event == "socket.getaddrinfo":
        address = (arguments[0], arguments[1])
    else:
        return
    host = address[0] if isinstance(address, tuple) else None  # a name in the file system is an AF_UNIX socket
    if isinstance(host, str) and host and not host.startswith(LOOPBACK):
        refused.append(address)
        raise NetworkRefused(f"tests run without a network; {event} {address}")


sys.addaudithook(_refuse_network)  # below every library, and for good: hooks cannot be removed


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    """Whoever swallows the refusal fails here."""
    refused.clear()
    yield
    assert not refused, f"tried to reach {refused}"


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny_base(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    return BaseModel(str(tiny_folder), tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def embedded_base() -> BaseModel:
    """The model that users get; converted once, which takes a while."""
    return BaseModel("embedded", ROOT / "var" / "models")


@pytest.fixture(scope="session")
def trained(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two adapters that change what the tiny model says."""
    folder = tmp_path_factory.mktemp("adapters")
    for seed, domain in enumerate(("billing", "travel")):
        write_adapter(tiny_folder, folder / domain / "1", seed=seed)
    return folder


@pytest.fixture
def adapters(trained: Path, tmp_path: Path) -> Path:
    """The same two, to be damaged."""
    return shutil.copytree(trained, tmp_path / "adapters")


@pytest.fixture
def generator(tiny_base: BaseModel, adapters: Path) -> TransformersGenerator:
    return engine(tiny_base, adapters)


@pytest.fixture(scope="session")
def handbook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings file of an installation that has read some of the handbook; made once, with the real encoder."""
    folder = tmp_path_factory.mktemp("installation")
    file = folder / "pointsman.toml"
    documents = folder / "handbook"
    documents.mkdir()
    for page in ("documents.md", "feedback.md", "storage.md"):
        shutil.copy(ROOT / "knowledge" / "handbook" / page, documents)
    file.write_text(
        f'[storage]\ndirectory = "var"\nmodels = "{ROOT / "var" / "models"}"\n'
        '[[domains]]\nname = "handbook"\ndescription = "How to install, use and run Pointsman"\n'
        'documents = ["handbook"]\n'
        '[[domains]]\nname = "empty"\ndescription = "Nothing yet"\n'
        '[[access]]\nlabel = "finance"\nmembers = ["slack:user:U1"]\n'
    )
    kept = (
        ROOT / "var" / "tests"
    )  # embedding the general set takes longest; its file's name tells when it is out of date
    RouteTeacher(MiniLmEncoder(), None, kept).tasks()  # type: ignore[arg-type]  # no model for it
    shutil.copytree(kept, folder / "var" / "router")
    payload = {"domain": "handbook", "paths": [str(documents)], "access": ["everyone"], "prune": False}
    asyncio.run(run(load_settings(file), "ingest", payload))
    return file


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Debian's chromium, driven by its chromedriver; nothing is patched in it."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1300,900"):
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
    driver.set_script_timeout(PATIENCE * 4)
    yield driver
    driver.quit()
