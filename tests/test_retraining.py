"""Trainings that begin by themselves: dataset, training, gate, one round at a time; nothing goes past the gate."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes import InMemoryExchangeStore, InMemoryFeedbackStore
from fakes_learning import InMemoryCurationStore, InMemoryDatasetStore

from adapters.registry import AdapterVersion
from bot.errors import TrainingError
from bot.jobs.retraining import Retraining, train_apart
from bot.messages import DatasetVersion, Review
from bot.rows import Row
from bot.settings import DomainSettings, LearningSettings, Settings, StorageSettings

NIGHT = datetime(2026, 3, 2, 2, tzinfo=UTC)


def no_reviews() -> InMemoryCurationStore:
    exchanges = InMemoryExchangeStore()
    return InMemoryCurationStore(exchanges, InMemoryFeedbackStore(exchanges))


@dataclass
class Audit:
    entries: list[tuple[str, object]] = field(default_factory=list)

    async def record(self, who: str, what: str, before: object = None, after: object = None) -> None:
        self.entries.append((what, after))


@dataclass
class Bench:
    """A domain that learns, with every step written down."""

    tmp_path: Path
    promote: str = "ask"
    passed: bool = True
    refused: str = ""
    steps: list[tuple[str, Row]] = field(default_factory=list)
    versions: list[AdapterVersion] = field(default_factory=list)
    reviews: InMemoryCurationStore = field(default_factory=no_reviews)
    datasets: InMemoryDatasetStore = field(default_factory=InMemoryDatasetStore)
    audit: Audit = field(default_factory=Audit)

    def __post_init__(self) -> None:
        learning = LearningSettings(retrain_after=2, promote=self.promote)  # type: ignore[arg-type]  # one of the two
        self.settings = Settings(
            storage=StorageSettings(directory=self.tmp_path),
            learning=learning,
            domains=(DomainSettings(name="billing", description="Invoices"),),
        )
        self.retraining = Retraining(
            settings=self.settings,
            reviews=self.reviews,
            datasets=self.datasets,
            versions=lambda: self.versions,
            audit=self.audit,
            do=self.do,
            train=self.train,
            clock=lambda: NIGHT,
        )

    def approve(self, number: int, at: datetime = NIGHT) -> None:
        known = len(self.reviews.reviews)
        self.reviews.reviews += [
            Review(reply=f"r{known + n}", state="approved", by="ada", route="billing", at=at) for n in range(number)
        ]

    async def do(self, kind: str, payload: Row) -> Row:
        self.steps.append((kind, payload))
        return {"version": "7"} if kind == "dataset" else {"passed": self.passed}

    async def train(self, settings: Settings, domain: str, version: str) -> str:
        self.steps.append(("train", {"version": version}))
        if self.refused:
            raise TrainingError(self.refused)
        return f"{domain}@3"

    @property
    def done(self) -> list[str]:
        return [kind for kind, _ in self.steps]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_round_builds_a_dataset_trains_on_it_and_asks_the_gate(bench: Bench) -> None:
    bench.approve(2)

    await bench.retraining.look("billing")

    assert bench.done == ["dataset", "train", "judge"]
    assert bench.steps[1][1] == {"version": "7"} and bench.steps[2][1]["version"] == "3"
    assert bench.audit.entries == [
        ("learning.trained billing", {"adapter": "billing@3", "passed": True, "promoted": False})
    ]


@pytest.mark.parametrize("passed", [True, False])
async def test_settings_may_let_the_gate_promote(tmp_path: Path, passed: bool) -> None:
    bench = Bench(tmp_path, promote="automatic", passed=passed)
    bench.approve(2)

    await bench.retraining.look("billing")

    assert bench.done[-1] == "promote"
    assert bench.audit.entries[0][1] == {"adapter": "billing@3", "passed": passed, "promoted": passed}


async def test_too_little_that_is_new_starts_nothing(bench: Bench) -> None:
    bench.approve(1)

    await bench.retraining.look("billing")

    assert bench.done == []


async def test_only_what_was_approved_after_the_newest_version_s_dataset_counts(bench: Bench, tmp_path: Path) -> None:
    built = datetime(2026, 3, 1, tzinfo=UTC)
    bench.approve(5, at=built.replace(hour=0, minute=0))
    await bench.datasets.add(dataset("1", built), (), lambda version: None, by="ada")
    bench.versions.append(adapter_of("billing@1", tmp_path))

    await bench.retraining.look("billing")
    bench.approve(2)
    before = bench.done
    await bench.retraining.look("billing")

    assert before == [] and bench.done == ["dataset", "train", "judge"]


async def test_round_that_failed_waits_until_more_is_approved(tmp_path: Path) -> None:
    bench = Bench(tmp_path, refused="too few rows")
    bench.approve(2)
    with pytest.raises(TrainingError):
        await bench.retraining.look("billing")

    await bench.retraining.look("billing")
    again = bench.done.count("train")
    bench.approve(1)
    with pytest.raises(TrainingError):
        await bench.retraining.look("billing")

    assert (again, bench.done.count("train")) == (1, 2)


async def test_training_in_a_process_of_its_own_tells_why_it_was_refused(bench: Bench) -> None:
    with pytest.raises(TrainingError, match="has no dataset 9"):
        await train_apart(bench.settings, "billing", "9")


async def test_stopping_ends_the_process_that_trains(bench: Bench) -> None:
    task = asyncio.create_task(train_apart(bench.settings, "billing", "9"))
    await asyncio.sleep(0.2)  # the process starts for seconds

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


def dataset(version: str, created: datetime) -> DatasetVersion:
    return DatasetVersion(
        domain="billing",
        version=version,
        kind="sft",
        rows=30,
        hash="h",
        approved_by=("ada",),
        documents=(),
        report={},
        created=created,
    )


def adapter_of(trained_on: str, folder: Path) -> AdapterVersion:
    return AdapterVersion(
        name="billing",
        version="1",
        domain="billing",
        status="candidate",
        base_model="embedded",
        created="2026-03-01T01:00:00+00:00",
        folder=folder,
        dataset=trained_on,
    )
