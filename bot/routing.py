"""
Where a question goes: a domain, general, or back to the asker.

An explicit choice always wins. Else each domain has its own classifier in two steps: a logistic regression over the
query embedding, whose held-out score joins retrieval evidence and likeness to known questions in a second logistic
regression. The second one is fitted on predictions that the first made for questions it had not seen (stacking, Wolpert
1992), so its probability is a calibrated one. A few questions cannot tell what likeness is worth: it begins with what
that is worth in other domains, and moves away as far as the questions warrant. Exactly one route is right, so the
domains' odds are put together as P(d) = odds(d) / (1 + sum of all odds), and what is left over is the general route.
"""

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from bot.errors import RetrievalError
from bot.files import whole
from bot.messages import GENERAL, Query, Retrieval, RouteChoice

Array = NDArray[np.float64]

ASK_BACK_BELOW = 0.6  # less sure than this of the best of several routes: ask
NEIGHBOURS = 3  # likeness is the mean cosine of this many nearest known questions
FOLDS = 5
EXAMPLE, MADE = "example", "made"
EXAMPLE_WEIGHT = 4.0  # a person wrote it; the rest was made from headings or comes with the product
# A general question for an account, an order or a company's own affairs: only somebody's records answer it, and a model
# would invent something. Companies' questions are of this kind, but for the sectors whose knowledge is public.
SOMEBODYS_OWN = "somebody's own records"
OUR_COMPANY = "our-company"
KIND_NEIGHBOURS = 7
# Share of the neighbours' cosines, less where a question speaks to somebody, and their mean. Chosen with 40 questions
# to made-up companies in view (31 are taken so) and 1,037 public ones (19 are): tests/benchmarks/bench_records.py.
OWN_SHARE, SPOKEN_TO_SHARE, OWN_NEAR = 0.8, 0.5, 0.35
_SPOKEN_TO = re.compile(r"\b(you|your|yours|we|our|ours|us|here|my)\b", re.IGNORECASE)
PUBLIC = frozenset(
    f"company:{sector}"
    for sector in (
        "cloud-hosting",
        "database-software",
        "law-and-contracts",
        "linux-operating-system",
        "medical-research",
        "programming-language-docs",
    )
)
COMPANY = "company:"  # kinds of general questions that are some other company's domain
RESEMBLES = 0.3  # a company of which more than this share looks like the domain's own questions is no counter-example
EMBEDDING_C = 1.0  # inverse strength of regularisation
# What is usual in the second step for likeness to own and to other questions, for the first step's score, and as the
# intercept, with the units of each: fitted on 200 domains made from the kinds of bot/examples/general.jsonl, two to
# sixty questions of each known (tests/benchmarks/fit_router_prior.py). Evidence has nothing usual: collections differ.
USUAL, UNITS = (0.09, -0.11, 0.54, 1.47), (0.1, 0.1, 1.0)
# How much moving away costs, in questions; chosen on four domains of CLINC150.
EVIDENCE_COST, USUAL_COST = 1.0, 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownQuestion:
    """A question whose route is known, with what the routes' indexes say to it."""

    query: Query
    route: str
    kind: str  # of general questions: their kind; EXAMPLE for those a person gave, MADE for those from the documents
    evidence: Mapping[str, tuple[float, ...]]  # per domain
    share: float = 1.0  # of an example's weight, see messages.LabelledQuestion

    @property
    def weight(self) -> float:
        """How much it counts in fitting."""
        return EXAMPLE_WEIGHT * self.share if self.kind == EXAMPLE else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainClassifier:
    """The chance that a question belongs to one domain."""

    embedding: Array  # (384 + 1,) coefficients and intercept of the first step
    mean: Array  # (features,) of the second step's features
    scale: Array
    evidence: Array  # (features + 1,) coefficients and intercept of the second step
    own: NDArray[np.float32]  # (n, 384) known questions of this domain
    other: NDArray[np.float32]  # (m, 384) known questions of every other route

    def log_odds(self, vectors: NDArray[np.float32], evidence: Array) -> Array:
        """Returns: (n,) log odds for (n, 384) *vectors* and (n, evidence) *evidence*."""
        first = vectors @ self.embedding[:-1] + self.embedding[-1]
        features = np.column_stack([evidence, _likeness(vectors, self.own), _likeness(vectors, self.other), first])
        return np.asarray(((features - self.mean) / self.scale) @ self.evidence[:-1] + self.evidence[-1])


