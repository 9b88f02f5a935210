"""BM25: what scores, and that the folder on disk never says anything else than the chunks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bot.messages import Chunk
from knowledge.lexical import WordIndex, tokens

TEXTS = (
    "Refunds are paid within 14 days.",
    "Parcels leave the warehouse on Monday.",
    "The warehouse is closed on Sunday; the warehouse dog is not.",
    "",
)


def chunk(text: str, index: int = 0, document: str = "a.md") -> Chunk:
    return Chunk(document=document, index=index, text=text, heading="", title="")


CHUNKS = [chunk(text, number) for number, text in enumerate(TEXTS)]
QUESTIONS = tokens(["When are refunds paid?", "Which warehouse is closed?", "zebra", "the of and", ""])


def scores(index: WordIndex) -> list[list[float]]:
    return [index.scores(words).tolist() for words in QUESTIONS]


EXPECTED = scores(WordIndex.build(CHUNKS))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Refunding the refunds, refunded!", ["refund", "refund", "refund"]),
        ("What is the DATABASE?", ["what", "databas"]),
        ("the of and", []),
        ("", []),
    ],
)
def test_words_are_stemmed_and_stop_words_left_out(text: str, words: list[str]) -> None:
    assert tokens([text]) == [words]


@pytest.mark.parametrize(("question", "best"), [(0, 0), (1, 2)])
def test_chunk_with_the_rarest_words_of_the_question_scores_best(question: int, best: int) -> None:
    assert int(np.argmax(EXPECTED[question])) == best


@pytest.mark.parametrize("question", [2, 3, 4])
def test_question_without_a_known_word_scores_nothing(question: int) -> None:
    assert EXPECTED[question] == [0.0] * len(TEXTS)


def test_unknown_word_beside_known_ones_changes_no_score() -> None:
    index = WordIndex.build(CHUNKS)

    assert index.scores([*QUESTIONS[0], "zebra"]).tolist() == EXPECTED[0]


@pytest.mark.parametrize("texts", [[], [""], ["the of and"]])
def test_index_of_no_words_can_be_kept_and_asked(texts: list[str], tmp_path: Path) -> None:
    chunks = [chunk(text) for text in texts]

    WordIndex.open(tmp_path / "words", chunks)
    again = WordIndex.open(tmp_path / "words", chunks)

    assert again.scores(["refund"]).tolist() == [0.0] * len(texts)


def test_rare_word_weighs_more_than_a_common_one_and_an_unknown_one_most() -> None:
    index = WordIndex.build(CHUNKS)

    assert index.weight(["zebra"]) > index.weight(["refund"]) > index.weight(["warehous"]) > index.weight([]) == 0.0
    assert index.weight(["refund", "zebra"]) == pytest.approx(index.weight(["refund"]) + index.weight(["zebra"]))


def test_index_that_was_kept_is_mapped_and_gives_the_same_scores(tmp_path: Path) -> None:
    WordIndex.build(CHUNKS).save(tmp_path / "words")

    again = WordIndex.open(tmp_path / "words", CHUNKS)

    assert isinstance(again.bm25.scores["data"], np.memmap)
    assert scores(again) == EXPECTED
    assert (again.idf, again.rarest) == (WordIndex.build(CHUNKS).idf, WordIndex.build(CHUNKS).rarest)


def test_index_is_made_and_kept_where_there_is_none(tmp_path: Path) -> None:
    first = WordIndex.open(tmp_path / "new" / "words", CHUNKS)

    assert scores(first) == EXPECTED
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["words"]


@pytest.mark.parametrize(
    "others",
    [
        [chunk("Elephants sing.", 0), *CHUNKS[1:]],
        [*CHUNKS, chunk("One more.", 4)],
        CHUNKS[:-1],
        CHUNKS[::-1],
        [],
    ],
)
def test_index_of_other_chunks_is_made_anew(others: list[Chunk], tmp_path: Path) -> None:
    WordIndex.build(others).save(tmp_path / "words")

    index = WordIndex.open(tmp_path / "words", CHUNKS)

    assert scores(index) == EXPECTED
    assert isinstance(WordIndex.open(tmp_path / "words", CHUNKS).bm25.scores["data"], np.memmap)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwritten(path: Path) -> None:
    path.write_bytes(b"\x80\x04garbage\xff" * 20)


def replaced(path: Path) -> None:
    path.write_bytes(b"[]")


@pytest.mark.parametrize("damage", [Path.unlink, emptied, halved, overwritten, replaced])
@pytest.mark.parametrize("file", ["words.json", "params.", "vocab.", "data.", "indices.", "indptr."])
def test_damaged_index_is_made_anew(damage: Callable[[Path], None], file: str, tmp_path: Path) -> None:
    WordIndex.build(CHUNKS).save(tmp_path / "words")
    (path,) = (tmp_path / "words").glob(f"{file}*")
    damage(path)

    index = WordIndex.open(tmp_path / "words", CHUNKS)

    assert scores(index) == EXPECTED
