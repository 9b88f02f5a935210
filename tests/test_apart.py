"""
Training in a process of its own: what it tells, and that it never outlives who began it.

Run as a program, this file begins a training and waits for its end.
"""

import asyncio
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fakes_learning import SHIPPING
from tiny_model import ROOT

from adapters.datasets.building import DatasetBuilder
from bot.app import dataset_builder, open_stores
from bot.errors import TrainingError
from bot.jobs.apart import Wish, train_apart
from bot.learning.course import Course, read_course
from bot.rows import write_rows
from bot.settings import DomainSettings, ModelSettings, Settings, StorageSettings

pytest.importorskip("trl", reason="training is an extra: pip install pointsman[training]")

STEPS = 80
WISH = Wish(start="none", minutes=30, max_steps=STEPS)


def settings_of(directory: Path, base: Path) -> Settings:
    return Settings(
        storage=StorageSettings(directory=directory),
        model=ModelSettings(base=str(base)),
        domains=(DomainSettings(name="billing", description="Invoices"),),
    )


@pytest.fixture
async def settings(tmp_path: Path, tiny_folder: Path) -> Settings:
    """An installation with a dataset to train on."""
    found = settings_of(tmp_path / "var", tiny_folder)
    rows = [
        {"question": f"When does parcel {n} leave?", "passages": [SHIPPING.text], "answer": f"On day {n}."}
        for n in range(30)
    ]
    write_rows(tmp_path / "rows.jsonl", rows)
    async with open_stores(found) as stores:
        builder: DatasetBuilder = dataset_builder(found, stores)
        await builder.import_file(tmp_path / "rows.jsonl", "billing", by="ada")
    return found


async def test_training_tells_its_steps_and_the_new_version(settings: Settings) -> None:
    told: list[tuple[int, int, str]] = []

    label = await train_apart(
        settings, "billing", "1", Wish(start="none", max_steps=3), lambda *step: told.append(step)
    )

    assert label == "billing@1"
    assert [(done, total) for done, total, doing in told if re.match(r"Training, loss \d", doing)][-1] == (3, 3)


async def test_training_that_cannot_be_says_why(settings: Settings) -> None:
    with pytest.raises(TrainingError, match="--method dpo"):
        await train_apart(settings, "billing", "1", Wish(method="dpo"))


def course(settings: Settings) -> Course | None:
    return read_course(settings.storage.directory / "training" / "billing")


def at_step(settings: Settings, step: int) -> bool:
    found = course(settings)
    return found is not None and bool(found.steps) and found.steps[-1].step >= step


def killed_midway(settings: Settings) -> Course | None:
    """What a training left whose service was killed at its twelfth step, once it is gone as well."""
    command = [sys.executable, __file__, str(settings.storage.directory), settings.model.base]
    paths = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    with subprocess.Popen(command, env=paths) as service:
        wait_until(lambda: at_step(settings, 12))
        service.kill()
    wait_until(lambda: not course(settings).running)  # type: ignore[union-attr]  # there is one
    return course(settings)


async def test_killed_service_leaves_no_training_behind_and_the_next_one_goes_on_with_it(settings: Settings) -> None:
    left = await asyncio.to_thread(killed_midway, settings)

    label = await train_apart(settings, "billing", "1", WISH)

    whole = course(settings)
    assert left and whole and not left.ended and whole.ended and label == "billing@1"
    assert 12 <= left.steps[-1].step < STEPS and whole.steps[-1].step == STEPS
    assert whole.steps[:10] == left.steps[:10]  # the ten of the checkpoint were not done again


def wait_until(what) -> None:  # type: ignore[no-untyped-def]  # anything that can be asked
    end = time.monotonic() + 300
    while not what():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(train_apart(settings_of(Path(sys.argv[1]), Path(sys.argv[2])), "billing", "1", WISH))
