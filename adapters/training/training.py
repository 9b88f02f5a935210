"""
Fine-tune a LoRA adapter on what people approved, corrected or voted on.

The same call in several processes that `accelerate launch` started is one training; the first of them writes.
"""

import hashlib
import importlib.util
import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from adapters.adapter_files import NUMBERS, write_adapter
from adapters.base_model import BaseModel
from adapters.datasets.rows import Dataset
from adapters.training.encoding import Ids, encode
from adapters.training.processes import is_main, wait_for_all
from adapters.training.recipe import Recipe
from adapters.training.rehearsal import rehearse
from bot.errors import AdapterUnusable, TrainingError
from bot.learning.course import OnStep, unwritten
from bot.messages import now
from bot.ports import Progress, silent
from bot.prompts import REFUSAL

if TYPE_CHECKING:
    from peft import PeftModel

_LIBRARIES = ("accelerate", "datasets", "matplotlib", "trl")


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
    start: Path | None = None,
    progress: Progress = silent,
    on_step: OnStep = unwritten,
) -> TrainedAdapter:
    """
    Train an adapter in a folder below *work*; the same call after a kill goes on at the last checkpoint.

    *start* is the folder of the adapter that the recipe starts from.

    Raises: TrainingError if the rows do not allow a training; AdapterUnusable if *start* cannot be trained on.
    """
    recipe = recipe or Recipe(method=dataset.kind)
    rows = encode(base, dataset, recipe.max_tokens)
    if missing := [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]:
        raise TrainingError(f"training also needs {', '.join(missing)}; run `pip install 'pointsman[training]'`")
    run = work / _run_name(base, dataset, recipe)
    done = run / "adapter"
    if not (done / NUMBERS).exists():
        _Training(base, dataset, rows, recipe, start, run).go(done, progress, on_step)
    if is_main():
        shutil.rmtree(run / "checkpoints", ignore_errors=True)
    return TrainedAdapter(folder=done, numbers=json.loads((done / NUMBERS).read_text(encoding="utf-8")))


def _run_name(base: BaseModel, dataset: Dataset, recipe: Recipe) -> str:
    """The same data, base and recipe give the same name: that is how a killed run is found again."""
    text = json.dumps([base.name, dataset.hash, recipe.row()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _Training:
    """One training, in its folder."""

    base: BaseModel
    dataset: Dataset
    rows: list[Ids]
    recipe: Recipe
    start: Path | None
    run: Path

    def go(self, done: Path, progress: Progress, on_step: OnStep) -> None:
        """Train, and write the adapter to *done*."""
        progress(0, 0, "Loading the model to train")
        from transformers import PrinterCallback, set_seed

        from adapters.training.trainers import Clock

        clock = Clock(self.recipe, progress, on_step)
        checkpoint = self._last_checkpoint()
        set_seed(self.recipe.seed)
        model = self._with_lora()
        rows = [*self.rows, *self._rehearsed(model, progress)]
        trainer = self._trainer()(model, self.base, rows, self.recipe, clock, str(self._checkpoints))
        trainer.remove_callback(PrinterCallback)  # standard output is for data
        begin = time.monotonic()
        trainer.train(resume_from_checkpoint=checkpoint)
        if is_main():
            write_adapter(model, done, self._numbers(model, rows, trainer.state, time.monotonic() - begin))
        wait_for_all()

    def _rehearsed(self, model: "PeftModel", progress: Progress) -> list[Ids]:
        """Rows for supervised training alone: preferences move an adapter little, and have no such rows."""
        wanted = math.ceil(len(self.rows) * self.recipe.rehearsal) if self.recipe.method == "sft" else 0
        if wanted:
            progress(0, 0, "Asking the base model what not to forget")
        return rehearse(model, self.base, wanted)

    def _trainer(self) -> Callable[..., Any]:
        if self.recipe.method == "sft":
            from adapters.training.trainers import sft_trainer

            return sft_trainer
        from adapters.training.preference import dpo_trainer, kto_trainer

        return dpo_trainer if self.recipe.method == "dpo" else kto_trainer

    @property
    def _checkpoints(self) -> Path:
        return self.run / "checkpoints"

    def _last_checkpoint(self) -> str | None:
        """The newest whole checkpoint; those that a kill left half-written are deleted."""
        from transformers.trainer_utils import get_last_checkpoint

        if is_main():
            self._checkpoints.mkdir(parents=True, exist_ok=True)
            for path in self._checkpoints.glob("checkpoint-*"):
                try:
                    json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))  # the trainer writes it last
                except (OSError, ValueError):
                    shutil.rmtree(path)
        wait_for_all()
        return cast("str | None", get_last_checkpoint(str(self._checkpoints)))  # type: ignore[no-untyped-call]

    def _with_lora(self) -> "PeftModel":
        from peft import LoraConfig, get_peft_model

        if self.start is not None:
            model = _started(self.base, self.recipe.start, self.start)
        else:
            config = LoraConfig(
                r=self.recipe.rank,
                lora_alpha=self.recipe.alpha,
                target_modules=list(self.recipe.target_modules),
                task_type="CAUSAL_LM",
            )
            model = get_peft_model(self.base.load(), config)
        # Each checkpoint compares vocabularies with this folder; for a name PEFT would ask the Hugging Face hub.
        model.peft_config["default"].base_model_name_or_path = str(self.base.folder)
        return model

    def _numbers(self, model: "PeftModel", rows: list[Ids], state: Any, seconds: float) -> dict[str, Any]:
        config: Any = model.peft_config["default"]
        modules = tuple(sorted(config.target_modules)) if self.start else self.recipe.target_modules
        recipe = replace(self.recipe, rank=config.r, alpha=config.lora_alpha, target_modules=modules)
        return {
            "base_model": self.base.name,
            "method": self.dataset.kind,
            "dataset": self.dataset.label,
            "start": self.recipe.start,
            "data": self.dataset.path.name,
            "data_hash": self.dataset.hash,
            "rows": len(self.rows),
            "rehearsed_rows": len(rows) - len(self.rows),
            **_balance(self.dataset),
            "tokens": sum(len(ids) for row in rows for name, ids in row.items() if name.endswith("_ids")),
            "recipe": recipe.row(),
            "steps": state.global_step,
            "planned_steps": state.max_steps,
            "seconds": round(seconds, 1),
            "loss": [(entry["step"], entry["loss"]) for entry in state.log_history if "loss" in entry],
            "created": now().isoformat(timespec="seconds"),
        }


def _balance(dataset: Dataset) -> dict[str, int]:
    if dataset.kind == "kto":
        return {"liked_rows": sum(each.liked for each in dataset.votes)}
    if dataset.kind == "dpo":
        return {"answerable_rows": sum(each.chosen.strip() != REFUSAL for each in dataset.pairs)}
    return {"answerable_rows": sum(each.answerable for each in dataset.examples)}


def _started(base: BaseModel, label: str, folder: Path) -> "PeftModel":
    """The base model with the weights of an earlier adapter, to be trained on."""
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import SafetensorError, safe_open

    try:
        model = PeftModel.from_pretrained(base.load(), str(folder), is_trainable=True, use_safetensors=True)
        with safe_open(folder / "adapter_model.safetensors", framework="pt") as weights:
            stored = set(weights.keys())
        # PEFT only warns of weights that are missing, and is silent on those that it did not expect.
        if stored != set(get_peft_model_state_dict(model, save_embedding_layers=False)):
            raise ValueError("its weights are not those that its configuration names")
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as exc:
        raise AdapterUnusable(label, f"{folder} cannot be loaded ({str(exc)[:200]}); choose another --start") from exc
    return model
