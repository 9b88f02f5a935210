"""Whoever deletes a person or a document learns which datasets and adapters used them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import FixedRetriever, HashedWordsEncoder
from structlog.testing import capture_logs
from tiny_model import write_numbers

from bot.app import Installation, open_installation
from bot.learning.router import RouteTeacher
from bot.messages import DatasetSource, DatasetVersion, IngestReport
from bot.ports import Progress, silent
from bot.settings import DomainSettings, Settings, StorageSettings
from bot.work import WORKERS

DRAFT = DatasetVersion(
    domain="shop", version="", kind="sft", rows=2, hash="1", approved_by=("ada",), documents=("hats.md",), report={}
)
BOB = DatasetSource(reply="r1", user="slack:bob", workspace="slack:T1", document="hats.md")
INGEST = {"domain": "shop", "paths": [], "access": ["everyone"], "prune": True, "by": "ada"}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Installation]:
    """The shop's second adapter learnt of Bob and of hats, the third by way of it; the fourth learnt from a file."""
    RouteTeacher(HashedWordsEncoder(), None, tmp_path / "router").tasks()  # type: ignore[arg-type]  # no model for it
    made = {"base_model": "tiny", "created": "2030-01-01T00:00:00+00:00"}
    for number, dataset, start in (("1", "shop@9", "none"), ("2", "shop@1", "shop@1"), ("3", "shop@9", "shop@2")):
        write_numbers(tmp_path / "adapters" / "shop" / number, **made, dataset=dataset, start=start)
    write_numbers(tmp_path / "adapters" / "shop" / "4", **made, dataset="rows.jsonl", start="none")
    shop = DomainSettings(name="shop", description="What the shop sells")
    async with open_installation(Settings(storage=StorageSettings(directory=tmp_path), domains=(shop,))) as here:
        for draft, sources in ((DRAFT, [BOB]), (replace(DRAFT, hash="2", documents=("shoes.md",)), [])):
            await here.stores.datasets.add(draft, sources, lambda _: None, by="ada")
        yield here


async def test_forgetting_a_person_names_the_datasets_and_adapters_that_used_them(here: Installation) -> None:
    with capture_logs() as logs:
        await here.stores.people.forget("slack:bob", "slack:T1", by="ada")

    held = {"datasets": ["shop@1"], "adapters": ["shop@2", "shop@3"]}
    assert [{name: entry[name] for name in held} for entry in logs] == [held]
    entry = (await here.stores.audit.all())[-1]
    assert (entry.who, entry.what) == ("ada", "people.forget")
    assert entry.after == {"user": "slack:bob", "questions": 0} | held


@pytest.mark.parametrize(("user", "workspace"), [("slack:eve", "slack:T1"), ("slack:bob", "slack:T2")])
async def test_forgetting_somebody_else_names_nothing(here: Installation, user: str, workspace: str) -> None:
    with capture_logs() as logs:
        await here.stores.people.forget(user, workspace)

    assert logs == [] and (await here.stores.audit.all())[-1].after == {"user": user, "questions": 0}


class Emptied:
    """A sync after which the *retriever* finds nothing of the shop's documents but those that are *left*."""

    def __init__(self, retriever: "Shelf", left: list[str]) -> None:
        self._retriever, self._left = retriever, left

    def listed(self, domain: str) -> tuple[()]:
        return ()

    def ingest(self, *_: object, progress: Progress = silent, **_more: object) -> IngestReport:
        removed = len(self._retriever.names) - len(self._left)
        self._retriever.names = self._left
        return IngestReport(removed=removed)


class Shelf(FixedRetriever):
    names = ("hats.md", "shoes.md", "bags.md")

    def documents(self, domain: str) -> dict[str, frozenset[str]]:
        return dict.fromkeys(self.names, frozenset())

    def refresh(self, domain: str) -> None:
        pass


class Idle:
    """A teacher and router with nothing to learn."""

    behind, domains = False, ("shop",)

    async def teach(self, *_: object) -> dict[str, object]:
        return {}

    def use(self, _: object) -> None:
        pass


async def pruned(here: Installation, left: list[str], **changes: object) -> dict[str, object]:
    shelf, idle = Shelf(), Idle()
    parts = {"retriever": shelf, "sync": Emptied(shelf, left), "teacher": idle, "router": idle}
    return dict(await WORKERS["ingest"](replace(here, **parts), INGEST | changes, silent))  # type: ignore[arg-type]  # of every type


async def test_removing_a_document_names_the_datasets_and_adapters_that_used_it(here: Installation) -> None:
    report = await pruned(here, ["shoes.md", "bags.md"])

    held = {"documents": ["hats.md"], "datasets": ["shop@1"], "adapters": ["shop@2", "shop@3"]}
    assert report["held"] == held
    entry = (await here.stores.audit.all())[-1]
    assert (entry.who, entry.what, entry.after) == ("ada", "knowledge.removed shop", held)


@pytest.mark.parametrize(
    ("left", "changes"),
    [(["hats.md", "shoes.md"], {}), (["hats.md", "shoes.md", "bags.md"], {}), ([], {"prune": False})],
)
async def test_removing_what_no_dataset_used_names_nothing(
    here: Installation, left: list[str], changes: dict[str, object]
) -> None:
    assert "held" not in await pruned(here, left, **changes)


async def test_datasets_of_another_domain_do_not_count(here: Installation) -> None:
    await here.stores.datasets.add(replace(DRAFT, domain="depot"), [], lambda _: None, by="ada")

    report = await pruned(here, ["shoes.md", "bags.md"])

    assert report["held"]["datasets"] == ["shop@1"]  # type: ignore[index]  # it holds a mapping
