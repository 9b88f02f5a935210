"""
Documents into the index, again and again.

Run as a program, this file is an ingest that takes its time: it prints each document before it reads it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from fakes import HashedWordsEncoder
from numpy.typing import NDArray
from tiny_model import ROOT

from bot.errors import InputError, RetrievalError
from bot.messages import IngestReport, Query
from bot.ports import Progress, silent
from knowledge.chroma import ChromaCollection, ChromaIndex
from knowledge.retriever import HybridRetriever
from knowledge.sync import AT_ONCE, Sync

ENCODER = HashedWordsEncoder()
DOCUMENTS = 12


class SlowEncoder(HashedWordsEncoder):
    """Takes its time, so that a kill comes in the middle."""

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> NDArray[np.float32]:
        time.sleep(0.05)
        return HashedWordsEncoder.encode(self, texts, progress)


@dataclass(frozen=True)
class Shop:
    """A folder of documents, an index and somebody who searches it."""

    folder: Path
    index: ChromaIndex
    retriever: HybridRetriever
    sync: Sync

    def write(self, **documents: str) -> None:
        for name, text in documents.items():
            (self.folder / f"{name}.md").write_text(text)

    def ingest(self, *paths: Path, access: str = "everyone", prune: bool = False) -> IngestReport:
        report = self.sync.ingest("shop", paths or [self.folder], access=access.split(), prune=prune)
        self.retriever.refresh("shop")
        return report

    def found(self, text: str, labels: str = "everyone") -> list[str]:
        """The documents that somebody with *labels* finds."""
        query = self.retriever.search("shop", [_query(text)], labels=frozenset(labels.split()), top_k=9)[0]
        return sorted({passage.document for passage in query.passages})

    def texts(self) -> dict[str, str]:
        """Everything that is indexed, by document."""
        return {c.document: c.body for shelf in self.index.collections("shop") for c in shelf.chunks()}


def _query(text: str) -> Query:
    return Query(text=text, vector=ENCODER.encode([text])[0])


def make_shop(folder: Path, index: ChromaIndex | None = None) -> Shop:
    (folder / "docs").mkdir(exist_ok=True)
    index = index or ChromaIndex(folder / "chroma")
    retriever = HybridRetriever(index, ENCODER, folder / "knowledge", {"shop": frozenset({"everyone"})})
    sync = Sync(index, ENCODER, folder / "knowledge", retriever.withdraw)  # type: ignore[arg-type]  # a fake encoder
    return Shop(folder / "docs", index, retriever, sync)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = make_shop(tmp_path)
    shop.write(refunds="Refunds are paid within 14 days.", parcels="Parcels leave on Monday.")
    return shop


def numbers(report: IngestReport) -> tuple[int, int, int, int]:
    return report.documents, report.added, report.updated, report.removed


def test_documents_are_indexed_under_their_path(shop: Shop) -> None:
    (shop.folder / "more").mkdir()
    (shop.folder / "more" / "boxes.txt").write_text("Boxes are blue.")

    report = shop.ingest()

    assert numbers(report) == (3, 3, 0, 0) and report.chunks == 3 and report.failed == []
    assert list(shop.texts()) == ["more/boxes.txt", "parcels.md", "refunds.md"]


def test_second_ingest_changes_nothing_and_embeds_nothing(shop: Shop) -> None:
    shop.ingest()
    before = shop.texts()

    report = shop.ingest()

    assert numbers(report) == (2, 0, 0, 0) and report.chunks == 2
    assert shop.texts() == before


def test_changed_document_is_replaced(shop: Shop) -> None:
    shop.ingest()
    shop.write(refunds="Refunds are paid within 30 days.")

    report = shop.ingest()

    assert numbers(report) == (2, 0, 1, 0)
    assert shop.texts()["refunds.md"] == "Refunds are paid within 30 days." and report.chunks == 2


def test_document_that_shrank_leaves_no_old_chunks(shop: Shop) -> None:
    shop.write(long="\n\n".join(f"# Part {n}\n\n" + f"Rule {n} holds. " * 80 for n in range(4)))
    many = shop.ingest().chunks
    shop.write(long="# Part 0\n\nRule 0 holds.")

    report = shop.ingest()

    assert many > 5 and report.chunks == 3


@pytest.mark.parametrize(("prune", "left"), [(True, ["refunds.md"]), (False, ["parcels.md", "refunds.md"])])
def test_document_that_is_gone_is_removed_on_demand(shop: Shop, prune: bool, left: list[str]) -> None:
    shop.ingest()
    (shop.folder / "parcels.md").unlink()

    report = shop.ingest(prune=prune)

    assert report.removed == 2 - len(left) and list(shop.texts()) == left


def test_pruning_an_empty_folder_empties_the_domain(shop: Shop) -> None:
    shop.ingest()
    for path in shop.folder.iterdir():
        path.unlink()

    with pytest.raises(InputError, match=r"no documents in .*docs; give files of another kind or folder"):
        shop.ingest()

    assert numbers(shop.ingest(prune=True)) == (0, 0, 0, 2) and shop.texts() == {}


def test_broken_document_is_reported_and_the_rest_ingested(shop: Shop) -> None:
    (shop.folder / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    (shop.folder / "binary.md").write_bytes(b"\0\1\2")
    (shop.folder / "empty.txt").write_text(" \n")

    report = shop.ingest()

    assert [failure["document"] for failure in report.failed] == ["binary.md", "broken.pdf", "empty.txt"]
    assert all(failure["reason"] for failure in report.failed)
    assert list(shop.texts()) == ["parcels.md", "refunds.md"]


def test_document_that_broke_keeps_what_is_indexed_of_it(shop: Shop) -> None:
    shop.ingest()
    (shop.folder / "refunds.md").write_bytes(b"\0\1\2")

    report = shop.ingest(prune=True)

    assert (report.removed, shop.texts()["refunds.md"]) == (0, "Refunds are paid within 14 days.")


def test_row_that_cannot_be_read_forbids_pruning(shop: Shop) -> None:
    shop.ingest()
    rows = shop.folder.parent / "rows.jsonl"
    rows.write_text('{"id": "r1", "title": "Row", "text": "Rows are read."}\nnot json\n')

    report = shop.ingest(rows, prune=True)

    assert [failure["document"] for failure in report.failed] == ["rows.jsonl, line 2"] * 2
    assert list(shop.texts()) == ["parcels.md", "r1", "refunds.md"]


def test_id_that_was_used_before_is_reported_and_the_first_stays(shop: Shop) -> None:
    rows = shop.folder.parent / "rows.jsonl"
    rows.write_text('{"id": "a", "title": "A", "text": "First."}\n{"_id": "a", "title": "A", "text": "Second."}\n')

    report = shop.ingest(rows)

    assert [failure["document"] for failure in report.failed] == ["a"] and shop.texts()["a"] == "First."


def test_document_moves_between_access_labels(shop: Shop) -> None:
    shop.ingest()
    assert shop.found("refunds paid") == ["parcels.md", "refunds.md"]

    report = shop.ingest(shop.folder / "refunds.md", access="finance")

    assert numbers(report) == (2, 0, 1, 0)
    assert shop.found("refunds paid") == ["parcels.md"]
    assert shop.found("refunds paid", "everyone finance") == ["parcels.md", "refunds.md"]


class WatchedCollection(ChromaCollection):
    """Breaks where a document is written: that is the moment in between."""

    def write(self, chunks: object, vectors: object, *, hash: str, source: str = "", changed: str = "") -> None:
        raise RetrievalError("the disk is full")


class WatchedIndex(ChromaIndex):
    def collection(self, domain: str, access: Sequence[str]) -> ChromaCollection:
        found = super().collection(domain, access)
        return WatchedCollection(found._collection, self._folder) if "finance" in access else found


def test_document_whose_access_is_narrowed_is_never_readable_in_between(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, WatchedIndex(tmp_path / "chroma"))
    shop.write(refunds="Refunds are paid within 14 days.", parcels="Parcels leave on Monday.")
    shop.ingest()
    assert shop.found("refunds paid") == ["parcels.md", "refunds.md"]

    with pytest.raises(RetrievalError, match="disk is full"):
        shop.ingest(shop.folder / "refunds.md", access="finance")

    assert shop.found("refunds paid") == ["parcels.md"]  # from what was opened before the ingest
    shop.retriever.refresh("shop")
    assert shop.found("refunds paid") == ["parcels.md"]


def test_chunk_that_was_lost_is_put_back(shop: Shop) -> None:
    shop.write(long="\n\n".join(f"# Part {n}\n\n" + f"Rule {n} holds. " * 80 for n in range(4)))
    before = shop.ingest().chunks
    (collection,) = shop.index.collections("shop")
    lost = collection._collection.get(where={"document": "long.md"}, limit=1)["ids"]
    collection._collection.delete(ids=lost)

    report = shop.ingest()

    assert numbers(report) == (3, 0, 1, 0) and report.chunks == before


def test_path_that_is_not_there_is_named(shop: Shop) -> None:
    with pytest.raises(InputError, match=r"nowhere does not exist"):
        shop.ingest(Path("nowhere"))


def write_many(folder: Path) -> None:
    """Long documents, of which a few are written at once."""
    folder.mkdir()
    for n in range(DOCUMENTS):
        chapters = (f"# Chapter {m}\n\n" + f"Rule {n}.{m} of the shop. " * 15 for m in range(AT_ONCE // 3))
        (folder / f"document{n:02}.md").write_text("\n\n".join(chapters))


def test_ingest_that_was_killed_is_finished_by_the_next(tmp_path: Path) -> None:
    write_many(tmp_path / "docs")
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    with subprocess.Popen([sys.executable, __file__, tmp_path], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout
        while b"document08.md" not in process.stdout.readline():
            pass
        process.kill()

    report = make_shop(tmp_path).ingest()

    (tmp_path / "other").mkdir()
    write_many(tmp_path / "other" / "docs")
    undisturbed = make_shop(tmp_path / "other")
    assert 0 < report.added + report.updated < DOCUMENTS == undisturbed.ingest().added
    killed, whole = (ChromaIndex(at / "chroma").collections("shop") for at in (tmp_path, tmp_path / "other"))
    assert [c.chunks() for c in killed] == [c.chunks() for c in whole]


if __name__ == "__main__":
    top = Path(sys.argv[1])
    slow = Sync(ChromaIndex(top / "chroma"), SlowEncoder(), top / "knowledge")  # type: ignore[arg-type]  # fakes that have what is needed
    slow.ingest(
        "shop", [top / "docs"], access=["everyone"], progress=lambda done, total, doing: print(doing, flush=True)
    )
