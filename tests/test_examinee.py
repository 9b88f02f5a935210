"""The assistant in an exam: the main path with one adapter, whatever the installation has chosen, and nothing kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from fakes import MESSAGE, REPLY, EchoGenerator, FixedAdapters, InMemoryExchangeStore
from test_assistant import make_assistant

from bot.assistant import Assistant
from bot.jobs.examinee import Examinee, Unkept
from bot.messages import Prompt, now
from bot.ports import ExchangeStore

PASSAGES = ("Refunds are paid within 14 days.",)


@dataclass(slots=True)
class Room:
    """An assistant, and what was measured of it."""

    assistant: Assistant = field(default_factory=make_assistant)
    measured: list[tuple[str, str, str]] = field(default_factory=list)  # prompt, answer, adapter

    @property
    def examinee(self) -> Examinee:
        return Examinee(assistant_with=self.with_adapter, expect=self.expect)

    @property
    def prompts(self) -> list[Prompt]:
        assert isinstance(self.assistant.generator, EchoGenerator)
        return self.assistant.generator.prompts

    def with_adapter(self, adapter: str) -> Assistant:
        return replace(self.assistant, adapters=FixedAdapters({"probe": adapter}))

    async def expect(self, asked: Sequence[tuple[Prompt, str]], adapter: str) -> list[float]:
        self.measured += [(prompt.label, answer, adapter) for prompt, answer in asked]
        return [1.0 for _ in asked]


async def test_domain_rows_are_answered_from_their_passages_by_the_adapter() -> None:
    room = Room(make_assistant(generator=EchoGenerator(answer=PASSAGES[0])))

    reply = await room.examinee.answer("When is it paid?", PASSAGES, "billing@7")

    assert (reply.text, reply.adapter, reply.prompt) == (f"{PASSAGES[0]} [1]", "billing@7", "domain/answer@1")


async def test_domains_own_wishes_do_not_change_the_exam() -> None:
    room = Room()

    await room.examinee.answer("When is it paid?", PASSAGES, "billing@7")

    assert "friendly" not in room.prompts[0].turns[0].content


@pytest.mark.parametrize(
    ("passage", "place"),
    [
        ("Refunds > Time\n\nThey take a while. Nothing is said of the sky.", "Refunds > Time"),
        ("Refunds\nThey take a while. Nothing is said of the sky.", "Refunds"),
        ("They take a while.\nNothing is said of the sky.", "passage 1"),
    ],
)
async def test_report_quotes_a_sentence_of_a_passage_and_not_its_headings(passage: str, place: str) -> None:
    room = Room(make_assistant(generator=EchoGenerator(answer="I don't know.")))

    reply = await room.examinee.answer("When is it paid?", (passage,), "billing@7")

    assert f"- {place}: “They take a while.”" in reply.text


async def test_nothing_of_an_exam_is_kept() -> None:
    room = Room()

    await room.examinee.answer("When is it paid?", PASSAGES, "billing@7")

    assert isinstance(room.assistant.exchanges, InMemoryExchangeStore)
    assert room.assistant.exchanges.exchanges == {}


async def test_general_rows_meet_the_adapter_with_the_general_template() -> None:
    room = Room()

    completion = await room.examinee.complete("What is the capital of France?", "billing@7")

    assert (completion.adapter, completion.text) == ("billing@7", "billing@7|general/answer@1")
    assert room.prompts[0].turns[-1].content == "What is the capital of France?"


async def test_good_general_answers_are_measured_behind_the_prompt_of_their_question() -> None:
    room = Room()

    found = await room.examinee.surprise([("Who?", "I."), ("What?", "It.")], "billing@7")

    assert found == [1.0, 1.0]
    assert room.measured == [("general/answer@1", "I.", "billing@7"), ("general/answer@1", "It.", "billing@7")]


@pytest.mark.parametrize("adapter", ["none", "reading@1"])
async def test_each_adapter_is_asked_for_itself(adapter: str) -> None:
    assert (await Room().examinee.answer("When is it paid?", PASSAGES, adapter)).adapter == adapter


async def test_store_that_keeps_nothing_finds_nothing() -> None:
    store: ExchangeStore = Unkept()
    await store.begin(MESSAGE, REPLY)
    await store.complete(REPLY)
    await store.show(REPLY.id, ["place"])

    found = (await store.thread("T1", last=3), await store.find(REPLY.id), await store.shown_at("place"))

    assert found == ((), None, None)
    assert (await store.places(REPLY.id), await store.delete_older_than(now())) == ((), 0)
