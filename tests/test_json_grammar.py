"""A model that knows nothing still writes JSON of the schema, whatever it would rather write."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny_model import ADAPTERS, engine, prompt

from adapters.base_model import BaseModel
from adapters.decoding import within
from adapters.generator import TransformersGenerator
from adapters.json_grammar import JsonGrammar
from bot.errors import GenerationError
from bot.json_schema import keeps_to

SCHEMAS: list[dict[str, object]] = [
    {"enum": ["yes", "no"]},
    {"type": "object", "properties": {"found": {"type": "boolean"}}, "required": ["found"]},
    {
        "type": "object",
        "properties": {
            "clause": {"type": "string", "maxLength": 12},
            "risk": {"enum": ["low", "high"]},
            "days": {"type": "integer", "minimum": 1, "maximum": 99},
        },
        "required": ["clause", "risk", "days"],
        "additionalProperties": False,
    },
    {"type": "array", "items": {"const": "x"}, "minItems": 2, "maxItems": 4},
]


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_every_answer_keeps_to_its_schema(
    generator: TransformersGenerator, schema: dict[str, object], adapter: str
) -> None:
    schema = {"additionalProperties": False} | schema
    asked = prompt("Flag the clause", schema=json.dumps(schema), max_new_tokens=200, repetition_penalty=1.2)

    completion = await generator.generate(asked, adapter=adapter)

    assert completion.finish == "stop"
    assert keeps_to(json.loads(completion.text), schema)


async def test_refusal_is_text(tiny_base: BaseModel, adapters: Path) -> None:
    asked = prompt("Flag it", schema='{"enum": [1]}', refusal="I don't know.", refuse_above=0.0)

    completion = await engine(tiny_base, adapters).generate(asked, adapter="none")

    assert completion.text.startswith("I") and completion.text != "1"


async def test_answers_without_a_schema_are_as_before(generator: TransformersGenerator) -> None:
    before = await generator.generate(prompt("Go on"), adapter="none")
    await generator.generate(prompt("Go on", schema='{"enum": ["x"]}'), adapter="none")

    assert (await generator.generate(prompt("Go on"), adapter="none")).text == before.text


@pytest.mark.parametrize("schema", ['{"not": {"type": "string"}}', '{"type": "string", "pattern": "(?=x)"}'])
async def test_schema_that_cannot_be_held_to_is_named(generator: TransformersGenerator, schema: str) -> None:
    with pytest.raises(GenerationError, match="output_schema cannot be held to"):
        await generator.generate(prompt("Go on", schema=schema), adapter="none")


def test_outputs_that_stand_for_no_word_are_never_chosen(tiny_base: BaseModel) -> None:
    words = len(tiny_base.tokenizer)
    shape = within(JsonGrammar(tiny_base).of('{"enum": ["x"]}'), 0, SimpleNamespace(refused=False))

    scores = shape(torch.zeros((1, 0), dtype=torch.long), torch.zeros(1, words + 64))

    assert scores[0, :words].isfinite().any()
    assert not scores[0, words:].isfinite().any()
