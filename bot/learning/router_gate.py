"""
Whether a new router may take the place of the one in use.

Both are asked questions that they were not fitted on (cross-validation, with nearly the same questions in one fold):
the examples, and some of those that come with the product or were made from the documents, so that what was right stays
so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bot import routing
from bot.learning.checks import Check
from bot.learning.curation import ALIKE, leaders
from bot.messages import GENERAL
from bot.ports import Progress, silent
from bot.routing import EXAMPLE, DomainClassifier, KnownQuestion

ENOUGH = 20  # examples; with fewer, one question more or less decides
FOLDS = 5
OF_GENERAL, OF_DOMAIN = 150, 50  # questions that are no examples
ACCURACY_MARGIN = 0.02
CALIBRATION_MARGIN = 0.03  # and one question more: with few, one that is right now may make it so much worse
OTHERS_MARGIN = 0.02  # the same on the questions that are no examples, of which there are enough
A_BIN = 15  # examples at least; at most BINS bins
BINS = 10
LEAST_CHANCE = 1e-4  # a route that was given less counts as given this: one question must not decide the log loss
RESAMPLES = 2_000
SEED = 17

Array = NDArray[np.float64]
Fit = Callable[[Sequence[KnownQuestion]], Mapping[str, DomainClassifier]]
Measure = Callable[["Answers", Array], Array]
"""Called with answers and (resamples, questions) weights. Returns: (resamples,) what they amount to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A router with the examples that it was fitted on."""

    name: str  # "router 3"
    classifiers: Mapping[str, DomainClassifier]
    learned: Sequence[KnownQuestion]

    def knows(self, vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Returns: (n,) whether it was fitted on nearly the same as each of (n, dimension) *vectors*."""
        nearest = np.full(len(vectors), -1.0)
        for classifier in self.classifiers.values():
            for held in (classifier.own, classifier.other):
                if len(held):
                    nearest = np.maximum(nearest, (held @ vectors.T).max(axis=0))
        return np.asarray(nearest >= ALIKE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the comparison came to."""

    passed: bool
    checks: tuple[Check, ...] = ()
    reasons: tuple[str, ...] = ()  # why it was refused, with what to do next; empty where it passed


@dataclass(frozen=True, slots=True)
class Answers:
    """The chances that one router gave to the routes of some questions."""

    chances: Array  # (n, routes)
    right: NDArray[np.int64]  # (n,) the right route's place
    bins: NDArray[np.int64] = field(init=False)  # (n,) by the chance of the chosen route, about equally filled

    def __post_init__(self) -> None:
        count = int(np.clip(len(self.right) // A_BIN, 1, BINS))
        edges = np.quantile(self.sure, np.arange(1, count) / count)
        object.__setattr__(self, "bins", np.searchsorted(edges, self.sure, side="right"))

    def only(self, rows: NDArray[np.bool_]) -> "Answers":
        """The answers to *rows*."""
        return Answers(self.chances[rows], self.right[rows])

    @property
    def sure(self) -> Array:
        """(n,) the chance of the chosen route."""
        return np.asarray(self.chances.max(axis=1))

    @property
    def hits(self) -> Array:
        """(n,) 1 where the right route was chosen."""
        return np.asarray(self.chances.argmax(axis=1) == self.right, dtype=np.float64)


def accuracy(answers: Answers, weights: Array) -> Array:
    """Returns: per row of *weights* the share that was routed rightly, each right route counting alike."""
    shares = []
    for route in np.unique(answers.right):
        own = answers.right == route
        whole = weights[:, own].sum(axis=1)
        shares.append(
            np.divide(weights[:, own] @ answers.hits[own], whole, np.full(len(whole), np.nan), where=whole > 0)
        )
    return np.asarray(np.nanmean(shares, axis=0))


def share_right(answers: Answers, weights: Array) -> Array:
    """Returns: per row of *weights* the share that was routed rightly."""
    return np.asarray(weights @ answers.hits / weights.sum(axis=1))


def calibration_error(answers: Answers, weights: Array) -> Array:
    """Returns: per row of *weights* the expected calibration error of the chosen route's chance."""
    gaps = answers.sure - answers.hits
    errors = [np.abs(weights[:, answers.bins == b] @ gaps[answers.bins == b]) for b in np.unique(answers.bins)]
    return np.asarray(np.sum(errors, axis=0) / weights.sum(axis=1))


def log_loss(answers: Answers, weights: Array) -> Array:
    """Returns: per row of *weights* the mean of -log(chance of the right route)."""
    given = answers.chances[np.arange(len(answers.right)), answers.right]
    return np.asarray(weights @ -np.log(np.maximum(given, LEAST_CHANCE)) / weights.sum(axis=1))


def compare(
    candidate: Contender, production: Contender, known: Sequence[KnownQuestion], fit: Fit, progress: Progress = silent
) -> Verdict:
    """
    Whether *candidate* is no worse than *production*.

    *known*: every question whose route is known, the examples among them. *fit*: how routers are fitted.
    """
    examples = [question for question in known if question.kind == EXAMPLE]
    if len(examples) < ENOUGH:
        return Verdict(passed=False, reasons=(too_few(len(examples)),))
    base = [question for question in known if question.kind != EXAMPLE]
    asked = [*examples, *_drawn(base)]
    exam = Exam(asked, np.array(leaders(_vectors(asked))), [GENERAL, *sorted({q.route for q in asked} - {GENERAL})])
    sides = [
        exam.take(contender, [*base, *contender.learned], fit, progress, begin=number * FOLDS)
        for number, contender in enumerate((candidate, production))
    ]
    own = np.arange(len(asked)) < len(examples)
    others = "the other questions"
    one, another = 1 / len(examples), 1 / (len(asked) - len(examples))
    checks = (
        exam.check("accuracy", accuracy, sides, own, margin=-ACCURACY_MARGIN),
        exam.check("calibration error", calibration_error, sides, own, margin=CALIBRATION_MARGIN + one),
        exam.check("log loss", log_loss, sides, own),
        exam.check(f"accuracy on {others}", share_right, sides, ~own, margin=-ACCURACY_MARGIN),
        exam.check(f"calibration error on {others}", calibration_error, sides, ~own, margin=OTHERS_MARGIN + another),
    )
    reasons = tuple(check.reason for check in checks if not check.passed)
    return Verdict(passed=not reasons, checks=checks, reasons=reasons)


def too_few(count: int) -> str:
    """Why so many examples do not allow a comparison."""
    return (
        f"{count} example questions are too few to measure a router by, {ENOUGH} are needed: review more answers "
        "(`pointsman feedback queue`), or write some (`pointsman examples add`)"
    )


@dataclass(frozen=True, slots=True)
class Exam:
    """Questions that both routers are asked."""

    asked: Sequence[KnownQuestion]
    groups: NDArray[np.int64]  # (n,) nearly the same questions have the same number
    routes: Sequence[str]

    def take(
        self, contender: Contender, knows: Sequence[KnownQuestion], fit: Fit, progress: Progress, *, begin: int
    ) -> Answers:
        """
        What *contender* says to each question without having been fitted on it.

        What it never knew it answers itself, the rest a fit of what it *knows* without anything like the fold.
        """
        vectors, held = _vectors(self.asked), _vectors(knows)
        known, folds = contender.knows(vectors), self._folds()
        found = np.zeros((len(self.asked), len(self.routes)))
        self._answer(found, ~known, contender.classifiers)
        for fold in range(FOLDS):
            progress(begin + fold, 2 * FOLDS, f"Measuring {contender.name}")
            rows = known & (folds == fold)
            if rows.any():
                apart = (held @ vectors[rows].T).max(axis=1) < ALIKE
                self._answer(found, rows, fit([each for each, other in zip(knows, apart, strict=True) if other]))
        return Answers(found, np.array([self.routes.index(question.route) for question in self.asked]))

    def _answer(self, found: Array, rows: NDArray[np.bool_], classifiers: Mapping[str, DomainClassifier]) -> None:
        """Fill in the chances that *classifiers* give for *rows*."""
        own = {domain: one for domain, one in classifiers.items() if domain in self.routes}
        if rows.any():
            places = [self.routes.index(route) for route in (GENERAL, *own)]
            chosen = [question for question, row in zip(self.asked, rows, strict=True) if row]
            found[np.ix_(np.flatnonzero(rows), np.array(places))] = routing.chances(own, chosen)

    def _folds(self) -> NDArray[np.int64]:
        heads = np.unique(self.groups)
        fold_of = dict(zip(np.random.default_rng(SEED).permutation(heads), np.arange(len(heads)) % FOLDS, strict=True))
        return np.array([fold_of[group] for group in self.groups])

    def check(
        self,
        name: str,
        measure: Measure,
        sides: Sequence[Answers],
        rows: NDArray[np.bool_],
        *,
        margin: float | None = None,
    ) -> Check:
        """One comparison on *rows*; a negative *margin* is a fall that is allowed, a positive one a rise."""
        shares = np.array([question.share for question in self.asked])[rows]
        weights = np.vstack([shares, self._resampled(rows) * shares])
        candidate, production = (measure(side.only(rows), weights) for side in sides)
        low, high = np.quantile(candidate[1:] - production[1:], (0.025, 0.975))
        difference = float(candidate[0] - production[0])
        passed = margin is None or (difference >= margin if margin < 0 else difference <= margin)
        numbers = (
            f"{name[0].upper()}{name[1:]} {candidate[0]:.3f} against {production[0]:.3f} of the router in use "
            f"({difference:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}, {int(rows.sum())} questions)"
        )
        allowed = "" if margin is None else f"a {'fall' if margin < 0 else 'rise'} of {abs(margin):.3f}"
        verdict = f", within {allowed}" if allowed and passed else f", more than {allowed} that is allowed"
        return Check(
            name=name,
            candidate=float(candidate[0]),
            production=float(production[0]),
            difference=difference,
            low=float(low),
            high=float(high),
            passed=passed,
            reason=numbers + (verdict if allowed else ""),
        )

    def _resampled(self, rows: NDArray[np.bool_]) -> Array:
        """Returns: (RESAMPLES, rows) how often each question is drawn; those of a group together."""
        heads, place = np.unique(self.groups[rows], return_inverse=True)
        chance = np.full(len(heads), 1 / len(heads))
        return np.asarray(np.random.default_rng(SEED).multinomial(len(heads), chance, RESAMPLES)[:, place], dtype=float)


def _vectors(questions: Sequence[KnownQuestion]) -> NDArray[np.float32]:
    return np.stack([question.query.vector for question in questions])


def _drawn(base: Sequence[KnownQuestion]) -> list[KnownQuestion]:
    """Some of the questions that are no examples, always the same."""
    chance = np.random.default_rng(SEED)
    found: list[KnownQuestion] = []
    for route in sorted({question.route for question in base}):
        own = [question for question in base if question.route == route]
        most = OF_GENERAL if route == GENERAL else OF_DOMAIN
        found += [own[i] for i in chance.permutation(len(own))[:most]]
    return found
