"""One batch: prompts for the same adapter, read and answered together. Each answer ends by itself."""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

from adapters.base_model import BaseModel
from adapters.decoding import First, each_token, first_tokens, stop_tokens, streamer, within
from adapters.json_grammar import Grammar
from adapters.requests import Request
from bot.messages import Completion


def answer_together(
    model: Any,
    base: BaseModel,
    requests: Sequence[Request],
    *,
    adapter: str,
    deadline_seconds: float,
    grammar: Grammar | None = None,
) -> None:
    """
    Answers *requests* with the *adapter* that is switched on, greedily, and finishes each as soon as it is whole.

    A *grammar* holds for a batch of one. Raises: what the model's libraries raise.
    """
    import torch
    from transformers import LogitsProcessorList, RepetitionPenaltyLogitsProcessor, StoppingCriteriaList

    end = time.monotonic() + deadline_seconds
    stops = stop_tokens(model, base)
    length = max(len(each.ids) for each in requests)
    rows = [_Row(each, base, adapter, stops) for each in requests]
    firsts = [row.first for row in rows]
    # Only what the model wrote itself counts as repetition; words of the question have to be used again.
    varied = RepetitionPenaltyLogitsProcessor(requests[0].prompt.repetition_penalty, prompt_ignore_length=length)
    shape = [within(grammar, length, firsts[0])] if grammar else []
    ids, mask = _left_padded([each.ids for each in requests], _padding(base))
    with torch.inference_mode():
        model.generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            max_new_tokens=max(each.prompt.max_new_tokens for each in requests),
            do_sample=False,
            eos_token_id=stops,
            pad_token_id=_padding(base),
            logits_processor=LogitsProcessorList([first_tokens(firsts, length), varied, *shape]),
            stopping_criteria=StoppingCriteriaList([each_token(lambda row, token: rows[row].take(token, end))]),
        )


class _Row:
    """One request while it is answered."""

    def __init__(self, request: Request, base: BaseModel, adapter: str, stops: list[int]) -> None:
        self.first = First(base, request.prompt)
        self._request = request
        self._base = base
        self._adapter = adapter
        self._stops = stops
        self._written: list[int] = []
        self._pieces = streamer(base, request.hand_on)

    def take(self, token: int, end: float) -> bool:
        """The next *token* of the answer; returns whether it was the last one."""
        import torch

        self._written.append(token)
        self._pieces.put(torch.tensor([token]))
        if token in self._stops:
            return self._finish("stop")
        if len(self._written) == self._request.prompt.max_new_tokens:
            return self._finish("length")
        if self._request.stop.is_set() or time.monotonic() > end:
            return self._finish("deadline")
        return False

    def _finish(self, finish: Any) -> bool:
        self._pieces.end()
        text = cast(str, self._base.tokenizer.decode(self._written, skip_special_tokens=True))
        completion = Completion(
            text=self._base.without_control_tokens(text),
            model=self._base.name,
            adapter=self._adapter,
            prompt_tokens=len(self._request.ids),
            completion_tokens=len(self._written),
            refusal=self.first.probability,
            finish=finish,
        )
        with suppress(RuntimeError):  # the event loop is closed: nobody waits for anything any more
            self._request.finish(completion)
        return True


def _padding(base: BaseModel) -> int:
    return cast(int, base.tokenizer.pad_token_id or base.tokenizer.eos_token_id)


def _left_padded(prompts: Sequence[list[int]], padding: int) -> tuple[Any, Any]:
    """Token ids and attention mask: (rows, tokens of the longest); on the left, as answers follow on the right."""
    import torch

    length = max(map(len, prompts))
    ids = torch.tensor([[padding] * (length - len(each)) + each for each in prompts])
    mask = torch.tensor([[0] * (length - len(each)) + [1] * len(each) for each in prompts])
    return ids, mask
