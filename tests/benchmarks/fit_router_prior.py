"""
What likeness is usually worth: makes bot.routing's USUAL from bot/examples/general.jsonl, and nothing else.

Two hundred made-up domains, each of one to four kinds of those questions: two to sixty are known, as many as two
hundred of other kinds are known not to be, half of what is left is the general set, the rest are asked. In most of
them the general set holds some of the domain's own kinds too, as the shipped one does of a domain about travel.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from tables import WORK

from bot import routing
from bot.learning.router import RouteTeacher
from knowledge.encoder import MiniLmEncoder

DOMAINS, SEED = 200, 0
KNOWN, DENIED = (2, 4, 8, 15, 30, 60), (2, 5, 15, 60, 200)
MIXED = 0.7  # of the domains, those of which the general set holds some questions
STRENGTH = 0.1  # the three features rise and fall together: without a penalty their shares are a matter of chance

Vectors = NDArray[np.float32]


def made_domain(
    vectors: Vectors, kinds: NDArray[np.str_], chance: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Features of the questions that are asked, and which of them are the domain's."""
    own_kinds = chance.choice(np.unique(kinds), chance.integers(1, 5), replace=False)
    order = chance.permutation(len(vectors))
    is_own = np.isin(kinds, own_kinds)
    own, other = [i for i in order if is_own[i]], [i for i in order if not is_own[i]]
    known, denied = min(int(chance.choice(KNOWN)), len(own) // 2), int(chance.choice(DENIED))
    general, rest = other[: len(other) // 2], other[len(other) // 2 :]
    if chance.random() < MIXED:
        third = len(own) // 3
        general, own = [*general, *own[-third:]], own[:-third]
    taught = vectors[[*own[:known], *rest[:denied], *general]]
    right = np.arange(len(taught)) < known
    counts = np.where(np.arange(len(taught)) < known + denied, routing.EXAMPLE_WEIGHT, 1.0)
    first = routing._logistic(taught.astype(np.float64), right, routing._balanced(right, counts), routing.EMBEDDING_C)
    asked = vectors[[*own[known:], *rest[denied:]]]
    likeness = [routing._likeness(asked, taught[side]) for side in (right, ~right)]
    features = np.column_stack([*likeness, asked @ first[:-1] + first[-1]]) / routing.UNITS
    return features, np.arange(len(asked)) < len(own) - known


def main() -> None:
    """Print the coefficients."""
    teacher = RouteTeacher(MiniLmEncoder(), None, Path(WORK / "router"))  # type: ignore[arg-type]  # no documents are asked
    kinds = np.array([kind for _, kind in teacher.general_set])
    chance = np.random.default_rng(SEED)
    made = [made_domain(teacher._general_vectors(), kinds, chance) for _ in range(DOMAINS)]
    weights = [np.where(right, 0.5 / right.sum(), 0.5 / (~right).sum()) for _, right in made]  # each domain counts once
    features, right = (np.concatenate([each[part] for each in made]) for part in (0, 1))
    fitted = LogisticRegression(C=STRENGTH, max_iter=5000).fit(features, right, sample_weight=np.concatenate(weights))
    usual = [*fitted.coef_[0], fitted.intercept_[0]]
    print("USUAL =", tuple(round(float(value), 2) for value in usual))


if __name__ == "__main__":
    main()
