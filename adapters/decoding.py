"""What has a say in the next token: where an answer may end, whether it is a refusal, and its JSON Schema."""

from collections.abc import Callable
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

    return Pieces(base.tokenizer, skip_prompt=True, skip_special_tokens=True)


def first_token(base: BaseModel, prompt: Prompt, length: int) -> Any:
    """A logits processor for an answer to *prompt*, which is *length* tokens long; it knows how the model refused."""
    import torch
    from transformers import LogitsProcessor

    token = base.encode_answer(prompt.refusal)[0] if prompt.refusal else None

    class FirstToken(LogitsProcessor):
        """
        Decides at the first token whether the model refuses.

        Left to itself a small model refuses at random; its probability of refusing, held against a threshold that
        depends on the retrieval evidence, is worth more.
        """

        probability = 0.0
        refused = False

        def __call__(self, input_ids: Any, scores: Any) -> Any:
            if token is None or input_ids.shape[1] != length:
                return scores
            self.probability = float(torch.softmax(scores[0].float(), dim=-1)[token])
            self.refused = self.probability > prompt.refuse_above
            if not self.refused:
                scores[0, token] = -torch.inf
            else:
                scores[0, :token] = scores[0, token + 1 :] = -torch.inf
            return scores

    return FirstToken()


def within(grammar: Grammar, length: int, first: Any) -> Any:
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


def until(done: Callable[[], bool]) -> Any:
    """A stopping criterion that asks *done* after each token."""
    import torch
    from transformers import StoppingCriteria

    class Until(StoppingCriteria):
        """Stops every row of the batch at once."""

        def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
            return torch.full((input_ids.shape[0],), done(), device=input_ids.device)

    return Until()
