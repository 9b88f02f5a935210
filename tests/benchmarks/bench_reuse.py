"""How surely a question is known again: by its embedding alone, and by its words as well."""

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tables import Row, rows_of, show

from bot.learning.curation import ALIKE
from bot.learning.sameness import same, sense
from knowledge.encoder import MiniLmEncoder

OWN = Path(__file__).with_name("asked_again.jsonl")  # written by us before the rules were tried on them
PER_INTENT = 30

Pair = tuple[str, str, float]


def run() -> list[Row]:
    """One row per kind of pairs."""
    encoder = MiniLmEncoder()
    own = [json.loads(line) for line in OWN.read_text(encoding="utf-8").splitlines()]
    rows = []
    for kind, wanted in (("retyped", "same"), ("reworded", "same"), ("turned", "another")):
        asked = [(row["question"], row[kind]) for row in own if kind in row]
        first, second = (encoder.encode(texts) for texts in zip(*asked, strict=True))
        cosines = (first * second).sum(axis=1)
        rows.append(_row(f"ours, {kind}", wanted, len(asked), [(*p, c) for p, c in zip(asked, cosines, strict=True)]))
    for name in ("debian_faq", "python_faq"):
        texts = [row["question"] for row in rows_of(f"{name}/questions.jsonl")]
        rows.append(_row(f"{name}, any two", "another", *_pairs(texts, texts, encoder)))
    texts, intents = zip(*_sample(), strict=True)
    rows.append(_row("banking77, two intents", "another", *_pairs(texts, intents, encoder)))
    return rows


def _sample() -> Iterator[tuple[str, str]]:
    rows = rows_of("banking77/train.jsonl")
    random.Random(1).shuffle(rows)
    taken: dict[str, int] = {}
    for row in rows:
        taken[row["intent"]] = taken.get(row["intent"], 0) + 1
        if taken[row["intent"]] <= PER_INTENT:
            yield row["text"], row["intent"]


def _pairs(texts: Sequence[str], groups: Sequence[str], encoder: MiniLmEncoder) -> tuple[int, list[Pair]]:
    """How many pairs of two groups there are, and those that are near each other."""
    vectors, group = encoder.encode(texts), np.array(groups)
    count, near = 0, []
    for n, vector in enumerate(vectors):
        others = np.flatnonzero(group[n + 1 :] != group[n]) + n + 1
        cosines = vectors[others] @ vector
        count += len(others)
        near += [(texts[n], texts[others[k]], float(cosines[k])) for k in np.flatnonzero(cosines >= ALIKE)]
    return count, near


def _row(name: str, wanted: str, count: int, pairs: Sequence[Pair]) -> Row:
    near = [pair for pair in pairs if pair[2] >= ALIKE]
    known = [pair for pair in near if same(sense(pair[0]), sense(pair[1]))]
    return {"pairs": name, "the question is": wanted, "of": count, "near": len(near), "near, and so worded": len(known)}


if __name__ == "__main__":
    show(f"Questions known again (near: cosine of {ALIKE})", run())
