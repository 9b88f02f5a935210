"""A stored question, answered once more in another way: what changes, and that nothing is kept."""

import json
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from fakes import MESSAGE, REPLY, EchoGenerator, FixedAdapters, FixedRetriever, FixedRouter, InMemoryExchangeStore

from bot.accounts import Rerun
from bot.again import answer_again, reply_of, work_of
from bot.app import Installation
from bot.assistant import Assistant
from bot.errors import InputError
from bot.learning.answers import NoAnswers
from bot.messages import Exchange, Passage, Reply, RouteChoice
from bot.ports import silent
from bot.prompts import PromptLibrary
from bot.settings import DomainSettings

OLD = Passage(document="old.md", chunk=0, text="Refunds are paid within 14 days.", dense=0.7)
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