class LearnedRouter:
    """Routes by classifiers fitted from the domains' own text and from known questions."""

    def __init__(self, classifiers: Mapping[str, DomainClassifier], tasks: "TaskChooser | None" = None) -> None:
        self._classifiers = classifiers
        self._tasks = tasks

    @property
    def domains(self) -> frozenset[str]:
        """The domains that questions can be routed to."""
        return frozenset(self._classifiers)

    def use(self, classifiers: Mapping[str, DomainClassifier]) -> None:
        """Route by these from now on."""
        self._classifiers = classifiers

    def choose(self, query: Query, found: Mapping[str, Retrieval], *, explicit: str | None) -> RouteChoice:
        """
        The route for *query*; *found* holds the domains that the asker may read.

        An explicit choice is right by definition, so its probability is 1.
        """
        odds = {d: self._odds(d, query, found[d]) for d in found if d in self._classifiers}
        whole = 1.0 + sum(odds.values())
        chances = {GENERAL: 1.0 / whole, **{domain: value / whole for domain, value in odds.items()}}
        if explicit is not None:
            return RouteChoice(
                route=explicit, probability=1.0, domain_probability=float(explicit != GENERAL), task=self._task(query)
            )
        best, *others = sorted(chances, key=lambda route: chances[route], reverse=True)
        unsure = bool(others) and chances[best] < ASK_BACK_BELOW
        return RouteChoice(
            route=best,
            probability=chances.get(best, 0.0),
            domain_probability=1.0 - chances[GENERAL],
            decision="ask_back" if unsure else "answer",
            runner_up=others[0] if others else None,
            task=self._task(query),
        )

    def nearest_domain(self, query: Query) -> str | None:
        """The domain that *query* is most like by its words alone, general left aside; None where there is none."""
        scores = {d: float(query.vector @ c.embedding[:-1] + c.embedding[-1]) for d, c in self._classifiers.items()}
        return max(scores, key=lambda domain: scores[domain], default=None)

    def _task(self, query: Query) -> str | None:
        return self._tasks.choose(query) if self._tasks else None

    def _odds(self, domain: str, query: Query, found: Retrieval) -> float:
        evidence = np.array([found.evidence or (0.0,) * self._width(domain)])
        log_odds = self._classifiers[domain].log_odds(query.vector[None, :], evidence)[0]
        return float(np.exp(np.clip(log_odds, -20, 20)))

    def _width(self, domain: str) -> int:
        return len(self._classifiers[domain].mean) - 3


def nearest_records(choice: RouteChoice, found: Mapping[str, Retrieval]) -> RouteChoice:
    """
    Instead of the general route the domain whose documents come near the question, if one does.

    For questions that only somebody's own records answer, and for follow-ups to a domain's answer: the base model would
    have to invent something; the documents answer it, or show that they do not.
    """
    near = {domain: max((p.dense for p in retrieval.passages), default=0.0) for domain, retrieval in found.items()}
    nearest = max(near, key=lambda domain: near[domain], default=None)
    if choice.route != GENERAL or nearest is None or near[nearest] < OWN_NEAR:
        return choice
    return replace(choice, route=nearest, probability=choice.domain_probability, decision="answer", runner_up=None)


@dataclass(frozen=True, slots=True)
class TaskChooser:
    """Tells the kinds of general questions apart by the nearest known ones."""

    vectors: NDArray[np.float32]  # (n, 384)
    kinds: Sequence[str]

    def choose(self, query: Query) -> str:
        """One of the kinds in bot/examples/general.jsonl, or SOMEBODYS_OWN."""
        cosines = self.vectors @ query.vector
        nearest = np.argsort(-cosines)[:KIND_NEIGHBOURS]
        votes: dict[str, float] = {}
        for i in nearest:
            votes[self.kinds[i]] = votes.get(self.kinds[i], 0.0) + max(float(cosines[i]), 0.0)
        own = sum(vote for kind, vote in votes.items() if _asks_for_records(kind))
        share = SPOKEN_TO_SHARE if _SPOKEN_TO.search(query.text) else OWN_SHARE
        if own >= share * sum(votes.values()) and float(cosines[nearest].mean()) >= OWN_NEAR:
            return SOMEBODYS_OWN
        return max(votes, key=lambda kind: votes[kind])


def _asks_for_records(kind: str) -> bool:
    return kind == OUR_COMPANY or (kind.startswith(COMPANY) and kind not in PUBLIC)


