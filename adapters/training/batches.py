"""
Which rows of supervised training go through the model together: those that share most of their prompt.

Questions about the same passages differ in their last words only, and `answer_head` reads what they share once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from adapters.training.encoding import Ids

SHARED = 0.7  # of a row's tokens have to be the group's for it to be worth waiting for
MAX_ROWS, MAX_TOKENS = 8, 1536  # of a group, what is shared counted once: memory grows with the square


def grouped(rows: Sequence[Ids], *, at_most: int = MAX_ROWS) -> list[list[Ids]]:
    """
    The *rows*, in groups that begin with the same tokens; a row that is like no other is a group of its own.

    No group has more than *at_most* rows, those of one training step, or than MAX_ROWS.
    """
    groups: list[list[Ids]] = []
    tokens = 0
    for row in sorted(rows, key=lambda each: each["input_ids"]):
        ids = row["input_ids"]
        alike = shared_tokens(groups[-1][0]["input_ids"], ids) if groups else 0
        if (
            groups
            and alike >= SHARED * max(len(ids), len(groups[-1][0]["input_ids"]))
            and len(groups[-1]) < min(at_most, MAX_ROWS)
            and tokens + len(ids) - alike <= MAX_TOKENS
        ):
            groups[-1].append(row)
            tokens += len(ids) - alike
        else:
            groups.append([row])
            tokens = len(ids)
    return groups


def shared_tokens(one: Sequence[int], other: Sequence[int]) -> int:
    """With how many tokens both begin alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def collate(items: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """The rows of all groups as one batch: (rows, tokens of the longest)."""
    rows = [row for item in items for row in item["rows"]]

    def padded(values: Sequence[Sequence[int]], filler: int) -> Tensor:
        return pad_sequence([torch.tensor(each) for each in values], batch_first=True, padding_value=filler)

    return {
        "input_ids": padded([row["input_ids"] for row in rows], 0),
        "labels": padded([row["labels"] for row in rows], -100),
        "attention_mask": padded([[1] * len(row["input_ids"]) for row in rows], 0),
    }
