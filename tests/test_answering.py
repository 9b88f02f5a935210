"""How a prompt becomes the text a user reads."""

import asyncio
from dataclasses import replace

import pytest
from fakes import REPLY, EchoGenerator
from hypothesis import given
from hypothesis import strategies as st

from bot import wording
from bot.answering import Answer, ResultOnly, Stopwatch, again, unknown, write_general, write_grounded
from bot.messages import Completion, Passage, Prompt, ReviewedAnswer, Turn, now

PROMPT = Prompt(name="general/answer", version=1, turns=(Turn(role="user", content="Why?"),))
REFUNDS = Passage(document="refunds.md", chunk=0, text="Refunds are paid within 14 days. Fees are kept.")
GROUNDED = replace(PROMPT, name="domain/answer", passages=(REFUNDS,))
REVIEWED = ReviewedAnswer(reply="r1", route="billing", text="Within 14 days.", written=False, at=now())
WORKING = "The book costs 12.\nBoth cost 15.\nAnswer: 15"


class Screen:
    """An OnText that keeps what it was given."""

    def __init__(self) -> None:
        self.pieces: list[str] = []

    async def __call__(self, piece: str) -> None:
        self.pieces.append(piece)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


async def general(generator: EchoGenerator, *, hidden: bool = False) -> tuple[Answer, Screen]:
    screen = Screen()
    answer = await write_general(generator, replace(PROMPT, hidden_reasoning=hidden), screen, Stopwatch())
    return answer, screen


async def grounded(generator: EchoGenerator) -> tuple[Answer, Screen]:
    screen = Screen()
    return await write_grounded(generator, GROUNDED, REPLY, screen, Stopwatch()), screen


async def test_general_answer_is_shown_piece_by_piece_as_the_model_writes() -> None:
    answer, screen = await general(EchoGenerator("Light scatters."))

    assert screen.pieces == ["Light", " scat", "ters."]
    assert answer.text == "Light scatters."
    assert not answer.abstained and answer.completion


@pytest.mark.parametrize(
    ("finish", "note"), [("stop", ""), ("length", " …"), ("deadline", " … (I ran out of time here.)")]
)
@pytest.mark.parametrize("hidden", [False, True])
async def test_answer_that_was_cut_off_says_so_on_the_screen_and_in_the_record(
    finish: str, note: str, hidden: bool
) -> None:
    answer, screen = await general(EchoGenerator("Answer: 15 and", finish=finish), hidden=hidden)  # type: ignore[arg-type]  # one of the ends

    assert answer.text == ("15 and" if hidden else "Answer: 15 and") + note
    assert screen.text == answer.text


@pytest.mark.parametrize("said", ["", " \n"])
@pytest.mark.parametrize("hidden", [False, True])
async def test_model_that_says_nothing_is_spoken_for(said: str, hidden: bool) -> None:
    answer, screen = await general(EchoGenerator(said), hidden=hidden)

    assert answer.text == wording.NOTHING_CAME
    assert screen.text.strip() == wording.NOTHING_CAME


@pytest.mark.parametrize(
    ("said", "result"),
    [
        (WORKING, "15"),
        ("Answer: 15\nThat is all.", "15\nThat is all."),
        ("Both cost 15.\nSo 15.", "So 15."),
        ("Both cost 15.\nAnswer:", "Answer:"),
        ("15", "15"),
        ("Answer: 15\nAnswer: 16", "15\nAnswer: 16"),
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 100])
async def test_working_is_hidden_and_the_result_shown_however_it_is_cut(said: str, result: str, piece: int) -> None:
    answer, screen = await general(EchoGenerator(said, piece=piece), hidden=True)

    assert (answer.text, screen.text) == (result, result)


@given(st.lists(st.sampled_from(["Answer", ":", "Answer:", " 4", "\n", "so ", "ans"]), max_size=12))
def test_what_was_shown_is_what_is_stored(pieces: list[str]) -> None:
    screen = Screen()
    shown = ResultOnly(screen)

    async def run() -> str:
        for piece in pieces:
            await shown(piece)
        return await shown.finish("".join(pieces).strip())

    assert asyncio.run(run()) == screen.text.strip()


async def test_result_is_shown_as_soon_as_it_begins() -> None:
    screen = Screen()
    shown = ResultOnly(screen)

    for piece in ("Both cost 15.\nAns", "wer:", " ", "15", " coins"):
        await shown(piece)

    assert screen.pieces == ["15", " coins"]


async def test_domain_answer_is_released_sentence_by_sentence() -> None:
    answer, screen = await grounded(EchoGenerator("Refunds are paid within 14 days. Fees are kept."))

    assert screen.pieces == ["Refunds are paid within 14 days. [1] ", "Fees are kept. [1]"]
    assert answer.text == screen.text
    assert (answer.grounding, [c.number for c in answer.citations], answer.abstained) == (1.0, [1], False)


async def test_refused_domain_answer_becomes_i_do_not_know_and_keeps_its_counts() -> None:
    answer, screen = await grounded(EchoGenerator("Elephants sing opera."))

    assert answer.abstained and screen.pieces == [answer.text]
    assert answer.text.startswith("I don't know") and answer.text.endswith(
        "- refunds.md: “Refunds are paid within 14 days.”"
    )
    assert answer.completion and answer.completion.completion_tokens == 3


