"""One ranking from cosine and BM25, and the weight between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bot.messages import Chunk
from knowledge.fusion import DEFAULT_WEIGHT, MIN_QUESTIONS, WEIGHTS, fit_weight, fuse, scaled

SCORES = st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=20)
NAMES = [f"{letter}{number}" for number in range(6) for letter in "abcdefghij"]  # 60 made-up names


def array(*scores: float) -> NDArray[np.float32]:
    return np.array(scores, dtype=np.float32)


@pytest.mark.parametrize(
    ("scores", "stretched"),
    [
        ((1.0, 2.0, 3.0), [0.0, 0.5, 1.0]),
        ((-1.0, 1.0), [0.0, 1.0]),
        ((5.0, 5.0), [1.0, 1.0]),
        ((7.0,), [1.0]),
        ((0.0, 0.0), [0.0, 0.0]),
    ],
)
def test_scores_are_stretched_from_0_to_1(scores: tuple[float, ...], stretched: list[float]) -> None:
    assert scaled(array(*scores)).tolist() == stretched


@pytest.mark.parametrize(
    ("weight", "fused"), [(1.0, [1.0, 0.5, 0.0]), (0.0, [0.0, 1.0, 0.5]), (0.5, [0.5, 0.75, 0.25])]
)
def test_weight_is_that_of_the_cosine(weight: float, fused: list[float]) -> None:
    assert fuse(array(3.0, 2.0, 1.0), array(0.0, 8.0, 4.0), weight).tolist() == fused


@given(SCORES, st.floats(0, 1))
def test_fused_scores_are_between_0_and_1(scores: list[float], weight: float) -> None:
    fused = fuse(array(*scores), array(*reversed(scores)), weight)

    assert fused.shape == (len(scores),)
    assert (fused >= 0).all() and (fused <= 1.0001).all()


@dataclass(frozen=True)
class ShiftedEncoder:
    """An encoder that knows each made-up name, or takes it for its neighbour."""

    shift: int

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), len(NAMES)), dtype=np.float32)
        for row, text in enumerate(texts):
            named = next(number for number, name in enumerate(NAMES) if name in text)
            asked = text.startswith("What about")
            vectors[row, (named + self.shift * asked) % len(NAMES)] = 1.0
        return vectors


def documented(names: Sequence[str], *, said: bool) -> list[Chunk]:
    """A chunk a name; its text says the name in a word that BM25 sees, or in one that only the encoder sees."""
    return [
        Chunk(
            document=f"{name}.md",
            index=0,
            text=f"Guide > What about {name}\n{name if said else f'x{name}x'} does a thing.",
            heading=f"Guide > What about {name}",
            title="Guide",
        )
        for name in names
    ]


def test_words_weigh_more_where_they_find_the_text_and_the_cosine_does_not() -> None:
    assert fit_weight(documented(NAMES, said=True), ShiftedEncoder(shift=1)) < 0.5


def test_default_weight_stays_where_no_other_is_clearly_better() -> None:
    assert fit_weight(documented(NAMES, said=False), ShiftedEncoder(shift=0)) == DEFAULT_WEIGHT


@pytest.mark.parametrize(("names", "fitted"), [(MIN_QUESTIONS - 1, False), (MIN_QUESTIONS, True)])
def test_default_weight_stays_where_there_are_too_few_headings(names: int, fitted: bool) -> None:
    weight = fit_weight(documented(NAMES[:names], said=True), ShiftedEncoder(shift=1))

    assert (weight != DEFAULT_WEIGHT) == fitted
    assert weight in WEIGHTS


def test_weight_is_the_same_each_time() -> None:
    chunks = documented(NAMES, said=True)

    assert fit_weight(chunks, ShiftedEncoder(shift=1)) == fit_weight(chunks, ShiftedEncoder(shift=1))


def test_heading_is_taken_out_of_the_text_that_it_has_to_find() -> None:
    """Else BM25 would find each text by its own heading, and always win."""
    assert fit_weight(documented(NAMES, said=False), ShiftedEncoder(shift=1)) == DEFAULT_WEIGHT
