"""What trainings rehearse, and that it is the base model's own."""

from pathlib import Path

import pytest
from peft import LoraConfig, PeftModel

from adapters.base_model import BaseModel
from adapters.datasets.rows import Dataset, TrainingExample
from adapters.training.recipe import Recipe
from adapters.training.rehearsal import rehearse
from adapters.training.training import train
from bot.messages import Turn
from bot.prompts import REFUSAL

pytest.importorskip("trl", reason="training is an extra: pip install pointsman[training]")


@pytest.fixture(scope="module")
def adapted(tiny_base: BaseModel, trained: Path) -> PeftModel:
    """The tiny model with an adapter that changes what it says."""
    return PeftModel.from_pretrained(tiny_base.load(), str(trained / "billing" / "1"))


def test_rehearsed_rows_are_counted_apart(tiny_base: BaseModel, tmp_path: Path) -> None:
    examples = tuple(
        TrainingExample(turns=(Turn(role="user", content=f"What is {n}?"),), answer=f"A {n}.") for n in range(24)
    )
    dataset = Dataset(hash="numbers", path=tmp_path / "numbers.jsonl", label="numbers", examples=examples)

    made = train(tiny_base, dataset, tmp_path, recipe=Recipe(rank=4, max_steps=2, rehearsal=0.1))

    assert (made.numbers["rows"], made.numbers["rehearsed_rows"]) == (24, 3)


def test_every_third_row_has_passages_and_its_own_answer(tiny_base: BaseModel, adapted: PeftModel) -> None:
    rows = rehearse(adapted, tiny_base, 36)[2::3]

    answers = [tiny_base.tokenizer.decode([each for each in row["labels"][:-1] if each >= 0]) for row in rows]
    assert answers.count(REFUSAL) == 4 and len(set(answers)) == 9
    assert not any("marmalade" in answer or "poem" in answer for answer in answers)


def test_general_answers_are_those_without_the_adapter(tiny_base: BaseModel, adapted: PeftModel) -> None:
    bare = PeftModel(tiny_base.load(), LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"]))

    found = rehearse(adapted, tiny_base, 2)

    assert found == rehearse(bare, tiny_base, 2) and all(set(row["labels"]) > {-100} for row in found)
