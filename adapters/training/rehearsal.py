"""
What every training rehearses beside its own rows, so that an adapter does not forget it.

General questions, with the answers that the base model gives without an adapter: a question that took the wrong turn
would meet the adapter so. And invented passages: some hold the answer, some do not, and some hold an instruction, which
is no reason to say anything else.
"""

from pathlib import Path
from typing import Any

from adapters.base_model import BaseModel
from adapters.datasets.rows import example
from adapters.training.encoding import Ids
from bot.prompts import PLAIN, PromptLibrary
from bot.rows import read_rows

ROWS = Path(__file__).parent / "rehearsal.jsonl"
MAX_ANSWER_TOKENS = 40  # an answer's beginning is what an adapter turns; more costs time in every pass


def rehearse(model: Any, base: BaseModel, rows: int) -> list[Ids]:
    """
    At most *rows* rows as supervised training reads them; general answers are *model*'s with its adapter switched off.
    """
    prompts, found = PromptLibrary(), list[Ids]()
    for row in read_rows(ROWS)[:rows]:
        if "passages" in row:
            known = example(row, ROWS.name, prompts)
            prompt, answer = base.encode_turns(known.turns), base.encode_answer(known.answer)
        else:
            prompt = base.encode_turns(prompts.get(PLAIN).fill(question=str(row["question"])))
            answer = _said(model, base, prompt)
        found.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return found


def _said(model: Any, base: BaseModel, prompt: list[int]) -> list[int]:
    """The beginning of what the base model answers."""
    import torch

    inputs = torch.tensor([prompt], device=model.device)  # (1, tokens)
    with model.disable_adapter(), torch.inference_mode():
        written = model.generate(
            input_ids=inputs,
            attention_mask=torch.ones_like(inputs),
            max_new_tokens=MAX_ANSWER_TOKENS,
            do_sample=False,
            pad_token_id=base.tokenizer.eos_token_id,
        )
    said: list[int] = written[0, len(prompt) :].tolist()
    return said
