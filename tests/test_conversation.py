"""What a message means within its thread."""

from dataclasses import replace
from typing import Any

import pytest
from fakes import MESSAGE, REPLY

from bot import wording
from bot.conversation import LEANT_ON, Asked, from_file, leans_on_the_last, stood_alone, understand
from bot.messages import SHARED, Exchange, Passage, Turn

ROUTES = ("billing", "it-support")


def exchange(question: str, answer: str = "An answer.", **reply: Any) -> Exchange:
    kept = replace(REPLY, text=answer, **({"question": question, "route": "general"} | reply))
    return Exchange(message=replace(MESSAGE, text=question), reply=kept, complete=True)


def ask(text: str, *past: Exchange, route: str | None = None, bound: str | None = None) -> Asked:
    return understand(replace(MESSAGE, text=text, route=route, bound=bound), past, ROUTES)


ASKED_BACK = exchange("When is it paid?", "Is this about billing?", decision="ask_back")
REFUND = exchange("When is my refund paid?", "Within 14 days [1].")
PARTS = ((1, "a", 0.5), (2, "b", 0.1), (3, "c", 0.9))


def test_first_question_stands_alone() -> None:
    asked = ask("When is my refund paid?")

    assert asked == Asked(text="When is my refund paid?", standalone="When is my refund paid?")


@pytest.mark.parametrize(
    ("text", "route", "left"),
    [
        ("billing: When is it paid?", "billing", "When is it paid?"),
        ("/billing: When is it paid?", None, "/billing: When is it paid?"),
        ("general: Write a haiku", "general", "Write a haiku"),
        ("it-support: my screen\nis dark", "it-support", "my screen\nis dark"),
        ("Billing: When is it paid?", "billing", "When is it paid?"),
        ("biling: When is it paid?", "billing", "When is it paid?"),
        ("It-Suport: my screen is dark", "it-support", "my screen is dark"),
        ("bill: When is it paid?", None, "bill: When is it paid?"),
        ("travel: When is it paid?", None, "travel: When is it paid?"),
        ("billing:When is it paid?", None, "billing:When is it paid?"),
        ("error 5: what does it mean?", None, "error 5: what does it mean?"),
    ],
)
def test_prefix_that_names_a_route_chooses_it(text: str, route: str | None, left: str) -> None:
    asked = ask(text)

    assert (asked.route, asked.text) == (route, left)


def test_short_name_is_not_taken_for_another_one() -> None:
    asked = understand(replace(MESSAGE, text="email: How do I sort it?"), [], ("mail",))

    assert (asked.route, asked.text) == (None, "email: How do I sort it?")


@pytest.mark.parametrize(("text", "missing"), [("Travel: When?", "travel"), ("billing: When?", ""), ("When?", "")])
def test_name_in_front_that_no_route_has_is_kept_for_the_asker(text: str, missing: str) -> None:
    assert ask(text).missing == missing


def test_route_of_the_message_wins_over_a_prefix() -> None:
    asked = ask("billing: When is it paid?", route="it-support")

    assert asked.route == "it-support"


@pytest.mark.parametrize(
    ("text", "leans"),
    [
        ("And how long does it take?", True),
        ("What about invoices?", True),
        ("why", True),
        ("for companies?", True),
        ("Can I cancel it?", True),
        ("How do I change the address on an invoice?", False),
        ("Which of the two plans has more storage and what does it cost a month?", False),
        ("And " + "word " * 16, False),
    ],
)
def test_question_leans_on_the_last_if_it_opens_with_a_link_or_points_back(text: str, leans: bool) -> None:
    assert leans_on_the_last(text) == leans


def test_follow_up_is_retrieved_for_with_the_question_before_it() -> None:
    asked = ask("And how long does it take?", REFUND)

    assert asked.text == "And how long does it take?"
    assert asked.standalone == "When is my refund paid? And how long does it take?"
    assert asked.earlier == "When is my refund paid?"


def test_follow_up_without_a_question_before_it_stands_alone() -> None:
    asked = ask("And how long does it take?")

    assert (asked.standalone, asked.earlier) == ("And how long does it take?", "")


def test_independent_question_forgets_the_one_before() -> None:
    asked = ask("How do I change the address on an invoice?", REFUND)

    assert (asked.standalone, asked.earlier) == ("How do I change the address on an invoice?", "")


def test_long_chain_of_follow_ups_still_ends_with_the_newest_question() -> None:
    before = exchange("word " * 500 + "the newest of the old")

    asked = ask("And how long does it take?", before)

    assert len(asked.earlier.split()) == LEANT_ON
    assert asked.standalone.endswith("the newest of the old And how long does it take?")


@pytest.mark.parametrize("text", ["", "  \n ", "?!", "\x00\x07", "\ud800"])
def test_message_without_a_word_has_an_objection(text: str) -> None:
    asked = ask(text, REFUND)

    assert asked.objection


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("billing", "billing"),
        ("Billing, please!", "billing"),
        ("“billing”", "billing"),
        ("billing?", "billing"),
        ("I think that it-support is right", "it-support"),
        ("general", "general"),
    ],
)
def test_answer_to_a_question_back_picks_the_route_of_the_first_question(text: str, route: str) -> None:
    asked = ask(text, ASKED_BACK)

    assert (asked.text, asked.standalone, asked.route) == ("When is it paid?", "When is it paid?", route)