def fit(domain: str, known: Sequence[KnownQuestion], *, seed: int = 0) -> DomainClassifier:
    """
    The classifier of *domain* from questions of every route.

    Raises: RetrievalError if there is nothing to tell apart.
    """
    from threadpoolctl import threadpool_limits

    resembling = _resembling(domain, known)
    known = [question for question in known if not resembling.get(question.kind, False)]
    right = np.array([question.route == domain for question in known])
    if right.all() or not right.any():
        raise RetrievalError(f"domain {domain!r} has neither documents nor examples; run `pointsman ingest`")
    with threadpool_limits(
        1, user_api="blas"
    ):  # small matrices: beside other work two threads only wait for each other
        return _fitted(domain, known, right, seed)


def _fitted(domain: str, known: Sequence[KnownQuestion], right: NDArray[np.bool_], seed: int) -> DomainClassifier:
    vectors = np.stack([question.query.vector for question in known])
    counts = np.array([question.weight for question in known])
    weights = _balanced(right, counts)
    evidence = np.array([question.evidence[domain] for question in known], dtype=np.float64)
    first = _held_out_scores(vectors, right, weights, seed)
    features = np.column_stack([evidence, _known_likeness(vectors, right), first])
    mean = np.append(evidence.mean(axis=0), np.zeros(len(UNITS)))
    scale = np.append(evidence.std(axis=0) + 1e-6, UNITS)
    return DomainClassifier(
        embedding=_logistic(vectors.astype(np.float64), right, weights, EMBEDDING_C),
        mean=mean,
        scale=scale,
        evidence=_near_the_usual((features - mean) / scale, right, counts),
        own=vectors[right],
        other=vectors[~right],
    )


def _resembling(domain: str, known: Sequence[KnownQuestion]) -> dict[str, bool]:
    """
    Per company in the general set, whether its questions look like *domain*'s own: for a bank, another bank's do.
    """
    own = [q.evidence[domain][0] for q in known if q.route == domain and q.kind != EXAMPLE]
    if not own:
        return {}
    usual = float(np.quantile(own, 0.25))
    kinds: dict[str, list[bool]] = {}
    for question in known:
        if question.kind.startswith(COMPANY):
            kinds.setdefault(question.kind, []).append(question.evidence[domain][0] > usual)
    return {kind: float(np.mean(alike)) > RESEMBLES for kind, alike in kinds.items()}


def _balanced(right: NDArray[np.bool_], weights: Array, *, of: float | None = None) -> Array:
    """*weights* scaled so that both sides count alike, *of* together: without knowing better, either is as likely."""
    found = weights.astype(np.float64)
    whole_set = len(right) if of is None else of
    for side in (right, ~right):
        found[side] *= whole_set / 2 / found[side].sum()
    return found


def _held_out_scores(vectors: NDArray[np.float32], right: NDArray[np.bool_], weights: Array, seed: int) -> Array:
    """The first step's log odds for each question from a fit without it."""
    folds = np.random.default_rng(seed).permutation(len(right)) % FOLDS
    scores = np.zeros(len(right))
    for fold in range(FOLDS):
        rest = folds != fold
        if right[rest].any() and not right[rest].all():
            fitted = _logistic(vectors[rest].astype(np.float64), right[rest], weights[rest], EMBEDDING_C)
            scores[~rest] = vectors[~rest] @ fitted[:-1] + fitted[-1]
    return scores


def _logistic(features: Array, right: NDArray[np.bool_], weights: Array, c: float) -> Array:
    """Returns: coefficients and, last, the intercept."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=c, max_iter=1000).fit(features, right, sample_weight=weights)
    return np.append(fitted.coef_[0], fitted.intercept_[0])


def _near_the_usual(features: Array, right: NDArray[np.bool_], counts: Array) -> Array:
    """
    Returns: coefficients and, last, the intercept of a logistic regression that keeps near to what is USUAL.

    Both sides count as much as the smaller one has questions: more of the other side tell no more about this domain. A
    question that is alone on its side has none to be like, so it tells nothing.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    evidence = features.shape[1] - len(UNITS)
    usual = np.append(np.zeros(evidence), USUAL)
    # The intercept is free to move: how near questions come to a domain differs most from one to the next.
    cost = np.concatenate([np.full(evidence, EVIDENCE_COST), np.full(len(UNITS), USUAL_COST), [0.0]])
    if min(right.sum(), (~right).sum()) < 2:
        return usual
    weights = _balanced(right, counts, of=2 * min(counts[right].sum(), counts[~right].sum()))

    def loss(at: Array) -> tuple[float, Array]:
        odds, away = features @ at[:-1] + at[-1], at - usual
        slope = weights * (expit(odds) - right)
        value = weights @ (np.logaddexp(0, odds) - right * odds) + cost @ away**2 / 2
        return value, np.append(features.T @ slope, slope.sum()) + cost * away

    return np.asarray(minimize(loss, usual, jac=True, method="L-BFGS-B").x)


