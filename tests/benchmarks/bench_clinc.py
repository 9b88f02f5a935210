"""
Routing on CLINC150: each of its ten domains against all else, out-of-scope questions included.

A reviewer has labelled so many of its training questions, drawn as they come; its validation questions are the test,
which nothing was chosen by. Baselines that learn from the same questions and the same embeddings: a logistic
regression, the nearest labelled question, and aurelio's semantic-router with its thresholds fitted, which runs in an
environment of its own (made at the first run; left out where the package index cannot be reached).
"""

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from bench_routing import NoDocuments, of_embedding
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from tables import WORK, rows_of, show

from bot import routing
from bot.learning.router import RouteTeacher
from bot.messages import GENERAL, LabelledQuestion, Query, Retrieval
from knowledge.encoder import MiniLmEncoder

EXAMPLES = (40, 150, 1000)
SEED = 0
ASKED_BACK = 0.1  # of the questions, those that are least sure
SHARES = (0.15, 0.75)  # of domain questions, besides the set's own
SEMANTIC_ROUTER = "semantic-router==1.1.1"

Chances = NDArray[np.float64]
Labels = NDArray[np.bool_]


class Questions:
    """Texts with their embeddings."""

    def __init__(self, texts: Sequence[str]) -> None:
        unique = [*dict.fromkeys(texts)]
        vectors = MiniLmEncoder().encode(unique)
        self.of = {text: Query(text=text, vector=vector) for text, vector in zip(unique, vectors, strict=True)}


def figures(chances: Chances, domain: Labels) -> dict[str, float]:
    """How right, and how honest, the *chances* are."""
    said, sure = chances > 0.5, np.abs(chances - 0.5)
    wrong = said != domain
    kept = sure > np.quantile(sure, ASKED_BACK)
    errors = {f"ECE at {share:.0%}": calibration_error(chances, domain, share) for share in SHARES}
    return {
        "balanced accuracy": float((said[domain].mean() + (~said[~domain]).mean()) / 2),
        "AUROC": float(roc_auc_score(domain, chances)),
        "ECE": calibration_error(chances, domain, float(domain.mean())),
        **errors,
        "errors left by asking back": float((wrong & kept).sum() / max(wrong.sum(), 1)),
    }


def calibration_error(chances: Chances, domain: Labels, share: float) -> float:
    """Expected calibration error in ten bins, as if *share* of the questions were the domain's."""
    own = float(domain.mean())
    weights = np.where(domain, share / own, (1 - share) / (1 - own)) / len(domain)
    odds = chances / np.maximum(1 - chances, 1e-12) * (share / (1 - share)) / (own / (1 - own))
    told = odds / (1 + odds)
    bins = np.minimum((told * 10).astype(int), 9)
    return float(sum(abs(np.sum(weights[bins == b] * (told - domain)[bins == b])) for b in range(10)))


def ours(known: Sequence[routing.KnownQuestion], asked: Sequence[Query]) -> Chances:
    router = routing.LearnedRouter({"own": routing.fit("own", known)})
    choices = [router.choose(query, {"own": Retrieval()}, explicit=None) for query in asked]
    return np.array([choice.domain_probability for choice in choices])


def nearest(known: Sequence[routing.KnownQuestion], asked: Sequence[Query]) -> Chances:
    """1 where the nearest labelled question is the domain's, else 0."""
    labelled = [question for question in known if question.kind == routing.EXAMPLE]
    own = np.array([question.route == "own" for question in labelled])
    cosines = np.stack([query.vector for query in asked]) @ np.stack([q.query.vector for q in labelled]).T
    return own[cosines.argmax(axis=1)].astype(np.float64)


def semantic_router(known: Sequence[routing.KnownQuestion], asked: Sequence[Query]) -> Chances:
    """What semantic-router says, by its own confidence."""
    labelled = [question for question in known if question.kind == routing.EXAMPLE]
    with tempfile.TemporaryDirectory() as folder:
        rows = [{"text": q.query.text, "vector": q.query.vector.tolist(), "route": q.route} for q in labelled]
        told = Path(folder) / "known.json"
        told.write_text(json.dumps(rows), encoding="utf-8")
        wanted = Path(folder) / "asked.json"
        wanted.write_text(json.dumps([{"text": q.text, "vector": q.vector.tolist()} for q in asked]), encoding="utf-8")
        program = Path(__file__).with_name("semantic_router_run.py")
        done = subprocess.run(
            [str(_environment()), str(program), str(told), str(wanted)], capture_output=True, text=True, check=True
        )
    return np.array(json.loads(done.stdout.splitlines()[-1]), dtype=np.float64)


def _environment() -> Path:
    """The Python that has semantic-router, whose dependencies are not ours."""
    folder = WORK / "semantic-router"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", SEMANTIC_ROUTER], check=True)
        (folder / "ready").touch()
    return python


def routers() -> dict[str, Callable[[Sequence[routing.KnownQuestion], Sequence[Query]], Chances]]:
    found = {"ours": ours, "logistic on embedding": of_embedding, "nearest labelled question": nearest}
    try:
        _environment()
    except (OSError, subprocess.CalledProcessError) as exc:
        print(f"semantic-router cannot be installed here and is left out ({exc})")
        return found
    return found | {"semantic-router, fitted": semantic_router}


def run() -> list[dict[str, object]]:
    """One row per number of examples and router: means over the ten domains, and the worst."""
    labelled, asked = rows_of("clinc150/train.jsonl"), rows_of("clinc150/val.jsonl") + rows_of("clinc150/oos_val.jsonl")
    drawn = random.Random(SEED).sample(labelled, max(EXAMPLES))
    questions = Questions([row["text"] for row in [*drawn, *asked]])
    teacher = RouteTeacher(MiniLmEncoder(), NoDocuments(), WORK / "router")
    queries = [questions.of[row["text"]] for row in asked]
    table: list[dict[str, object]] = []
    competing = routers()
    for count in EXAMPLES:
        measured: dict[str, list[dict[str, float]]] = {name: [] for name in competing}
        for own in sorted({row["domain"] for row in labelled}):
            examples = [
                LabelledQuestion(text=row["text"], route="own" if row["domain"] == own else GENERAL)
                for row in drawn[:count]
            ]
            known = teacher.known(("own",), examples)
            domain = np.array([row["domain"] == own for row in asked])
            for name, router in competing.items():
                measured[name].append(figures(router(known, queries), domain))
        for name, found in measured.items():
            mean = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
            worst = min(one["balanced accuracy"] for one in found)
            table.append({"examples": count, "router": name, **mean, "worst domain": worst})
    return table


if __name__ == "__main__":
    show("Routing (CLINC150, one domain against the rest)", run())
