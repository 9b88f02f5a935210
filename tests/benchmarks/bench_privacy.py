"""
Measures what the redactor finds and what it takes by mistake; prints one row a kind of data.

Data: ../shared/data/pii (made-up people in sentences from templates). Half of the templates, drawn with SEED,
were used to write the rules; only the other half is measured here.

recall     labelled spans of which at least one letter or digit is redacted, whatever placeholder it gets
covered    labelled spans of which every letter and digit is redacted, which is the stricter recall
precision  redacted spans that overlap a labelled span of whatever kind
"""

import json
import random
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TypedDict

from bot.privacy import PersonalData, Redactor

PII = Path(__file__).resolve().parents[3] / "shared" / "data" / "pii" / "pii.jsonl"
SEED = 0
Found = tuple[PersonalData, ...]


class Span(TypedDict):
    type: str
    start: int
    end: int


class Sentence(TypedDict):
    text: str
    spans: list[Span]
    template_id: int


def held_out() -> list[Sentence]:
    """The sentences of the templates that nobody looked at while writing the rules."""
    sentences: list[Sentence] = [json.loads(line) for line in PII.read_text(encoding="utf-8").splitlines()]
    templates = sorted({sentence["template_id"] for sentence in sentences})
    random.Random(SEED).shuffle(templates)
    tuned_on = set(templates[: len(templates) // 2])
    return [sentence for sentence in sentences if sentence["template_id"] not in tuned_on]


def hidden_share(text: str, span: Span, found: Found) -> float:
    """The share of the letters and digits of *span* that *found* redacts, in [0, 1]."""
    signs = [at for at in range(span["start"], span["end"]) if text[at].isalnum()]
    return sum(any(one.start <= at < one.end for one in found) for at in signs) / len(signs)


def run() -> list[dict[str, object]]:
    """One row a kind of data, then one for everything redacted and one for the time it takes."""
    redactor = Redactor()
    _, startup = timed(redactor, "warm up")
    sentences = held_out()
    results = [timed(redactor, sentence["text"]) for sentence in sentences]
    found = [one for one, _ in results]
    seconds = [took for _, took in results]
    time_row: dict[str, object] = {
        "kind": "time",
        "startup_s": startup,
        "median_ms": statistics.median(seconds) * 1e3,
        "p95_ms": statistics.quantiles(seconds, n=20)[-1] * 1e3,
    }
    return [*recall_rows(sentences, found), precision_row(sentences, found), time_row]


def timed(redactor: Redactor, text: str) -> tuple[Found, float]:
    started = time.perf_counter()
    found = redactor.find(text)
    return found, time.perf_counter() - started


def recall_rows(sentences: list[Sentence], results: list[Found]) -> list[dict[str, object]]:
    shares: defaultdict[str, list[float]] = defaultdict(list)
    for sentence, found in zip(sentences, results, strict=True):
        for span in sentence["spans"]:
            shares[span["type"]].append(hidden_share(sentence["text"], span, found))
    return [
        {
            "kind": kind,
            "labelled": len(of_kind),
            "recall": sum(share > 0 for share in of_kind) / len(of_kind),
            "covered": sum(share == 1 for share in of_kind) / len(of_kind),
        }
        for kind, of_kind in sorted(shares.items())
    ]


def precision_row(sentences: list[Sentence], results: list[Found]) -> dict[str, object]:
    right = [
        any(one.start < span["end"] and span["start"] < one.end for span in sentence["spans"])
        for sentence, found in zip(sentences, results, strict=True)
        for one in found
    ]
    return {"kind": "everything redacted", "redacted": len(right), "precision": sum(right) / len(right)}


if __name__ == "__main__":
    if not PII.exists():
        sys.exit(f"{PII} is not there; the benchmark needs the shared data sets")
    for row in run():
        cells = (f"{name} {value:.3f}" if isinstance(value, float) else str(value) for name, value in row.items())
        print("  ".join(cells))
