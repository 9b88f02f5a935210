"""Tables of measured figures, and where the public data lies."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[3] / "shared" / "data"
WORK = Path(__file__).parents[2] / "var" / "bench"  # indexes of the data sets, kept between runs

Row = Mapping[str, Any]


def work_folder(name: str) -> Path:
    """A storage directory that keeps its index between runs; its database, whose schema may be older, begins anew."""
    for file in (WORK / name).glob("pointsman.db*"):
        file.unlink()
    return WORK / name


def rows_of(name: str) -> list[dict[str, Any]]:
    """The rows of a data set's file, such as "squad2/qa.jsonl"."""
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def show(title: str, rows: Sequence[Row]) -> None:
    """Print *rows* as a Markdown table."""
    print(f"\n### {title}\n")
    names = list(dict.fromkeys(name for row in rows for name in row))
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    for row in rows:
        print("| " + " | ".join(_text(row.get(name, "")) for name in names) + " |", flush=True)


def _text(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