@pytest.mark.parametrize(
    "text",
    [
        "billing or general",
        "What does the billing team do?",
        "it-support: what does billing mean",
        "My screen is dark since this morning",
        "The billing address of our company in Spain has changed last month",
    ],
)
def test_other_message_after_a_question_back_is_a_question_of_its_own(text: str) -> None:
    asked = ask(text, ASKED_BACK)

    assert asked.text == text.removeprefix("it-support: ")


def test_route_of_the_message_is_not_overruled_by_a_pick() -> None:
    asked = ask("billing", ASKED_BACK, route="it-support")

    assert asked.route == "it-support"


def test_route_named_without_a_question_back_is_a_question() -> None:
    asked = ask("billing", REFUND)

    assert (asked.text, asked.route) == ("billing", None)


@pytest.mark.parametrize(("past", "may"), [((), True), ((REFUND,), True), ((ASKED_BACK, REFUND), False)])
def test_thread_is_asked_back_once(past: tuple[Exchange, ...], may: bool) -> None:
    asked = ask("How do I change the address on an invoice?", *past)

    assert asked.may_ask_back is may


def test_independent_question_has_no_history() -> None:
    assert ask("How do I change the address on an invoice?", REFUND).history == ()


def test_history_leaves_out_markers_but_no_code() -> None:
    asked = ask("And then?", exchange("How do I read an argument?", "Use sys.argv[1]. [2]\nOr a library. [1]"))

    assert asked.history[1].content == "Use sys.argv[1].\nOr a library."


def test_history_leaves_out_that_an_answer_was_reviewed() -> None:
    asked = ask("And then?", exchange("What is light?", "Waves.\n\n✓ A person has corrected this answer (3 May 2026)."))

    assert asked.history[1].content == "Waves."


@pytest.mark.parametrize(
    ("text", "question", "alone"),
    [
        ("When is it paid?", "When is it paid?", True),
        ("When is it paid?", "", True),
        ("billing: When is it paid?", "When is it paid?", True),
        ("billing, please", "When is it paid?", True),
        ("And on holidays?", "When is it paid? And on holidays?", False),
        ("billing: And on holidays?", "When is it paid? And on holidays?", False),
    ],
)
def test_question_stood_alone_unless_it_was_read_with_the_one_before(text: str, question: str, alone: bool) -> None:
    message, reply = replace(MESSAGE, text=text), replace(REPLY, question=question)

    assert stood_alone(Exchange(message=message, reply=reply, complete=True)) == alone


def test_history_leaves_out_what_a_domain_answered() -> None:
    asked = ask("And then?", exchange("When is my refund paid?", "Within 14 days.", route="billing"))

    assert (asked.history, asked.track) == ((), "billing")


@pytest.mark.parametrize(
    ("text", "flag", "route"),
    [
        ("When is it paid?", None, "it-support"),
        ("billing: When is it paid?", None, "billing"),
        ("general: When is it paid?", None, "general"),
        ("billing: When is it paid?", "general", "general"),
        ("travel: When is it paid?", None, "it-support"),
    ],
)
def test_route_is_the_flags_else_the_prefixs_else_the_one_that_the_channel_is_bound_to(
    text: str, flag: str | None, route: str
) -> None:
    asked = ask(text, route=flag, bound="it-support")

    assert asked.route == route


def test_follow_up_in_a_bound_channel_stays_with_the_channels_domain() -> None:
    asked = ask("And how long does it take?", REFUND, bound="it-support")

    assert (asked.route, asked.earlier) == ("it-support", "When is my refund paid?")


def test_passages_of_a_shared_file_bear_its_name_and_their_place_nearest_first() -> None:
    given = [Passage(document=f"passage {n}", chunk=0, text=text, dense=near) for n, text, near in PARTS]

    found = from_file(given, "terms.pdf", 2)

    assert [(each.document, each.title, each.chunk, each.text) for each in found] == [
        (f"{SHARED}terms.pdf", "terms.pdf", 2, "c"),
        (f"{SHARED}terms.pdf", "terms.pdf", 0, "a"),
    ]


def test_passages_that_come_with_the_question_stay_as_they_are_given() -> None:
    given = [Passage(document=f"passage {n}", chunk=0, text=text, dense=near) for n, text, near in PARTS]

    assert from_file(given, "", 2) is given


def test_prefix_with_nothing_behind_it_is_no_question() -> None:
    assert ask("billing:").objection == wording.EMPTY


def test_history_is_question_and_answer_by_turns_without_questions_back() -> None:
    asked = ask("And then?", REFUND, ASKED_BACK, exchange("Thanks", "You are welcome."), exchange("Nothing came", ""))

    assert asked.history == (
        Turn(role="user", content="When is my refund paid?"),
        Turn(role="assistant", content="Within 14 days."),
        Turn(role="user", content="Thanks"),
        Turn(role="assistant", content="You are welcome."),
    )
