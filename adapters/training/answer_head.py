"""
A language model's last steps as training needs them; takes seconds to import, as adapters.training.trainers does.

TRL computes the wide output layer for every token unless it runs on a GPU; with 49,152 words that costs as much as the
rest of the model, so here it is computed for answer tokens only. And what the rows of a batch begin with alike is read
once: the prompt of a pair of answers, or the passages that several questions are about.
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
    begin = _shared(ids, is_answer)
    if not (len(ids) > 1 and begin and _takes_masks(model)):
        hidden: Tensor = model.base_model(**inputs | {"use_cache": False}).last_hidden_state
        return hidden[:, :-1][is_answer[:, 1:]]
    ends = is_answer.shape[1] - is_answer.flip(1).int().argmax(1)  # behind each row's last answer token
    packed, positions, allowed = _pack(ids[0, :begin], [row[begin:end] for row, end in zip(ids, ends, strict=True)])
    hidden = model.base_model(
        input_ids=packed[None], position_ids=positions[None], attention_mask=allowed[None, None], use_cache=False
    ).last_hidden_state
    taught = torch.cat([row[begin:end] for row, end in zip(is_answer, ends, strict=True)]).nonzero()[:, 0] + begin
    before = torch.where(positions[taught] == begin, begin - 1, taught - 1)
    return hidden[0, before]


def _shared(ids: Tensor, is_answer: Tensor) -> int:
    """With how many tokens of their prompts all rows begin alike."""
    differs = ((ids != ids[:1]) | is_answer).any(0)
    return int(differs.int().argmax()) if differs.any() else 0


def _takes_masks(model: Any) -> bool:
    config = model.config
    return config._attn_implementation == "sdpa" and getattr(config, "sliding_window", None) is None


def _pack(shared: Tensor, rests: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """
    One row of what all rows share and the rest of each, none of which sees the others.

    Returns: its tokens; their positions; and which token (second dimension) each may see.
    """
    lengths = [len(shared), *(len(rest) for rest in rests)]
    part = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    positions = torch.cat([torch.arange(len(shared)), *(len(shared) + torch.arange(n) for n in lengths[1:])])
    allowed = ((part == 0) | (part == part[:, None])).tril()
    return torch.cat([shared, *rests]), positions, allowed


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
