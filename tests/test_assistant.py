"""The main path, from a question to an answer with its lineage."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import pytest
from fakes import EchoGenerator, FixedAdapters, FixedRetriever, FixedRouter, InMemoryExchangeStore

from bot import wording
from bot.assistant import Assistant
from bot.errors import GenerationError, PromptTooLong
from bot.learning.answers import NoAnswers
from bot.messages import EVERYONE, Message, Passage, Reply, RouteChoice
from bot.ports import OnText, discard
from bot.prompts import REFUSAL, PromptLibrary
from bot.routing import SOMEBODYS_OWN
from bot.settings import DomainSettings

DOMAINS = {
    "billing": DomainSettings(name="billing", description="Invoices and refunds", tone="friendly"),
    "travel": DomainSettings(name="travel", description="Trains and hotels"),
}
REFUNDS = Passage(
    document="refunds.md", chunk=0, heading="Refunds > When", text="Refunds are paid within 14 days.", dense=0.7
)
CLOSING = Passage(document="year.md", chunk=4, heading="Year end", text="Books close in January.", dense=0.5)
GENERAL_CHOICE = RouteChoice(route="general", probability=0.9, domain_probability=0.1, task="science")
BILLING = RouteChoice(route="billing", probability=0.8, domain_probability=0.85, task="science")
UNSURE = replace(BILLING, probability=0.5, decision="ask_back", runner_up="travel")
SUPPORTED = "Refunds are paid within 14 days."

_ids = count()


def make_assistant(
    choice: RouteChoice = GENERAL_CHOICE,
    *,
    passages: Sequence[Passage] = (REFUNDS, CLOSING),
    access: str = EVERYONE,
    nearest: str | None = None,
    generator: EchoGenerator | None = None,
) -> Assistant:
    return Assistant(
        domains=DOMAINS,
        retriever=FixedRetriever({"billing": passages, "travel": ()}, access={"billing": access}),
        router=FixedRouter(choice, nearest),
        prompts=PromptLibrary(),
        adapters=FixedAdapters({"billing": "billing@3", "travel": "reading@1"}),
        generator=generator or EchoGenerator(),
        exchanges=InMemoryExchangeStore(),
        reviewed=NoAnswers(),
    )


async def ask(assistant: Assistant, text: str, on_text: OnText = discard, **message: object) -> Reply:
    return await assistant.reply_to(Message(id=f"event-{next(_ids)}", text=text, **message), on_text)  # type: ignore[arg-type]  # of every type


def prompts_of(assistant: Assistant) -> list[str]:
    """What the model was asked to do, as labels."""
    assert isinstance(assistant.generator, EchoGenerator)
    return [prompt.label for prompt in assistant.generator.prompts]


def asked_of(assistant: Assistant, turn: int = -1) -> str:
    """What the model was last told."""
    assert isinstance(assistant.generator, EchoGenerator)
    return assistant.generator.prompts[-1].turns[turn].content


def kept(assistant: Assistant) -> list[tuple[str, bool]]:
    """Text and completeness of every stored exchange."""
    assert isinstance(assistant.exchanges, InMemoryExchangeStore)
    return [(row.reply.text, row.complete) for row in assistant.exchanges.exchanges.values()]


@pytest.mark.parametrize(
    ("task", "prompt"),
    [
        ("science", "general/answer@1"),
        ("explain-a-concept", "general/explain@1"),
        ("lists-and-classification", "general/list@1"),
        ("translation", "general/rewrite@1"),
        ("coding-chores", "general/code@1"),
        ("small-talk", "general/chat@1"),
        (None, "general/answer@1"),
    ],
)
async def test_general_question_is_answered_by_the_template_of_its_kind(task: str | None, prompt: str) -> None:
    assistant = make_assistant(replace(GENERAL_CHOICE, task=task))

    reply = await ask(assistant, "Why is the sky blue?")

    assert (reply.text, reply.prompt, reply.adapter, reply.model) == (f"none|{prompt}", prompt, "none", "echo")
    assert (reply.route, reply.probability, reply.domain_probability) == ("general", 0.9, 0.1)
    assert (reply.abstained, reply.citations, reply.passages) == (False, (), ())


async def test_domain_question_is_answered_by_its_adapter_from_its_passages_and_cited() -> None:
    assistant = make_assistant(BILLING, generator=EchoGenerator(SUPPORTED))

    reply = await ask(assistant, "When is my refund paid?")

    assert reply.text == "Refunds are paid within 14 days. [1]"
    assert (reply.route, reply.adapter, reply.prompt) == ("billing", "billing@3", "domain/answer@1")
    assert [(c.number, c.document, c.chunk, c.quote) for c in reply.citations] == [(1, "refunds.md", 0, SUPPORTED)]
    assert (reply.grounding, reply.abstained, reply.decision) == (1.0, False, "answer")
    assert reply.passages == (REFUNDS, CLOSING)
    assert REFUNDS.text in asked_of(assistant)


async def test_reply_counts_tokens_and_seconds() -> None:
    reply = await ask(make_assistant(BILLING, generator=EchoGenerator(SUPPORTED)), "When is my refund paid?")

    assert reply.prompt_tokens > 20 and reply.completion_tokens == 6
    assert 0 <= reply.seconds_to_first_token <= reply.seconds < 5


async def test_domain_has_its_own_wishes_in_the_prompt() -> None:
    assistant = make_assistant(BILLING, generator=EchoGenerator(SUPPORTED))

    await ask(assistant, "When is my refund paid?")

    assert "Write in a friendly tone." in asked_of(assistant, turn=0)


async def test_model_may_refuse_a_domain_question_and_only_that() -> None:
    domain, general = make_assistant(BILLING), make_assistant()

    await ask(domain, "When is my refund paid?")
    await ask(general, "Why is the sky blue?")

    refusals = [(a.generator.prompts[0].refusal, a.generator.prompts[0].refuse_above) for a in (domain, general)]  # type: ignore[attr-defined]  # a fake's
    assert refusals[0][0] == REFUSAL and 0 < refusals[0][1] < 1
    assert refusals[1] == ("", 1.0)


@pytest.mark.parametrize(
    ("text", "flag", "route"),
    [
        ("When is my refund paid?", "billing", "billing"),
        ("billing: When is my refund paid?", None, "billing"),
        ("general: When is my refund paid?", None, "general"),
        ("general: When is my refund paid?", "billing", "billing"),
        ("music: When is my refund paid?", None, "travel"),
    ],
)
async def test_explicit_route_wins_over_the_router(text: str, flag: str | None, route: str) -> None:
    assistant = make_assistant(replace(BILLING, route="travel"))

    reply = await ask(assistant, text, route=flag)

    assert (reply.route, reply.probability) == (route, 0.8 if route == "travel" else 1.0)
    assert ("music" in reply.question) == (route == "travel")


async def test_two_routes_that_are_too_close_are_asked_back_without_a_model() -> None:
    assistant = make_assistant(UNSURE)
    shown: list[str] = []

    async def on_text(piece: str) -> None:
        shown.append(piece)

    reply = await ask(assistant, "Is it paid back?", on_text, thread="T1")

    assert (reply.decision, reply.abstained) == ("ask_back", False)
    assert reply.text == wording.ask_back(UNSURE, DOMAINS) and shown == [reply.text]
    assert (prompts_of(assistant), reply.adapter, reply.prompt) == ([], "none", "none")


@pytest.mark.parametrize(("answer", "route"), [("billing", "billing"), ("General, please", "general")])
async def test_answer_to_a_question_back_puts_the_first_question_on_that_route(answer: str, route: str) -> None:
    assistant = make_assistant(UNSURE, generator=EchoGenerator(SUPPORTED))
    await ask(assistant, "When is my refund paid?", thread="T1")

    reply = await ask(assistant, answer, thread="T1")

    assert (reply.route, reply.question, reply.decision) == (route, "When is my refund paid?", "answer")
    assert "When is my refund paid?" in asked_of(assistant)


async def test_thread_is_asked_back_at_most_once() -> None:
    assistant = make_assistant(UNSURE, generator=EchoGenerator(SUPPORTED))
    await ask(assistant, "When is my refund paid?", thread="T1")

    again = await ask(assistant, "Where do refunds for cancelled trips arrive, please?", thread="T1")
    elsewhere = await ask(assistant, "When is my refund paid?", thread="T2")

    assert (again.decision, again.route) == ("answer", "billing")
    assert elsewhere.decision == "ask_back"


@pytest.mark.parametrize(("given", "reason"), [(None, wording.no_documents("billing")), ((), wording.NO_PASSAGES)])
async def test_where_there_is_nothing_to_read_the_reason_is_told_without_a_model(given: object, reason: str) -> None:
    assistant = make_assistant(BILLING, passages=())

    reply = await ask(assistant, "When is my refund paid?", passages=given)

    assert (reply.text, reply.abstained) == (reason, True)
    assert (prompts_of(assistant), reply.route, reply.citations) == ([], "billing", ())


async def test_weak_passages_are_answered_with_the_nearest_places_and_without_a_model() -> None:
    weak = [replace(REFUNDS, dense=0.1), replace(CLOSING, dense=0.05)]
    assistant = make_assistant(BILLING, passages=weak)

    reply = await ask(assistant, "Who won the world cup?")

    assert reply.abstained and reply.text.startswith("I don't know")
    assert reply.text.endswith(
        "- Refunds > When: “Refunds are paid within 14 days.”\n- Year end: “Books close in January.”"
    )
    assert prompts_of(assistant) == []


@pytest.mark.parametrize("answer", [REFUSAL, "Elephants sing opera.", "Refunds are paid within 15 days.", ""])
async def test_answer_that_the_passages_do_not_support_is_never_shown(answer: str) -> None:
    assistant = make_assistant(BILLING, generator=EchoGenerator(answer))
    shown: list[str] = []

    async def on_text(piece: str) -> None:
        shown.append(piece)

    reply = await ask(assistant, "When is my refund paid?", on_text)

    assert reply.abstained and reply.text.startswith("I don't know")
    assert "Refunds > When" in reply.text and shown == [reply.text]
    assert (reply.citations, reply.grounding, reply.adapter) == ((), 0.0, "billing@3")


async def test_given_passages_take_the_place_of_retrieval() -> None:
    assistant = make_assistant(UNSURE, passages=(), nearest="travel", generator=EchoGenerator("Cats sleep all day."))

    reply = await ask(assistant, "When do cats sleep?", passages=("Cats sleep all day.", "Dogs do not."))

    assert (reply.text, reply.decision) == ("Cats sleep all day. [1]", "answer")
    assert (reply.route, reply.adapter) == ("travel", "reading@1")
    assert [passage.text for passage in reply.passages] == ["Cats sleep all day.", "Dogs do not."]
    assert assistant.retriever.retrieved == []  # type: ignore[attr-defined]  # a fake's


@pytest.mark.parametrize(
    ("flag", "nearest", "route"),
    [("billing", "travel", "billing"), (None, "travel", "travel"), (None, None, "billing")],
)
async def test_given_passages_are_read_by_a_domain_whatever_the_router_says(
    flag: str | None, nearest: str | None, route: str
) -> None:
    assistant = make_assistant(GENERAL_CHOICE, nearest=nearest)

    reply = await ask(assistant, "When do cats sleep?", route=flag, passages=("Cats sleep all day.",))

    assert (reply.route, reply.prompt) == (route, "domain/answer@1")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", wording.EMPTY),
        ("  \n?!", wording.EMPTY),
        ("Wie kann ich meine Rechnung bezahlen, wenn das Konto leer ist?", wording.not_served("de")),
        ("Как оплатить счёт?", wording.not_served("other")),
        ("why " * 3_000, wording.too_long(11_999, 8_000)),
    ],
)
async def test_objection_is_told_without_a_model_and_without_a_route(text: str, reason: str) -> None:
    assistant = make_assistant(BILLING)

    reply = await ask(assistant, text)

    assert (reply.text, reply.abstained) == (reason, True)
    assert (reply.probability, reply.domain_probability, reply.route) == (0.0, 0.0, "general")
    assert (prompts_of(assistant), assistant.retriever.retrieved) == ([], [])  # type: ignore[attr-defined]  # a fake's


@pytest.mark.parametrize("choice", [GENERAL_CHOICE, BILLING, UNSURE])
async def test_row_is_stored_before_the_first_character_and_completed_at_the_end(choice: RouteChoice) -> None:
    assistant = make_assistant(choice, generator=EchoGenerator(SUPPORTED))
    during: list[list[tuple[str, bool]]] = []

    async def on_text(piece: str) -> None:
        during.append(kept(assistant))

    reply = await ask(assistant, "When is my refund paid?", on_text)

    assert during and all(rows == [("", False)] for rows in during)
    assert kept(assistant) == [(reply.text, True)]
    assert await assistant.exchanges.find(reply.id) is not None


async def test_completed_row_is_the_whole_reply() -> None:
    assistant = make_assistant(BILLING, generator=EchoGenerator(SUPPORTED))

    reply = await ask(assistant, "When is my refund paid?", user="slack:U1")

    exchange = await assistant.exchanges.find(reply.id)
    assert exchange is not None and exchange.reply == reply
    assert (exchange.message.user, exchange.message.text) == ("slack:U1", "When is my refund paid?")


@pytest.mark.parametrize("choice", [GENERAL_CHOICE, BILLING])
async def test_generator_that_fails_leaves_the_begun_row_with_what_was_known(choice: RouteChoice) -> None:
    assistant = make_assistant(choice, generator=EchoGenerator(SUPPORTED, breaks=GenerationError("out of memory")))

    with pytest.raises(GenerationError, match="out of memory"):
        await ask(assistant, "When is my refund paid?")

    (row,) = assistant.exchanges.exchanges.values()  # type: ignore[attr-defined]  # a fake's
    assert (row.complete, row.reply.text, row.reply.route) == (False, "", choice.route)
    assert row.reply.prompt != "none" and row.reply.question == "When is my refund paid?"


async def test_question_that_does_not_fit_the_model_is_refused_before_anything_is_shown() -> None:
    assistant = make_assistant(generator=EchoGenerator(context_tokens=200))
    shown: list[str] = []

    async def on_text(piece: str) -> None:
        shown.append(piece)

    with pytest.raises(PromptTooLong, match="please shorten it"):
        await ask(assistant, "why " * 100, on_text)

    assert shown == []


async def test_follow_up_is_routed_and_read_with_the_question_before() -> None:
    assistant = make_assistant(BILLING, generator=EchoGenerator(SUPPORTED))
    await ask(assistant, "When is my refund paid?", thread="T1")

    reply = await ask(assistant, "And on holidays?", thread="T1")

    assert reply.question == "When is my refund paid? And on holidays?"
    assert assistant.retriever.retrieved[-1] == reply.question  # type: ignore[attr-defined]  # a fake's
    assert "Earlier question: When is my refund paid?" in asked_of(assistant)
    assert asked_of(assistant).endswith("Question: And on holidays?")


async def test_general_follow_up_reads_the_exchange_before_without_markers() -> None:
    assistant = make_assistant(generator=EchoGenerator("Light scatters. [1]"))
    await ask(assistant, "Why is the sky blue?", thread="T1")

    await ask(assistant, "What about sunsets?", thread="T1")

    said = [turn.content for turn in assistant.generator.prompts[-1].turns]  # type: ignore[attr-defined]  # a fake's
    assert said[-3:] == ["Why is the sky blue?", "Light scatters.", "What about sunsets?"]


@pytest.mark.parametrize("thread", ["T2", ""])
async def test_other_threads_are_not_remembered(thread: str) -> None:
    assistant = make_assistant(BILLING)
    await ask(assistant, "When is my refund paid?", thread="T1" if thread else "")

    reply = await ask(assistant, "And on holidays?", thread=thread)

    assert reply.question == "And on holidays?"


@pytest.mark.parametrize(
    ("text", "answered", "no_domain"),
    [
        ("Where is my parcel?", False, ""),
        ("general: Where is my parcel?", True, ""),
        ("shipping: Where is my parcel?", False, "shipping"),
    ],
)
async def test_question_for_somebodys_own_records_is_only_answered_on_demand(
    text: str, answered: bool, no_domain: str
) -> None:
    assistant = make_assistant(replace(GENERAL_CHOICE, task=SOMEBODYS_OWN), passages=[replace(REFUNDS, dense=0.3)])

    reply = await ask(assistant, text)

    assert reply.abstained != answered
    assert reply.text == ("none|general/answer@1" if answered else wording.not_mine(DOMAINS, missing=no_domain))
    assert prompts_of(assistant) == (["general/answer@1"] if answered else [])


async def test_question_for_somebodys_own_records_is_answered_by_documents_that_come_near_it() -> None:
    assistant = make_assistant(replace(GENERAL_CHOICE, task=SOMEBODYS_OWN), generator=EchoGenerator(SUPPORTED))

    reply = await ask(assistant, "When is my refund paid?")

    assert (reply.route, reply.text) == ("billing", "Refunds are paid within 14 days. [1]")
    assert (reply.probability, reply.decision) == (GENERAL_CHOICE.domain_probability, "answer")


@pytest.mark.parametrize(
    ("labels", "readable"),
    [(frozenset({EVERYONE}), False), (frozenset(), False), (frozenset({EVERYONE, "finance"}), True), (None, True)],
)
async def test_asker_gets_only_what_their_labels_may_read(labels: frozenset[str] | None, readable: bool) -> None:
    assistant = make_assistant(BILLING, access="finance", generator=EchoGenerator(SUPPORTED))

    reply = await ask(assistant, "When is my refund paid?", route="billing", labels=labels)

    assert bool(reply.passages) == readable
    assert reply.abstained != readable
    assert ("14 days" in reply.text) == readable
