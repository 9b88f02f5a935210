"""Train the shipped reading adapter: python train_reading.py ROWS.jsonl TARGET."""

import shutil
import sys
from pathlib import Path

from adapters.base_model import BaseModel
from adapters.datasets.rows import read_dataset
from adapters.training.training import train
from bot.prompts import PromptLibrary

if __name__ == "__main__":
    rows, target = Path(sys.argv[1]), Path(sys.argv[2])
    trained = train(
        BaseModel("embedded", Path("var/models")),
        read_dataset(rows, PromptLibrary()),
        Path("var/training/reading"),
        progress=lambda done, total, doing: print(f"{done}/{total} {doing}", flush=True),
    )
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(trained.folder, target)
