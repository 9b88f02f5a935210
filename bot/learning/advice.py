"""
Which way suits a domain: a prompt alone, a prompt with retrieval, or an adapter with retrieval.

A recommendation rests on what was measured on the domain's own held-out questions, and on three facts of its life: how
many reviewed examples there are, how often its documents change, and how many questions come.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Way = Literal["prompt", "retrieve", "fine-tune"]
Recommendation = Literal["prompt", "retrieve", "fine-tune", "collect"]

ENOUGH_ROWS = 20  # held-out questions below which a difference of 0.2 is not told from chance
ENOUGH_EXAMPLES = 50  # reviewed answers below which an adapter learns the rows by heart
WORTH_QUESTIONS = 20.0  # a week: below this nobody gets back the hours that reviewing and training take
RESAMPLES = 2000
SEED = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How one way did on every held-out question, in the same order for each way."""

    way: Way
    adapter: str  # "name@version" or "none"
    scores: tuple[float, ...]  # in [0, 1]: token F1, or whether it abstained where nothing answers the question
    prompt_tokens: tuple[int, ...]
    completion_tokens: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def quality(self) -> float:
        """The mean score."""
        return float(np.mean(self.scores)) if self.scores else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Of the mean score, by bootstrap over the questions (95 %)."""
        return _interval(np.array(self.scores))


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known about a domain beside what was measured."""

    examples: int  # reviewed answers that may train an adapter
    documents: int
    changes_per_week: float  # documents replaced or removed
    questions_per_week: float
    training_hours: float  # what one training takes on this machine; 0: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do, and why."""

    recommendation: Recommendation
    reasons: tuple[str, ...]


def advise(ways: Sequence[Measured], facts: Circumstances) -> Advice:
    """The recommendation for a domain. *ways* may lack "fine-tune" where no adapter fits."""
    found = {measured.way: measured for measured in ways}
    reasons: list[str] = []
    best: Recommendation = _prompt_or_retrieve(found, facts, reasons)
    if facts.examples < ENOUGH_EXAMPLES:
        reasons.append(
            f"{facts.examples} reviewed answers are too few for an adapter of its own; review {ENOUGH_EXAMPLES} or "
            "more (`pointsman feedback queue`)"
        )
    if _rows(found) < ENOUGH_ROWS:
        reasons.insert(
            0,
            f"only {_rows(found)} held-out questions: differences below 0.2 cannot be told from chance with fewer than "
            f"{ENOUGH_ROWS}; review more answers and build a dataset",
        )
        return Advice(recommendation="collect", reasons=tuple(reasons))
    if "fine-tune" in found and _adapter_pays(found, facts, reasons):
        best = "fine-tune"
    return Advice(recommendation=best, reasons=tuple(reasons))


def difference(first: Measured, second: Measured) -> tuple[float, float, float]:
    """Returns: how much better *second* is, and the 95 % interval of that, paired by question."""
    gains = np.array(second.scores) - np.array(first.scores)
    low, high = _interval(gains)
    return (float(gains.mean()) if len(gains) else 0.0), low, high


def _rows(found: dict[Way, Measured]) -> int:
    return min((len(measured.scores) for measured in found.values()), default=0)


def _prompt_or_retrieve(found: dict[Way, Measured], facts: Circumstances, reasons: list[str]) -> Recommendation:
    gain, low, high = difference(found["prompt"], found["retrieve"])
    if low > 0:
        reasons.append(f"retrieval answers better than the prompt alone: {_signed(gain, low, high)}")
    elif high < 0:
        reasons.append(
            f"the prompt alone answers better than retrieval: {_signed(gain, low, high)}; look at what is retrieved "
            "(`pointsman retrieve`)"
        )
        return "prompt"
    else:
        reasons.append(
            f"retrieval and the prompt alone do not differ beyond chance: {_signed(gain, low, high)}; "
            "only retrieval says where an answer comes from"
        )
    if facts.changes_per_week:
        reasons.append(
            f"{facts.changes_per_week:.1f} of {facts.documents} documents change in a week: what changes belongs into "
            "the documents, not into an adapter"
        )
    return "retrieve"


def _adapter_pays(found: dict[Way, Measured], facts: Circumstances, reasons: list[str]) -> bool:
    gain, low, high = difference(found["retrieve"], found["fine-tune"])
    label = found["fine-tune"].adapter
    if low <= 0:
        reasons.append(f"{label} is not better than the base model beyond chance: {_signed(gain, low, high)}")
        return False
    reasons.append(f"{label} answers better than the base model over the same passages: {_signed(gain, low, high)}")
    if facts.examples < ENOUGH_EXAMPLES:
        reasons.append(f"so let {label} answer, and collect examples until the domain can have one of its own")
    elif facts.questions_per_week < WORTH_QUESTIONS:
        reasons.append(
            f"but {facts.questions_per_week:.0f} questions a week are few: an adapter of its own pays from about "
            f"{WORTH_QUESTIONS:.0f} a week"
        )
    elif facts.training_hours:
        reasons.append(f"training takes {facts.training_hours:.1f} hours on this machine")
    return True


def _signed(gain: float, low: float, high: float) -> str:
    return f"{gain:+.2f} (95 % interval {low:+.2f} to {high:+.2f})"


def _interval(values: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> tuple[float, float]:
    """Of the mean, by bootstrap (Efron 1979)."""
    if not len(values):
        return 0.0, 0.0
    rng = np.random.default_rng(SEED)
    means = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
