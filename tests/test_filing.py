"""Documents in and out of a real index: what lies where, what stays, and what comes back."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fakes import FixedRouter, HashedWordsEncoder

from bot.app import Installation, open_installation
from bot.desks.holdings import PUBLIC, DocumentFilter, ListedDocument
from bot.errors import InputError
from bot.jobs.filing import UPLOADS, WORKERS, home_of, settle_uploads
from bot.learning.router import RouteTeacher
from bot.messages import STOPPED, RouteChoice
from bot.ports import silent
from bot.settings import DomainSettings, Settings, StorageSettings
from bot.store.usage import SqlUsage
from bot.work import serving_jobs
from knowledge.catalogue import Catalogue
from knowledge.chroma import ChromaIndex
from knowledge.retriever import HybridRetriever
from knowledge.sync import Sync

ENCODER = HashedWordsEncoder()
EVERYONE = ["everyone"]


class Router(FixedRouter):
    """Has learned what there is."""

    domains = frozenset({"shop"})

    def nearest_domain(self, query: object) -> str | None:
        return "shop"

    def use(self, classifiers: object) -> None: ...


class Teacher:
    behind = False

    async def teach(self, *_: object) -> dict[str, object]:
        return {}


@dataclass
class Shop:
    """An installation with a real index, and files on their way into it."""

    here: Installation
    folder: Path

    async def do(self, kind: str, **payload: Any) -> Any:
        return await WORKERS[kind](self.here, json.loads(json.dumps({"domain": "shop", "by": "ada"} | payload)), silent)

    async def upload(self, access: list[str] = EVERYONE, **files: str) -> Any:
        incoming = self.folder / UPLOADS / ".incoming" / "1"
        (incoming / UPLOADS).mkdir(parents=True)
        names = {name.replace("_", "."): text for name, text in files.items()}
        for name, text in names.items():
            (incoming / UPLOADS / name).write_text(text)
        return await self.do("upload", access=access, incoming=str(incoming), files=list(names))

    async def ingest(self, *paths: Path, prune: bool = False) -> Any:
        return await self.do("ingest", paths=[str(path) for path in paths], access=EVERYONE, prune=prune)

    def listed(self) -> dict[str, ListedDocument]:
        return {each.id: each for each in Catalogue(self.folder / "knowledge" / "catalogue").all("shop") or ()}

    async def text(self, document: str) -> str:
        found = await self.do("chunks", document=document, first=0, limit=99)
        return "\n".join(found["texts"])

    def files(self, access: list[str] = EVERYONE) -> list[str]:
        return sorted(path.name for path in (home_of(self.folder, "shop", access) / UPLOADS).glob("*"))


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    RouteTeacher(ENCODER, None, tmp_path / "router").tasks()  # type: ignore[arg-type]  # so that no model is loaded
    settings = Settings(
        storage=StorageSettings(directory=tmp_path), domains=(DomainSettings(name="shop", description="Hats"),)
    )
    async with open_installation(settings) as here:
        yield Shop(_with_index(here, tmp_path), tmp_path)


def _with_index(here: Installation, folder: Path) -> Installation:
    index = ChromaIndex(folder / "chroma")
    retriever = HybridRetriever(index, ENCODER, folder / "knowledge", {"shop": PUBLIC})  # type: ignore[dict-item]  # fakes that have what is needed
    sync = Sync(index, ENCODER, folder / "knowledge", retriever.withdraw)  # type: ignore[arg-type]  # a fake encoder
    router = Router(RouteChoice(route="shop", probability=0.8, domain_probability=0.9, runner_up="general"))
    return replace(here, retriever=retriever, sync=sync, router=router, teacher=Teacher())  # type: ignore[arg-type]  # fakes that have what is needed


async def test_uploaded_file_is_indexed_under_a_name_of_its_own_and_kept(shop: Shop) -> None:
    report = await shop.upload(hats_md="# Hats\n\nHats are blue.")

    document = shop.listed()["uploads/hats.md"]
    assert (report["added"], document.uploaded, document.access, document.whole) == (1, "hats.md", ("everyone",), True)
    assert document.changed is not None and shop.files() == ["hats.md"]
    assert await shop.text("uploads/hats.md") == "Hats\nHats are blue."
    assert list((shop.folder / UPLOADS / ".incoming").iterdir()) == []


async def test_prune_of_other_sources_leaves_uploads_alone(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "caps.md").write_text("Caps are red.")
    await shop.upload(hats_md="Hats are blue.", rows_jsonl='{"id": "r1", "text": "Scarves are green."}\n')

    report = await shop.ingest(tmp_path / "docs", prune=True)

    assert sorted(shop.listed()) == ["caps.md", "uploads/hats.md", "uploads/r1"]
    assert (report["removed"], report["documents"]) == (0, 3)


async def test_uploads_come_back_with_their_labels_after_the_loss_of_the_index(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "caps.md").write_text("Caps are red.")
    await shop.upload(["finance"], pay_md="Pay day is Friday.")
    await shop.do("remove", documents=[])
    for collection in shop.here.sync._index.collections("shop"):
        collection.delete("uploads/pay.md")
    shop.here.retriever.refresh("shop")

    await shop.ingest(tmp_path / "docs")

    assert {name: each.access for name, each in shop.listed().items()} == {
        "caps.md": ("everyone",),
        "uploads/pay.md": ("finance",),
    }


async def test_broken_file_is_named_and_loses_neither_the_others_nor_its_earlier_version(shop: Shop) -> None:
    await shop.upload(hats_md="Hats are blue.")

    report = await shop.upload(hats_md="\0binary", caps_md="Caps are red.")

    assert [failure["document"] for failure in report["failed"]] == ["uploads/hats.md"]
    assert "Hats are blue." in await shop.text("uploads/hats.md")
    assert (shop.files(), report["added"]) == (["caps.md", "hats.md"], 1)
    assert (home_of(shop.folder, "shop", EVERYONE) / UPLOADS / "hats.md").read_text() == "Hats are blue."


async def test_file_of_rows_without_one_that_can_be_read_is_not_kept(shop: Shop) -> None:
    report = await shop.upload(rows_jsonl="nonsense\n")

    assert (len(report["failed"]), shop.files(), shop.listed()) == (1, [], {})


async def test_same_name_with_other_labels_moves(shop: Shop) -> None:
    await shop.upload(hats_md="Hats are blue.")

    await shop.upload(["finance"], hats_md="Hats are blue.")

    assert (shop.files(), shop.files(["finance"])) == ([], ["hats.md"])
    assert shop.listed()["uploads/hats.md"].access == ("finance",)


async def test_removed_document_is_gone_for_good_where_the_console_has_its_file(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    rows = '{"id": "r1", "text": "Scarves are green."}\n{"id": "r2", "text": "Gloves are black."}\n'
    await shop.upload(hats_md="Hats are blue.", rows_jsonl=rows)

    report = await shop.do("remove", documents=["uploads/hats.md", "uploads/r1", "never there"])
    await shop.ingest(tmp_path / "docs", prune=True)

    assert (report["removed"], sorted(shop.listed()), shop.files()) == (2, ["uploads/r2"], ["rows.jsonl"])


async def test_documents_that_two_remove_at_the_same_moment_are_gone_and_nobody_is_told_of_an_error(shop: Shop) -> None:
    rows = "".join(f'{{"id": "r{number}", "text": "Hat {number} is green."}}\n' for number in range(20))
    await shop.upload(hats_md="Hats are blue.", rows_jsonl=rows)
    names = [f"uploads/r{number}" for number in range(19)]

    same = [shop.do("remove", documents=["uploads/hats.md"]) for _ in range(2)]
    reports = await asyncio.gather(*same, *(shop.do("remove", documents=[name]) for name in names))

    assert sum(report["removed"] for report in reports) == 20 and shop.files() == ["rows.jsonl"]
    (file,) = (home_of(shop.folder, "shop", EVERYONE) / UPLOADS).glob("*")
    assert "r19" in file.read_text() and len(file.read_text().splitlines()) == 1


async def test_upload_that_a_kill_cut_off_at_its_end_ends_the_same_when_done_again(shop: Shop) -> None:
    await shop.upload(hats_md="Hats are blue.")
    incoming = str(shop.folder / UPLOADS / ".incoming" / "1")

    again = await shop.do("upload", access=EVERYONE, incoming=incoming, files=["hats.md"])

    assert (again["documents"], again["failed"]) == (1, ())
    with pytest.raises(InputError, match="send them once more"):
        await shop.do("upload", access=EVERYONE, incoming=incoming, files=["other.md"])


async def test_audit_log_names_who_did_it_and_what_came_and_went(shop: Shop) -> None:
    await shop.upload(hats_md="Hats are blue.")
    await shop.do("remove", documents=["uploads/hats.md"])

    entries = await shop.here.stores.audit.all()

    assert [(entry.who, entry.what) for entry in entries] == [
        ("ada", "knowledge.ingest shop"),
        ("ada", "knowledge.remove shop"),
    ]
    assert [entry.after for entry in entries] == [
        {"added": 1, "updated": 0, "removed": 0, "files": ["hats.md"]},
        {"added": 0, "updated": 0, "removed": 1, "documents": ["uploads/hats.md"]},
    ]
    assert await SqlUsage(shop.here.stores.database).document_changes("shop", entries[0].at) == 1


async def test_list_is_made_for_an_index_from_before_there_were_lists(shop: Shop) -> None:
    await shop.upload(hats_md="Hats are blue.")
    shutil.rmtree(shop.folder / "knowledge" / "catalogue")

    await shop.do("list")

    assert list(shop.listed()) == ["uploads/hats.md"]


async def test_chunks_are_shown_some_at_a_time(shop: Shop) -> None:
    await shop.upload(hats_md="".join(f"# Part {n}\n\nText {n}.\n\n" for n in range(5)))

    found = await shop.do("chunks", document="uploads/hats.md", first=1, limit=2)

    assert found["total"] == 5
    assert [text.rpartition("\n")[2] for text in found["texts"]] == ["Text 1.", "Text 2."]


async def test_search_shows_the_route_and_what_the_reader_may_see(shop: Shop) -> None:
    await shop.upload(hats_md="Hats are blue.")
    await shop.upload(["finance"], pay_md="Hats cost nine francs.")

    seen = await shop.do("search", domain="", text="What do hats cost?", labels=sorted(PUBLIC or ()))
    everything = await shop.do("search", domain="shop", text="What do hats cost?", labels=None)

    assert (seen["choice"]["route"], seen["choice"]["runner_up"], seen["domain"]) == ("shop", "general", "shop")
    assert [passage["document"] for passage in seen["passages"]] == ["uploads/hats.md"]
    assert everything["passages"][0]["document"] == "uploads/pay.md" and everything["passages"][0]["words"] > 0


async def test_question_that_nobody_would_answer_is_not_searched_for(shop: Shop) -> None:
    found = await shop.do("search", domain="", text=" ", labels=None)

    assert list(found) == ["objection"]
    assert Catalogue(shop.folder / "knowledge" / "catalogue").page("shop", DocumentFilter(), None).found == 0


LONG = "\n\n".join(f"# Part {number}\n\n" + f"Hat {number} costs {number} euros. " * 40 for number in range(150))


def send(shop: Shop, **files: str) -> dict[str, Any]:
    """Files on their way in. Returns: the upload's payload."""
    incoming = shop.folder / UPLOADS / ".incoming" / "2"
    (incoming / UPLOADS).mkdir(parents=True)
    for name, text in files.items():
        (incoming / UPLOADS / f"{name}.md").write_text(text)
    return {"access": EVERYONE, "incoming": str(incoming), "files": [f"{name}.md" for name in files]}


