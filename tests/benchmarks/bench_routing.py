"""
Routing on `routing_mix`: general or domain, beside two simple routers fitted on the same questions.

`docs`: two domains with documents, nothing else (a cold start). `bank`: a domain without documents that is taught by
example questions, each number of examples with three seeds; the other questions are the test.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from knowledge_base import KnowledgeBase, open_knowledge_base
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from tables import WORK, rows_of, show

from bot import routing
from bot.learning.router import RouteTeacher
from bot.messages import GENERAL, LabelledQuestion, Query, Retrieval

DOCS = ("debian_faq", "python_faq")
SEEDS = (0, 1, 2)


class NoDocuments:
    """A domain that has examples only."""

    def made_questions(self, domain: str) -> list[tuple[str, tuple[str, int] | None]]:
        return []

    def measure(
        self, domain: str, queries: Sequence[Query], without: Sequence[tuple[str, int] | None]
    ) -> list[tuple[float, ...]]:
        return [(0.0,) * 8] * len(queries)


def figures(chances: NDArray[np.float64], domain: NDArray[np.bool_]) -> dict[str, float]:
    """Balanced accuracy at one half, AUROC and expected calibration error in ten bins."""
    said = chances > 0.5
    bins = np.minimum((chances * 10).astype(int), 9)
    error = sum(
        abs(chances[bins == b].mean() - domain[bins == b].mean()) * (bins == b).mean()
        for b in range(10)
        if (bins == b).any()
    )
    return {
        "balanced accuracy": float((said[domain].mean() + (~said[~domain]).mean()) / 2),
        "domain recall": float(said[domain].mean()),
        "AUROC": float(roc_auc_score(domain, chances)),
        "ECE": float(error),
    }


def docs(base: KnowledgeBase) -> list[dict[str, object]]:
    """A cold start on the documents of two domains."""
    rows = rows_of("routing_mix/docs.jsonl")
    queries = base.queries([row["text"] for row in rows])
    domain = np.array([row["route"] == "domain" for row in rows])
    teacher = RouteTeacher(base.encoder, base.retriever, WORK / "router")
    known = teacher.known(DOCS, ())
    router = routing.LearnedRouter(teacher.fitted(DOCS, known))
    found = {d: base.retriever.search(d, queries) for d in DOCS}
    choices = [router.choose(query, {d: found[d][i] for d in DOCS}, explicit=None) for i, query in enumerate(queries)]
    ours = np.array([choice.domain_probability for choice in choices])
    sure = np.array([choice.decision == "answer" for choice in choices])
    nearest = np.array([max(found[d][i].evidence[0] for d in DOCS) for i in range(len(rows))])
    learnt = np.array([max(question.evidence[d][0] for d in DOCS) for question in known])
    right = np.array([question.route != GENERAL for question in known])
    table: list[dict[str, object]] = [
        {"set": "docs, cold", "router": "ours", **figures(ours, domain), "asked back": float(1 - sure.mean())},
        {"set": "docs, cold", "router": "ours, where not asked back", **figures(ours[sure], domain[sure])},
        {
            "set": "docs, cold",
            "router": "nearest chunk, logistic",
            **figures(_one_number(learnt, right, nearest), domain),
        },
        {
            "set": "docs, cold",
            "router": "logistic on embedding",
            **figures(of_embedding(known, queries), domain),
        },
    ]
    return table


def bank(base: KnowledgeBase) -> list[dict[str, object]]:
    """A domain that is taught by examples alone."""
    rows = rows_of("routing_mix/bank.jsonl")
    queries = base.queries([row["text"] for row in rows])
    table: list[dict[str, object]] = []
    for count in (10, 40, 150):
        measured: dict[str, list[dict[str, float]]] = {"ours": [], "logistic on embedding": []}
        for seed in SEEDS:
            order = random.Random(seed).sample(range(len(rows)), len(rows))
            taught, rest = order[:count], order[count:]
            examples = [LabelledQuestion(text=rows[i]["text"], route=_route(rows[i]["route"])) for i in taught]
            teacher = RouteTeacher(base.encoder, NoDocuments(), Path(WORK / "router"))
            known = teacher.known(("bank",), examples)
            router = routing.LearnedRouter(teacher.fitted(("bank",), known))
            domain = np.array([rows[i]["route"] == "domain" for i in rest])
            asked = [queries[i] for i in rest]
            ours = [router.choose(q, {"bank": Retrieval()}, explicit=None).domain_probability for q in asked]
            measured["ours"].append(figures(np.array(ours), domain))
            measured["logistic on embedding"].append(figures(of_embedding(known, asked), domain))
        for name, found in measured.items():
            mean = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
            table.append({"set": f"bank, {count} examples", "router": name, **mean})
    return table


def _route(label: str) -> str:
    return "bank" if label == "domain" else GENERAL


def _one_number(
    learnt: NDArray[np.float64], right: NDArray[np.bool_], asked: NDArray[np.float64]
) -> NDArray[np.float64]:
    fitted = LogisticRegression(class_weight="balanced").fit(learnt[:, None], right)
    return np.asarray(fitted.predict_proba(asked[:, None])[:, 1])


def of_embedding(known: Sequence[routing.KnownQuestion], asked: Sequence[Query]) -> NDArray[np.float64]:
    """The chances that a logistic regression over embeddings gives, as probabilities that the route is a domain."""
    fitted = LogisticRegression(class_weight="balanced", max_iter=1000)
    right = [question.route != GENERAL for question in known]
    fitted.fit(np.stack([question.query.vector for question in known]), right)
    return np.asarray(fitted.predict_proba(np.stack([query.vector for query in asked]))[:, 1])


def run(base: KnowledgeBase | None = None) -> list[dict[str, object]]:
    """One row per set and router."""
    base = base or open_knowledge_base()
    return docs(base) + bank(base)


if __name__ == "__main__":
    show("Routing (routing_mix)", run())
