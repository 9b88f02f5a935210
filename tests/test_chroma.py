"""Chunks and vectors in a real Chroma folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from fakes import DIMENSION, HashedWordsEncoder
from numpy.typing import NDArray

from bot.errors import RetrievalError
from bot.messages import Chunk
from knowledge.chroma import ChromaCollection, ChromaIndex, IndexedDocument

ENCODER = HashedWordsEncoder()
TEXTS = ("Refunds are paid within 14 days", "Parcels leave on Monday", "Boxes are blue")


def chunks_of(document: str, texts: Sequence[str] = TEXTS) -> list[Chunk]:
    return [
        Chunk(document=document, index=n, text=text, heading="Shop > Rules", title="Shop", url="https://shop.test/a")
        for n, text in enumerate(texts)
    ]


def write(collection: ChromaCollection, document: str, texts: Sequence[str] = TEXTS, hash: str = "h1") -> None:
    collection.write(chunks_of(document, texts), ENCODER.encode(texts), hash=hash)


def clustered(rows: int, clusters: int, seed: int) -> NDArray[np.float32]:
    """Unit vectors that crowd around a few centres, as texts about a few subjects do."""
    chance = np.random.default_rng(seed)
    centres = chance.normal(size=(clusters, DIMENSION))
    found = centres[chance.integers(clusters, size=rows)] + 0.6 * chance.normal(size=(rows, DIMENSION))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


@pytest.fixture
def index(tmp_path: Path) -> ChromaIndex:
    return ChromaIndex(tmp_path / "chroma")


@pytest.fixture
def shop(index: ChromaIndex) -> ChromaCollection:
    return index.collection("shop", ["everyone"])


def test_chunks_come_back_as_they_were_written_in_order(shop: ChromaCollection) -> None:
    write(shop, "b.md")
    write(shop, "a.md", TEXTS[:1])

    assert shop.chunks() == [*chunks_of("a.md", TEXTS[:1]), *chunks_of("b.md")]


def test_writing_twice_changes_nothing(shop: ChromaCollection) -> None:
    write(shop, "a.md")
    write(shop, "a.md")

    assert shop.count() == 3 and shop.chunks() == chunks_of("a.md")


def test_documents_tell_what_is_indexed(shop: ChromaCollection) -> None:
    write(shop, "a.md")
    write(shop, "b.md", TEXTS[:1], hash="h2")

    assert shop.documents() == {
        "a.md": IndexedDocument(id="a.md", hash="h1", chunks=3, expected=3, title="Shop", url="https://shop.test/a"),
        "b.md": IndexedDocument(id="b.md", hash="h2", chunks=1, expected=1, title="Shop", url="https://shop.test/a"),
    }


def test_document_of_two_hashes_counts_as_unfinished(shop: ChromaCollection) -> None:
    write(shop, "a.md")
    write(shop, "a.md", hash="h2")

    assert shop.documents()["a.md"].hash == ""


def test_deleted_document_is_gone_and_others_stay(shop: ChromaCollection) -> None:
    write(shop, "a.md")
    write(shop, "a.md", hash="h2")
    write(shop, "b.md")

    shop.delete("a.md")

    assert shop.chunks() == chunks_of("b.md")


@pytest.mark.parametrize("name", ["a:b:1.md", "folder/ü {x}.md", "7", "a" * 900])
def test_any_document_name_is_found_again(shop: ChromaCollection, name: str) -> None:
    write(shop, name)

    ((place, cosine),) = shop.nearest(ENCODER.encode([TEXTS[1]]), 1)[0]

    assert place == (name, 1) and cosine == pytest.approx(1.0, abs=1e-4)
    shop.delete(name)
    assert shop.count() == 0


def test_nearest_gives_each_vectors_chunks_best_first(shop: ChromaCollection) -> None:
    write(shop, "a.md")

    first, second = shop.nearest(ENCODER.encode(["Boxes are blue", "refunds are paid"]), 10)

    assert [place for place, _ in first][:1] == [("a.md", 2)] and len(first) == 3
    assert second[0][0] == ("a.md", 0)
    assert [cosine for _, cosine in first] == sorted((cosine for _, cosine in first), reverse=True)


def test_nothing_is_near_in_an_empty_collection(shop: ChromaCollection) -> None:
    assert shop.nearest(ENCODER.encode(["Boxes", "Parcels"]), 5) == [[], []]


def test_search_finds_what_a_full_scan_finds(shop: ChromaCollection) -> None:
    stored, asked = clustered(2_000, 25, seed=1), clustered(150, 25, seed=1)
    shop.write([Chunk(document="d", index=n, text="x", heading="", title="") for n in range(2_000)], stored, hash="h")

    found = [{index for (_, index), _ in row} for row in shop.nearest(asked, 10)]

    exact = [set(np.argsort(-row)[:10].tolist()) for row in asked @ stored.T]
    recall = np.mean([len(a & b) / 10 for a, b in zip(found, exact, strict=True)])
    assert recall >= 0.99


def test_domains_and_access_labels_do_not_mix(index: ChromaIndex) -> None:
    places = [("shop", ["everyone"]), ("shop", ["finance"]), ("shop", ["finance", "law"]), ("travel", ["everyone"])]
    for domain, access in places:
        write(index.collection(domain, access), f"{domain} for {' and '.join(access)}", TEXTS[:1])

    found = {
        (domain, *sorted(collection.access)): list(collection.documents())
        for domain in ("shop", "travel", "shop2")
        for collection in index.collections(domain)
    }

    assert found == {(domain, *access): [f"{domain} for {' and '.join(access)}"] for domain, access in places}


@pytest.mark.parametrize("access", [["law", "finance"], ["finance", "law", "law"]])
def test_collection_is_told_by_its_labels_whatever_their_order(index: ChromaIndex, access: list[str]) -> None:
    assert index.collection("shop", ["finance", "law"]).name == index.collection("shop", access).name


@pytest.mark.parametrize("domain", ["a", "0", "a" * 63, "it-help_desk", "x-"])
def test_every_domain_name_of_the_settings_can_be_a_collection(index: ChromaIndex, domain: str) -> None:
    write(index.collection(domain, ["Name with spaces, ümlaut"]), "a.md")

    (collection,) = index.collections(domain)
    assert collection.access == {"Name with spaces, ümlaut"}


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    write(ChromaIndex(tmp_path).collection("shop", ["everyone"]), "a.md")

    (collection,) = ChromaIndex(tmp_path).collections("shop")

    assert collection.chunks() == chunks_of("a.md")


@pytest.mark.parametrize("damage", ["database", "file"])
def test_corrupt_folder_is_an_error_that_names_it_and_the_remedy(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "chroma"
    if damage == "file":
        folder.write_text("not a folder")
    else:
        folder.mkdir()
        (folder / "chroma.sqlite3").write_bytes(b"garbage" * 1_000)

    with pytest.raises(
        RetrievalError, match=r"chroma cannot be used \(.*delete that folder and run `pointsman ingest`"
    ):
        ChromaIndex(folder).collections("shop")