async def cut_off(shop: Shop, payload: dict[str, Any], *, at: str, why: str = "") -> None:
    """Do an upload that is ended when it comes to *at*."""
    loop = asyncio.get_running_loop()

    async def end() -> None:
        task.cancel(why)
        for _ in range(3):  # until the work has heard of it
            await asyncio.sleep(0)

    def progress(done: int, total: int, doing: str) -> None:
        if at in doing and not task.cancelling():
            asyncio.run_coroutine_threadsafe(end(), loop).result()

    task = asyncio.ensure_future(WORKERS["upload"](shop.here, {"domain": "shop", "by": "ada"} | payload, progress))
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_upload_that_is_stopped_keeps_what_was_read_and_forgets_the_rest(shop: Shop) -> None:
    payload = send(shop, a=LONG, b="Caps are red.")

    await cut_off(shop, payload, at="uploads/b.md", why=STOPPED)

    assert list(shop.listed()) == ["uploads/a.md"] and shop.files() == ["a.md"]
    assert not Path(payload["incoming"]).exists()
    (entry,) = await shop.here.stores.audit.all()
    assert entry.after == {"added": 1, "updated": 0, "removed": 0, "files": ["a.md", "b.md"]}


async def test_same_upload_goes_on_with_the_rest(shop: Shop) -> None:
    await cut_off(shop, send(shop, a=LONG, b="Caps are red."), at="uploads/b.md", why=STOPPED)

    report = await shop.do("upload", **send(shop, a=LONG, b="Caps are red."))

    assert (report["added"], report["updated"], shop.files()) == (1, 0, ["a.md", "b.md"])


