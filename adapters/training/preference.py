"""
TRL's trainers for pairs of answers (DPO) and votes (KTO); takes seconds to import, as adapters.training.trainers does.

Both ask by how much the adapter moved away from where it started. What the start says about every row is computed once,
before the first step, and kept for a training that goes on after a kill.
"""

import json
import random
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from datasets import Dataset
from torch.utils.data import DataLoader
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference, KTOTrainer

from adapters.base_model import BaseModel
from adapters.training.answer_head import score_answers_only
from adapters.training.encoding import Ids
from adapters.training.recipe import Recipe
from adapters.training.trainers import Clock, Ours, arguments
from bot.errors import TrainingError
from bot.files import whole

VOTES_AT_ONCE = 2  # TRL needs more than one: it measures drift on each prompt with the answer of another
REFERENCE = "reference.json"


def dpo_trainer(model: Any, base: BaseModel, rows: list[Ids], recipe: Recipe, clock: Clock, folder: str) -> Any:
    """The trainer for pairs of a better and a worse answer."""
    settings = arguments(recipe, folder, len(rows), rows_at_once=1) | {"beta": recipe.beta, "max_length": None}
    return PairTrainer(
        model=model,
        args=DPOConfig(**settings, precompute_ref_log_probs=True),
        train_dataset=Dataset.from_list(rows),
        processing_class=base.tokenizer,
        callbacks=[clock],
    )


def kto_trainer(model: Any, base: BaseModel, rows: list[Ids], recipe: Recipe, clock: Clock, folder: str) -> Any:
    """The trainer for answers that were voted on."""
    settings = arguments(recipe, folder, len(rows), rows_at_once=VOTES_AT_ONCE) | {
        "beta": recipe.beta,
        "max_length": None,
    }
    return VoteTrainer(
        model=model,
        args=KTOConfig(**settings, precompute_ref_log_probs=True),
        data_collator=WeighedVotes(pad_token_id=base.tokenizer.pad_token_id or base.tokenizer.eos_token_id),
        train_dataset=Dataset.from_list(in_batches(balanced(rows), VOTES_AT_ONCE, recipe.seed)),
        processing_class=base.tokenizer,
        callbacks=[clock],
    )


def balanced(rows: list[Ids]) -> list[Ids]:
    """The rows with weights in which likes and dislikes count the same in all, and a row counts 1 on average."""
    sides = {liked: sum(row["weight"] for row in rows if row["label"] == liked) for liked in (True, False)}
    return [row | {"weight": row["weight"] / sides[row["label"]] * len(rows) / 2} for row in rows]


def in_batches(rows: list[Ids], size: int, seed: int) -> list[Ids]:
    """
    The rows in the order in which TRL shall take them, *size* at a time, each with the answer of another in its batch.

    Rows of like length go together, so that little is padded; the batches come in a drawn order.
    """
    by_length = sorted(rows, key=lambda row: len(row["prompt_ids"]) + len(row["completion_ids"]))
    batches = [by_length[at : at + size] for at in range(0, len(rows), size)]
    random.Random(seed).shuffle(batches)  # noqa: S311 - a repeatable order
    batches.sort(key=len, reverse=True)  # a short one would shift all those behind it
    lenders = [(batch[-1] if len(batch) > 1 else batches[0][0], *batch[:-1]) for batch in batches]
    return [
        row | {"KL_completion_ids": lender["completion_ids"]}
        for batch, their_lenders in zip(batches, lenders, strict=True)
        for row, lender in zip(batch, their_lenders, strict=True)
    ]


class FromStart(Ours):
    """A trainer that compares with its start."""

    columns: tuple[str, str]  # what TRL calls the start's figures of a row

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        trainer: Any = self
        score_answers_only(trainer.model.get_base_model())
        known = [self._kept(len(dataset)) if trainer.accelerator.is_main_process else None]
        broadcast_object_list(known)
        figures = known[0] or self._figures(dataset, batch_size)
        if trainer.accelerator.is_main_process:
            with whole(self._file) as part:
                part.write_text(json.dumps(figures), encoding="utf-8")
        if "ref" in trainer.model.peft_config:
            trainer.model.delete_adapter("ref")  # TRL's copy of the start has done its work
        for column, values in zip(self.columns, figures, strict=True):
            dataset = dataset.add_column(column, values)
        return dataset

    def _figures(self, dataset: Dataset, batch_size: int) -> list[list[float]]:
        """What the start says about each row, a list per column."""
        trainer: Any = self
        loader = trainer.accelerator.prepare(
            DataLoader(dataset, batch_size=batch_size, collate_fn=trainer.data_collator, shuffle=False)
        )
        found: list[list[float]] = [[], []]
        for batch in loader:
            self.clock.says(len(found[0]), len(dataset), "Reading the rows with the adapter to start from")
            if self.clock.is_over:
                raise TrainingError("the deadline passed before the first step; give --deadline more minutes")
            both = trainer.accelerator.gather_for_metrics(trainer.compute_ref_log_probs(trainer.model, batch))
            for column, values in zip(found, both, strict=True):
                column += values.tolist()
        return found

    @property
    def _file(self) -> Path:
        trainer: Any = self
        return Path(trainer.args.output_dir) / REFERENCE

    def _kept(self, rows: int) -> list[list[float]] | None:
        try:
            found: list[list[float]] = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if [len(column) for column in found] == [rows, rows] else None


class PairTrainer(FromStart, DPOTrainer):
    """Direct preference optimization, see Rafailov et al. 2023, arXiv:2305.18290."""

    columns = ("ref_chosen_logps", "ref_rejected_logps")


class VoteTrainer(FromStart, KTOTrainer):
    """Kahneman-Tversky optimization, see Ethayarajh et al. 2024, arXiv:2402.01306, in which votes have weights."""

    columns = ("ref_logps", "ref_KL_logps")

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:
        weights, liked = inputs.pop("weight"), inputs["label"].bool()
        # TRL multiplies the losses of either side, which are in this order, with these.
        self.desirable_weight, self.undesirable_weight = weights[liked], weights[~liked]
        return super()._compute_loss(model, inputs, return_outputs)  # type: ignore[no-untyped-call]  # not annotated


class WeighedVotes(DataCollatorForUnpairedPreference):
    """Batches of votes with their weights."""

    def torch_call(self, examples: list[Ids]) -> dict[str, Any]:
        """One batch."""
        return super().torch_call(examples) | {"weight": torch.tensor([each["weight"] for each in examples])}
