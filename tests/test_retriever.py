"""Passages for a question: which ones, how they are ranked, and for whom."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from fakes import HashedWordsEncoder

from bot.messages import Chunk, Query, Retrieval
from knowledge.chroma import ChromaIndex
from knowledge.evidence import NAMES, NOTHING
from knowledge.fusion import DEFAULT_WEIGHT
from knowledge.retriever import HybridRetriever, read_weight, write_weight

ENCODER = HashedWordsEncoder()
REFUNDS = "Refunds are paid within 14 days"
PARCELS = "Parcels leave the warehouse on Monday"
SALARIES = "Salaries are paid on the last working day"
TRAINS = "Trains to Basel leave at noon"


@dataclass(frozen=True)
class Library:
    """An index and a retriever over it."""

    index: ChromaIndex
    retriever: HybridRetriever
    folder: Path

    def put(self, domain: str, document: str, *texts: str, access: str = "everyone") -> None:
        chunks = [Chunk(document=document, index=n, text=t, heading="", title=document) for n, t in enumerate(texts)]
        self.index.collection(domain, access.split()).write(chunks, ENCODER.encode(texts), hash=document)

    async def find(self, text: str, *, labels: str | None = None, top_k: int = 3) -> Mapping[str, Retrieval]:
        allowed = None if labels is None else frozenset(labels.split())
        return await self.retriever.retrieve(await self.retriever.embed(text), labels=allowed, top_k=top_k)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    index = ChromaIndex(tmp_path / "chroma")
    access = {"shop": frozenset({"everyone", "staff"}), "travel": frozenset({"staff"})}
    return Library(index, HybridRetriever(index, ENCODER, tmp_path / "knowledge", access), tmp_path / "knowledge")


def texts(found: Mapping[str, Retrieval], domain: str = "shop") -> list[str]:
    return [passage.text for passage in found[domain].passages] if domain in found else []


async def test_best_passage_comes_first_with_its_scores(library: Library) -> None:
    library.put("shop", "rules.md", REFUNDS, PARCELS, "Boxes are blue")

    found = await library.find("When do parcels leave?")

    best, *others = found["shop"].passages
    assert (best.text, best.document, best.chunk, best.title) == (PARCELS, "rules.md", 1, "rules.md")
    assert best.score == 1.0 and best.dense > others[0].dense and best.words > 0
    assert [p.score for p in others] == sorted((p.score for p in others), reverse=True)


def test_questions_to_begin_with_come_from_what_everybody_may_read(library: Library) -> None:
    for domain, document, access in (("shop", "a", "everyone"), ("shop", "b", "staff"), ("travel", "c", "everyone")):
        made = Chunk(document=document, index=0, text=f"Open {document} now", heading=f"Open {document} now", title="")
        library.index.collection(domain, [access]).write([made], ENCODER.encode([made.text]), hash=document)

    assert library.retriever.openers("shop") == ["How do I open a now?"]
    assert library.retriever.openers("travel") == library.retriever.openers("food") == []


def test_questions_to_begin_with_leave_out_a_withdrawn_document(library: Library) -> None:
    made = Chunk(document="a", index=0, text="Open a box", heading="Open a box", title="")
    library.index.collection("shop", ["everyone"]).write([made], ENCODER.encode([made.text]), hash="a")

    library.retriever.withdraw("shop", "a")

    assert library.retriever.openers("shop") == []


@pytest.mark.parametrize(("top_k", "count"), [(0, 0), (1, 1), (2, 2), (9, 3)])
async def test_no_more_passages_than_asked_for(library: Library, top_k: int, count: int) -> None:
    library.put("shop", "rules.md", REFUNDS, PARCELS, "Boxes are blue")

    found = await library.find("When do parcels leave?", top_k=top_k)

    assert len(found["shop"].passages) == count
    assert len(found["shop"].evidence) == len(NAMES) and found["shop"].evidence[0] > 0.3


async def test_two_domains_do_not_mix(library: Library) -> None:
    library.put("shop", "rules.md", PARCELS)
    library.put("travel", "trains.md", TRAINS)

    found = await library.find("When do trains and parcels leave?")

    assert (texts(found), texts(found, "travel")) == ([PARCELS], [TRAINS])


async def test_domain_without_documents_has_neither_passages_nor_evidence(library: Library) -> None:
    library.put("shop", "rules.md", PARCELS)

    assert (await library.find("Trains?"))["travel"] == Retrieval()


@pytest.mark.parametrize(
    ("labels", "shop", "travel"),
    [
        (None, {REFUNDS, SALARIES, PARCELS}, {TRAINS}),
        ("", set(), set()),
        ("everyone", {REFUNDS}, set()),
        ("everyone staff", {REFUNDS}, {TRAINS}),
        ("everyone finance", {REFUNDS, SALARIES}, set()),
        ("everyone law", {REFUNDS, SALARIES, PARCELS}, set()),
        ("finance law", set(), set()),
        ("staff finance", {SALARIES}, {TRAINS}),
    ],
)
async def test_passages_come_only_from_what_the_labels_may_read(
    library: Library, labels: str | None, shop: set[str], travel: set[str]
) -> None:
    library.put("shop", "refunds.md", REFUNDS)
    library.put("shop", "salaries.md", SALARIES, access="finance law")
    library.put("shop", "parcels.md", PARCELS, access="law")
    library.put("travel", "trains.md", TRAINS, access="staff")

    found = await library.find("Who leaves and who is paid when on Monday at noon?", labels=labels, top_k=9)

    assert (set(texts(found)), set(texts(found, "travel"))) == (shop, travel)


async def test_evidence_is_of_what_the_asker_may_read_alone(library: Library) -> None:
    library.put("shop", "refunds.md", REFUNDS)
    library.put("shop", "salaries.md", SALARIES, access="finance")

    everyone = await library.find(SALARIES, labels="everyone")
    finance = await library.find(SALARIES, labels="everyone finance")

    assert finance["shop"].evidence[0] == pytest.approx(1.0, abs=1e-4)
    assert everyone["shop"].evidence[0] < 0.7


async def test_best_passage_of_several_collections_comes_first(library: Library) -> None:
    library.put("shop", "refunds.md", REFUNDS, "Boxes are blue", "Doors are red")
    library.put("shop", "salaries.md", SALARIES, "Chairs are grey", access="finance")

    found = await library.find("When are salaries paid on a working day?", top_k=2)

    assert texts(found)[0] == SALARIES and len(texts(found)) == 2


async def test_document_alone_under_its_label_is_found_among_others(library: Library) -> None:
    library.put("shop", "rules.md", REFUNDS, PARCELS, "Boxes are blue")
    library.put("shop", "secret.md", SALARIES, access="staff")

    found = await library.find("When are salaries paid?")

    assert texts(found)[0] == SALARIES


async def test_rare_word_counts_where_the_meaning_is_equally_near(library: Library) -> None:
    library.put("shop", "codes.md", "Error E4711 means no paper", "Error E4712 means no ink", "Error codes are short")

    assert texts(await library.find("error E4712"))[0] == "Error E4712 means no ink"


async def test_follow_up_leans_on_the_question_before(library: Library) -> None:
    library.put("shop", "rules.md", REFUNDS, PARCELS)

    query = await library.retriever.embed("On Monday?", earlier="When are refunds paid?")

    assert query.text == "When are refunds paid? On Monday?"
    assert float(np.linalg.norm(query.vector)) == pytest.approx(1.0, abs=1e-5)
    own, before = ENCODER.encode(["On Monday?", "When are refunds paid?"])
    assert float(query.vector @ own) > float(query.vector @ before) > 0.3


async def test_given_texts_become_passages_in_their_order(library: Library) -> None:
    query = await library.retriever.embed("When do parcels leave?")

    first, second = await library.retriever.compare(query, [REFUNDS, PARCELS])

    assert (first.text, second.text, second.document) == (REFUNDS, PARCELS, "passage 2")
    assert second.dense > first.dense
    assert list(await library.retriever.compare(query, [])) == []


async def test_new_documents_are_found_after_a_refresh(library: Library) -> None:
    library.put("shop", "rules.md", REFUNDS)
    await library.find("Parcels?")
    library.put("shop", "more.md", PARCELS)

    library.retriever.refresh("shop")

    assert texts(await library.find("Parcels?"))[0] == PARCELS


async def test_questions_are_answered_while_documents_come_in(library: Library) -> None:
    library.put("shop", "rules.md", REFUNDS)
    before = await library.find("When do parcels leave?")

    library.put("shop", "more.md", PARCELS, PARCELS + " again")
    during = await library.find("When do parcels leave?")

    assert texts(before) == [REFUNDS]
    assert REFUNDS in texts(during)


async def test_withdrawn_document_is_not_found_by_its_words_either(library: Library) -> None:
    library.put("shop", "rules.md", REFUNDS)
    library.put("shop", "more.md", PARCELS)
    await library.find("Parcels?")

    library.retriever.withdraw("shop", "more.md")

    assert texts(await library.find("When do parcels leave the warehouse?")) == [REFUNDS]
    assert (await library.find("Parcels?"))["shop"].evidence[0] < 0.3


async def test_emptied_collection_answers_with_nothing(library: Library) -> None:
    library.put("shop", "rules.md", REFUNDS)
    await library.find("Refunds?")
    library.retriever.withdraw("shop", "rules.md")
    library.index.collection("shop", ["everyone"]).delete("rules.md")

    during = await library.find("Refunds?")
    library.retriever.refresh("shop")

    assert texts(during) == [] and (await library.find("Refunds?"))["shop"] == Retrieval()


def test_evidence_for_teaching_leaves_a_chunk_out(library: Library) -> None:
    library.put("shop", "rules.md", REFUNDS, PARCELS)
    query = Query(text=PARCELS, vector=ENCODER.encode([PARCELS])[0])

    with_it, without = library.retriever.measure("shop", [query, query], [None, ("rules.md", 1)])

    assert with_it[0] == pytest.approx(1.0, abs=1e-4) and without[0] < 0.3
    assert library.retriever.measure("travel", [query], [None]) == [NOTHING]


def test_stand_ins_for_questions_come_from_every_collection(library: Library) -> None:
    library.put("shop", "refunds.md", f"{REFUNDS}.")
    library.put("shop", "salaries.md", f"{SALARIES}.", access="finance")

    made = dict(library.retriever.made_questions("shop"))

    assert made[f"{REFUNDS}."] == ("refunds.md", 0) and made[f"{SALARIES}."] == ("salaries.md", 0)


@pytest.mark.parametrize("content", [None, "", "[]", '{"weight": "x"}', "{}"])
def test_weight_that_was_not_fitted_is_the_default(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "fusion.json").write_text(content)

    assert read_weight(tmp_path) == DEFAULT_WEIGHT


def test_fitted_weight_is_kept(tmp_path: Path) -> None:
    write_weight(tmp_path / "new", 0.4)

    assert read_weight(tmp_path / "new") == 0.4


def test_documents_of_a_domain_are_listed_with_their_access(library: Library) -> None:
    library.put("shop", "rules.md", REFUNDS, PARCELS)
    library.put("shop", "salaries.md", SALARIES, access="staff finance")
    library.put("travel", "trains.md", TRAINS)

    found = library.retriever.documents("shop")

    assert found == {"rules.md": frozenset({"everyone"}), "salaries.md": frozenset({"staff", "finance"})}
    assert library.retriever.documents("nowhere") == {}


async def test_passage_is_read_again_as_the_document_has_it_now(library: Library) -> None:
    library.put("shop", "rules.md", REFUNDS, PARCELS)
    found = (await library.find(PARCELS))["shop"].passages

    assert await library.retriever.reread("shop", found, labels=frozenset({"everyone"})) == list(found)
    assert await library.retriever.reread("nowhere", found, labels=frozenset({"everyone"})) is None


@pytest.mark.parametrize("then", ["changed", "moved", "removed", "withdrawn"])
async def test_passage_whose_text_is_no_longer_in_its_place_is_not_read_again(library: Library, then: str) -> None:
    library.put("shop", "rules.md", REFUNDS, PARCELS)
    found = (await library.find(PARCELS, top_k=1))["shop"].passages

    if then == "withdrawn":
        library.retriever.withdraw("shop", "rules.md")
    else:
        library.index.collection("shop", ["everyone"]).delete("rules.md")
        library.put("shop", "rules.md", *{"changed": (REFUNDS, SALARIES), "moved": (PARCELS, REFUNDS)}.get(then, ()))
        library.retriever.refresh("shop")

    assert await library.retriever.reread("shop", found, labels=None) is None


@pytest.mark.parametrize(
    ("labels", "readable"),
    [(None, True), ("finance staff", True), ("finance", False), ("staff", False), ("", False)],
)
async def test_passages_are_read_again_only_where_all_may_be_read(
    library: Library, labels: str | None, readable: bool
) -> None:
    library.put("shop", "rules.md", REFUNDS, access="staff")
    library.put("shop", "salaries.md", SALARIES, access="finance")
    found = (await library.find("paid"))["shop"].passages

    again = await library.retriever.reread("shop", found, labels=None if labels is None else frozenset(labels.split()))

    assert (again is not None) == readable


async def test_domain_has_changed_when_its_ranking_was_last_fitted(library: Library) -> None:
    library.put("shop", "rules.md", REFUNDS)
    library.put("shop", "salaries.md", SALARIES, access="finance")
    assert await library.retriever.changed("shop") is None

    for seconds, collection in enumerate(library.index.collections("shop"), 1):
        write_weight(library.folder / collection.name, 0.4)
        os.utime(library.folder / collection.name / "fusion.json", (seconds, seconds))

    assert await library.retriever.changed("shop") == datetime.fromtimestamp(2, UTC)
    assert await library.retriever.changed("nowhere") is None
