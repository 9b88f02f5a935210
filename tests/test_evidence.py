"""What an index says about whether a question is its own."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages import Chunk
from knowledge.evidence import NAMES, NOTHING, measure
from knowledge.lexical import WordIndex, tokens

TEXTS = (
    "Refunds are paid within 14 days.",
    "Parcels leave the warehouse on Monday.",
    "The warehouse dog is called Rex.",
)
CHUNKS = [Chunk(document="a.md", index=n, text=text, heading="", title="") for n, text in enumerate(TEXTS)]
INDEX = WordIndex.build(CHUNKS)


def evidence(question: str, cosines: tuple[float, ...] = (0.8, 0.5, 0.2)) -> dict[str, float]:
    """The evidence for *question* by its names, where the chunks lie near to it in their order."""
    (words,) = tokens([question])
    near = list(zip(CHUNKS, cosines, strict=True))
    scores = INDEX.scores(words).tolist()
    worded = sorted(((c, s, d) for (c, d), s in zip(near, scores, strict=True) if s > 0), key=lambda hit: -hit[1])
    return dict(zip(NAMES, measure(words, INDEX, near, worded), strict=True))


def test_cosines_tell_how_near_the_index_is_and_how_much_one_chunk_stands_out() -> None:
    found = evidence("When are refunds paid?")

    assert found["best_cosine"] == 0.8
    assert found["mean_cosine"] == pytest.approx(0.5)
    assert found["cosine_margin"] == pytest.approx(0.6)


def test_margin_is_that_over_the_tenth_nearest_chunk() -> None:
    near = [(CHUNKS[0], 1.0 - n / 100) for n in range(12)]

    found = dict(zip(NAMES, measure(["refund"], INDEX, near, []), strict=True))

    assert found["cosine_margin"] == pytest.approx(0.09)
    assert found["mean_cosine"] == pytest.approx(0.98)


@pytest.mark.parametrize(
    ("question", "share"), [("refunds paid within days", 1.0), ("zebra opera", 0.0), ("the of and", 0.0)]
)
def test_words_of_the_question_are_looked_for_in_the_best_chunk_and_in_all(question: str, share: float) -> None:
    found = evidence(question)

    assert (found["coverage"], found["known_words"]) == (share, share)


def test_unknown_word_counts_for_more_than_a_known_one() -> None:
    found = evidence("dog opera")

    assert 0.0 < found["coverage"] == found["known_words"] < 0.5


def test_words_that_lie_in_different_chunks_are_known_but_not_covered() -> None:
    found = evidence("refunds of parcels by Rex")

    assert found["known_words"] == 1.0
    assert found["coverage"] < 1.0


def test_agreement_is_the_cosine_of_the_chunk_with_the_best_words() -> None:
    assert evidence("What is the dog called?")["agreement"] == 0.2
    assert evidence("zebra")["agreement"] == 0.2  # no chunk has the words: that of the farthest
    assert evidence("refunds")["agreement"] == 0.8


def test_best_words_grow_with_the_share_of_the_question_that_a_chunk_holds() -> None:
    whole, half, none = (evidence(question)["best_words"] for question in ("dog rex", "dog zebra", "zebra opera"))

    assert 1.0 >= whole > half > none == 0.0


@pytest.mark.parametrize(("question", "words"), [("dog", 1), ("When are the refunds paid?", 3), ("the of", 0)])
def test_length_of_the_question_is_counted_without_stop_words(question: str, words: int) -> None:
    assert evidence(question)["question_words"] == pytest.approx(math.log1p(words))


def test_index_without_a_chunk_near_says_nothing() -> None:
    assert measure(["refund"], INDEX, [], []) == NOTHING


@given(st.lists(st.sampled_from(["refunds", "dog", "zebra", "the", "warehouse", "14", "?"]), max_size=12))
def test_every_figure_is_finite_and_of_one_size(question: list[str]) -> None:
    found = evidence(" ".join(question))

    assert len(found) == len(NOTHING)
    assert all(-1.0 <= value <= 4.0 for value in found.values())
