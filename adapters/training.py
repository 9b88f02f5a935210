"""
Fine-tune a LoRA adapter on question-answer rows.

What is particular to small machines: rows are never padded (one row a micro-batch, gradients accumulated) and the wide
output layer is computed for answer tokens only; with 49,152 words that layer would cost as much as the rest.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from adapters.base_model import BaseModel
from adapters.datasets.rows import Dataset, TrainingExample
from bot.errors import TrainingError
from bot.messages import now
from bot.ports import Progress, silent

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import TrainerCallback, TrainingArguments

MIN_ROWS = 20  # below this an adapter only learns the rows by heart


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The parameters of a training; the defaults suit some hundred rows on two cores."""

    rank: int = 8
    alpha: int = 16
    learning_rate: float = 5e-4
    rows_per_step: int = 8
    epochs: float = 1.0
    max_steps: int | None = None  # instead of epochs
    max_tokens: int = 1024  # longer rows are refused
    seed: int = 17
    # All linear layers, see Dettmers et al. 2023, arXiv:2305.14314, section 4.
    target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedAdapter:
    """A finished training, not yet a version of the registry."""

    folder: Path
    numbers: dict[str, Any]  # what training.json holds


def train(
    base: BaseModel,
    dataset: Dataset,
    work: Path,
    *,
    recipe: Recipe | None = None,
    progress: Progress = silent,
) -> TrainedAdapter:
    """
    Train an adapter in a folder below *work*; the same call after a kill goes on at the last checkpoint.

    Raises: TrainingError if the rows do not allow a training.
    """
    recipe = recipe or Recipe()
    rows = _encode(base, dataset.examples, recipe)
    run = work / _run_name(base, dataset, recipe)
    done = run / "adapter"
    if not (done / "training.json").exists():
        _train_in(run, done, base, dataset, rows, recipe, progress)
    shutil.rmtree(run / "checkpoints", ignore_errors=True)
    return TrainedAdapter(folder=done, numbers=json.loads((done / "training.json").read_text(encoding="utf-8")))


def _encode(base: BaseModel, examples: Sequence[TrainingExample], recipe: Recipe) -> list[dict[str, list[int]]]:
    if len(examples) < MIN_ROWS:
        raise TrainingError(f"{len(examples)} rows are too few to learn from; bring at least {MIN_ROWS}")
    if not any(example.answerable for example in examples):
        raise TrainingError("every answer is null: such an adapter only learns to refuse; add answered rows")
    rows = []
    for number, example in enumerate(examples, 1):
        prompt, answer = base.encode_turns(example.turns), base.encode_answer(example.answer)
        if len(prompt) + len(answer) > recipe.max_tokens:
            raise TrainingError(
                f"row {number} has {len(prompt) + len(answer)} tokens, at most {recipe.max_tokens} fit; "
                "shorten its passages"
            )
        rows.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return rows


