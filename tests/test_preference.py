"""Training on pairs and votes, with the tiny model: what it learns, from what, and that it is what TRL computes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from adapters.base_model import BaseModel
from adapters.datasets.rows import Dataset, PairExample, VoteExample
from adapters.training.encoding import Ids, encode
from adapters.training.recipe import Recipe
from adapters.training.training import TrainedAdapter, train
from bot.errors import TrainingError
from bot.messages import Turn
from bot.ports import silent
from bot.prompts import REFUSAL

pytest.importorskip("trl", reason="training is an extra: pip install pointsman[training]")

COLOURS = ("red", "green", "blue", "white")
PAIRS = Recipe(method="dpo", rank=4, learning_rate=0.003, rows_per_step=4, max_steps=12)
VOTES = replace(PAIRS, method="kto", rows_per_step=6)


def asked(number: int) -> tuple[Turn, ...]:
    return (Turn(role="user", content=f"What colour is number {number * 37}?"),)


def pairs(*found: PairExample) -> Dataset:
    return Dataset(hash="pairs", path=Path("pairs.jsonl"), label="billing@1", kind="dpo", pairs=found)


def votes(*found: VoteExample) -> Dataset:
    return Dataset(hash="votes", path=Path("votes.jsonl"), label="billing@2", kind="kto", votes=found)


COLOUR_PAIRS = pairs(
    *(
        PairExample(turns=asked(n), chosen=f"It is {COLOURS[n % 4]}.", rejected=f"Number {n} has no colour.")
        for n in range(24)
    )
)
COLOUR_VOTES = votes(
    *(
        VoteExample(
            turns=asked(n),
            answer=f"It is {COLOURS[n % 4]}." if n % 3 else "Ask another.",
            liked=n % 3 > 0,
            weight=1 + n % 2,
        )
        for n in range(24)
    )
)


@pytest.fixture(scope="module")
def by_pairs(tiny_base: BaseModel, tmp_path_factory: pytest.TempPathFactory) -> TrainedAdapter:
    return train(tiny_base, COLOUR_PAIRS, tmp_path_factory.mktemp("pairs"), recipe=PAIRS)


@pytest.fixture(scope="module")
def by_votes(tiny_base: BaseModel, tmp_path_factory: pytest.TempPathFactory) -> TrainedAdapter:
    return train(tiny_base, COLOUR_VOTES, tmp_path_factory.mktemp("votes"), recipe=VOTES)


def losses(trained: TrainedAdapter) -> list[float]:
    return [loss for _, loss in trained.numbers["loss"]]


def log_probability(model: Any, prompt: Sequence[int], answer: Sequence[int]) -> float:
    """As transformers computes it, with logits everywhere."""
    labels = torch.tensor([[-100] * len(prompt) + list(answer)])
    with torch.no_grad():
        return -len(answer) * float(model(torch.tensor([[*prompt, *answer]]), labels=labels).loss)


def gained(base: BaseModel, trained: TrainedAdapter, rows: Sequence[Ids], answer: str) -> list[float]:
    """By how much the adapter raised the log probability of each row's answer."""
    from peft import PeftModel

    model: Any = PeftModel.from_pretrained(base.load(), trained.folder)
    found = []
    for row in rows:
        after = log_probability(model, row["prompt_ids"], row[answer])
        with model.disable_adapter():
            found.append(after - log_probability(model, row["prompt_ids"], row[answer]))
    return found


def test_pairs_teach_to_prefer_the_better_answer(tiny_base: BaseModel, by_pairs: TrainedAdapter) -> None:
    rows = encode(tiny_base, COLOUR_PAIRS, 1024)

    better, worse = (gained(tiny_base, by_pairs, rows, answer) for answer in ("chosen_ids", "rejected_ids"))

    assert losses(by_pairs)[0] == pytest.approx(0.6931, abs=1e-4)  # ln 2: nothing is preferred yet
    assert sum(losses(by_pairs)[-4:]) / 4 < 0.3
    assert all(up > down for up, down in zip(better, worse, strict=True))


