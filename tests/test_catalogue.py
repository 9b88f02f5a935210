"""The list of documents beside the index: pages, filters, orders, and who sees what."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.desks.holdings import PAGE, PUBLIC, DocumentFilter, ListedDocument
from bot.errors import RetrievalError
from knowledge.catalogue import Catalogue

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)


def document(name: str, **more: object) -> ListedDocument:
    values = {"title": name.title(), "chunks": 1, "whole": True, "access": ("everyone",), "source": "/docs/x.md"}
    return ListedDocument(**({"id": name, "changed": MONDAY} | values | more))  # type: ignore[arg-type]  # of every type


RULES = document("rules.md", chunks=9, changed=MONDAY + timedelta(days=2))
PAY = document("Pay.md", access=("finance",), changed=None, url="https://pay.test")
NOTE = document("uploads/note.md", source="upload: note.md", chunks=4, whole=False)


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    found = Catalogue(tmp_path / "catalogue")
    found.write("shop", [RULES, PAY, NOTE])
    return found


def names(catalogue: Catalogue, labels: frozenset[str] | None = None, **wanted: object) -> list[str]:
    page = catalogue.page("shop", DocumentFilter(**wanted), labels)  # type: ignore[arg-type]  # of every type
    return [each.id for each in page.rows]


def test_list_is_read_as_it_was_written(catalogue: Catalogue) -> None:
    assert catalogue.all("shop") == (PAY, RULES, NOTE)


def test_domain_that_nobody_listed_is_told_from_an_empty_one(catalogue: Catalogue) -> None:
    catalogue.write("empty", [])

    assert (catalogue.all("empty"), catalogue.all("travel")) == ((), None)


def test_list_that_was_written_again_is_read_again(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.all("shop")

    Catalogue(tmp_path / "catalogue").write("shop", [RULES])

    assert catalogue.all("shop") == (RULES,)


def test_damaged_list_is_named_with_the_remedy(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "catalogue" / "shop.json").write_text('[["half"')

    with pytest.raises(RetrievalError, match=r"shop\.json is damaged .*; delete it, and the list"):
        catalogue.all("shop")


def test_reader_sees_only_what_their_labels_open(catalogue: Catalogue) -> None:
    assert names(catalogue, PUBLIC) == ["rules.md", "uploads/note.md"]
    assert names(catalogue, frozenset({"finance"})) == ["Pay.md"]
    assert names(catalogue, frozenset()) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["Pay.md", "rules.md", "uploads/note.md"]),
        ({"text": "RUL"}, ["rules.md"]),
        ({"access": "finance"}, ["Pay.md"]),
        ({"source": "uploads"}, ["uploads/note.md"]),
        ({"source": "folders"}, ["Pay.md", "rules.md"]),
        ({"order": "newest"}, ["rules.md", "uploads/note.md", "Pay.md"]),
        ({"order": "oldest"}, ["Pay.md", "uploads/note.md", "rules.md"]),
        ({"order": "longest"}, ["rules.md", "uploads/note.md", "Pay.md"]),
    ],
)
def test_filter_and_order_do_what_they_say(catalogue: Catalogue, wanted: dict[str, str], found: list[str]) -> None:
    assert names(catalogue, **wanted) == found


def test_pages_hold_every_document_once(catalogue: Catalogue) -> None:
    catalogue.write("shop", [document(f"{number:03}") for number in range(2 * PAGE + 1)])

    pages = [catalogue.page("shop", DocumentFilter(page=number), None) for number in (1, 2, 3, 99)]

    assert [each.id for page in pages[:3] for each in page.rows] == [f"{number:03}" for number in range(2 * PAGE + 1)]
    assert (pages[0].found, pages[0].pages, pages[3].page) == (2 * PAGE + 1, 3, 3)


def test_ten_thousand_documents_are_listed_in_a_moment(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path)
    catalogue.write("shop", [document(f"folder/{number}.md") for number in range(10_000)])

    started = time.perf_counter()
    found = catalogue.page("shop", DocumentFilter(text="99", order="newest", page=2), PUBLIC)

    assert len(found.rows) == PAGE and time.perf_counter() - started < 2  # some hundredths where nothing else runs
