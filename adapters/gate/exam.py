"""
What a candidate is examined on: the shipped probe, and rows that were approved before the data it was trained on.

Rows of the data under test stay out: whoever has poisoned that has poisoned its held-out part too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.datasets.building import HELD_OUT, TRAIN
from adapters.gate.probe import Probe, approved_rows, shipped_probe, with_approved
from adapters.registry import NONE, AdapterVersion
from bot.errors import InputError
from bot.messages import DatasetVersion
from bot.rows import read_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """A probe, and what there is to say about it."""

    probe: Probe = field(default_factory=shipped_probe)
    note: str = ""


def exam_for(
    candidate: Sequence[AdapterVersion],
    production: Sequence[AdapterVersion],
    datasets: Sequence[DatasetVersion],
    directory: Path,
) -> Exam:
    """
    The exam of a candidate against production, each given with the versions that its training began with.

    *datasets*: every version; their files are below the storage *directory*.
    """
    if not candidate:
        return Exam()
    known = {version.label: version for version in datasets}
    own = [version for version in (*candidate, *production) if version.domain]  # the shipped one read none of our rows
    if reason := _unknown(candidate, known) or _unknown(production, known):
        return Exam(
            note=f"only the shipped probe is asked: {reason}, so nobody can tell which approved rows it has seen"
        )
    try:
        learnt = [row for version in own for row in _rows(known[version.dataset], TRAIN, directory)]
        approved = [row for each in _earlier(candidate[0], known) for row in _all_rows(each, directory)]
    except InputError as exc:
        return Exam(note=f"only the shipped probe is asked: {exc}")
    return Exam(probe=with_approved(shipped_probe(), approved_rows(approved), learnt))


def _unknown(lineage: Sequence[AdapterVersion], known: Mapping[str, DatasetVersion]) -> str:
    """Why nobody knows what an adapter has read; empty where it is known."""
    for version in lineage:
        if version.domain and version.dataset not in known:
            return f"{version.label} was trained on {version.dataset or 'a file'}, which is no version of a dataset"
    start = lineage[-1].start if lineage else NONE
    return "" if start == NONE else f"{lineage[-1].label} began with {start}, which is gone"


def _earlier(candidate: AdapterVersion, known: Mapping[str, DatasetVersion]) -> list[DatasetVersion]:
    """The datasets with checkable answers that were there before the candidate's."""
    if candidate.dataset not in known:
        return []
    before = known[candidate.dataset].created
    of_domain = (each for each in known.values() if each.domain == candidate.domain)
    return [each for each in of_domain if each.kind == "sft" and each.created < before]


def _all_rows(version: DatasetVersion, directory: Path) -> list[dict[str, Any]]:
    """Those to train on too: what neither adapter has learnt is as good as held out."""
    return [*_rows(version, TRAIN, directory), *_rows(version, HELD_OUT, directory)]


def _rows(version: DatasetVersion, name: str, directory: Path) -> list[dict[str, Any]]:
    return read_rows(directory / version.folder / name)
