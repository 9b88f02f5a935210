"""
Measures the speed of training against TRL's own defaults, with the embedded model and the same rows and start.

Rows: 24 sections of our handbook, each with the two behind it as passages, the heading as the question and the first
sentence as the answer. For pairs another section's first sentence is the worse one; of the votes every other is against
such a one. A run is one step on some of the rows with one trainer, at one learning rate, from the reading adapter on;
three runs a method, on other rows each. The time is that of everything but loading the model: asking the start counts.

tokens/s   prompt and answer tokens of the rows (of a pair twice the prompt) by the seconds of the run; the median
times TRL's defaults   the median of the runs' ratios: by the clock, and by CPU time, which other programs disturb less
loss, gradient norm   of the first run: that the same is computed
TRL float32   with the one setting that helps most on a CPU; without checkpointing TRL's batches took over 11 GB

Run it again after a kill: it goes on with the runs that are missing.
"""

import json
import re
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

from tables import WORK, show

from adapters.base_model import BaseModel
from adapters.datasets.rows import Dataset, PairExample, TrainingExample, VoteExample
from adapters.training.encoding import Ids, encode
from adapters.training.recipe import Recipe
from bot.messages import DatasetKind, Passage, Turn
from bot.ports import silent
from bot.prompts import GROUNDED, PromptLibrary

ROOT = Path(__file__).parents[2]
FOLDER = WORK / "training"
RESULTS = FOLDER / "runs.json"
RATE = 2e-4
ROWS, ROUNDS = 24, 3
ROWS_A_RUN = {"sft": 4, "dpo": 2, "kto": 2}  # fewer than TRL's 8, which would be padded more
OURS, DEFAULTS, FLOAT32 = "ours", "TRL defaults", "TRL float32"
RUNS: tuple[tuple[DatasetKind, str], ...] = (
    *(("sft", name) for name in (OURS, FLOAT32, DEFAULTS)),
    *(("dpo", name) for name in (OURS, DEFAULTS)),
    *(("kto", name) for name in (OURS, DEFAULTS)),
)


def run() -> list[dict[str, Any]]:
    """One row a method and trainer; ratios are between runs of the same round."""
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    base = BaseModel("embedded", WORK.parent / "models")
    for number, (method, trainer) in product(range(ROUNDS), RUNS):
        name = f"{method}, {trainer}, {number}"
        if name not in results:
            print(f"{name}...", file=sys.stderr, flush=True)
            results[name] = measured(base, method, trainer, number)
            RESULTS.write_text(json.dumps(results, indent=1))
    shutil.rmtree(FOLDER)
    return [summary(results, method, trainer) for method, trainer in RUNS]


def summary(results: dict[str, Any], method: str, trainer: str) -> dict[str, Any]:
    of = {name: [results[f"{method}, {name}, {n}"] for n in range(ROUNDS)] for name in (trainer, DEFAULTS)}
    speeds = [each["tokens"] / each["seconds"] for each in of[trainer]]
    pairs = list(zip(of[trainer], of[DEFAULTS], strict=True))

    def times(unit: str) -> str:
        return f"{statistics.median(their[unit] / our[unit] for our, their in pairs):.2f}"

    return {
        "method": method,
        "trainer": trainer,
        "tokens/s": f"{statistics.median(speeds):.1f}",
        "lowest": f"{min(speeds):.1f}",
        "times TRL's defaults": times("seconds"),
        "by CPU time": times("cpu_seconds"),
        "loss": of[trainer][0]["loss"],
        "gradient norm": of[trainer][0]["grad_norm"],
        "tokens": sum(each["tokens"] for each in of[trainer]),
    }


def measured(base: BaseModel, method: DatasetKind, trainer: str, number: int) -> dict[str, Any]:
    from peft import PeftModel
    from transformers import PrinterCallback

    count = ROWS_A_RUN[method]
    recipe = Recipe(method=method, start="reading@1", learning_rate=RATE, max_steps=1, rows_per_step=count, rehearsal=0)
    rows = encode(base, dataset(method), recipe.max_tokens)[number::ROUNDS][:count]
    folder = FOLDER / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model: Any = PeftModel.from_pretrained(base.load(), ROOT / "adapters" / "reading", is_trainable=True)
    begin, begin_cpu = time.perf_counter(), time.process_time()
    made = makers()[trainer](model, base, rows, recipe, str(folder))
    made.remove_callback(PrinterCallback)
    made.train()
    return {
        "seconds": time.perf_counter() - begin,
        "cpu_seconds": time.process_time() - begin_cpu,
        "tokens": sum(tokens(row) for row in rows),
        **{name: made.state.log_history[0][name] for name in ("loss", "grad_norm")},
    }


