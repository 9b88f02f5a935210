"""One training in several processes, as `accelerate launch` starts them: on GPUs, and here on a machine without."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.base_model import BaseModel
from adapters.datasets.rows import read_dataset
from adapters.training.processes import is_main, together
from adapters.training.recipe import Recipe
from adapters.training.training import train
from bot.prompts import PromptLibrary
from bot.rows import write_rows

pytest.importorskip("trl", reason="training is an extra: pip install pointsman[training]")

ROOT = Path(__file__).parent.parent
LAUNCH = ("-m", "accelerate.commands.accelerate_cli", "launch", "--main_process_port", "0")
TWO = ("--multi_gpu", "--num_processes", "2")  # accelerate's word for several processes, whatever they compute on


def test_process_that_nobody_launched_is_the_only_one() -> None:
    assert is_main() and together().num_processes == 1


def installation(base: BaseModel, folder: Path) -> tuple[Path, Path]:
    """Settings with the tiny model, and a file of rows."""
    config, rows, program = folder / "pointsman.toml", folder / "rows.jsonl", folder / "pointsman.py"
    domain = '[[domains]]\nname = "billing"\ndescription = "Invoices"\n'
    config.write_text(f'[storage]\ndirectory = "{folder}/var"\n[model]\nbase = "{base.base}"\n{domain}')
    program.write_text("from bot.cli import main\n\nmain()\n")
    # No two begin alike: a step is then of eight groups, which two processes can share evenly.
    write_rows(
        rows,
        [{"question": f"What is {n}?", "passages": [f"{n} is a number. " * 30], "answer": f"{n}"} for n in range(24)],
    )
    return config, rows


def test_two_processes_train_one_adapter_as_one_would(tiny_base: BaseModel, tmp_path: Path) -> None:
    config, rows = installation(tiny_base, tmp_path)
    alone = train(tiny_base, read_dataset(rows, PromptLibrary()), tmp_path / "alone", recipe=Recipe(max_steps=2))
    options = ["--config", config, "--domain", "billing", "--dataset", rows, "--max-steps", "2", "--json"]
    command = [sys.executable, *LAUNCH, *TWO, tmp_path / "pointsman.py", "train", *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=environment, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["version"] == "1"  # said once
    assert done.stderr.count("Loading the model to train") == 1
    numbers = json.loads((tmp_path / "var/adapters/billing/1/training.json").read_text())
    assert [entry[1] for entry in numbers["loss"]] == pytest.approx([e[1] for e in alone.numbers["loss"]], rel=1e-4)
