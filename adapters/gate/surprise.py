"""How well the model expects a given answer."""

from typing import Any


def mean_surprise(model: Any, prompt: list[int], answer: list[int]) -> float:
    """The mean negative log-likelihood of *answer* behind *prompt*, both token ids, in nats per answer token."""
    import torch
    from torch.nn.functional import cross_entropy

    ids = torch.tensor([prompt + answer], device=model.device)  # (1, tokens)
    with torch.inference_mode():
        # The wide output layer is computed where the answer is expected, and nowhere else.
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), logits_to_keep=len(answer) + 1).logits
    return float(cross_entropy(logits[0, :-1].float(), ids[0, -len(answer) :]))
