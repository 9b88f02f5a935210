"""A reviewed answer is given again to those who ask the same, may have it, and while it holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from fakes import EchoGenerator, FixedAdapters, FixedRetriever, FixedRouter, HashedWordsEncoder
from fakes_learning import FEES, REDACTOR, REFUNDS, SHIPPING, Office

from bot.assistant import Assistant
from bot.learning.answers import NearestAnswers
from bot.messages import Message, Passage, Reply, RouteChoice, now
from bot.prompts import PromptLibrary
from bot.settings import DomainSettings

QUESTION = "When is my refund paid?"
ANSWER = "Refunds are paid within 14 days."
BILLING = RouteChoice(route="billing", probability=0.8, domain_probability=0.85, task="science")
GENERAL = RouteChoice(route="general", probability=0.9, domain_probability=0.1, task="science")
UNSURE = replace(BILLING, probability=0.5, decision="ask_back", runner_up="travel")
STAFF = frozenset({"staff"})

_ids = count()


@dataclass(slots=True)
class Documents:
    """What the index holds now."""

    changed_at: datetime = field(default_factory=lambda: now() - timedelta(days=1))
    gone: set[str] = field(default_factory=set)  # the texts that are no longer there
    staff_only: set[str] = field(default_factory=set)  # documents

    async def reread(
        self, domain: str, passages: Sequence[Passage], *, labels: frozenset[str] | None
    ) -> Sequence[Passage] | None:
        hidden = set() if labels is None or labels & STAFF else self.staff_only
        found = [p for p in passages if p.text not in self.gone and p.document not in hidden]
        return found if len(found) == len(passages) else None

    async def changed(self, domain: str) -> datetime | None:
        return self.changed_at


@dataclass
class Counter(Office):
    """A place where people ask again what was reviewed."""

    choice: RouteChoice = BILLING
    found: Mapping[str, Sequence[Passage]] = field(default_factory=lambda: {"billing": (REFUNDS, FEES), "travel": ()})
    documents: Documents = field(default_factory=Documents)
    access: Mapping[str, str] = field(default_factory=dict)

    async def ask(self, text: str = QUESTION, **message: Any) -> Reply:
        retriever = FixedRetriever(self.found, access=self.access)
        assistant = Assistant(
            domains={name: DomainSettings(name=name, description=name) for name in ("billing", "travel")},
            retriever=retriever,
            router=FixedRouter(self.choice),
            prompts=PromptLibrary(),
            adapters=FixedAdapters({"billing": "billing@3"}),
            generator=EchoGenerator(),
            exchanges=self.exchanges,
            reviewed=NearestAnswers(
                decisions=self.reviews,
                exchanges=self.exchanges,
                retriever=retriever,
                documents=self.documents,
                encoder=HashedWordsEncoder(),
                redactor=REDACTOR,
            ),
        )
        return await assistant.reply_to(Message(id=f"event-{next(_ids)}", text=text, **message))

    async def reviewed(self, state: str = "approved", answer: str | None = None, **reply: Any) -> None:
        """A question that was answered by reply "a", and what a reviewer said about it."""
        review = {name: reply.pop(name) for name in ("at", "target") if name in reply}
        await self.answer("a", **{"question": QUESTION, "text": f"{ANSWER} [1]", "passages": (REFUNDS, FEES)} | reply)
        route = review.pop("target", reply.get("route", "billing"))
        await self.review("a", state, answer=answer, route=route, **review)


@pytest.fixture
def counter() -> Counter:
    return Counter()


def mark(what: str) -> str:
    return f"\n\n✓ A person has {what} this answer ({now().day} {now():%B %Y})."


async def test_approved_answer_is_given_again_marked_and_cited_without_a_model(counter: Counter) -> None:
    await counter.reviewed()

    reply = await counter.ask("when is MY refund paid")

    assert reply.text == f"{ANSWER} [1]{mark('checked')}"
    assert (reply.adapter, reply.prompt, reply.reused) == ("none", "reviewed@a", "a")
    assert (reply.route, reply.probability, reply.abstained, reply.decision) == ("billing", 0.8, False, "answer")
    assert [(c.number, c.document, c.quote) for c in reply.citations] == [(1, "refunds.md", ANSWER)]
    assert (reply.grounding, reply.completion_tokens, reply.passages) == (1.0, 0, (REFUNDS,))
    assert reply.id != "a" and await counter.exchanges.find(reply.id) is not None


async def test_correction_takes_the_place_of_the_answer_at_once(counter: Counter) -> None:
    await counter.reviewed()
    assert ANSWER in (await counter.ask()).text

    await counter.review("a", "corrected", answer="It is within 14 days.")

    assert (await counter.ask()).text == f"It is within 14 days. [1]{mark('corrected')}"


@pytest.mark.parametrize("state", ["rejected", "needs_person", "undone"])
async def test_answer_that_is_not_approved_any_more_is_not_given_again(counter: Counter, state: str) -> None:
    await counter.reviewed()
    assert (await counter.ask()).reused == "a"

    if state == "undone":
        await counter.reviews.undo(["a"], by="ada")
    else:
        await counter.review("a", state)

    assert (await counter.ask()).prompt == "domain/answer@1"


async def test_vote_on_an_answer_that_was_given_again_is_one_of_its_own(counter: Counter) -> None:
    await counter.reviewed()
    reply = await counter.ask()

    await counter.vote(reply.id, -1)

    assert [vote.reply for vote in await counter.votes.all()] == [reply.id]


async def test_rejecting_it_where_it_was_given_again_stops_it(counter: Counter) -> None:
    await counter.reviewed()
    reply = await counter.ask()

    await counter.review(reply.id, "rejected")

    assert not (await counter.ask()).reused


async def test_correcting_it_where_it_was_given_again_counts_from_then_on(counter: Counter) -> None:
    await counter.reviewed()
    reply = await counter.ask()

    await counter.review(reply.id, "corrected", answer="It is within 14 days.")

    assert (await counter.ask()).text == f"It is within 14 days. [1]{mark('corrected')}"


async def test_answer_expires_with_the_passage_that_it_rests_on(counter: Counter) -> None:
    await counter.reviewed()
    counter.documents.gone.add(FEES.text)
    assert (await counter.ask()).reused == "a"

    counter.documents.gone.add(REFUNDS.text)

    assert not (await counter.ask()).reused


async def test_answer_expires_where_the_search_finds_something_new_first(counter: Counter) -> None:
    await counter.reviewed()
    new = replace(REFUNDS, document="new.md", text="Refunds\nFrom May on, refunds are paid within 30 days.")

    counter.found = {"billing": (new, REFUNDS, FEES)}

    assert not (await counter.ask()).reused


@pytest.mark.parametrize(("labels", "given"), [(None, True), (frozenset({"staff"}), True), (frozenset(), False)])
async def test_answer_is_for_those_who_may_read_what_it_rests_on(
    counter: Counter, labels: frozenset[str] | None, given: bool
) -> None:
    await counter.reviewed()
    counter.documents.staff_only.add("refunds.md")

    assert bool((await counter.ask(labels=labels)).reused) == given


async def test_answer_of_a_domain_that_the_asker_may_not_ask_is_not_given(counter: Counter) -> None:
    await counter.reviewed()
    counter.access = {"billing": "staff"}

    assert not (await counter.ask()).reused


@pytest.mark.parametrize(
    ("answer", "then", "now", "given"),
    [
        ("Refunds are mostly paid within 14 days.", {}, {}, True),
        ("Refunds are mostly paid within 14 days.", {"labels": STAFF}, {"labels": STAFF | {"everyone"}}, True),
        ("Refunds are mostly paid within 14 days.", {"labels": STAFF}, {}, False),
        ("Refunds are mostly paid within 14 days.", {"labels": None}, {}, False),
        ("Refunds are mostly paid within 14 days.", {"workspace": "slack:T2"}, {}, False),
        ("They are paid within 14 days.", {"labels": None, "workspace": "slack:T2"}, {}, True),
    ],
)
async def test_those_who_may_know_less_get_no_word_that_is_not_in_the_documents(
    counter: Counter, answer: str, then: dict[str, Any], now: dict[str, Any], given: bool
) -> None:
    await counter.reviewed("corrected", answer, **then)

    assert bool((await counter.ask(**now)).reused) == given


@pytest.mark.parametrize("asked", [{"private": True}, {"given": ("Within 14 days.",)}])
async def test_what_was_asked_in_private_or_about_a_file_is_given_to_nobody(
    counter: Counter, asked: dict[str, Any]
) -> None:
    await counter.reviewed()
    exchange = counter.exchanges.exchanges["a"]
    change = {"passages" if name == "given" else name: value for name, value in asked.items()}
    counter.exchanges.exchanges["a"] = replace(exchange, message=replace(exchange.message, **change))

    assert not (await counter.ask()).reused


async def test_answer_from_documents_crosses_workspaces_and_one_from_nothing_does_not(counter: Counter) -> None:
    await counter.reviewed(workspace="slack:T1")
    assert (await counter.ask(workspace="slack:T2")).reused == "a"

    counter.choice = GENERAL
    await counter.review("a", "corrected", answer="Ask Ms Key at the desk, or call it a day.", route="general")

    assert not (await counter.ask(workspace="slack:T2")).reused


async def test_corrected_general_answer_is_given_again_without_documents(counter: Counter) -> None:
    counter.choice = GENERAL
    await counter.reviewed("corrected", "Light scatters.", question="Why is the sky blue?", route="general")

    reply = await counter.ask("Why is the sky blue?", workspace="")

    assert reply.text == f"Light scatters.{mark('corrected')}"
    assert (reply.route, reply.citations, reply.passages, reply.grounding) == ("general", (), (), 0.0)


async def test_question_with_passages_of_its_own_gets_no_answer_of_another(counter: Counter) -> None:
    await counter.reviewed()

    assert not (await counter.ask(passages=("Refunds are paid within 14 days.",))).reused


async def test_follow_up_gets_no_answer_of_another_question(counter: Counter) -> None:
    question = "When is the refund for my cancelled train paid into my account?"
    await counter.reviewed(question=question)
    first = await counter.ask(question, thread="T1")

    follow_up = await counter.ask("And?", thread="T1")

    assert (first.reused, follow_up.reused) == ("a", "")
    assert follow_up.question == f"{question} And?"


async def test_question_that_seems_to_go_on_from_another_is_left_to_the_model(counter: Counter) -> None:
    await counter.reviewed()

    assert not (await counter.ask(f"And {QUESTION}")).reused


@pytest.mark.parametrize(
    ("message", "given"),
    [
        ({"route": "billing"}, True),
        ({"bound": "billing"}, True),
        ({"text": f"billing: {QUESTION}"}, True),
        ({"route": "general"}, False),
        ({"bound": "travel"}, False),
        ({"text": f"general: {QUESTION}"}, False),
    ],
)
async def test_route_that_the_asker_chose_is_kept_to(counter: Counter, message: dict[str, Any], given: bool) -> None:
    await counter.reviewed()

    assert bool((await counter.ask(**message)).reused) == given


@pytest.mark.parametrize(("route", "given"), [("general", True), ("billing", True), ("travel", False)])
async def test_question_that_still_takes_the_wrong_route_gets_the_answer_of_the_right_one(
    counter: Counter, route: str, given: bool
) -> None:
    await counter.reviewed("corrected", ANSWER, route="general", passages=(), target="billing")

    counter.choice = replace(GENERAL, route=route)
    reply = await counter.ask()

    assert bool(reply.reused) == given
    assert not given or (reply.route, reply.text) == ("billing", f"{ANSWER} [1]{mark('corrected')}")


async def test_question_that_was_asked_back_gets_the_answer_that_a_person_wrote(counter: Counter) -> None:
    counter.choice = UNSURE
    await counter.reviewed("corrected", ANSWER, decision="ask_back", text="Is this about billing?")

    reply = await counter.ask()

    assert (reply.reused, reply.decision) == ("a", "answer")


async def test_words_that_other_passages_hold_are_found_there_until_a_document_changes(counter: Counter) -> None:
    await counter.reviewed("corrected", "The yearly fee is 30 euros.", passages=(SHIPPING,))
    reply = await counter.ask()
    assert (reply.reused, [c.document for c in reply.citations]) == ("a", ["fees.md"])

    counter.documents.changed_at = now()

    assert not (await counter.ask()).reused


async def test_words_that_no_document_holds_are_not_given_again(counter: Counter) -> None:
    await counter.reviewed("corrected", "Refunds are paid within 30 days.")

    assert not (await counter.ask()).reused


@pytest.mark.parametrize(
    ("answer", "passage", "given"),
    [
        ("Mail jane.doe@example.com about refunds that are due within 14 days.", REFUNDS.text, False),
        ("Mail jane.doe@example.com about refunds.", "Refunds\nMail jane.doe@example.com about refunds.", True),
    ],
)
async def test_personal_data_that_the_documents_do_not_hold_is_kept_from_others(
    counter: Counter, answer: str, passage: str, given: bool
) -> None:
    told = replace(REFUNDS, text=passage)
    counter.found = {"billing": (told,)}
    await counter.reviewed("corrected", answer, passages=(told,))

    assert bool((await counter.ask()).reused) == given


async def test_answer_goes_with_its_exchange(counter: Counter) -> None:
    await counter.reviewed()

    del counter.exchanges.exchanges["a"]

    assert not (await counter.ask()).reused


async def test_right_refusal_is_given_again_while_the_search_finds_the_same(counter: Counter) -> None:
    await counter.reviewed(text="I don't know: ...", abstained=True)

    reply = await counter.ask()
    counter.found = {"billing": (REFUNDS, SHIPPING)}
    later = await counter.ask()

    assert (reply.reused, reply.abstained, reply.citations) == ("a", True, ())
    assert reply.text.startswith("I don't know: I found no sure answer") and reply.text.endswith(mark("checked"))
    assert not later.reused


async def test_answer_that_should_have_been_a_refusal_becomes_one(counter: Counter) -> None:
    await counter.reviewed("corrected", "i don’t know")

    reply = await counter.ask()

    assert reply.abstained and reply.text.startswith("I don't know") and reply.text.endswith(mark("corrected"))
