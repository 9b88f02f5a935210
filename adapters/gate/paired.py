"""
Two evaluations compared row by row.

The interval is a paired bootstrap's, stratified by part: rows are drawn again and again with what both adapters scored
on them (Efron & Tibshirani 1993; for comparing systems Koehn 2004, aclanthology.org/W04-3250). Where few rows differ it
is too narrow, so a gain also has to stand up to a sign-flip test, which is exact for any number of rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.gate.evaluation import Evaluation
from adapters.gate.probe import Origin
from adapters.gate.scoring import Part, RowScore

RESAMPLES = 2_000
FLIPS = 4_999

Numbers = NDArray[np.float64]
Value = Callable[[RowScore], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One number of both sides, and how sure their difference is."""

    candidate: float
    production: float
    difference: float
    low: float  # 95 % of the resampled differences lie between low and high
    high: float
    rows: int


def score(row: RowScore) -> float | None:
    """What most checks compare."""
    return row.score


def citations(row: RowScore) -> float | None:
    """None for a row that was not answered."""
    return row.citations


@dataclass(frozen=True, slots=True)
class Pairs:
    """The rows of two evaluations of one probe, side by side."""

    candidate: Evaluation
    production: Evaluation
    seed: int
    origin: Origin | None = None  # None: rows of every origin

    def count(self, *parts: Part) -> int:
        """How many rows of some *parts* both have."""
        return sum(rows.shape[1] for rows in self._strata(parts, score))

    def compare(self, *parts: Part, value: Value = score, exponent: bool = False) -> Comparison | None:
        """The means over the rows of some *parts* that both have a *value* for; None where there is no such row."""
        strata = self._strata(parts, value)
        if not strata:
            return None
        chance = np.random.default_rng(self.seed)
        drawn = [chance.integers(0, rows.shape[1], (RESAMPLES, rows.shape[1])) for rows in strata]
        resampled = np.concatenate([rows[:, draw] for rows, draw in zip(strata, drawn, strict=True)], axis=2)
        means = np.concatenate(strata, axis=1).mean(axis=1), resampled.mean(axis=2)  # (2,), (2, RESAMPLES)
        own, again = (np.exp(mean) if exponent else mean for mean in means)
        low, high = np.quantile(again[0] - again[1], (0.025, 0.975))
        return Comparison(
            candidate=float(own[0]),
            production=float(own[1]),
            difference=float(own[0] - own[1]),
            low=float(low),
            high=float(high),
            rows=sum(rows.shape[1] for rows in strata),
        )

    def chance(self, *parts: Part) -> float:
        """How often a candidate that is no better looks as much better as this one, in [0, 1]."""
        strata = self._strata(parts, score)
        gains = np.concatenate([rows[0] - rows[1] for rows in strata])
        gains = gains[gains != 0]
        flips = np.random.default_rng(self.seed).integers(0, 2, (FLIPS, len(gains)), dtype=np.int8)
        # Turning the signs of some rows around takes twice their gains from the sum: as good where that is no loss.
        as_good = int(np.sum(flips @ gains <= 1e-9))
        return (1 + as_good) / (1 + FLIPS)

    def _strata(self, parts: tuple[Part, ...], value: Value) -> list[Numbers]:
        """Per part the values of candidate and production, (2, rows)."""
        found = []
        for part in parts:
            held = {row.id: value(row) for row in self.production.of(part)}
            asked = (row for row in self.candidate.of(part) if self.origin in (None, row.origin))
            both = [(value(row), held[row.id]) for row in asked]
            kept = [pair for pair in both if None not in pair]
            if kept:
                found.append(np.array(kept, dtype=np.float64).T)
        return found
