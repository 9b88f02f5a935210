"""Adapters promoted and rolled back by commands while another process answers questions: a whole installation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from fakes import FixedRetriever, FixedRouter, HashedWordsEncoder
from scripted_exam import sit_exam
from structlog.testing import capture_logs
from tiny_model import write_adapter

from bot.app import Installation, open_installation, open_stores
from bot.errors import PointsmanError
from bot.learning.router import RouteTeacher
from bot.messages import Message, Passage, Reply, RouteChoice
from bot.owner import ownership
from bot.ports import OnText, discard
from bot.rows import Row
from bot.settings import DomainSettings, ModelSettings, Settings, StorageSettings
from bot.work import run, serving_jobs

SHOP = RouteChoice(route="shop", probability=0.9, domain_probability=0.9)
HATS = Passage(document="hats.md", chunk=0, text="Hats\nHats cost five euros on Mondays.", dense=0.7)
SHARES = {"none": 0.0, "shop@1": 0.5, "shop@2": 1.0}  # what each adapter gets right in the exam


@pytest.fixture
def settings(tmp_path: Path, tiny_folder: Path) -> Settings:
    """Two candidates wait for a release."""
    RouteTeacher(HashedWordsEncoder(), None, tmp_path / "router").tasks()  # type: ignore[arg-type]  # no model for it
    for number in (1, 2):
        created = f"2030-01-0{number}T00:00:00+00:00"
        write_adapter(tiny_folder, tmp_path / "adapters" / "shop" / str(number), seed=number, created=created)
    shop = DomainSettings(name="shop", description="What the shop sells")
    storage = StorageSettings(directory=tmp_path)
    return Settings(storage=storage, model=ModelSettings(base=str(tiny_folder), deadline_seconds=0.1), domains=(shop,))


@asynccontextmanager
async def owner(settings: Settings) -> AsyncIterator[Installation]:
    """A running Pointsman whose every question is the shop's, and whose adapters have sat the exam."""
    with ownership(settings.storage.directory) as mine:
        assert mine
        async with open_installation(settings) as here:
            parts = {"retriever": FixedRetriever({"shop": [HATS]}), "router": FixedRouter(SHOP, "shop")}
            here = replace(here, assistant=replace(here.assistant, **parts))
            await sit_exam(here, SHARES)
            await here.generator.warm_up()
            async with serving_jobs(here):
                yield here


async def ask(here: Installation, thread: str = "T1", on_text: OnText = discard) -> Reply:
    message = Message(id=f"event in {thread}", text="What do hats cost?", thread=thread)
    return await here.on_message(message, on_text)


async def promote(settings: Settings, version: str | None = None, canary: float | None = None) -> Row:
    """What the command does, which is another process."""
    payload = {"domain": "shop", "version": version, "canary": canary, "by": "ada", "request": ""}
    return dict(await run(settings, "promote", payload))


async def rollback(settings: Settings) -> Row:
    return dict(await run(settings, "rollback", {"domain": "shop", "version": None, "by": "ada", "request": ""}))


async def test_promotion_and_rollback_need_no_restart(settings: Settings) -> None:
    async with owner(settings) as here:
        seen = [(await ask(here)).adapter]
        for version in ("1", "2"):
            assert (await promote(settings, version))["promoted"]
            seen.append((await ask(here)).adapter)
        for _ in range(2):
            await rollback(settings)
            seen.append((await ask(here)).adapter)

    assert seen == ["none", "shop@1", "shop@2", "shop@1", "none"]


@dataclass
class Listener:
    """Somebody who reads the first piece of an answer for as long as is wanted."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    read: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, piece: str) -> None:
        self.begun.set()
        await self.read.wait()


async def test_answer_that_has_begun_keeps_its_version_and_the_next_one_has_the_new(settings: Settings) -> None:
    async with owner(settings) as here:
        await promote(settings, "1")
        listener = Listener()
        running = asyncio.create_task(ask(here, "T1", listener))
        await listener.begun.wait()

        await promote(settings, "2")
        meanwhile = await ask(here, "T2")
        listener.read.set()

        assert ((await running).adapter, meanwhile.adapter) == ("shop@1", "shop@2")


async def test_no_answer_is_dropped_while_adapters_change(settings: Settings) -> None:
    async with owner(settings) as here:
        asked = [asyncio.create_task(ask(here, f"T{number}")) for number in range(8)]
        await promote(settings, "1")
        asked += [asyncio.create_task(ask(here, f"T{number}")) for number in range(8, 12)]
        await rollback(settings)
        replies = [await reply for reply in asked]

        assert {reply.adapter for reply in replies} == {"none", "shop@1"}
        assert [reply.adapter for reply in replies[8:]] == ["shop@1"] * 4
        async with open_stores(settings) as stores:
            kept = [await stores.exchanges.find(reply.id) for reply in replies]
        assert all(
            each and each.complete and each.reply.adapter == reply.adapter
            for each, reply in zip(kept, replies, strict=True)
        )


async def test_conversation_stays_with_its_version_while_a_canary_runs(settings: Settings) -> None:
    async with owner(settings) as here:
        await promote(settings, "1")
        await promote(settings, "2", canary=0.4)
        threads = [f"T{number}" for number in range(6)]

        first, again = [[(await ask(here, thread)).adapter for thread in threads] for _ in range(2)]
        await promote(settings)
        final = await ask(here, threads[0])

    assert first == again and set(first) == {"shop@1", "shop@2"}
    assert final.adapter == "shop@2"


async def test_new_adapter_is_in_memory_before_its_first_question(settings: Settings) -> None:
    folder = settings.storage.directory / "adapters" / "shop" / "1"
    async with owner(settings) as here:
        await promote(settings, "1")
        (folder / "adapter_model.safetensors").unlink()

        assert (await ask(here)).adapter == "shop@1"


async def test_torn_adapter_is_refused_and_everybody_is_answered_as_before(settings: Settings) -> None:
    torn = settings.storage.directory / "adapters" / "shop" / "2" / "adapter_model.safetensors"
    async with owner(settings) as here:
        await promote(settings, "1")
        torn.write_bytes(torn.read_bytes()[:2000])

        row = await promote(settings, "2")

        assert not row["promoted"] and "shop@2" in row["reasons"][0]
        assert (await ask(here)).adapter == "shop@1"


async def test_unknown_domain_is_an_error_with_a_remedy(settings: Settings) -> None:
    with pytest.raises(PointsmanError, match=r"domain 'travel' is not in pointsman\.toml; domains there: shop"):
        await run(settings, "rollback", {"domain": "travel", "by": "ada"})


async def test_without_an_owner_the_command_does_it_itself(settings: Settings) -> None:
    async with owner(settings):
        pass

    row = await promote(settings, "1")

    assert row["promoted"] and row["adapter"] == "shop@1"
    async with owner(settings) as here:
        assert (await ask(here)).adapter == "shop@1"


async def test_release_that_is_damaged_leaves_everybody_answered(settings: Settings) -> None:
    async with owner(settings) as here:
        await promote(settings, "1")
        (settings.storage.directory / "adapters" / "shop" / "stages.json").write_text("{")

        with capture_logs() as logs:
            reply = await ask(here)
        with pytest.raises(PointsmanError, match=r"stages\.json is damaged"):
            await rollback(settings)

    assert reply.adapter == "none" and [entry["log_level"] for entry in logs] == ["error"]
