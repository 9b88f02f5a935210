"""Answers as JSON: whole, as the schema says, and with nothing in them that no passage holds."""

import json
from dataclasses import replace

import pytest
from fakes import EchoGenerator, FixedAdapters, FixedRetriever, FixedRouter, InMemoryExchangeStore

from bot.assistant import Assistant
from bot.learning.answers import NoAnswers
from bot.messages import GENERAL, Message, Passage, RouteChoice
from bot.prompts import PromptLibrary
from bot.settings import DomainSettings
from bot.structured import Form, is_json

SCHEMA = {
    "type": "object",
    "properties": {
        "answer": {"enum": ["yes", "no", "unclear"]},
        "clause": {"type": "string"},
        "days": {"type": "number"},
    },
    "required": ["answer"],
    "additionalProperties": False,
}
PASSAGES = (
    Passage(document="a.md", chunk=0, text="The tenant pays a deposit of 12,000 dollars."),
    Passage(document="b.md", chunk=3, text="Either party may end this agreement with 30 days notice in writing."),
)


async def verdict(answer: object, note: str = ""):  # type: ignore[no-untyped-def]  # a Verdict, and what was shown
    shown: list[str] = []

    async def on_text(text: str) -> None:
        shown.append(text)

    form = Form(question="May we end it?", passages=PASSAGES, schema=json.dumps(SCHEMA), on_text=on_text)
    text = answer if isinstance(answer, str) else json.dumps(answer)
    for begin in range(0, len(text), 5):
        await form(text[begin : begin + 5])
    return await form.verdict(note), shown


async def test_answer_is_shown_whole_with_the_passage_it_stands_in() -> None:
    said = {"answer": "yes", "clause": "Either party may end this agreement with 30 days notice", "days": 30}

    found, shown = await verdict(said)

    assert json.loads(found.text) == said and shown == [found.text]
    assert [(cited.document, cited.number) for cited in found.citations] == [("b.md", 2)]
    assert found.grounding == 1.0


async def test_answer_of_the_schemas_own_words_cites_the_nearest_passage() -> None:
    found, _ = await verdict({"answer": "no"})

    assert [cited.document for cited in found.citations] == ["a.md"]
    assert found.grounding == 0.0  # nothing in it could be held against a passage


@pytest.mark.parametrize("days", [30, 30.0, 12000])
async def test_number_is_found_however_the_passage_writes_it(days: float) -> None:
    found, _ = await verdict({"answer": "yes", "days": days})

    assert found.text


@pytest.mark.parametrize(
    "said",
    [
        {"answer": "yes", "days": 60},
        {"answer": "yes", "clause": "Either party may end it after ninety years"},
        {"answer": "yes", "clause": "yes"},
        {"answer": "maybe"},
        {"clause": "Either party may end this agreement"},
        '{"answer": "yes", "clause": "Either',
        "I don't know.",
        "[" * 100_000,
    ],
)
async def test_answer_that_is_made_up_or_off_the_schema_is_not_shown(said: object) -> None:
    found, shown = await verdict(said)

    assert found.refused and not shown


async def test_answer_that_was_cut_off_is_not_shown() -> None:
    found, shown = await verdict({"answer": "yes"}, note=" …")

    assert found.refused and not shown


async def test_empty_text_claims_nothing() -> None:
    found, _ = await verdict({"answer": "unclear", "clause": ""})

    assert json.loads(found.text) == {"answer": "unclear", "clause": ""}


@pytest.mark.parametrize(("text", "yes"), [('{"a": 1}', True), ("[1]", True), ("[1] says so", False), ("3", False)])
def test_is_json(text: str, yes: bool) -> None:
    assert is_json(text) is yes


@pytest.mark.parametrize(("route", "schema"), [("leases", json.dumps(SCHEMA)), (GENERAL, "")])
async def test_schema_of_a_domain_binds_its_answers_alone(route: str, schema: str) -> None:
    leases = DomainSettings(name="leases", description="Leases", output_schema=json.dumps(SCHEMA))
    generator = EchoGenerator('{"answer": "yes"}')
    assistant = Assistant(
        domains={"leases": leases},
        retriever=FixedRetriever({"leases": [replace(each, dense=0.7) for each in PASSAGES]}, access={}),
        router=FixedRouter(RouteChoice(route=route, probability=0.9, domain_probability=0.9), None),
        prompts=PromptLibrary(),
        adapters=FixedAdapters({}),
        generator=generator,
        exchanges=InMemoryExchangeStore(),
        reviewed=NoAnswers(),
    )

    reply = await assistant.reply_to(Message(id="1", text="May we end it?"))

    assert reply.text == '{"answer": "yes"}'
    assert [prompt.schema for prompt in generator.prompts] == [schema]
