"""A stored question, answered once more in another way: what changes, and that nothing is kept."""

import json
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from fakes import MESSAGE, REPLY, EchoGenerator, FixedAdapters, FixedRetriever, FixedRouter, InMemoryExchangeStore

from bot import wording
from bot.app import Installation
from bot.assistant import Assistant
from bot.desks.accounts import Rerun
from bot.errors import InputError
from bot.jobs.again import answer_again, preview, reply_of, work_of
from bot.learning.answers import NoAnswers
from bot.messages import Exchange, Passage, Reply, RouteChoice
from bot.ports import silent
from bot.prompts import PromptLibrary
from bot.settings import DomainSettings

OLD = Passage(
    document="old.md",
    chunk=4,
    text="Refunds > Time\nRefunds are paid within 14 days.",
    heading="Refunds > Time",
    title="Refunds",
    url="https://example.com/refunds",
    score=0.9,
    dense=0.7,
    words=3.5,
)
NEW = Passage(document="new.md", chunk=0, text="Refunds are paid within 30 days.", dense=0.8)
ASKED = replace(REPLY, question="When is my refund?", passages=(OLD,))
EXCHANGE = Exchange(message=MESSAGE, reply=ASKED, complete=True)


@dataclass
class House:
    """As much of an installation as answers."""

    assistant: Assistant

    def assistant_with(self, adapter: str | None) -> Assistant:
        adapters = FixedAdapters({"billing": adapter or "billing@4"})
        return replace(self.assistant, adapters=adapters)


@pytest.fixture
def house() -> House:
    return House(
        Assistant(
            domains={"billing": DomainSettings(name="billing", description="Invoices")},
            retriever=FixedRetriever({"billing": (NEW,)}),
            router=FixedRouter(RouteChoice(route="billing", probability=0.9, domain_probability=0.9)),
            prompts=PromptLibrary(),
            adapters=FixedAdapters({"billing": "billing@4"}),
            generator=EchoGenerator(),
            exchanges=InMemoryExchangeStore(),
            reviewed=NoAnswers(),
        )
    )


async def again(house: House, **how: Any) -> Reply:
    """The new reply, with what has to be said and heard gone through JSON."""
    work = json.loads(json.dumps(work_of(EXCHANGE, Rerun(**how))))
    return reply_of(json.loads(json.dumps(await answer_again(cast(Installation, house), work, silent))))


@pytest.mark.parametrize(
    ("how", "adapter", "passage"),
    [
        ({}, "billing@3", OLD.text),
        ({"adapter": "billing@2"}, "billing@2", OLD.text),
        ({"passages": ("Given by hand.",)}, "billing@3", "Given by hand."),
        ({"search": True}, "billing@3", NEW.text),
    ],
)
async def test_what_is_not_changed_stays_as_it_was(
    house: House, how: dict[str, Any], adapter: str, passage: str
) -> None:
    reply = await again(house, **how)

    assert (reply.route, reply.adapter, reply.question) == ("billing", adapter, "When is my refund?")
    assert [each.text for each in reply.passages] == [passage]


async def test_passages_that_are_given_again_keep_titles_addresses_and_scores_beside_one_that_was_typed(
    house: House,
) -> None:
    whole = await again(house)
    chosen = await again(house, passages=("Given by hand.", OLD.text))

    assert whole.passages == (OLD,)
    typed, known = chosen.passages
    assert (typed.document, typed.text, typed.dense, known) == ("passage 1", "Given by hand.", 0.9, OLD)


async def test_question_that_ended_in_i_do_not_know_ends_with_the_same_words(house: House) -> None:
    weak = replace(OLD, dense=0.1)
    house.assistant = replace(house.assistant, retriever=FixedRetriever({"billing": (weak,)}))
    before = await house.assistant.reply_to(replace(MESSAGE, text="Why is the sky blue?", route="billing"))
    exchange = Exchange(message=MESSAGE, reply=before, complete=True)

    after = reply_of(json.loads(json.dumps(await answer_again(house, work_of(exchange, Rerun()), silent))))  # type: ignore[arg-type]  # as much as is needed of it

    assert after.text == before.text and "- Refunds > Time: “Refunds are paid within 14 days.”" in after.text


