"""
TRL's supervised trainer as small machines need it: rows come one at a time, so that nothing is padded.

Takes seconds to import: imported where a training begins.
"""

import math
import time
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from datasets import Dataset
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from adapters.base_model import BaseModel
from adapters.training.answer_head import score_answers_only
from adapters.training.batches import collate, grouped
from adapters.training.encoding import Ids
from adapters.training.processes import together
from adapters.training.recipe import Recipe
from bot.learning.course import OnStep, unwritten
from bot.ports import Progress

WARM_UP = 0.05  # share of the steps


def sft_trainer(model: Any, base: BaseModel, rows: list[Ids], recipe: Recipe, clock: "Clock", folder: str) -> Any:
    """The trainer for rows with one answer each; on a CPU, rows with the same passages go through together."""
    groups = grouped(rows, at_most=1 if torch.cuda.is_available() else recipe.rows_per_step)
    settings = arguments(recipe, folder, len(rows), rows_at_once=len(rows) / len(groups))
    trainer = AnswerTrainer(
        model=model,
        args=SFTConfig(**settings | {"per_device_train_batch_size": 1}, max_length=None),
        train_dataset=Dataset.from_list([{"rows": group} for group in groups]),
        data_collator=collate,
        processing_class=base.tokenizer,
        callbacks=[clock],
    )
    score_answers_only(model.get_base_model())
    return trainer


def arguments(recipe: Recipe, folder: str, rows: int, *, rows_at_once: float) -> dict[str, Any]:
    """
    What the trainers' settings have in common; *rows_at_once* of the *rows*, on average, go through the model together.
    """
    gpu = torch.cuda.is_available()
    in_turn = math.ceil(recipe.rows_per_step / rows_at_once / together().num_processes)
    return {
        "output_dir": folder,
        "per_device_train_batch_size": round(rows_at_once),
        "gradient_accumulation_steps": in_turn,
        "max_steps": recipe.steps(rows),
        "learning_rate": recipe.rate,
        "max_grad_norm": 1.0,
        "seed": recipe.seed,
        "logging_steps": 1,
        "save_steps": 10,
        "save_total_limit": 1,
        "report_to": [],
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "remove_unused_columns": False,
        "use_cpu": not gpu,
        "ddp_find_unused_parameters": False,  # all of LoRA's weights are used in every step
        "bf16": gpu,  # on a CPU several times slower than float32
        "activation_checkpointing": gpu,  # one row needs little memory, and doing the work twice takes time
    }


class Ours:
    """What our trainers do otherwise than TRL's; comes before TRL's class."""

    @property
    def clock(self) -> "Clock":
        """The one among the callbacks."""
        trainer: Any = self
        return next(each for each in trainer.callback_handler.callbacks if isinstance(each, Clock))

    def _send_telemetry(self) -> None:
        """Nothing: nobody is told of a training."""

    def create_model_card(self, *args: object, **kwargs: object) -> None:
        """Nothing: the card is written with the adapter."""

    def _prepare_dataset(self, dataset: Dataset, *args: object) -> Dataset:
        """As it is: the rows are token ids already, and control tokens in them are text."""
        return dataset

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LambdaLR:
        """The learning rate's course: up within WARM_UP, then down to 0 at the last step or the deadline."""
        trainer: Any = self
        warm_up = max(1, round(WARM_UP * num_training_steps))
        clock = self.clock

        def share(step: int) -> float:
            steps_left = (num_training_steps - step) / max(num_training_steps - warm_up, 1)
            return float(max(0.0, min((step + 1) / (warm_up + 1), steps_left, 1 - clock.spent)))

        scheduler: LambdaLR = trainer.lr_scheduler or LambdaLR(optimizer or trainer.optimizer, share)
        trainer.lr_scheduler = scheduler
        return scheduler


class AnswerTrainer(Ours, SFTTrainer):
    """Supervised fine-tuning on answers."""


class Clock(TrainerCallback):
    """Says how far a training is, and ends it at its deadline: all its processes at once, or one waits for ever."""

    def __init__(self, recipe: Recipe, progress: Progress, on_step: OnStep = unwritten) -> None:
        self.spent = 0.0  # share of the time until the deadline
        self.says = progress
        self.writes = on_step
        self._begin = time.monotonic()
        self._seconds = recipe.deadline_seconds
        self._first: tuple[int, float] = (0, 0.0)

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return self._seconds is not None and time.monotonic() - self._begin > self._seconds

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Steps are timed from here."""
        self._first = state.global_step, time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Another step would have to fit."""
        if self._seconds:
            now = time.monotonic()
            shares = [(now - self._begin) / self._seconds, (now - self._begin + self._pace(state)) / self._seconds]
            broadcast_object_list(shares)
            self.spent = shares[0]
            control.should_training_stop = control.should_training_stop or shares[1] > 1

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Steps and loss go to our progress bar, with the time that is left."""
        if logs and "loss" in logs:
            left = self._pace(state) * (state.max_steps - state.global_step)
            if self._seconds:
                left = min(left, max(0.0, self._seconds - (time.monotonic() - self._begin)))
            said = f"{left / 60:.0f} min" if left > 90 else f"{left:.0f} s"
            self.writes(state.global_step, state.max_steps, logs["loss"])
            self.says(state.global_step, state.max_steps, f"Training, loss {logs['loss']:.2f}, {said} left")

    def _pace(self, state: Any) -> float:
        """Seconds a step, on average."""
        step, begin = self._first
        return (time.monotonic() - begin) / max(int(state.global_step) - step, 1)
