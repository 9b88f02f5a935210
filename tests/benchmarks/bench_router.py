"""
What the router learns from reviewed routes, on `routing_mix`, and what the gate says to it.

`docs`: two manuals with documents; `bank`: a domain without documents that ten examples were written for. Of each set
300 questions, drawn anew with each seed, are there to be reviewed; all the others are the test. "Before" is the router
that learnt none of the 300. The gate sees the reviewed questions only.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from bench_routing import DOCS, NoDocuments
from knowledge_base import KnowledgeBase, open_knowledge_base
from numpy.typing import NDArray
from tables import WORK, rows_of, show

from bot import routing
from bot.learning.router import RouteTeacher
from bot.learning.router_gate import Contender, compare
from bot.messages import GENERAL, LabelledQuestion
from bot.routing import EXAMPLE, DomainClassifier, KnownQuestion

POOL = 300
COUNTS = (30, 100, 300)
SEEDS = tuple(range(5))
GATE_SEEDS = tuple(range(3))
LEAST = 1e-4  # chance

Known = Sequence[KnownQuestion]


@dataclass(frozen=True)
class Setting:
    """One set of questions, split with one seed."""

    name: str
    teacher: RouteTeacher
    domains: tuple[str, ...]
    base: Known  # shipped, and made from documents
    written: Known
    pool: Known
    test: Known

    def fit(self, reviewed: Known) -> dict[str, DomainClassifier]:
        return self.teacher.fitted(self.domains, [*self.base, *self.written, *reviewed])

    def contender(self, name: str, reviewed: Known) -> Contender:
        return Contender(name=name, classifiers=self.fit(reviewed), learned=[*self.written, *reviewed])

    def passes(self, production: Contender, reviewed: Known) -> bool:
        known = [*self.base, *self.written, *reviewed]
        fit = partial(self.teacher.fitted, self.domains)
        return compare(self.contender("new", reviewed), production, known, fit).passed


@dataclass(frozen=True)
class Questions:
    """A set of questions with their evidence."""

    name: str
    teacher: RouteTeacher
    domains: tuple[str, ...]
    known: Known
    written: int  # examples that are there before anybody reviews

    def split(self, seed: int) -> Setting:
        own = [question for question in self.known if question.kind == EXAMPLE]
        drawn = random.Random(seed).sample(own, len(own))
        begin, end = self.written, self.written + POOL
        return Setting(
            name=self.name,
            teacher=self.teacher,
            domains=self.domains,
            base=[question for question in self.known if question.kind != EXAMPLE],
            written=drawn[:begin],
            pool=drawn[begin:end],
            test=drawn[end:],
        )


def questions_of(base: KnowledgeBase) -> list[Questions]:
    docs = RouteTeacher(base.encoder, base.retriever, WORK / "router")
    bank = RouteTeacher(base.encoder, NoDocuments(), WORK / "router")
    asked = {name: rows_of(f"routing_mix/{name}.jsonl") for name in ("docs", "bank")}
    of_docs = [_labelled(row, row["source"]) for row in asked["docs"]]
    of_bank = [_labelled(row, "bank") for row in asked["bank"]]
    return [
        Questions("docs", docs, DOCS, docs.known(DOCS, of_docs), 0),
        Questions("bank", bank, ("bank",), bank.known(("bank",), of_bank), 10),
    ]


def _labelled(row: dict[str, str], domain: str) -> LabelledQuestion:
    return LabelledQuestion(text=row["text"], route=domain if row["route"] == "domain" else GENERAL)


def figures(classifiers: dict[str, DomainClassifier], asked: Known) -> dict[str, float]:
    """Balanced accuracy over the routes, expected calibration error of the chosen route in ten bins, log loss."""
    routes = [GENERAL, *classifiers]
    chances = routing.chances(classifiers, asked)
    right = np.array([routes.index(question.route) for question in asked])
    hits, sure = (chances.argmax(axis=1) == right).astype(float), chances.max(axis=1)
    given = np.maximum(chances[np.arange(len(asked)), right], LEAST)
    return {
        "balanced accuracy": float(np.mean([hits[right == route].mean() for route in np.unique(right)])),
        "ECE": _calibration_error(sure, hits),
        "log loss": float(-np.log(given).mean()),
        "asked back": float((sure < routing.ASK_BACK_BELOW).mean()),
    }


def _calibration_error(sure: NDArray[np.float64], hits: NDArray[np.float64]) -> float:
    bins = np.minimum((sure * 10).astype(int), 9)
    gaps = [abs(sure[bins == b].mean() - hits[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    return float(np.sum(gaps))


def mislabelled(reviewed: Known, domains: Sequence[str], share: float, seed: int) -> Known:
    """*reviewed* with another route for a *share* of them."""
    chance = random.Random(seed)

    def wrong(question: KnownQuestion) -> KnownQuestion:
        others = [route for route in (GENERAL, *domains) if route != question.route]
        return replace(question, route=chance.choice(others))

    return [wrong(question) if chance.random() < share else question for question in reviewed]


def shuffled(reviewed: Known, seed: int) -> Known:
    routes = [question.route for question in reviewed]
    random.Random(seed).shuffle(routes)
    return [replace(question, route=route) for question, route in zip(reviewed, routes, strict=True)]


def learning(sets: Sequence[Questions]) -> list[dict[str, object]]:
    """Before and after so many reviewed questions: means over the seeds, each with its standard deviation."""
    table: list[dict[str, object]] = []
    for questions in sets:
        cases = {"before": (0, 0.0)} | {f"{n} reviewed": (n, 0.0) for n in COUNTS}
        for label, (count, share) in (cases | {"100 reviewed, 10 % of them wrongly": (100, 0.1)}).items():
            found = []
            for seed in SEEDS:
                setting = questions.split(seed)
                reviewed = mislabelled(setting.pool[:count], setting.domains, share, seed)
                found.append(figures(setting.fit(reviewed), setting.test))
            row: dict[str, object] = {"set": questions.name, "router": label}
            for name in found[0]:
                values = [one[name] for one in found]
                row[name] = f"{np.mean(values):.3f} ± {np.std(values):.3f}"
            table.append(row)
    return table


def gate(sets: Sequence[Questions]) -> list[dict[str, object]]:
    """How many of the seeds the gate lets through, of good and of bad reviews."""
    table: list[dict[str, object]] = []
    for questions in sets:
        passed: dict[str, list[bool]] = {}
        for seed in GATE_SEEDS:
            setting = questions.split(seed)
            production = setting.contender("before", ())
            hundred, domains = setting.pool[:100], setting.domains
            some = [replace(question, route=domains[0]) for question in hundred[60:]]
            reviews = {f"{count} right": setting.pool[:count] for count in COUNTS} | {
                "100, 10 % wrong": mislabelled(hundred, domains, 0.1, seed),
                "100, the last 40 all to one domain": [*hundred[:60], *some],
                "100, routes shuffled": shuffled(hundred, seed),
                "100, all wrong": mislabelled(hundred, domains, 1.0, seed),
            }
            for name, reviewed in reviews.items():
                passed.setdefault(name, []).append(setting.passes(production, reviewed))
        table += [
            {"set": questions.name, "reviewed": name, "passed": f"{sum(found)} of {len(found)}"}
            for name, found in passed.items()
        ]
    return table


def run(base: KnowledgeBase | None = None) -> list[dict[str, object]]:
    """One row per set and number of reviewed questions."""
    return learning(questions_of(base or open_knowledge_base(DOCS)))


if __name__ == "__main__":
    sets = questions_of(open_knowledge_base(DOCS))
    show("Learning reviewed routes (routing_mix)", learning(sets))
    show("What the gate lets through (routing_mix)", gate(sets))
