"""The shipped reading adapter on the embedded model: what users get before they train anything."""

import asyncio
from pathlib import Path

import pytest

from adapters.base_model import BaseModel
from adapters.generator import TransformersGenerator
from adapters.registry import SHIPPED, AdapterRegistry
from bot.messages import Passage, Prompt
from bot.prompts import GROUNDED, PromptLibrary

pytestmark = pytest.mark.model

READING = "reading@1"
MUSEUM = "Museum\nThe museum was opened in 1894 by Ada Green. It is closed on Mondays. Admission is 12 euros."


def question(text: str, passage: str = MUSEUM) -> Prompt:
    passages = [Passage(document="museum", chunk=0, text=passage)]
    turns = PromptLibrary().get(GROUNDED).fill(question=text, earlier="", passages=passages, constraints="")
    return Prompt(name="domain/answer", version=1, turns=turns, max_new_tokens=12)


@pytest.fixture(scope="module")
def registry(embedded_base: BaseModel, tmp_path_factory: pytest.TempPathFactory) -> AdapterRegistry:
    return AdapterRegistry(tmp_path_factory.mktemp("adapters"), {}, embedded_base.name)


@pytest.fixture(scope="module")
def generator(embedded_base: BaseModel, registry: AdapterRegistry) -> TransformersGenerator:
    return TransformersGenerator(embedded_base, registry, deadline_seconds=60)


@pytest.mark.parametrize(
    ("asked", "answer"), [("When was the museum opened?", "1894"), ("Who opened the museum?", "Ada Green")]
)
async def test_easy_question_is_answered_from_its_passage(
    generator: TransformersGenerator, asked: str, answer: str
) -> None:
    done = await generator.generate(question(asked), adapter=READING)

    assert answer in done.text
    assert (done.adapter, done.finish) == (READING, "stop")


async def test_concurrent_requests_get_the_adapter_they_asked_for(generator: TransformersGenerator) -> None:
    asked = [(question(text), adapter) for text in ("Who?", "How much is it?") for adapter in (READING, "none")]
    alone = [await generator.generate(each, adapter=adapter) for each, adapter in asked]

    together = await asyncio.gather(*(generator.generate(each, adapter=adapter) for each, adapter in asked))

    assert together == alone
    assert together[0].text != together[1].text


def test_shipped_adapter_is_small_and_made_for_the_embedded_model(registry: AdapterRegistry) -> None:
    assert registry.get(READING).folder == SHIPPED
    assert 700_000 < (SHIPPED / "adapter_model.safetensors").stat().st_size < 6_000_000
    assert {file.suffix for file in Path(SHIPPED).iterdir()} == {".json", ".md", ".png", ".safetensors"}
