"""The commands that retrain the router, as scripts use them, handed over to a running Pointsman."""

import asyncio
import json
import logging
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import Result
from fakes import MESSAGE, REPLY
from fakes_routing import ENCODER, QuickTeacher, SharedWords
from test_router_changes import DOG, DOGS
from test_router_gate import examples, mistakes
from typer.testing import CliRunner

from bot.app import Installation, open_installation, open_stores
from bot.cli import app
from bot.learning.router import RouteTeacher
from bot.messages import LabelledQuestion, Query, Review
from bot.owner import ownership
from bot.routing import save
from bot.settings import load_settings
from bot.work import serving_jobs

LISTED = {"version", "status", "origin", "created", "examples", "hash", "scores"}


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Commands set up logs and warnings for their whole process; here the process goes on."""
    handlers = logging.getLogger().handlers[:]
    with warnings.catch_warnings():
        yield
    logging.getLogger().handlers[:] = handlers
    structlog.reset_defaults()


@dataclass
class Desk:
    """An installation of two domains, its settings file, and what somebody types there."""

    config: Path

    async def call(self, *arguments: object) -> Result:
        """What a command says that runs beside this process."""
        line = [*map(str, arguments), "--config", str(self.config)]
        return await asyncio.to_thread(CliRunner().invoke, app, line)

    async def data(self, *arguments: object) -> Any:
        """What a command prints under --json, which is all that stdout holds."""
        result = await self.call(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    async def with_stores(self, work: Callable[[Any], Awaitable[object]]) -> None:
        async with open_stores(load_settings(self.config)) as stores:
            await work(stores)

    async def reviewed(self, questions: list[LabelledQuestion]) -> None:
        async def keep(stores: Any) -> None:
            for number, question in enumerate(questions):
                message = replace(MESSAGE, id=f"e{number}", text=question.text, user=f"slack:{number}")
                done = replace(REPLY, id=f"r{number}", question=question.text)
                await stores.exchanges.begin(message, done)
                await stores.exchanges.complete(done)
                await stores.reviews.add([Review(reply=done.id, state="approved", by="ada", route=question.route)])

        await self.with_stores(keep)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Installation]:
        """A running Pointsman after its first ingest."""
        settings = load_settings(self.config)
        directory = settings.storage.directory
        with ownership(directory) as mine:
            assert mine
            async with open_installation(settings) as here:
                teacher = QuickTeacher(ENCODER, SharedWords(), directory / "router")
                here = replace(here, teacher=teacher, encoder=ENCODER)  # type: ignore[arg-type]  # fakes that have what is needed
                await here.learn_routes()
                async with serving_jobs(here):
                    yield here


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    file = tmp_path / "pointsman.toml"
    names = ("billing", "travel")
    file.write_text("".join(f'[[domains]]\nname = "{name}"\ndescription = "{name}"\n' for name in names))
    RouteTeacher(ENCODER, None, tmp_path / "var" / "router").tasks()  # type: ignore[arg-type]  # no model for it
    return Desk(file)


def is_travel(here: Installation) -> bool:
    """Whether the running Pointsman has learnt where questions about dogs go."""
    return here.router.nearest_domain(Query(text=DOG, vector=ENCODER.encode([DOG])[0])) == "travel"


async def test_training_is_done_by_the_running_pointsman_and_used_there_at_once(desk: Desk) -> None:
    await desk.reviewed([*examples(), *DOGS])
    async with desk.running() as here:
        before = is_travel(here)
        row = await desk.data("router", "train")
        after = is_travel(here)

    assert (row["version"], row["status"], row["made"], row["reasons"]) == ("2", "production", True, [])
    assert row["examples"] == {"written": 0, "reviewed": 48} and row["against"] == "1"
    assert (before, after) == (False, True)


async def test_rollback_swaps_without_a_restart_and_is_in_the_audit_log(desk: Desk) -> None:
    await desk.reviewed([*examples(), *DOGS])
    async with desk.running() as here:
        await desk.call("router", "train", "--by", "ada")
        done = await desk.call("router", "rollback", "--by", "bob")
        after = is_travel(here)
        log = [(entry.who, entry.what, entry.after) for entry in await here.stores.audit.all()]

    assert (done.exit_code, done.stdout) == (0, "router 1 is in use\n") and not after
    assert log[-2:] == [("ada", "router.promote", {"version": "2"}), ("bob", "router.rollback", {"version": "1"})]


async def test_refused_router_says_why_and_exits_with_1(desk: Desk) -> None:
    await desk.reviewed(mistakes())
    async with desk.running():
        trained = await desk.call("router", "train")
        promoted = await desk.call("router", "promote")
        row = json.loads((await desk.call("router", "promote", "2", "--json")).stdout)

    assert (
        trained.exit_code == 0 and "it is not used: " in trained.stdout and "router 2 is a candidate" in trained.stdout
    )
    assert promoted.exit_code == 1 and "\npointsman: router 2 is refused: " in promoted.stderr
    assert "FAIL" in promoted.stdout and row["status"] == "candidate" and row["reasons"]


async def test_list_and_show_need_no_running_pointsman(desk: Desk) -> None:
    await desk.reviewed(DOGS)
    async with desk.running():
        await desk.call("router", "train")

    first, second = await desk.data("router", "list")
    shown = await desk.data("router", "show", "2")
    text = (await desk.call("router", "show")).stdout

    assert first.keys() == second.keys() == LISTED
    assert [(row["version"], row["status"], row["origin"]) for row in (first, second)] == [
        ("1", "production", "ingest"),
        ("2", "candidate", "train"),
    ]
    assert "4 example questions are too few" in shown["reasons"][0] and shown["counts"]["travel"]["reviewed"] == 4
    assert text.startswith("router 1: production, made by ingest")


async def test_router_of_an_older_installation_is_listed(desk: Desk) -> None:
    save({}, desk.config.parent / "var" / "router" / "router.npz")

    (row,) = await desk.data("router", "list")

    assert (row["version"], row["status"], row["origin"]) == ("1", "production", "found")


async def test_where_nothing_was_taught_the_next_step_is_named(desk: Desk) -> None:
    listed, shown = await desk.call("router", "list"), await desk.call("router", "show")

    assert listed.stdout == "No router yet; `pointsman ingest --domain NAME` teaches the first.\n"
    assert (shown.exit_code, shown.stderr) == (
        1,
        "pointsman: no router is in use yet; `pointsman ingest --domain NAME` teaches the first\n",
    )


async def test_examples_are_listed_with_the_reply_that_they_come_from(desk: Desk) -> None:
    written = [LabelledQuestion(text="Where is my money?", route="billing")]
    await desk.with_stores(lambda stores: stores.examples.add(written))
    await desk.reviewed(DOGS[:1])

    assert await desk.data("examples", "list") == [
        {"text": "Where is my money?", "route": "billing"},
        {"text": DOG, "route": "travel", "reply": "r0"},
    ]
    lines = (await desk.call("examples", "list")).stdout.splitlines()
    assert lines == ["Where is my money?\tbilling\t", f"{DOG}\ttravel\tr0"]