def _likeness(vectors: NDArray[np.float32], known: NDArray[np.float32]) -> Array:
    """Returns: (n,) mean cosine of the nearest known questions, 0 where none is known."""
    if not len(known):
        return np.zeros(len(vectors))
    cosines = np.sort(vectors @ known.T, axis=1)[:, -NEIGHBOURS:]
    return np.asarray(cosines.mean(axis=1), dtype=np.float64)


def _known_likeness(vectors: NDArray[np.float32], right: NDArray[np.bool_]) -> Array:
    """Returns: (n, 2) likeness to both sides' questions, each question without itself."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2.0)
    sides = []
    for side in (right, ~right):
        nearest = np.sort(cosines[:, side], axis=1)[:, -NEIGHBOURS:]
        sides.append(np.where(nearest > -1.5, nearest, 0.0).mean(axis=1))
    return np.column_stack(sides).astype(np.float64)


def chances(classifiers: Mapping[str, DomainClassifier], questions: Sequence[KnownQuestion]) -> Array:
    """Returns: (questions, 1 + domains) chances of the routes, general first, then the domains in their order."""
    vectors = np.stack([question.query.vector for question in questions])
    shares = [np.ones(len(questions))]
    for domain, classifier in classifiers.items():
        evidence = np.array([question.evidence[domain] for question in questions], dtype=np.float64)
        shares.append(np.exp(np.clip(classifier.log_odds(vectors, evidence), -20, 20)))
    return np.asarray(np.column_stack(shares) / np.sum(shares, axis=0)[:, None])


KNOWN = ("own", "other")  # the known questions of a classifier; most are known to every domain's


def save(classifiers: Mapping[str, DomainClassifier], path: Path) -> None:
    """Write all classifiers to one .npz file, atomically; each known question is in it once."""
    places: dict[bytes, int] = {}
    vectors: list[NDArray[np.float32]] = []
    arrays = {}
    for domain, classifier in classifiers.items():
        for name in DomainClassifier.__slots__:
            value = getattr(classifier, name)
            if name in KNOWN:
                value = np.array([_place(row, places, vectors) for row in value], dtype=np.int32)
            arrays[f"{domain}/{name}"] = value
    whole_set = np.stack(vectors) if vectors else np.zeros((0, 0), dtype=np.float32)
    with whole(path) as part:
        np.savez_compressed(part, domains=np.array(json.dumps(list(classifiers))), vectors=whole_set, **arrays)


def _place(row: NDArray[np.float32], places: dict[bytes, int], vectors: list[NDArray[np.float32]]) -> int:
    """Where *row* stands among *vectors*, to which it is added if it is new."""
    key = row.tobytes()
    if key not in places:
        places[key] = len(vectors)
        vectors.append(row)
    return places[key]


def load(path: Path) -> dict[str, DomainClassifier]:
    """
    The classifiers in *path*; none where the file is absent.

    Raises: RetrievalError if it is damaged.
    """
    if not path.exists():
        return {}
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            vectors = arrays.get("vectors")  # None: older files hold them per domain
            domains = json.loads(str(arrays["domains"]))
            return {
                d: _classifier({n: arrays[f"{d}/{n}"] for n in DomainClassifier.__slots__}, vectors) for d in domains
            }
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, BadZipFile, zlib.error) as exc:
        raise RetrievalError(f"the router in {path} is damaged; delete the file and run `pointsman ingest`") from exc


def _classifier(
    arrays: Mapping[str, NDArray[np.float64] | NDArray[np.float32]], vectors: NDArray[np.float32] | None
) -> DomainClassifier:
    if vectors is None:
        return DomainClassifier(**arrays)  # type: ignore[arg-type]
    known = {name: vectors[arrays[name]] for name in KNOWN}
    return DomainClassifier(**{**arrays, **known})