def _run_name(base: BaseModel, dataset: Dataset, recipe: Recipe) -> str:
    """The same data, base and recipe give the same name: that is how a killed run is found again."""
    text = json.dumps([base.name, dataset.hash, asdict(recipe)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _train_in(
    run: Path,
    done: Path,
    base: BaseModel,
    dataset: Dataset,
    rows: list[dict[str, list[int]]],
    recipe: Recipe,
    progress: Progress,
) -> None:
    from transformers import PrinterCallback, set_seed

    progress(0, 0, "Loading the model to train")
    set_seed(recipe.seed)
    model = _with_lora(base, recipe)
    checkpoints = run / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    trainer = _answer_trainer()(
        model=model,
        args=_arguments(checkpoints, recipe),
        train_dataset=rows,
        data_collator=_one_row,
        callbacks=[_reporter(progress)],
    )
    trainer.remove_callback(PrinterCallback)  # standard output is for data
    start = time.monotonic()
    trainer.train(resume_from_checkpoint=_last_checkpoint(checkpoints))
    losses = [(entry["step"], entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    numbers = {
        "base_model": base.name,
        "data": dataset.path.name,
        "data_hash": dataset.hash,
        "rows": len(rows),
        "answerable_rows": sum(example.answerable for example in dataset.examples),
        "tokens": sum(len(row["input_ids"]) for row in rows),
        "recipe": asdict(recipe),
        "steps": trainer.state.global_step,
        "seconds": round(time.monotonic() - start, 1),
        "loss": losses,
        "created": now().isoformat(timespec="seconds"),
    }
    _write(model, done, numbers)


def _last_checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint; those that a kill left half-written are deleted."""
    from transformers.trainer_utils import get_last_checkpoint

    for path in folder.glob("checkpoint-*"):
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))  # the trainer writes it last
        except (OSError, ValueError):
            shutil.rmtree(path)
    return cast("str | None", get_last_checkpoint(str(folder)))  # type: ignore[no-untyped-call]


def _with_lora(base: BaseModel, recipe: Recipe) -> "PeftModel":
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        target_modules=list(recipe.target_modules),
        task_type="CAUSAL_LM",
    )
    adapted: PeftModel = get_peft_model(base.load(), config)
    # Each checkpoint compares vocabularies with this folder; for a name PEFT would ask the Hugging Face hub.
    adapted.peft_config["default"].base_model_name_or_path = str(base.folder)
    return adapted


def _arguments(checkpoints: Path, recipe: Recipe) -> "TrainingArguments":
    from transformers import TrainingArguments

    return TrainingArguments(
        output_dir=str(checkpoints),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=recipe.rows_per_step,
        num_train_epochs=recipe.epochs,
        max_steps=recipe.max_steps or -1,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=5,
        max_grad_norm=1.0,
        seed=recipe.seed,
        logging_steps=1,
        save_steps=10,
        save_total_limit=1,
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
    )


def _one_row(rows: "Sequence[dict[str, list[int]]]") -> "dict[str, torch.Tensor]":
    import torch

    (row,) = rows
    return {name: torch.tensor([ids]) for name, ids in row.items()}  # (1, tokens)


def _answer_trainer() -> Any:
    """The trainer class; made on demand, because importing transformers' trainer takes seconds."""
    from torch.nn.functional import cross_entropy
    from transformers import Trainer

    class AnswerTrainer(Trainer):
        """Computes logits at answer tokens only."""

        def compute_loss(
            self,
            model: Any,
            inputs: dict[str, Any],
            return_outputs: bool = False,
            num_items_in_batch: Any = None,
        ) -> Any:
            causal_lm = self.accelerator.unwrap_model(model).get_base_model()
            targets = inputs["labels"][:, 1:]
            is_answer = targets != -100
            hidden = causal_lm.model(inputs["input_ids"]).last_hidden_state[:, :-1]  # (1, tokens - 1, width)
            logits = causal_lm.lm_head(hidden[is_answer])  # (answer tokens, vocabulary)
            loss = cross_entropy(logits.float(), targets[is_answer], reduction="sum")
            return loss / (num_items_in_batch if num_items_in_batch is not None else is_answer.sum())

    return AnswerTrainer


def _reporter(progress: Progress) -> "TrainerCallback":
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):
        """Passes steps and loss on to our progress bar."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if logs and "loss" in logs:
                progress(state.global_step, state.max_steps, f"Training, loss {logs['loss']:.2f}")

    return Reporter()


def _write(model: "PeftModel", folder: Path, numbers: dict[str, Any]) -> None:
    """Write the adapter in float16, its numbers, card and plot; the folder appears under its name when it is whole."""
    from safetensors.torch import load_file, save_file

    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    model.peft_config["default"].base_model_name_or_path = numbers["base_model"]
    model.save_pretrained(str(part), safe_serialization=True, save_embedding_layers=False)
    weights = part / "adapter_model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(weights).items()}, weights, {"format": "pt"})
    _plot_loss(numbers["loss"], part / "loss.png")
    (part / "README.md").write_text(_card(numbers), encoding="utf-8")
    (part / "training.json").write_text(json.dumps(numbers, indent=1), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def _card(numbers: dict[str, Any]) -> str:
    recipe = "\n".join(f"| {name} | {value} |" for name, value in numbers["recipe"].items())
    return f"""---
base_model: {numbers["base_model"]}
library_name: peft
---
# LoRA adapter for {numbers["base_model"]}

Trained by `pointsman train` on {numbers["rows"]} rows ({numbers["answerable_rows"]} answerable) of `{numbers["data"]}`
(SHA-256 {numbers["data_hash"]}...), {numbers["steps"]} steps in {numbers["seconds"]:.0f} s, on {numbers["created"]}.
The loss went from {_mean(numbers["loss"][:5]):.2f} to {_mean(numbers["loss"][-5:]):.2f} (means of five steps).
The numbers are in `training.json`.

![Loss per step](loss.png)

| parameter | value |
|---|---|
{recipe}
"""


def _mean(losses: Sequence[Sequence[float]]) -> float:
    return sum(loss for _, loss in losses) / max(len(losses), 1)


def _plot_loss(losses: Sequence[Sequence[float]], target: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="loss on answer tokens", ylim=(0, None))
    axes.plot([step for step, _ in losses], [loss for _, loss in losses], color="tab:blue")
    axes.grid(alpha=0.3)
    figure.savefig(target, dpi=100)
