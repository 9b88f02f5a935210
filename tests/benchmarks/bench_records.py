"""
Questions that only somebody's records answer, asked where no domain covers them: a model would invent an answer.

Forty questions to made-up companies, which we wrote before the rules were last changed and had in view then; beside
them public questions to nobody in particular. Baseline: whether the one nearest known question is a company's.
"""

import numpy as np
from tables import WORK, rows_of, show

from bot.learning.router import RouteTeacher
from bot.messages import Query
from bot.routing import SOMEBODYS_OWN, TaskChooser
from bot.rows import read_rows
from knowledge.encoder import MiniLmEncoder

PUBLIC = ("chitchat", "webquestions", "vicuna_bench", "self_instruct_seed")
ROOT = WORK.parents[1]


def run() -> list[dict[str, object]]:
    """One row a set: the share of its questions that are taken for a company's own affair."""
    encoder = MiniLmEncoder()
    teacher = RouteTeacher(encoder, None, WORK / "router")  # type: ignore[arg-type]  # no documents are asked
    chooser = teacher.tasks()
    sets = {"to a company": [row["text"] for row in read_rows(ROOT / "tests/benchmarks/company_questions.jsonl")]}
    sets |= {name: [row["text"] for row in rows_of(f"general_queries/{name}.jsonl")] for name in PUBLIC}
    table: list[dict[str, object]] = []
    for name, texts in sets.items():
        vectors = encoder.encode(texts)
        ours = [chooser.choose(Query(text=t, vector=v)) == SOMEBODYS_OWN for t, v in zip(texts, vectors, strict=True)]
        nearest = [_nearest(chooser, vector) for vector in vectors]
        table.append(
            {"set": name, "questions": len(texts), "ours": sum(ours) / len(ours), "nearest": sum(nearest) / len(texts)}
        )
    return table


def _nearest(chooser: TaskChooser, vector: np.ndarray) -> bool:
    kind = chooser.kinds[int(np.argmax(chooser.vectors @ vector))]
    return kind == "our-company" or kind.startswith("company:")


if __name__ == "__main__":
    show("Taken for a company's own affair", run())
