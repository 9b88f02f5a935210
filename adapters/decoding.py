"""What has a say in the next token: where an answer may end, whether it is a refusal, and its JSON Schema."""

from collections.abc import Callable, Sequence
from typing import Any

from adapters.base_model import BaseModel
from adapters.json_grammar import Grammar
from bot.messages import Prompt


def stop_tokens(model: Any, base: BaseModel) -> list[int]:
    """The end of turn that training teaches, and what the model's own settings add to it."""
    own = model.generation_config.eos_token_id
    return sorted({base.tokenizer.eos_token_id, *(own if isinstance(own, list) else [own])} - {None})


def streamer(base: BaseModel, on_piece: Callable[[str], Any]) -> Any:
    """A streamer that hands each piece of text to *on_piece*."""
    from transformers import TextStreamer

    class Pieces(TextStreamer):
        """Hands on whole words, never a control token or half a character."""

        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            if text := base.without_control_tokens(text):
                on_piece(text)

    return Pieces(base.tokenizer, skip_special_tokens=True)


class First:
    """
    Decides at the first token of an answer whether the model refuses.

    Left to itself a small model refuses at random; its probability of refusing, held against a threshold that
    depends on the retrieval evidence, is worth more.
    """

    def __init__(self, base: BaseModel, prompt: Prompt) -> None:
        self._token = base.encode_answer(prompt.refusal)[0] if prompt.refusal else None
        self._refuse_above = prompt.refuse_above
        self.probability = 0.0
        self.refused = False

    def decide(self, scores: Any) -> None:
        """Takes the logits of all words, and leaves those that may come."""
        import torch

        if (token := self._token) is None:
            return
        self.probability = float(torch.softmax(scores.float(), dim=-1)[token])
        self.refused = self.probability > self._refuse_above
        if not self.refused:
            scores[token] = -torch.inf
        else:
            scores[:token] = scores[token + 1 :] = -torch.inf


def first_tokens(firsts: Sequence[First], length: int) -> Any:
    """A logits processor that lets each row's *firsts* decide, behind prompts of *length* tokens."""
    from transformers import LogitsProcessor

    class FirstTokens(LogitsProcessor):
        """Does nothing from the second token on."""

        def __call__(self, input_ids: Any, scores: Any) -> Any:
            if input_ids.shape[1] == length:
                for row, first in enumerate(firsts):
                    first.decide(scores[row])
            return scores

    return FirstTokens()


def within(grammar: Grammar, length: int, first: First) -> Any:
    """A logits processor that keeps an answer within *grammar*, behind a prompt of *length* tokens."""
    import torch
    from transformers import LogitsProcessor

    class Within(LogitsProcessor):
        """Allows tokens that keep to the grammar, and nothing else; a refusal is text."""

        def __call__(self, input_ids: Any, scores: Any) -> Any:
            if first.refused:
                return scores
            allowed = torch.from_numpy(grammar.allowed_after(input_ids[0, length:].tolist()))
            left_out = torch.ones(scores.shape[-1], dtype=torch.bool)  # many models have more outputs than words
            left_out[: len(allowed)] = ~allowed[: len(left_out)]
            return scores.masked_fill(left_out.to(scores.device), -torch.inf)

    return Within()


def each_token(ended: Callable[[int, int], bool]) -> Any:
    """A stopping criterion that calls *ended* with row and token; a row for which it was true is not asked again."""
    import torch
    from transformers import StoppingCriteria

    class EachToken(StoppingCriteria):
        """Stops the rows of a batch one by one."""

        def __init__(self) -> None:
            self._over: set[int] = set()

        def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
            for row, token in enumerate(input_ids[:, -1].tolist()):
                if row not in self._over and ended(row, token):
                    self._over.add(row)
            over = [row in self._over for row in range(input_ids.shape[0])]
            return torch.tensor(over, device=input_ids.device)

    return EachToken()
