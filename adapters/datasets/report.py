"""What is in a dataset, as numbers, as a plot and as a page: read it before you train."""

import base64
import importlib.util
import io
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jinja2 import Environment

from adapters.datasets.composing import DataRow
from adapters.datasets.material import normal
from bot.admission import other_language
from bot.messages import DatasetVersion
from bot.privacy.redaction import KINDS
from bot.rows import Row

BIN = 25  # words
_PLACEHOLDER = re.compile(rf"<({'|'.join(['EMAIL', 'PERSON', 'ADDRESS', 'SECRET', 'ID', *KINDS.values()])})>")

_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Dataset {{ version.label }}</title>
</head>
<body>
<h1>Dataset {{ version.label }}</h1>
{% macro table(title, rows) %}
<h2>{{ title }}</h2>
<table>
{% for name, value in rows.items() %}
<tr><th scope="row" align="left">{{ name }}</th><td>{{ value }}</td></tr>
{% else %}
<tr><td>none</td></tr>
{% endfor %}
</table>
{% endmacro %}
{{ table("What it is", facts) }}
{% if plot %}
<p><img src="data:image/png;base64,{{ plot }}" alt="Plots of the numbers in the tables below"></p>
{% endif %}
{{ table("Left out, by reason", left_out) }}
{{ table("Labels, training rows", report.labels.train) }}
{{ table("Labels, held-out rows", report.labels.held_out) }}
{% for part, numbers in report.length.items() %}
{{ table("Words of the " + part, numbers) }}
{% endfor %}
{{ table("Languages of the questions", report.languages) }}
{{ table("Redactions", report.redactions) }}
</body>
</html>
""")


def measure(train: Sequence[DataRow], held_out: Sequence[DataRow], left_out: Mapping[str, Sequence[str]]) -> Row:
    """The numbers of a dataset, as JSON holds them."""
    rows = [*train, *held_out]
    words = [sum(len(text.split()) for text in _texts(each.row)) for each in rows]
    return {
        "rows": len(rows),
        "train": len(train),
        "held_out": len(held_out),
        "left_out": {reason: list(them) for reason, them in left_out.items()},
        "length": {
            "row": _spread(words),
            "question": _spread([len(each.question.split()) for each in rows]),
            "answer": _spread([len(each.answer.split()) for each in rows if each.answer is not None]),
        },
        "histogram": {str(begin): count for begin, count in sorted(Counter(n // BIN * BIN for n in words).items())},
        "repeated_questions": len(rows) - len({normal(each.question) for each in rows}),
        "labels": {"train": _counted(each.label for each in train), "held_out": _counted(e.label for e in held_out)},
        "languages": _counted(other_language(each.question) or "en" for each in rows),
        "redactions": _counted(
            kind for each in rows for text in _texts(each.row) for kind in _PLACEHOLDER.findall(text)
        ),
    }


def page(version: DatasetVersion, plot: bytes | None) -> str:
    """The report of *version* as one HTML file that needs no other."""
    report = version.report
    facts = {
        "Kind": version.kind,
        "Rows": f"{version.rows} ({report['train']} to train on, {report['held_out']} held out)",
        "Made from": report["origin"],
        "Hash of the rows": version.hash,
        "Created": version.created.isoformat(timespec="seconds"),
        "Reviewed by": ", ".join(version.approved_by),
        "Documents": ", ".join(version.documents),
        "Questions that occur more than once": report["repeated_questions"],
        "Seed of the split": report["seed"],
    }
    left_out = {reason: len(them) for reason, them in report["left_out"].items()}
    shown = base64.b64encode(plot).decode() if plot else ""
    return _PAGE.render(version=version, report=report, facts=facts, left_out=left_out, plot=shown)


def draw(report: Mapping[str, Any]) -> bytes | None:
    """The plots of a report as a PNG; None where matplotlib, of the extra `training`, is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    lengths, labels, languages, redactions = figure.subplots(2, 2).flat
    bars = {int(begin): count for begin, count in report["histogram"].items()}
    lengths.bar(list(bars), list(bars.values()), width=BIN, align="edge", edgecolor="white")
    lengths.set(title="Length of the rows", xlabel="words", ylabel="rows")
    for side, color in (("train", "tab:blue"), ("held_out", "tab:orange")):
        own = report["labels"][side]
        labels.barh([f"{name}, {side.replace('_', ' ')}" for name in own], list(own.values()), color=color)
    labels.set(title="Labels", xlabel="rows")
    for axes, name in ((languages, "languages"), (redactions, "redactions")):
        axes.barh(list(report[name]), list(report[name].values()))
        axes.set(title=name.capitalize(), xlabel="questions" if name == "languages" else "placeholders")
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=90)
    return png.getvalue()


def _texts(value: object) -> Iterator[str]:
    """Every text in a row."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            if name != "role":
                yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


def _spread(numbers: Sequence[int]) -> Row:
    if not numbers:
        return {}
    ordered = sorted(numbers)
    return {
        "shortest": ordered[0],
        "median": statistics.median(ordered),
        "nine in ten at most": ordered[max(0, -(-len(ordered) * 9 // 10) - 1)],
        "longest": ordered[-1],
    }


def _counted(names: Iterator[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())
