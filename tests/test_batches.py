"""Rows that share their beginning are read together, and nothing is computed otherwise for it."""

from pathlib import Path

import pytest
import torch

from adapters.base_model import BaseModel
from adapters.datasets.rows import Dataset, TrainingExample
from adapters.training.encoding import Ids, encode
from adapters.training.recipe import Recipe
from adapters.training.training import train
from bot.messages import Turn

pytest.importorskip("trl", reason="training is an extra: pip install pointsman[training]")

from adapters.training.answer_head import score_answers_only  # after the skip: it imports trl
from adapters.training.batches import MAX_ROWS, collate, grouped, shared_tokens
from adapters.training.trainers import arguments

PAGES = ("Refunds take five days. Bring the bill with you. " * 4, "The shop opens at nine and closes at six. " * 5)


def about(page: str, question: str, answer: str) -> TrainingExample:
    return TrainingExample(turns=(Turn(role="user", content=f"{page}\n\nQuestion: {question}"),), answer=answer)


EXAMPLES = tuple(
    about(page, f"What is thing {number}?", f"It is {number * number}.") for page in PAGES for number in range(12)
)


@pytest.fixture(scope="module")
def rows(tiny_base: BaseModel) -> list[Ids]:
    return encode(tiny_base, Dataset(hash="pages", path=Path("pages"), label="pages", examples=EXAMPLES), 1024)


def test_rows_about_the_same_passages_are_together(rows: list[Ids]) -> None:
    groups = grouped(rows)

    assert sorted(map(len, groups)) == [4, 4, MAX_ROWS, MAX_ROWS]
    assert sorted(map(str, rows)) == sorted(str(row) for group in groups for row in group)


def test_rows_that_have_little_in_common_are_alone(tiny_base: BaseModel) -> None:
    own = [about(f"Page {number}. " + chr(97 + number) * 99, "What is it?", f"It is {number}.") for number in range(24)]
    rows = encode(tiny_base, Dataset(hash="own", path=Path("own"), label="own", examples=tuple(own)), 1024)

    assert [len(group) for group in grouped(rows)] == [1] * 24


def test_a_short_row_does_not_break_up_what_long_ones_share() -> None:
    long = [{"input_ids": [1] * 90 + [number] * 10, "labels": []} for number in (2, 3)]
    short = {"input_ids": [1] * 30 + [4], "labels": []}

    assert sorted(len(group) for group in grouped([*long, short])) == [1, 2]


def test_groups_are_no_longer_than_memory_allows() -> None:
    rows = [{"input_ids": [1] * 1000 + [number] * 300, "labels": []} for number in range(2, 6)]  # 1,600 tokens for two

    assert [len(group) for group in grouped(rows)] == [1, 1, 1, 1]
    assert [len(group) for group in grouped([{"input_ids": row["input_ids"][:1200]} for row in rows])] == [2, 2]


@pytest.mark.parametrize(("one", "other", "shared"), [([1, 2, 3], [1, 2, 4, 5], 2), ([1], [1, 2], 1), ([], [1], 0)])
def test_shared_tokens(one: list[int], other: list[int], shared: int) -> None:
    assert shared_tokens(one, other) == shared


def test_what_is_computed_together_is_what_is_computed_alone(tiny_base: BaseModel, rows: list[Ids]) -> None:
    model = tiny_base.load()
    plain = [model(torch.tensor([row["input_ids"]]), labels=torch.tensor([row["labels"]])).loss for row in rows[:5]]
    score_answers_only(model)

    found = model(**collate([{"rows": rows[:3]}, {"rows": rows[3:5]}]), fused_lm_head=True)

    each = -found.log_probs.sum(1) / found.label_mask.sum(1)
    torch.testing.assert_close(each, torch.stack(plain), rtol=1e-4, atol=1e-5)


def test_rows_of_different_pages_may_be_in_one_batch(tiny_base: BaseModel, rows: list[Ids]) -> None:
    model = tiny_base.load()
    some = [rows[0], rows[13], rows[2]]
    plain = [model(torch.tensor([row["input_ids"]]), labels=torch.tensor([row["labels"]])).loss for row in some]
    score_answers_only(model)

    found = model(**collate([{"rows": some}]), fused_lm_head=True)

    each = -found.log_probs.sum(1) / found.label_mask.sum(1)
    torch.testing.assert_close(each, torch.stack(plain), rtol=1e-4, atol=1e-5)


def test_a_group_is_no_larger_than_a_step(rows: list[Ids]) -> None:
    assert {len(group) for group in grouped(rows, at_most=3)} == {3}


def test_rows_that_go_together_get_as_many_steps_as_others(tiny_base: BaseModel, tmp_path: Path) -> None:
    dataset = Dataset(hash="pages", path=tmp_path / "pages.jsonl", label="pages", examples=EXAMPLES)
    recipe = Recipe(rank=4, rows_per_step=2, rehearsal=0)

    trained = train(tiny_base, dataset, tmp_path, recipe=recipe)

    assert trained.numbers["steps"] == len(trained.numbers["loss"]) == recipe.steps(24) == 24


@pytest.mark.parametrize(("rows_at_once", "in_turn"), [(1, 8), (2.6, 4), (8, 1)])
def test_a_step_holds_at_least_as_many_rows_however_they_are_grouped(rows_at_once: float, in_turn: int) -> None:
    settings = arguments(Recipe(rows_per_step=8), "", 24, rows_at_once=rows_at_once)

    assert settings["gradient_accumulation_steps"] == in_turn
