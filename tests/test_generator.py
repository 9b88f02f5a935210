"""
The reference engine on a tiny model: requests that stream, stop, wait their turn and never get another's adapter.
"""

import asyncio
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from tiny_model import ADAPTERS, engine, prompt, write_base

from adapters.base_model import BaseModel
from adapters.generator import TransformersGenerator
from bot.errors import GenerationError, PromptTooLong
from bot.messages import Completion, Prompt


def endless(question: str = "Go on") -> Prompt:
    """A prompt whose answer takes far longer than a test has."""
    return prompt(question, max_new_tokens=1900)


@pytest.fixture(scope="session")
def never_ending(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> BaseModel:
    """A model that never ends its turn."""
    folder = shutil.copytree(tiny_folder, tmp_path_factory.mktemp("endless") / "tiny")
    return BaseModel(str(inclined_to_end(folder, 0.0)), folder)


def inclined_to_end(folder: Path, factor: float) -> Path:
    """The model in *folder*, its end-of-turn token made more probable, or less."""
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"][2] *= factor
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


async def started(generator: TransformersGenerator, question: Prompt, adapter: str = "none") -> "asyncio.Task[Any]":
    """A request that is being answered."""
    first = asyncio.Event()

    async def on_text(piece: str) -> None:
        first.set()

    task = asyncio.create_task(generator.generate(question, adapter=adapter, on_text=on_text))
    await asyncio.wait_for(first.wait(), 20)
    return task


async def cancelled(task: "asyncio.Task[Any]") -> bool:
    task.cancel()
    await asyncio.wait([task], timeout=20)
    return task.cancelled()


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_pieces_make_up_the_answer(generator: TransformersGenerator, adapter: str) -> None:
    for question in ("Hello", "When is my refund?", "naïve 日本 🙂", "a\nb"):
        pieces: list[str] = []

        async def on_text(piece: str, pieces: list[str] = pieces) -> None:
            pieces.append(piece)

        done = await generator.generate(prompt(question, max_new_tokens=40), adapter=adapter, on_text=on_text)

        assert "".join(pieces) == done.text
        assert len(pieces) > 1


async def test_pieces_come_while_the_model_writes(never_ending: BaseModel, adapters: Path) -> None:
    task = await started(engine(never_ending, adapters), endless())

    assert not task.done()
    assert await cancelled(task)


async def test_completion_says_what_was_used(generator: TransformersGenerator) -> None:
    question = prompt("When is my refund?", max_new_tokens=5)

    done = await generator.generate(question, adapter="travel@1")

    assert (done.model, done.adapter, done.completion_tokens, done.finish) == ("tiny", "travel@1", 5, "length")
    assert done.prompt_tokens == generator.count_tokens(question.turns)


async def test_same_question_gets_the_same_answer(generator: TransformersGenerator) -> None:
    answers = [await generator.generate(prompt("When?"), adapter="billing@1") for _ in range(2)]

    assert answers[0] == answers[1]


async def test_each_adapter_answers_in_its_own_way(generator: TransformersGenerator) -> None:
    answers = {(await generator.generate(prompt("When?"), adapter=adapter)).text for adapter in ADAPTERS}

    assert len(answers) == len(ADAPTERS)


@pytest.mark.parametrize("stop", ["<|im_end|>", "<|endoftext|>"])
async def test_answer_ends_at_the_end_of_turn_whatever_the_models_settings_name(tmp_path: Path, stop: str) -> None:
    folder = inclined_to_end(write_base(tmp_path / "tiny", stop=stop), 3.0)

    done = await engine(BaseModel(str(folder), tmp_path), tmp_path).generate(
        prompt("Hello", max_new_tokens=200), adapter="none"
    )

    assert done.finish == "stop"
    assert done.completion_tokens < 200
    assert "<|" not in done.text


async def test_words_written_before_are_avoided_where_asked(generator: TransformersGenerator) -> None:
    plain, varied = [
        await generator.generate(prompt("When?", repetition_penalty=penalty), adapter="travel@1")
        for penalty in (1.0, 50.0)
    ]

    assert plain.text.split()[0] == varied.text.split()[0]
    assert len(set(varied.text)) / len(varied.text) > len(set(plain.text)) / len(plain.text)


async def test_deadline_ends_an_answer(never_ending: BaseModel, adapters: Path) -> None:
    done = await engine(never_ending, adapters, deadline=0.3).generate(endless(), adapter="billing@1")

    assert done.finish == "deadline"
    assert 0 < done.completion_tokens < 1900


async def test_waiting_does_not_count_towards_the_deadline(never_ending: BaseModel, adapters: Path) -> None:
    generator = engine(never_ending, adapters, deadline=1.0)
    first = await started(generator, endless())

    second = await generator.generate(prompt("When?", max_new_tokens=3), adapter="none")

    assert ((await first).finish, second.finish) == ("deadline", "length")


async def test_prompt_that_does_not_fit_is_refused_with_its_length(generator: TransformersGenerator) -> None:
    question = prompt("word " * 2000)

    with pytest.raises(PromptTooLong) as caught:
        await generator.generate(question, adapter="none")

    assert (caught.value.tokens, caught.value.limit) == (generator.count_tokens(question.turns), 2048 - 24)
    assert (await generator.generate(prompt("When?"), adapter="none")).text


async def test_prompt_and_answer_may_fill_the_context(tiny_base: BaseModel, adapters: Path) -> None:
    generator = engine(tiny_base, adapters, deadline=0.0)
    length = generator.count_tokens(prompt("When?").turns)

    done = await generator.generate(prompt("When?", max_new_tokens=2048 - length), adapter="none")

    assert done.completion_tokens == 1


async def test_refusal_may_be_said_where_it_is_probable_enough(generator: TransformersGenerator) -> None:
    silent = prompt("When?", refusal="I don't know.", refuse_above=1.0)
    probability = (await generator.generate(silent, adapter="none")).refusal

    above = await generator.generate(replace(silent, refuse_above=probability * 0.99), adapter="none")
    below = await generator.generate(replace(silent, refuse_above=probability * 1.01), adapter="none")

    assert 0 < probability == above.refusal == below.refusal < 1
    assert (above.text[0], below.text[0] == "I") == ("I", False)


async def test_refusal_that_would_come_first_is_kept_back(generator: TransformersGenerator) -> None:
    for question in "abcdefghij":
        said = (await generator.generate(prompt(question, max_new_tokens=1), adapter="none")).text
        if said.isascii():  # bytes that are no character cannot be given as a refusal
            break

    done = await generator.generate(prompt(question, refusal=said, refuse_above=1.0, max_new_tokens=1), adapter="none")

    assert done.text != said
    assert done.refusal > 1 / 600  # more probable than a word drawn blindly


async def test_prompt_without_a_refusal_is_left_alone(generator: TransformersGenerator) -> None:
    done = await generator.generate(prompt("Hello", refuse_above=0.0), adapter="none")

    assert done.refusal == 0.0
    assert done == await generator.generate(prompt("Hello"), adapter="none")


async def test_cancelling_stops_the_model_and_the_next_is_answered(never_ending: BaseModel, adapters: Path) -> None:
    generator = engine(never_ending, adapters)
    alone = await generator.generate(prompt("When?"), adapter="billing@1")
    task = await started(generator, endless(), "travel@1")

    assert await cancelled(task)

    assert await asyncio.wait_for(generator.generate(prompt("When?"), adapter="billing@1"), 5) == alone


async def test_impatient_canceller_does_not_let_two_in_at_once(never_ending: BaseModel, adapters: Path) -> None:
    generator = engine(never_ending, adapters)
    alone = [await generator.generate(prompt("When?"), adapter=adapter) for adapter in ADAPTERS]
    long = prompt("word " * 350)  # still being read when its asker goes
    task = asyncio.create_task(generator.generate(long, adapter="none"))
    await asyncio.sleep(0.03)

    for _ in range(3):  # as a task group within a timeout does
        task.cancel()
        await asyncio.sleep(0)

    assert [await generator.generate(prompt("When?"), adapter=adapter) for adapter in ADAPTERS] == alone


async def test_cancelling_while_waiting_gives_the_place_up(never_ending: BaseModel, adapters: Path) -> None:
    generator = engine(never_ending, adapters)
    running = await started(generator, endless())
    waiting = asyncio.create_task(generator.generate(prompt("When?"), adapter="none"))
    await asyncio.sleep(0)

    assert await cancelled(waiting)
    assert not running.done()

    assert await cancelled(running)
    assert (await generator.generate(prompt("When?"), adapter="none")).text


async def test_reader_that_fails_stops_the_model(never_ending: BaseModel, adapters: Path) -> None:
    generator = engine(never_ending, adapters)

    async def broken(piece: str) -> None:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await generator.generate(endless(), adapter="none", on_text=broken)

    assert (await asyncio.wait_for(generator.generate(prompt("When?"), adapter="none"), 5)).text


async def test_first_come_is_first_served_with_those_for_the_same_adapter(generator: TransformersGenerator) -> None:
    served: list[int] = []

    async def ask(number: int) -> None:
        await generator.generate(prompt("long " * (20 - number), max_new_tokens=4), adapter=ADAPTERS[number % 3])
        served.append(number)

    await asyncio.gather(*(ask(number) for number in range(8)))

    assert served == [0, 3, 6, 1, 4, 7, 2, 5]


async def test_event_loop_goes_on_while_the_model_works(never_ending: BaseModel, adapters: Path) -> None:
    generator = engine(never_ending, adapters, deadline=0.5)
    task = asyncio.create_task(generator.generate(endless(), adapter="none"))
    ticks = 0

    while not task.done():
        await asyncio.sleep(0.01)
        ticks += 1

    assert ticks > 10


def requests() -> list[tuple[Prompt, str]]:
    return [(prompt(f"Question {number}?"), ADAPTERS[number % 3]) for number in range(12)]


async def one_by_one(generator: TransformersGenerator) -> list[Completion]:
    return [await generator.generate(question, adapter=adapter) for question, adapter in requests()]


async def test_concurrent_requests_never_get_anothers_adapter(tiny_base: BaseModel, adapters: Path) -> None:
    alone = await one_by_one(engine(tiny_base, adapters))
    generator = engine(tiny_base, adapters)

    together = await asyncio.gather(*(generator.generate(question, adapter=name) for question, name in requests()))

    assert together == alone
    assert [done.adapter for done in together] == [adapter for _, adapter in requests()]


async def test_cancelled_requests_leave_the_others_their_adapters(tiny_base: BaseModel, adapters: Path) -> None:
    alone = await one_by_one(engine(tiny_base, adapters))
    generator = engine(tiny_base, adapters)
    tasks = [asyncio.create_task(generator.generate(question, adapter=name)) for question, name in requests()]

    await asyncio.wait([tasks[0]])
    tasks[1].cancel()  # while it runs
    tasks[5].cancel()  # while it waits
    answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert tasks[1].cancelled() and tasks[5].cancelled()
    assert all(answers[number] == alone[number] for number in range(12) if number not in (1, 5))


class CountedBase(BaseModel):
    """Takes its time to load, and notes that it did."""

    def load(self) -> Any:
        self.progress(0, 0, "loading")
        time.sleep(0.2)
        return super().load()


async def test_warm_up_that_is_cancelled_has_loaded_the_model(tiny_folder: Path, adapters: Path) -> None:
    loads: list[str] = []
    generator = engine(CountedBase(str(tiny_folder), tiny_folder, lambda *args: loads.append(args[2])), adapters)
    warming = asyncio.create_task(generator.warm_up())
    await asyncio.sleep(0.05)

    assert await cancelled(warming)

    assert (await generator.generate(prompt("When?"), adapter="travel@1")).adapter == "travel@1"
    assert loads == ["loading"]


async def test_model_that_cannot_be_loaded_is_said_every_time(tmp_path: Path) -> None:
    generator = engine(BaseModel("./nowhere", tmp_path), tmp_path)

    for _ in range(2):
        with pytest.raises(GenerationError, match=r"nowhere does not exist"):
            await generator.generate(prompt("When?"), adapter="none")