def test_votes_teach_what_is_liked(tiny_base: BaseModel, by_votes: TrainedAdapter) -> None:
    rows = encode(tiny_base, COLOUR_VOTES, 1024)

    gains = gained(tiny_base, by_votes, rows, "completion_ids")

    liked = [gain for gain, row in zip(gains, rows, strict=True) if row["label"]]
    disliked = [gain for gain, row in zip(gains, rows, strict=True) if not row["label"]]
    assert sum(liked) / len(liked) > sum(disliked) / len(disliked) + 1


def losses_of_trl(base: BaseModel, recipe: Recipe, rows: list[Ids], start: Path, folder: Path) -> list[float]:
    """What TRL's trainer makes of the same rows, with its own head and the start beside what is trained."""
    from datasets import Dataset as Table
    from peft import PeftModel
    from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer

    from adapters.training.preference import VOTES_AT_ONCE
    from adapters.training.trainers import Clock, Ours, arguments

    own: Any = DPOTrainer if recipe.method == "dpo" else KTOTrainer
    settings: Any = DPOConfig if recipe.method == "dpo" else KTOConfig
    at_once = 1 if recipe.method == "dpo" else VOTES_AT_ONCE
    trainer = type("OnTheSameRows", (Ours, own), {})(
        model=PeftModel.from_pretrained(base.load(), start, is_trainable=True),
        args=settings(
            **arguments(recipe, str(folder), len(rows), rows_at_once=at_once), beta=recipe.beta, max_length=None
        ),
        train_dataset=Table.from_list(rows),
        processing_class=base.tokenizer,
        callbacks=[Clock(recipe, silent)],
    )
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.mark.parametrize("kind", ["dpo", "kto"])
def test_losses_are_those_of_trls_own_trainer(tiny_base: BaseModel, trained: Path, tmp_path: Path, kind: str) -> None:
    from adapters.training.preference import VOTES_AT_ONCE, in_batches

    start = trained / "billing" / "1"
    dataset, recipe = (COLOUR_PAIRS, PAIRS) if kind == "dpo" else (even_votes(), VOTES)
    recipe = replace(recipe, start="billing@1", learning_rate=1e-4, max_steps=3)
    rows = encode(tiny_base, dataset, 1024)

    ours = losses(train(tiny_base, dataset, tmp_path / "work", recipe=recipe, start=start))

    ordered = rows if kind == "dpo" else in_batches(rows, VOTES_AT_ONCE, recipe.seed)
    assert ours == pytest.approx(losses_of_trl(tiny_base, recipe, ordered, start, tmp_path / "trl"), rel=1e-4)
    assert ours[2] != pytest.approx(ours[0], rel=1e-3)


def even_votes() -> Dataset:
    """As many of either side, all of one weight: what TRL takes them for."""
    found = [replace(each, liked=number % 2 > 0, weight=1.0) for number, each in enumerate(COLOUR_VOTES.votes)]
    return votes(*found)


def test_votes_count_by_their_weight_and_either_side_as_much_as_the_other() -> None:
    from adapters.training.preference import balanced

    rows = [{"label": True, "weight": 1.0}, {"label": True, "weight": 2.0}, {"label": False, "weight": 0.5}]

    assert [row["weight"] for row in balanced(rows)] == [0.5, 1.0, 1.5]


def test_weights_reach_the_loss(tiny_base: BaseModel, tmp_path: Path) -> None:
    from adapters.training.preference import VOTES_AT_ONCE, balanced, in_batches

    recipe = replace(VOTES, max_steps=1)

    first = losses(train(tiny_base, COLOUR_VOTES, tmp_path, recipe=recipe))[0]

    rows = in_batches(balanced(encode(tiny_base, COLOUR_VOTES, 1024)), VOTES_AT_ONCE, recipe.seed)[:6]
    # before the first step an answer is as likely as at the start, and each vote's loss is one half
    assert first == pytest.approx(0.5 * sum(row["weight"] for row in rows) / 6, rel=1e-5)


