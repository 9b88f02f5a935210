"""What every test gets: no network, and language models to run on."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported

import pytest
from tiny_model import ROOT, write_base

from adapters.base_model import BaseModel

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
