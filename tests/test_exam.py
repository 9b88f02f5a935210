"""What a candidate is examined on: nothing that it or production has seen, and nothing of the data under test."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tiny_model import write_numbers

from adapters.gate.exam import Exam, exam_for
from adapters.gate.probe import shipped_probe
from adapters.registry import AdapterRegistry
from bot.messages import DatasetKind, DatasetVersion
from bot.rows import write_rows

Rows = list[str]  # by what they are about


def row(about: str) -> dict[str, object]:
    passage = f"The rule for {about} was written down by the town's council in the year of the great flood."
    return {
        "question": f"What is the rule for {about}?",
        "passages": [passage],
        "answer": f"The council's, on {about}.",
    }


@dataclass
class School:
    """Datasets and the adapters that were trained on them."""

    folder: Path
    datasets: list[DatasetVersion] = field(default_factory=list)

    def dataset(
        self, train: Rows, held_out: Rows, *, domain: str = "billing", kind: DatasetKind = "sft"
    ) -> DatasetVersion:
        number = len([each for each in self.datasets if each.domain == domain]) + 1
        made = DatasetVersion(
            domain=domain,
            version=str(number),
            kind=kind,
            rows=len(train) + len(held_out),
            hash="",
            approved_by=("ada",),
            documents=(),
            report={},
            created=datetime(2030, 1, len(self.datasets) + 1, tzinfo=UTC),
        )
        for name, rows in (("train", train), ("held_out", held_out)):
            write_rows(self.folder / made.folder / f"{name}.jsonl", map(row, rows))
        self.datasets.append(made)
        return made

    def adapter(self, label: str, dataset: str, start: str = "reading@1") -> None:
        folder = self.folder / "adapters" / label.replace("@", "/")
        write_numbers(folder, base_model="tiny", created="2030-02-01T00:00:00+00:00", dataset=dataset, start=start)

    def exam(self, candidate: str, production: str = "reading@1") -> Exam:
        registry = AdapterRegistry(self.folder / "adapters", {}, "tiny")
        return exam_for(registry.lineage(candidate), registry.lineage(production), self.datasets, self.folder)

    def approved(self, candidate: str, production: str = "reading@1") -> set[str]:
        """What the approved rows in the exam are about."""
        exam = self.exam(candidate, production)
        assert not exam.note and exam.probe.domain[: len(SHIPPED.domain)] == SHIPPED.domain
        return {each.question[21:-1] for each in exam.probe.domain if each.origin == "approved"}


SHIPPED = shipped_probe()


@pytest.fixture
def school(tmp_path: Path) -> School:
    return School(tmp_path)


def test_rows_that_were_approved_before_are_asked_and_those_of_the_data_under_test_are_not(school: School) -> None:
    school.dataset(["taxes"], ["fees"])
    school.dataset(["tolls"], ["fines"])
    school.adapter("billing@1", "billing@2")

    assert school.approved("billing@1") == {"taxes", "fees"}


def test_rows_that_came_later_are_not_asked(school: School) -> None:
    for about in ("fees", "fines", "rents"):
        school.dataset([f"{about} paid"], [about])
    school.adapter("billing@1", "billing@2")

    assert school.approved("billing@1") == {"fees paid", "fees"}


def test_rows_that_the_candidate_learnt_are_not_asked(school: School) -> None:
    school.dataset(["taxes"], ["fees", "fines"])
    school.dataset(["fees"], [])
    school.adapter("billing@1", "billing@2")

    assert school.approved("billing@1") == {"taxes", "fines"}


def test_rows_that_production_learnt_are_not_asked(school: School) -> None:
    school.dataset(["taxes"], ["fees", "fines"])
    school.dataset(["fines"], [])
    school.dataset(["tolls"], [])
    school.adapter("billing@1", "billing@2")
    school.adapter("billing@2", "billing@3")

    assert school.approved("billing@2", "billing@1") == {"taxes", "fees"}


def test_rows_that_the_version_it_began_with_learnt_are_not_asked(school: School) -> None:
    school.dataset(["taxes"], ["fees", "fines"])
    school.dataset(["fines"], [])
    school.dataset(["tolls"], [])
    school.adapter("billing@1", "billing@2")
    school.adapter("billing@2", "billing@3", start="billing@1")

    assert school.approved("billing@2") == {"taxes", "fees"}


def test_rows_of_votes_and_of_other_domains_are_not_asked(school: School) -> None:
    school.dataset(["trains"], ["hotels"], domain="travel")
    school.dataset([], ["fees"], kind="kto")
    school.dataset(["tolls"], [])
    school.adapter("billing@1", "billing@2")

    assert school.approved("billing@1") == set()


@pytest.mark.parametrize(
    ("candidate", "production", "why"),
    [
        ("file@1", "reading@1", "file@1 was trained on rows.jsonl, which is no version of a dataset"),
        ("known@1", "file@1", "file@1 was trained on rows.jsonl"),
        ("heir@1", "reading@1", "file@1 was trained on rows.jsonl"),
        ("orphan@1", "reading@1", "orphan@1 began with billing@99, which is gone"),
        ("lost@1", "reading@1", "billing/2/train.jsonl: cannot be read"),
    ],
)
def test_where_nobody_knows_what_was_seen_only_the_shipped_probe_is_asked(
    school: School, candidate: str, production: str, why: str
) -> None:
    school.dataset(["taxes"], ["fees"])
    (school.folder / school.dataset(["tolls"], []).folder / "train.jsonl").unlink()
    school.adapter("file@1", "rows.jsonl")
    school.adapter("known@1", "billing@1")
    school.adapter("heir@1", "billing@1", start="file@1")
    school.adapter("orphan@1", "billing@1", start="billing@99")
    school.adapter("lost@1", "billing@2")

    exam = school.exam(candidate, production)

    assert exam.probe == SHIPPED and exam.note.startswith("only the shipped probe is asked: ") and why in exam.note


def test_shipped_adapter_sits_the_shipped_probe(school: School) -> None:
    assert school.exam("none", "reading@1") == Exam(probe=SHIPPED)


def test_exam_is_the_same_each_time(school: School) -> None:
    school.dataset(["taxes"], ["fees", "fines"])
    school.dataset(["tolls"], [])
    school.adapter("billing@1", "billing@2")

    first, again = school.exam("billing@1"), school.exam("billing@1")

    assert first.probe.hash == again.probe.hash != SHIPPED.hash