async def test_file_that_was_to_take_the_place_of_another_leaves_it_where_it_is_stopped(shop: Shop) -> None:
    await shop.upload(b_md="Caps are blue.")

    await cut_off(shop, send(shop, a=LONG, b="Caps are red."), at="uploads/b.md", why=STOPPED)

    assert (await shop.text("uploads/b.md")).endswith("Caps are blue.") and shop.files() == ["a.md", "b.md"]
    assert (home_of(shop.folder, "shop", EVERYONE) / UPLOADS / "b.md").read_text() == "Caps are blue."


async def test_upload_whose_owner_ends_goes_on_with_what_was_sent(shop: Shop) -> None:
    payload = send(shop, a=LONG, b="Caps are red.")
    await cut_off(shop, payload, at="uploads/b.md")

    await shop.do("upload", **payload)

    assert sorted(shop.listed()) == ["uploads/a.md", "uploads/b.md"] and shop.files() == ["a.md", "b.md"]


async def test_files_of_an_upload_that_was_stopped_and_then_killed_are_sorted_out_at_the_next_start(shop: Shop) -> None:
    await shop.upload(c_md="Caps are blue.")
    await asyncio.sleep(1.1)  # times of documents are kept in seconds
    payload = send(shop, a=LONG, b="Caps are red.", c="Caps are green.")
    jobs = shop.here.stores.jobs
    job = await jobs.submit("upload", {"domain": "shop", "by": "ada"} | payload)
    await jobs.take()
    await jobs.stop(job)
    await cut_off(shop, payload, at="uploads/b.md")
    (shop.folder / "knowledge" / "catalogue" / "shop.json").unlink()  # which nobody has written since

    async with serving_jobs(shop.here):
        pass

    home = home_of(shop.folder, "shop", EVERYONE) / UPLOADS
    assert not Path(payload["incoming"]).exists() and shop.files() == ["a.md", "c.md"]
    assert (home / "c.md").read_text() == "Caps are blue." and "uploads/a.md" in shop.listed()


