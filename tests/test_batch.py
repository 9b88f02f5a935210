"""Requests that are answered together: each gets what it would get alone, and ends by itself."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tiny_model import engine, prompt

from adapters.base_model import BaseModel
from adapters.requests import MOST_ROWS, MOST_TOKENS, Request, going_with
from bot.messages import Completion, Prompt


async def waiting(*tokens: int, adapter: str = "none", **more: Any) -> list[Request]:
    return [Request(prompt("When?", **more), adapter, [1] * n) for n in tokens]


async def test_requests_for_the_same_adapter_go_together() -> None:
    first, alike = await waiting(300, 400)
    (other,) = await waiting(300, adapter="billing@1")
    (varied,) = await waiting(300, repetition_penalty=1.3)

    assert going_with(first, [first, other, varied, alike]) == [first, alike]


async def test_batch_has_an_end() -> None:
    many, long = await waiting(*[10] * 20), await waiting(*[MOST_TOKENS // 3] * 4)

    assert going_with(many[0], many) == many[:MOST_ROWS]
    assert going_with(long[0], long) == long[:3]


async def test_nobody_waits_while_a_far_longer_prompt_is_read() -> None:
    first, long, short = await waiting(100, 201, 20)

    assert going_with(first, [long, short]) == [first, short]
    assert going_with(long, [first, short]) == [long, first, short]


async def test_answer_in_json_goes_alone() -> None:
    first, plain = await waiting(10, 10)
    (shaped,) = await waiting(10, schema='{"enum": ["x"]}')

    assert going_with(first, [shaped, plain]) == [first, plain]
    assert going_with(shaped, [first, plain]) == [shaped]


def questions() -> list[Prompt]:
    """Prompts and answers of several lengths, one of which may be refused."""
    words = ("When?", "How long does a refund take, and where is it paid to?", "a\nb", "naïve 日本 🙂", "Go on " * 9)
    plain = [prompt(asked, max_new_tokens=4 + 5 * number) for number, asked in enumerate(words)]
    return [replace(plain[0], refusal="I don't know.", refuse_above=0.0), *plain]


@pytest.mark.parametrize("adapter", ["none", "travel@1"])
async def test_answers_are_those_that_each_gets_alone(tiny_base: BaseModel, adapters: Path, adapter: str) -> None:
    generator = engine(tiny_base, adapters)
    alone = [await generator.generate(asked, adapter=adapter) for asked in questions()]

    together = await asyncio.gather(*(generator.generate(asked, adapter=adapter) for asked in questions()))

    assert [replace(done, refusal=0.0) for done in together] == [replace(done, refusal=0.0) for done in alone]
    assert together[0].refusal == pytest.approx(alone[0].refusal, rel=1e-3) and together[0].text.startswith("I")


@dataclass(frozen=True)
class Watched(BaseModel):
    """Notes how many rows each batch has."""

    batches: list[int] = field(default_factory=list)

    def load(self) -> Any:
        model = super().load()
        whole = model.generate

        def generate(input_ids: Any, **more: Any) -> Any:
            self.batches.append(input_ids.shape[0])
            return whole(input_ids=input_ids, **more)

        model.generate = generate
        return model


async def test_answers_really_are_written_together(tiny_base: BaseModel, adapters: Path) -> None:
    base = Watched(tiny_base.base, tiny_base.cache)
    generator = engine(base, adapters)

    await asyncio.gather(*(generator.generate(prompt("When?"), adapter="none") for _ in range(5)))

    assert base.batches == [5]


async def test_short_answer_does_not_wait_for_the_long_one_beside_it(tiny_base: BaseModel, adapters: Path) -> None:
    generator, ended = engine(tiny_base, adapters), []

    async def ask(tokens: int) -> Completion:
        done = await generator.generate(prompt("When?", max_new_tokens=tokens), adapter="none")
        ended.append(tokens)
        return done

    await asyncio.gather(ask(60), ask(3))

    assert ended == [3, 60]


async def test_cancelled_request_leaves_the_others_in_its_batch(tiny_base: BaseModel, adapters: Path) -> None:
    generator = engine(tiny_base, adapters)
    alone = await generator.generate(prompt("When?", max_new_tokens=200), adapter="none")
    first = asyncio.Event()

    async def begun(piece: str) -> None:
        first.set()

    gone = asyncio.create_task(generator.generate(prompt("When?", max_new_tokens=200), adapter="none", on_text=begun))
    beside = asyncio.create_task(generator.generate(prompt("When?", max_new_tokens=200), adapter="none"))
    await first.wait()
    gone.cancel()

    assert await beside == alone and gone.cancelled()


class Broken(BaseModel):
    def load(self) -> Any:
        return object()


async def test_failure_is_everybodys_in_the_batch(tiny_base: BaseModel, adapters: Path) -> None:
    generator = engine(Broken(tiny_base.base, tiny_base.cache), adapters)
    asked = [generator.generate(prompt("When?"), adapter="none") for _ in range(3)]

    outcomes = await asyncio.gather(*asked, return_exceptions=True)

    assert [type(each) for each in outcomes] == [AttributeError] * 3
