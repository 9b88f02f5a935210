"""
Measures what the redactor finds and what it takes by mistake; prints one row a kind of data.

Data: ../shared/data/pii (made-up people in sentences from templates). Half of the templates, drawn with SEED,
were used to write the rules; only the other half is measured here.

recall     labelled spans of which at least one letter or digit is redacted, whatever placeholder it gets
Kinds that the data has none or few of are made by Faker in 20 countries' forms and put where a person is named in the
same held-out sentences ("made" rows): the values are nobody's choice, but what stands before them gives no hint.

covered    labelled spans of which every letter and digit is redacted, which is the stricter recall
precision  redacted spans that overlap a labelled span of whatever kind
"""

import json
import random
import re
import statistics
import string
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from faker import Faker

from bot.privacy.redaction import PersonalData, Redactor

COUNTRIES = [
    *("en_US", "en_GB", "de_DE", "fr_FR", "it_IT", "es_ES", "nl_NL", "pl_PL", "pt_PT", "fi_FI"),
    *("no_NO", "cs_CZ", "sk_SK", "hu_HU", "ro_RO", "bg_BG", "el_GR", "tr_TR", "de_CH", "de_AT"),
]
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
    made = made_sentences(sentences)
    made_rows = recall_rows(made, [redactor.find(sentence["text"]) for sentence in made])
    return [*recall_rows(sentences, found), precision_row(sentences, found), *made_rows, time_row]


def made_sentences(sentences: list[Sentence], each: int = 60) -> list[Sentence]:
    """*each* sentences a kind, with a made value in place of a person's name."""
    draw = random.Random(SEED)
    makers = makers_of(SEED)
    named = [s for s in sentences if any(span["type"] == "PERSON" for span in s["spans"])]
    found: list[Sentence] = []
    for kind, make in makers.items():
        for number in range(each):
            sentence = draw.choice(named)
            span = next(span for span in sentence["spans"] if span["type"] == "PERSON")
            (cue, value), text = make(number), sentence["text"]
            begin = span["start"] + len(cue)
            where: Span = {"type": f"made {kind}", "start": begin, "end": begin + len(value)}
            changed = text[: span["start"]] + cue + value + text[span["end"] :]
            found.append({"text": changed, "spans": [where], "template_id": sentence["template_id"]})
    return found


def makers_of(seed: int) -> dict[str, Callable[[int], tuple[str, str]]]:
    """Makers of (what stands before, value) by kind; the number chooses country and way of writing."""
    makers = [Faker(country) for country in COUNTRIES]
    for maker in makers:
        maker.seed_instance(seed)

    def iban(number: int) -> str:
        plain = makers[number % len(makers)].iban()
        grouped = " ".join(plain[at : at + 4] for at in range(0, len(plain), 4))
        return (plain, grouped, plain.lower())[number % 3]

    english = makers[0]
    keys = (
        lambda: "AKIA" + english.lexify("?" * 16, letters="ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
        lambda: "ghp_" + english.lexify("?" * 36, letters=string.ascii_letters + string.digits),
        lambda: "xoxb-" + english.numerify("############-############-") + english.lexify("?" * 24),
        lambda: "sk-" + english.lexify("?" * 48, letters=string.ascii_letters + string.digits),
    )
    return {
        "IBAN": lambda n: ("", iban(n)),
        "IP address": lambda n: ("", english.ipv6() if n % 3 == 0 else english.ipv4()),
        "US social security number": lambda n: ("SSN ", english.ssn()),
        "e-mail": lambda n: ("", makers[n % len(makers)].email()),
        "card": lambda n: ("", english.credit_card_number()),
        "phone, international": lambda n: ("", "+" + re.sub(r"^[+0]*", "", makers[n % len(makers)].msisdn())),
        "key": lambda n: ("", keys[n % len(keys)]()),
        "password": lambda n: ("password: ", english.password(length=14)),
    }


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