def test_each_vote_is_taken_once_and_lent_the_answer_of_another() -> None:
    from adapters.training.preference import in_batches

    rows = [{"prompt_ids": [n] * (n % 7), "completion_ids": [n]} for n in range(25)]

    ordered = in_batches(rows, 2, 17)

    assert sorted(row["completion_ids"][0] for row in ordered) == list(range(25))
    assert all(row["KL_completion_ids"] != row["completion_ids"] for row in ordered)
    pairs_of_two = [ordered[at : at + 2] for at in range(0, 24, 2)]
    assert all(abs(len(a["prompt_ids"]) - len(b["prompt_ids"])) <= 1 for a, b in pairs_of_two)


class Cut(Exception):
    """Ends a training as a kill would."""


def test_what_the_start_says_is_not_asked_again_after_a_kill(
    tiny_base: BaseModel, by_pairs: TrainedAdapter, tmp_path: Path
) -> None:
    told: list[str] = []

    def cut(done: int, total: int, doing: str) -> None:
        if doing.startswith("Training") and done == 11:
            raise Cut

    with pytest.raises(Cut):
        train(tiny_base, COLOUR_PAIRS, tmp_path, recipe=PAIRS, progress=cut)
    resumed = train(tiny_base, COLOUR_PAIRS, tmp_path, recipe=PAIRS, progress=lambda *said: told.append(said[2]))

    assert not any(doing.startswith("Reading") for doing in told)
    assert losses(resumed) == pytest.approx(losses(by_pairs), rel=1e-4, abs=1e-6)
    assert [path.name for path in resumed.folder.parent.iterdir()] == ["adapter"]


def test_deadline_holds_before_the_first_step_too(tiny_base: BaseModel, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="deadline passed before the first step; give --deadline more minutes"):
        train(tiny_base, COLOUR_PAIRS, tmp_path, recipe=replace(PAIRS, deadline_seconds=0.001))


def test_pairs_of_the_same_answer_are_left_out(tiny_base: BaseModel) -> None:
    same = PairExample(turns=asked(1), chosen="It is red.", rejected="It is  red. ")

    assert len(encode(tiny_base, pairs(*COLOUR_PAIRS.pairs, same), 1024)) == 24


def test_numbers_and_card_say_how_it_was_trained(by_pairs: TrainedAdapter, by_votes: TrainedAdapter) -> None:
    cards = [(each.folder / "README.md").read_text() for each in (by_pairs, by_votes)]

    assert [each.numbers["method"] for each in (by_pairs, by_votes)] == ["dpo", "kto"]
    assert [each.numbers["dataset"] for each in (by_pairs, by_votes)] == ["billing@1", "billing@2"]
    assert (by_votes.numbers["rows"], by_votes.numbers["liked_rows"]) == (24, 16)
    assert "24 rows (24 answerable) of `billing@1`" in cards[0] and "24 rows (16 liked) of `billing@2`" in cards[1]


@pytest.mark.parametrize(
    ("dataset", "reason"),
    [
        (pairs(*COLOUR_PAIRS.pairs[:19]), "19 rows are too few to learn from; bring at least 20"),
        (
            pairs(*COLOUR_PAIRS.pairs[:10], *(replace(each, rejected=each.chosen) for each in COLOUR_PAIRS.pairs[10:])),
            "10 rows are too few.*; 14 pairs hold the same answer twice",
        ),
        (pairs(*(replace(each, chosen=REFUSAL) for each in COLOUR_PAIRS.pairs)), "every answer is null"),
        (votes(*COLOUR_VOTES.votes[:7]), "7 rows are too few.*; 3 thumbs down are too few .* bring at least 5"),
        (votes(*(replace(each, liked=True) for each in COLOUR_VOTES.votes)), "^0 thumbs down are too few"),
        (votes(*(replace(each, liked=False) for each in COLOUR_VOTES.votes)), "^0 thumbs up are too few"),
    ],
)
def test_one_sided_rows_are_refused_with_what_is_missing(tiny_base: BaseModel, dataset: Dataset, reason: str) -> None:
    with pytest.raises(TrainingError, match=reason):
        encode(tiny_base, dataset, 1024)