async def test_files_that_belong_to_no_work_are_cleared_away_unless_they_may_be_on_their_way(shop: Shop) -> None:
    waiting = send(shop, a="Hats are blue.")
    job = await shop.here.stores.jobs.submit("upload", {"domain": "shop", "by": "ada"} | waiting)
    old, new = (shop.folder / UPLOADS / ".incoming" / name for name in ("old", "new"))
    for folder in (old, new):
        (folder / UPLOADS).mkdir(parents=True)
    for folder in (old, Path(waiting["incoming"])):
        os.utime(folder, (time.time() - 7200,) * 2)

    await settle_uploads(shop.here)

    assert (old.exists(), new.exists(), Path(waiting["incoming"]).exists()) == (False, True, True)
    await shop.here.stores.jobs.finish(job, error="the disk was full")
    await settle_uploads(shop.here)
    assert not Path(waiting["incoming"]).exists() and new.exists()


async def test_stop_within_a_long_document_keeps_nothing_of_it(shop: Shop) -> None:
    await cut_off(shop, send(shop, a=LONG), at="(9 of 150 chunks)", why=STOPPED)

    assert shop.listed() == {} and shop.files() == []


async def test_progress_goes_on_within_a_long_document(shop: Shop) -> None:
    told: list[tuple[int, int, str]] = []
    payload = {"domain": "shop", "by": "ada"} | send(shop, a="Caps are red.", b=LONG)

    await WORKERS["upload"](shop.here, payload, lambda *step: told.append(step))

    within = [step for step in told if "chunks)" in step[2]]
    assert within[-1] == (0, 2, "Ingesting uploads/b.md (151 of 151 chunks)")
    assert [done for done, total, _ in told if total == 2] == sorted(done for done, total, _ in told if total == 2)


async def test_list_that_is_damaged_is_in_the_way_of_no_upload(shop: Shop) -> None:
    folder = shop.folder / "knowledge" / "catalogue"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shop.json").write_text("{")

    await shop.upload(hats_md="Hats are blue.")

    assert list(shop.listed()) == ["uploads/hats.md"]