async def test_question_for_which_nothing_was_found_is_told_so_again(house: House) -> None:
    exchange = Exchange(message=MESSAGE, reply=replace(ASKED, passages=()), complete=True)

    reply = reply_of(await answer_again(house, work_of(exchange, Rerun()), silent))  # type: ignore[arg-type]  # as much as is needed of it

    assert reply.text == wording.no_documents("billing")


def test_question_is_not_asked_again_without_any_passage() -> None:
    with pytest.raises(InputError, match="no passage is chosen; tick one"):
        work_of(EXCHANGE, Rerun(passages=()))


async def test_nothing_of_it_is_kept(house: House) -> None:
    await again(house)

    assert cast(InMemoryExchangeStore, house.assistant.exchanges).exchanges == {}


async def test_another_prompt_takes_the_place_of_the_one_in_use(house: House) -> None:
    reply = await again(house, prompt="general/explain@1")

    assert reply.prompt == "general/explain@1"


async def test_prompt_that_does_not_exist_is_named(house: House) -> None:
    with pytest.raises(InputError, match="domain/lost"):
        await again(house, prompt="domain/lost@1")


@pytest.mark.parametrize(("labels", "told"), [(None, None), (frozenset({"b", "a"}), ["a", "b"])])
def test_new_search_reads_no_more_than_the_asker_may(labels: frozenset[str] | None, told: object) -> None:
    exchange = replace(EXCHANGE, message=replace(MESSAGE, labels=labels))

    assert work_of(exchange, Rerun(search=True))["labels"] == told


class Reviews:
    """The stores of a house, as far as a preview looks into them."""

    def __init__(self, *exchanges: Exchange) -> None:
        self.exchanges = InMemoryExchangeStore({each.reply.id: each for each in exchanges})


DRAFT = "---\nsummary: A draft\n---\n[user]\nDRAFT {% for p in passages %}{{ p.text }}{% endfor %} {{ question }}\n"


async def preview_of(house: House, *questions: dict[str, Any]) -> list[dict[str, Any]]:
    house.stores = Reviews(EXCHANGE)  # type: ignore[attr-defined]  # a fake's
    asked = {"name": "domain/answer", "version": 2, "text": DRAFT, "based_on": "domain/answer@1"}
    work = json.loads(json.dumps(asked | {"questions": questions}))
    found: list[dict[str, Any]] = json.loads(json.dumps(await preview(cast(Installation, house), work, silent)))
    return found


async def test_draft_answers_a_past_question_over_the_same_passages(house: House) -> None:
    (row,) = await preview_of(house, {"reply": REPLY.id})

    new = reply_of(row["new"])
    assert (row["reply"], row["old"], row["question"], row["error"]) == (REPLY.id, None, "", "")
    assert (new.prompt, new.adapter, new.route) == ("domain/answer@2", "billing@3", "billing")
    generator = cast(EchoGenerator, house.assistant.generator)
    assert generator.prompts[-1].turns[-1].content == f"DRAFT {OLD.text} When is my refund?"


async def test_question_that_was_typed_is_answered_by_both(house: House) -> None:
    (row,) = await preview_of(house, {"text": "When is it paid?", "route": "billing", "labels": ["everyone"]})

    assert (row["old"]["prompt"], row["new"]["prompt"]) == ("domain/answer@1", "domain/answer@2")
    assert [each["document"] for each in row["new"]["passages"]] == ["new.md"]


async def test_question_that_is_gone_says_so_and_the_others_are_answered(house: House) -> None:
    gone, answered = await preview_of(house, {"reply": "gone"}, {"reply": REPLY.id})

    assert gone["error"] == "this answer was deleted meanwhile" and answered["new"]
    assert cast(InMemoryExchangeStore, house.assistant.exchanges).exchanges == {}
