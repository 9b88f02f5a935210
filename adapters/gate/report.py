"""The gate's report: as JSON, and as a page with a plot that needs no other file and no script."""

import base64
import importlib.util
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from jinja2 import Environment

from adapters.gate.evaluation import Evaluation
from adapters.gate.gate import PERPLEXITY, Verdict
from adapters.gate.scoring import Part, RowScore
from bot.files import whole
from bot.learning.checks import Check
from bot.messages import now

SHOWN = 10  # rows that became better, and as many that became worse

_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
</head>
<body>
<h1>{{ title }}</h1>
{% if verdict.passed %}
<p>It is better on the domain by more than chance, and nowhere worse than the margins allow.</p>
{% endif %}
<ul>
{% for reason in verdict.reasons %}
<li>{{ reason }}</li>
{% endfor %}
</ul>
{% for note in verdict.notes %}
<p>{{ note }}</p>
{% endfor %}
{% if plot %}
<p><img src="data:image/png;base64,{{ plot }}" alt="Differences of the checks in the table below, with intervals"></p>
{% endif %}
{% if verdict.checks %}
<h2>Checks</h2>
<table border="1" cellpadding="4">
<tr><th>Check</th><th>Candidate</th><th>Production</th><th>Difference</th><th>95 % interval</th><th>Passed</th>
<th>What it means</th></tr>
{% for check in verdict.checks %}
<tr>
<th scope="row" align="left">{{ check.name }}</th>
<td align="right">{{ "%.3f"|format(check.candidate) }}</td>
<td align="right">{{ "%.3f"|format(check.production) }}</td>
<td align="right">{{ "%+.3f"|format(check.difference) }}</td>
<td align="right">{{ "%+.3f to %+.3f"|format(check.low, check.high) }}</td>
<td>{{ "yes" if check.passed else "no" }}</td>
<td>{{ check.reason }}</td>
</tr>
{% endfor %}
</table>
{% endif %}
{% for heading, changes in (("Rows that became worse", worse), ("Rows that became better", better)) if changes %}
<h2>{{ heading }}</h2>
<table border="1" cellpadding="4">
<tr><th>Row</th><th>Question</th><th>Candidate</th><th>Production</th><th>What the candidate says</th>
<th>What production says</th></tr>
{% for change in changes %}
<tr>
<th scope="row" align="left">{{ change.candidate.id }}</th>
<td>{{ change.candidate.question }}</td>
<td align="right">{{ "%.2f"|format(change.candidate.score) }}</td>
<td align="right">{{ "%.2f"|format(change.production.score) }}</td>
<td>{{ change.candidate.text }}</td>
<td>{{ change.production.text }}</td>
</tr>
{% endfor %}
</table>
{% endfor %}
<h2>What was compared</h2>
<table border="1" cellpadding="4">
<tr><th></th><th>Adapter</th><th>Model</th><th>Rows</th><th>Probe</th><th>Evaluated</th></tr>
{% for role, side in sides %}
<tr><th scope="row" align="left">{{ role }}</th><td>{{ side.adapter }}</td><td>{{ side.model }}</td>\
<td align="right">{{ side.rows|length }}</td><td>{{ side.probe }}</td><td>{{ side.created }}</td></tr>
{% else %}
<tr><td colspan="6">Nothing: the candidate could not be evaluated.</td></tr>
{% endfor %}
</table>
</body>
</html>
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A row that candidate and production did not answer equally well."""

    candidate: RowScore
    production: RowScore

    @property
    def gain(self) -> float:
        """Above 0 where the candidate is better."""
        return self.candidate.score - self.production.score


def write_report(verdict: Verdict, candidate: Evaluation | None, production: Evaluation | None, folder: Path) -> None:
    """
    Write gate.json and gate.html into *folder*; None where an adapter could not be evaluated.

    Raises: StoreError if they cannot be written.
    """
    numbers = {
        "passed": verdict.passed,
        "reasons": list(verdict.reasons),
        "notes": list(verdict.notes),
        "checks": [asdict(check) for check in verdict.checks],
        "candidate": candidate.row() if candidate else None,
        "production": production.row() if production else None,
        "created": now().isoformat(timespec="seconds"),
    }
    with whole(folder) as part:
        part.mkdir()
        (part / "gate.json").write_text(json.dumps(numbers, indent=1), encoding="utf-8")
        text = page(verdict, candidate, production, draw(verdict.checks))
        (part / "gate.html").write_text(text, encoding="utf-8", errors="replace")  # a model may write half a character


def page(
    verdict: Verdict, candidate: Evaluation | None, production: Evaluation | None, plot: bytes | None = None
) -> str:
    """The report as one HTML file that needs no other; what models and users wrote is escaped."""
    changes = _changes(candidate, production) if candidate and production else []
    against = f"{candidate.adapter} against {production.adapter}: " if candidate and production else ""
    sides = (("Candidate", candidate), ("Production", production))
    return _PAGE.render(
        title=f"Gate: {against}{'passed' if verdict.passed else 'refused'}",
        verdict=verdict,
        worse=[change for change in changes if change.gain < 0][:SHOWN],
        better=[change for change in reversed(changes) if change.gain > 0][:SHOWN],
        sides=[(role, side) for role, side in sides if side],
        plot=base64.b64encode(plot).decode() if plot else "",
    )


def draw(checks: Sequence[Check]) -> bytes | None:
    """The differences with their intervals as a PNG; None without checks, or where matplotlib is not installed."""
    if not checks or importlib.util.find_spec("matplotlib") is None:
        return None
    from matplotlib.figure import Figure

    scores = [check for check in checks if check.name != PERPLEXITY]
    others = [check for check in checks if check.name == PERPLEXITY]
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=(len(scores), max(len(others), 1)))
    for axes, shown, label in (
        (upper, scores, "difference to production (right is better)"),
        (lower, others, "difference to production (left is better)"),
    ):
        for place, check in enumerate(reversed(shown)):
            color = "tab:green" if check.passed else "tab:red"
            axes.plot([check.low, check.high], [place, place], color=color, linewidth=2, solid_capstyle="butt")
            axes.plot(check.difference, place, "o" if check.passed else "X", color=color, markersize=8)
        axes.axvline(0, color="gray", linewidth=1)
        axes.set(xlabel=label, ylim=(-0.6, len(shown) - 0.4))
        axes.set_yticks(range(len(shown)), [check.name for check in reversed(shown)])
        axes.margins(x=0.1)
        axes.grid(axis="x", alpha=0.3)
    figure.suptitle("Candidate minus production, with 95 % intervals; red crosses: not passed", fontsize=10)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=90)
    return png.getvalue()


def _changes(candidate: Evaluation, production: Evaluation) -> list[Change]:
    """The rows that are not scored alike, the worst first; perplexity changes a little on every row."""
    parts: tuple[Part, ...] = ("answerable", "unanswerable", "general", "safety")
    held = {(row.part, row.id): row for row in production.of(*parts)}
    both = ((row, held.get((row.part, row.id))) for row in candidate.of(*parts))
    changes = [Change(candidate=row, production=before) for row, before in both if before]
    return sorted((change for change in changes if change.gain), key=lambda change: change.gain)