def tokens(row: Ids) -> int:
    if "input_ids" in row:
        return len(row["input_ids"])
    answers = [row[name] for name in ("chosen_ids", "rejected_ids", "completion_ids") if name in row]
    return sum(len(row["prompt_ids"]) + len(answer) for answer in answers)


def makers() -> dict[str, Callable[..., Any]]:
    return {
        OURS: our_trainer,
        DEFAULTS: trl_trainer,
        FLOAT32: lambda *parts: trl_trainer(*parts, bf16=False),
    }


def our_trainer(model: Any, base: BaseModel, rows: list[Ids], recipe: Recipe, folder: str) -> Any:
    from adapters.training.preference import dpo_trainer, kto_trainer
    from adapters.training.trainers import Clock, sft_trainer

    make = {"sft": sft_trainer, "dpo": dpo_trainer, "kto": kto_trainer}[recipe.method]
    return make(model, base, rows, recipe, Clock(recipe, silent), folder)


def trl_trainer(model: Any, base: BaseModel, rows: list[Ids], recipe: Recipe, folder: str, **settings: Any) -> Any:
    """TRL's, with its defaults but for the learning rate, the seed and the number of steps; the rows are token ids."""
    import torch
    import trl
    from datasets import Dataset as Table

    name = recipe.method.upper()
    own, configuration = getattr(trl, f"{name}Trainer"), getattr(trl, f"{name}Config")
    # The rows are given as token ids, which only TRL's SFT trainer takes as they are; KTO's adds these answers itself.
    given = {} if name == "SFT" else {"_prepare_dataset": lambda self, table, *_: table}
    if name == "KTO":
        rows = [row | {"KL_completion_ids": rows[at - 1]["completion_ids"]} for at, row in enumerate(rows)]
    return type(f"Own{name}", (own,), given)(
        model=model,
        args=configuration(
            output_dir=folder,
            learning_rate=recipe.rate,
            max_steps=recipe.max_steps,
            seed=recipe.seed,
            logging_steps=1,
            report_to=[],
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),  # without it the default bfloat16 is refused where there is no GPU
            **settings,
        ),
        train_dataset=Table.from_list(rows),
        processing_class=base.tokenizer,
    )


def dataset(method: DatasetKind) -> Dataset:
    """The rows of a method, made from the handbook."""
    found = handbook()
    step = len(found) // ROWS
    chosen = [found[at : at + 3] for at in range(0, ROWS * step, step)]
    prompts = [prompt(some) for some in chosen]
    right = [first_sentence(some[0][1]) for some in chosen]
    wrong = [*right[1:], right[0]]
    about: dict[str, Any] = {"hash": method, "path": Path("handbook"), "label": "handbook", "kind": method}
    if method == "sft":
        return Dataset(
            examples=tuple(TrainingExample(turns=t, answer=a) for t, a in zip(prompts, right, strict=True)), **about
        )
    if method == "dpo":
        three = zip(prompts, right, wrong, strict=True)
        return Dataset(pairs=tuple(PairExample(turns=t, chosen=a, rejected=b) for t, a, b in three), **about)
    answers = [(good, True) if n % 2 else (bad, False) for n, (good, bad) in enumerate(zip(right, wrong, strict=True))]
    both = zip(prompts, answers, strict=True)
    return Dataset(votes=tuple(VoteExample(turns=t, answer=a, liked=liked) for t, (a, liked) in both), **about)


def handbook() -> list[tuple[str, str]]:
    """Its sections, the same for all runs even if it is edited meanwhile."""
    file = FOLDER / "sections.json"
    if not file.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        pages = sorted((ROOT / "knowledge" / "handbook").glob("*.md"))
        file.write_text(json.dumps([section for page in pages for section in sections(page)]))
    return [tuple(section) for section in json.loads(file.read_text())]


def sections(page: Path) -> list[tuple[str, str]]:
    """Headings with the text below them."""
    parts = re.split(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], (text.strip() for text in parts[1::2]), strict=True))


def first_sentence(text: str) -> str:
    return re.split(r"(?<=[.:?!])\s", text, maxsplit=1)[0]


def prompt(some: list[tuple[str, str]]) -> tuple[Turn, ...]:
    passages = [Passage(document=heading, chunk=0, text=f"{heading}\n{text[:600]}") for heading, text in some]
    return PromptLibrary().get(GROUNDED).fill(question=f"{some[0][0]}?", earlier="", passages=passages, constraints="")


if __name__ == "__main__":
    show(f"Training ({ROWS} rows of the handbook, two cores)", run())