TIME = " … (I ran out of time here.)"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Refunds are paid within 14 days.", "Refunds are paid within 14 days. [1]" + TIME),
        ("Refunds are paid within 14 days. ", "Refunds are paid within 14 days. [1]" + TIME),
        ("Refunds are paid within 1", "Refunds are paid within [1]" + TIME),
        ("Fees are kept. Th", "Fees are kept. [1]" + TIME),
        ("Fees are kept. Paid refunds a", "Fees are kept. [1]" + TIME),
        (
            "Fees are kept. Refunds within 14 days are paid a",
            "Fees are kept. [1] Refunds within 14 days are paid [1]" + TIME,
        ),
        ("Fees are kept. [2] Paid refu", "Fees are kept. [1]" + TIME),
        ("- Fees are kept.\n2.", "- Fees are kept. [1]\n… (I ran out of time here.)"),
        ("Fees are kept. Elephants sing op", "Fees are kept. [1]"),
        ("Fees are kept. Elephants sing opera. Refunds are", "Fees are kept. [1]"),
    ],
)
async def test_domain_answer_that_was_cut_off_says_so_where_more_would_have_been_shown(said: str, shown: str) -> None:
    answer, screen = await grounded(EchoGenerator(said, finish="deadline"))

    assert answer.text == shown
    assert screen.text.rstrip() == shown


async def test_what_was_cut_off_before_a_word_was_supported_is_no_answer() -> None:
    answer, screen = await grounded(EchoGenerator("Elephants sing op", finish="length"))

    assert answer.abstained and answer.text.startswith("I don't know") and "…" not in answer.text
    assert screen.text == answer.text


async def test_generator_is_given_the_drafts_adapter_and_general_answers_none() -> None:
    domain, _ = await grounded(EchoGenerator("Fees are kept."))
    plain, _ = await general(EchoGenerator())

    assert domain.completion and domain.completion.adapter == "billing@3"
    assert plain.completion and plain.completion.adapter == "none"


def test_adapter_that_really_ran_is_recorded() -> None:
    done = Completion(text="x", model="m", adapter="none", prompt_tokens=7, completion_tokens=3)

    reply = Answer(text="x", completion=done).complete(replace(REPLY, adapter="billing@3"), Stopwatch())

    assert (reply.adapter, reply.prompt_tokens, reply.completion_tokens) == ("none", 7, 3)


@pytest.mark.parametrize(("asked_back", "decision"), [(True, "ask_back"), (False, "answer")])
def test_reply_says_whether_it_asks_back(asked_back: bool, decision: str) -> None:
    reply = Answer(text="x", asked_back=asked_back).complete(REPLY, Stopwatch())

    assert (reply.decision, reply.completion_tokens) == (decision, 0)


def test_unknown_names_the_nearest_places_once() -> None:
    headed = replace(REFUNDS, heading="Refunds")

    answer = unknown("billing", "What of the fees?", [headed, replace(headed, text="Ask Jane."), REFUNDS])

    assert answer.text.endswith(":\n- Refunds: “Fees are kept.”\n- refunds.md: “Fees are kept.”")


async def test_stopwatch_stops_the_first_time_at_the_first_piece() -> None:
    watch, screen = Stopwatch(), Screen()
    shown = watch.watching(screen)

    await shown("first")
    first = watch.first
    await asyncio.sleep(0.02)
    await shown("second")

    assert watch.first == first < 0.02 <= watch.seconds
    assert screen.pieces == ["first", "second"]


async def test_time_to_the_first_token_is_until_the_model_writes_not_until_the_check() -> None:
    watch, screen = Stopwatch(), Screen()

    answer = await write_grounded(EchoGenerator("Fees are kept."), GROUNDED, REPLY, screen, watch)
    first = answer.complete(REPLY, watch).seconds_to_first_token
    await asyncio.sleep(0.02)

    assert answer.complete(REPLY, watch).seconds_to_first_token == first < watch.seconds


def test_without_a_piece_the_first_time_is_all_the_time() -> None:
    watch = Stopwatch(started=Stopwatch().started - 2)

    assert watch.first == pytest.approx(watch.seconds, abs=0.01) and watch.seconds >= 2


async def test_answer_in_json_is_shown_when_it_is_whole() -> None:
    screen = Screen()
    asked = replace(GROUNDED, schema='{"properties": {"days": {"type": "integer"}}}')

    answer = await write_grounded(EchoGenerator('{"days": 14}'), asked, REPLY, screen, Stopwatch())

    assert screen.pieces == [answer.text] == ['{"days": 14}']
    assert [cited.document for cited in answer.citations] == ["refunds.md"]


async def test_answer_in_json_that_no_passage_holds_is_not_known() -> None:
    screen = Screen()
    asked = replace(GROUNDED, schema='{"properties": {"days": {"type": "integer"}}}')

    answer = await write_grounded(EchoGenerator('{"days": 30}'), asked, REPLY, screen, Stopwatch())

    assert answer.abstained and "30" not in screen.text


@pytest.mark.parametrize(("text", "marked"), [("Within 14 days.", True), ('{"days": 14}', False)])
def test_reviewed_answer_is_marked_in_its_text_unless_that_is_json(text: str, marked: bool) -> None:
    assert ("A person has" in again(replace(REVIEWED, text=text)).text) is marked
