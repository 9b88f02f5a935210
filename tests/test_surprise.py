"""How little the real engine expects a good answer, adapter by adapter, on a tiny model."""

import asyncio
from pathlib import Path

import pytest
import torch
from test_broken_adapters import DAMAGE
from tiny_model import ADAPTERS, prompt

from adapters.base_model import BaseModel
from adapters.generator import TransformersGenerator
from bot.errors import AdapterNotFound, AdapterUnusable, PromptTooLong

ASKED = [(prompt("When is my refund?"), "Refunds are paid."), (prompt("Hello"), "Hello!")]


async def test_surprise_is_the_mean_over_the_answers_tokens(
    generator: TransformersGenerator, tiny_base: BaseModel
) -> None:
    question, answer = ASKED[0]
    (found,) = await generator.surprise([(question, answer)], "none")

    ids = [*tiny_base.encode_turns(question.turns), *(said := tiny_base.encode_answer(answer))]
    with torch.inference_mode():
        logits = tiny_base.load()(torch.tensor([ids])).logits[0].log_softmax(-1)
    expected = [-float(logits[place - 1, ids[place]]) for place in range(len(ids) - len(said), len(ids))]

    assert found == pytest.approx(sum(expected) / len(said), rel=1e-4)


async def test_each_adapter_is_on_when_it_is_measured(generator: TransformersGenerator) -> None:
    found = {adapter: await generator.surprise(ASKED, adapter) for adapter in (*ADAPTERS, *ADAPTERS[::-1])}
    again = {adapter: await generator.surprise(ASKED, adapter) for adapter in ADAPTERS}

    assert found == again
    assert len({tuple(nats) for nats in found.values()}) == len(ADAPTERS)


async def test_questions_are_answered_between_the_measured_answers(generator: TransformersGenerator) -> None:
    alone = await generator.generate(ASKED[0][0], adapter="billing@1")
    measuring = asyncio.create_task(generator.surprise(ASKED * 40, "travel@1"))
    await asyncio.sleep(0)

    answered = await generator.generate(ASKED[0][0], adapter="billing@1")

    assert (answered, measuring.done()) == (alone, False)
    assert (await measuring)[:2] == await generator.surprise(ASKED, "travel@1")


@pytest.mark.filterwarnings("ignore:Found missing adapter keys")  # PEFT says so too
@pytest.mark.parametrize("damage", DAMAGE)
async def test_broken_adapter_is_an_error_and_never_the_base_model(
    generator: TransformersGenerator, adapters: Path, damage: str
) -> None:
    DAMAGE[damage](adapters / "billing" / "1")

    with pytest.raises((AdapterNotFound, AdapterUnusable), match="billing@1"):
        await generator.surprise(ASKED, "billing@1")


async def test_answer_that_does_not_fit_the_model_is_refused(generator: TransformersGenerator) -> None:
    with pytest.raises(PromptTooLong):
        await generator.surprise([(ASKED[0][0], "word " * 2048)], "none")
