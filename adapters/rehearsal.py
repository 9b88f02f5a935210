"""
General questions that every training rehearses, with the answers that the base model gives without an adapter.

An adapter that only ever sees passages forgets what to do without them, and a question that took the wrong turn would
meet it so. The base model's own answers are what "not forgotten" means; nobody else's can be.
"""

from pathlib import Path
from typing import Any

from adapters.base_model import BaseModel
from adapters.encoding import Ids
from bot.prompts import PLAIN, PromptLibrary
from bot.rows import read_rows

QUESTIONS = Path(__file__).parent / "rehearsal.jsonl"
MAX_ANSWER_TOKENS = 40  # an answer's beginning is what an adapter turns; more costs time in every pass


def rehearse(model: Any, base: BaseModel, rows: int) -> list[Ids]:
    """
    At most *rows* rows as supervised training reads them; the answers are *model*'s with its adapter switched off.
    """
    import torch

    template, found = PromptLibrary().get(PLAIN), list[Ids]()
    for row in read_rows(QUESTIONS)[:rows]:
        prompt = base.encode_turns(template.fill(question=str(row["question"])))
        inputs = torch.tensor([prompt], device=model.device)  # (1, tokens)
        with model.disable_adapter(), torch.inference_mode():
            written = model.generate(
                input_ids=inputs,
                attention_mask=torch.ones_like(inputs),
                max_new_tokens=MAX_ANSWER_TOKENS,
                do_sample=False,
                pad_token_id=base.tokenizer.eos_token_id,
            )
        answer = written[0, len(prompt) :].tolist()
        found.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return found
