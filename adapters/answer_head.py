"""
A language model's last steps as training needs them; takes seconds to import, as adapters.trainers does.

TRL computes the wide output layer for every token unless it runs on a GPU; with 49,152 words that costs as much as the
rest of the model, so here it is computed for answer tokens only. And where answers share their prompt, as in a pair,
the prompt is read once.
"""

import functools
import types
from typing import Any

import torch
from torch import Tensor
from trl.trainer.utils import FusedCausalLMOutput

# Fields of a model's configuration that change its logits; for such a model TRL's own head is right, if slow.
_SCALES = ("final_logit_softcapping", "logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling")


def score_answers_only(model: Any) -> None:
    """Give *model* a head that projects the hidden states of answer tokens only, in place of TRL's."""
    if model.device.type != "cpu" or any(getattr(model.config, name, None) is not None for name in _SCALES):
        return  # TRL does it itself on a GPU
    whole = model.forward

    @functools.wraps(type(model).forward)  # generation looks at the signature
    def forward(self: Any, *args: Any, fused_lm_head: bool = False, labels: Any = None, **kwargs: Any) -> Any:
        if not fused_lm_head:
            return whole(*args, labels=labels, **kwargs)
        is_answer = labels[:, 1:] != -100
        hidden = _before_answers(self, labels, kwargs)
        logits = self.get_output_embeddings()(hidden).float()  # (answer tokens, vocabulary)
        return _scored(logits, labels[:, 1:][is_answer], is_answer)

    model.forward = types.MethodType(forward, model)


def _before_answers(model: Any, labels: Tensor, inputs: dict[str, Any]) -> Tensor:
    """The hidden states from which the answer tokens are told, row after row: (answer tokens, width)."""
    ids, is_answer = inputs["input_ids"], labels != -100
    begin = int(is_answer[0].int().argmax())
    shared = len(ids) > 1 and bool((ids[:, :begin] == ids[0, :begin]).all() and is_answer[:, begin].all())
    if not (shared and begin and _takes_masks(model)):
        hidden: Tensor = model.base_model(**inputs | {"use_cache": False}).last_hidden_state
        return hidden[:, :-1][is_answer[:, 1:]]
    answers = [row[mask] for row, mask in zip(ids, is_answer, strict=True)]
    packed, positions, allowed, before = _pack(ids[0, :begin], answers)
    hidden = model.base_model(
        input_ids=packed[None], position_ids=positions[None], attention_mask=allowed[None, None], use_cache=False
    ).last_hidden_state
    return hidden[0, before]


def _takes_masks(model: Any) -> bool:
    config = model.config
    return config._attn_implementation == "sdpa" and getattr(config, "sliding_window", None) is None


def _pack(prompt: Tensor, answers: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """
    One row of a prompt and all answers to it, none of which sees the others.

    Returns: its tokens; their positions; which token (second dimension) each may see; and for each answer token the
    index of the one before it.
    """
    lengths = [len(prompt), *(len(answer) for answer in answers)]
    packed = torch.cat([prompt, *answers])
    part = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    positions = torch.cat([torch.arange(len(prompt)), *(len(prompt) + torch.arange(n) for n in lengths[1:])])
    allowed = ((part == 0) | (part == part[:, None])).tril()
    starts_answer = positions == len(prompt)
    before = torch.where(starts_answer, len(prompt) - 1, torch.arange(len(packed)) - 1)
    return packed, positions, allowed, before[len(prompt) :]


def _scored(logits: Tensor, targets: Tensor, is_answer: Tensor) -> FusedCausalLMOutput:
    """What TRL's losses and figures are made from, 0 where there is no answer."""
    log_probs = torch.log_softmax(logits, dim=-1)

    def spread(values: Tensor) -> Tensor:
        # masked_scatter keeps the way to the model's gradients even where no token is an answer
        return values.new_zeros(is_answer.shape).masked_scatter(is_answer, values)

    with torch.no_grad():
        entropy = -(log_probs.exp() * log_probs).sum(-1)
        mean_logits, is_top1 = logits.mean(-1), logits.argmax(-1) == targets
    return FusedCausalLMOutput(
        log_probs=spread(log_probs.gather(-1, targets[:, None])[:, 0]),
        entropy=spread(entropy),
        mean_logits=spread(mean_logits),
        is_top1=spread(is_top1),
        label_mask=is_answer,
    )
