"""Training examples as token ids, and whether there is enough in them to learn from."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from adapters.base_model import BaseModel
from adapters.datasets.rows import Dataset, PairExample
from bot.errors import TrainingError
from bot.messages import Turn
from bot.prompts import REFUSAL

MIN_ROWS = 20  # below this an adapter only learns the rows by heart
MIN_EACH = 5  # answered rows among refusals, and votes of either kind
SAME = 0.8  # the share of rows with one and the same answer above which only that answer is learned

Ids = dict[str, Any]  # a row as TRL's trainers read it: lists of token ids, and a vote's label and weight


def encode(base: BaseModel, dataset: Dataset, max_tokens: int) -> list[Ids]:
    """
    The rows of *dataset* as TRL's trainer for their kind reads them; pairs of the same answer are left out.

    Raises: TrainingError that says what is missing, all at once, or which row is too long.
    """
    if lacks := _lacks(dataset):
        raise TrainingError("; ".join(lacks))
    if dataset.kind == "sft":
        return [
            {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}
            for prompt, answer in (
                _fitting(base, number, each.turns, each.answer, max_tokens=max_tokens)
                for number, each in enumerate(dataset.examples, 1)
            )
        ]
    if dataset.kind == "dpo":
        return [
            dict(
                zip(
                    ("prompt_ids", "chosen_ids", "rejected_ids"),
                    _fitting(base, number, each.turns, each.chosen, each.rejected, max_tokens=max_tokens),
                    strict=True,
                )
            )
            for number, each in enumerate(dataset.pairs, 1)
            if _differs(each)
        ]
    return [
        {"prompt_ids": prompt, "completion_ids": answer, "label": each.liked, "weight": each.weight}
        for each, (prompt, answer) in (
            (each, _fitting(base, number, each.turns, each.answer, max_tokens=max_tokens))
            for number, each in enumerate(dataset.votes, 1)
        )
    ]


def _fitting(base: BaseModel, number: int, turns: tuple[Turn, ...], *answers: str, max_tokens: int) -> list[list[int]]:
    """The prompt's ids, then those of each answer."""
    prompt, found = base.encode_turns(turns), [base.encode_answer(answer) for answer in answers]
    tokens = len(prompt) + max(len(ids) for ids in found)
    if tokens > max_tokens:
        raise TrainingError(f"row {number} has {tokens} tokens, at most {max_tokens} fit; shorten its passages")
    return [prompt, *found]


def _lacks(dataset: Dataset) -> list[str]:
    if dataset.kind == "sft":
        return _answers_lack([each.answer for each in dataset.examples])
    if dataset.kind == "dpo":
        different = [each for each in dataset.pairs if _differs(each)]
        same = len(dataset.pairs) - len(different)
        left_out = f"{same} pairs hold the same answer twice and teach nothing"
        lacks = _answers_lack([each.chosen for each in different])
        return [*lacks, left_out] if lacks and same else lacks
    lacks = _few(len(dataset.votes))
    for name, liked in (("up", True), ("down", False)):
        count = sum(each.liked == liked for each in dataset.votes)
        if count < MIN_EACH:
            lacks.append(f"{count} thumbs {name} are too few to tell good answers from bad; bring at least {MIN_EACH}")
    return lacks


def _answers_lack(answers: Sequence[str]) -> list[str]:
    lacks = _few(len(answers))
    said = Counter(answer.strip() for answer in answers)
    answered = len(answers) - said[REFUSAL]
    if said[REFUSAL] and answered < MIN_EACH:
        which = f"all but {answered} answers are null" if answered else "every answer is null"
        lacks.append(f"{which}: such an adapter only learns to refuse; add answered rows, at least {MIN_EACH}")
    elif not lacks:
        ((text, count),) = said.most_common(1)
        if count > SAME * len(answers):
            lacks.append(f"{count} of {len(answers)} answers are {text[:40]!r}; add rows with other answers")
    return lacks


def _few(count: int) -> list[str]:
    return [f"{count} rows are too few to learn from; bring at least {MIN_ROWS}"] if count < MIN_ROWS else []


def _differs(pair: PairExample) -> bool:
    return pair.chosen.split() != pair.rejected.split()
