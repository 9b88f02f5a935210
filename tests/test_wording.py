"""What the bot says in its own words."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from fakes import REPLY

from bot import wording
from bot.messages import SHARED, Citation, Passage, ReviewedAnswer, RouteChoice
from bot.settings import DomainSettings

DOMAINS = {
    name: DomainSettings(name=name, description=text) for name, text in (("billing", "Invoices"), ("hr", "People"))
}


def choice(route: str, runner_up: str) -> RouteChoice:
    return RouteChoice(route=route, probability=0.5, domain_probability=0.6, decision="ask_back", runner_up=runner_up)


def place(title: str, quote: str) -> Citation:
    return Citation(number=1, document="a.md", chunk=0, title=title, url=None, quote=quote)


def test_question_back_between_two_domains_names_both_and_the_way_out() -> None:
    text = wording.ask_back(choice("billing", "hr"), DOMAINS)

    expected = "Is this about billing (Invoices) or hr (People)? Please reply with “billing”, “hr” or “general”."
    assert text == expected


@pytest.mark.parametrize(("route", "runner_up"), [("billing", "general"), ("general", "billing")])
def test_question_back_between_a_domain_and_general_names_the_domain(route: str, runner_up: str) -> None:
    text = wording.ask_back(choice(route, runner_up), DOMAINS)

    asked = "Is this about billing (Invoices), or a general question?"
    assert text == f"{asked} Please reply with “billing” or “general”."


def test_unknown_answer_lists_each_near_place_once_with_what_it_says() -> None:
    nearest = [place("A > B", "First."), place("A > B", "Second."), place("C", "Third.")]

    text = wording.unknown("billing", nearest)

    assert text.startswith("I don't know: ")
    assert text.split("\n")[1:] == ["- A > B: “First.”", "- C: “Third.”"]


def test_unknown_answer_without_places_says_so() -> None:
    assert wording.unknown("billing", []) == "I don't know: the documents of billing say nothing about this."


def test_empty_domain_is_told_the_command_that_fills_it() -> None:
    assert "`pointsman ingest --domain billing`" in wording.no_documents("billing")


@pytest.mark.parametrize(
    ("language", "named"), [("de", " (this looks like German)"), ("ht", " (this looks like Haitian Creole)")]
)
def test_language_is_called_by_its_name(language: str, named: str) -> None:
    assert wording.not_served(language) == f"I can only work in English so far{named}. Please ask me again in English."


@pytest.mark.parametrize("language", ["other", "ltg"])
def test_language_whose_name_hardly_anybody_knows_is_not_named(language: str) -> None:
    assert wording.not_served(language) == "I can only work in English so far. Please ask me again in English."


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"citations": (place("A", "First."),)}, "📄 From the documents of billing"),
        ({}, "🔎 Looked in the documents of billing"),
        ({"passages": (Passage(document=f"{SHARED}plan.md", chunk=0, text="x"),)}, "🔎 Looked in plan.md"),
        ({"route": "general"}, "💭 General knowledge, not from the documents"),
        ({"route": "general", "prompt": "reviewed@a"}, "✅ Checked by a person, not from the documents"),
        ({"route": "general", "abstained": True}, ""),
        ({"decision": "ask_back"}, ""),
    ],
)
def test_mark_and_words_say_where_an_answer_comes_from(change: dict[str, object], shown: str) -> None:
    assert wording.signed(replace(REPLY, **change)) == shown


def test_question_about_somebodys_own_affairs_is_told_what_there_is() -> None:
    text = wording.not_mine(DOMAINS)

    assert text.startswith("I don't know: this sounds like a question about one company or account")
    assert "\n\nI have documents about:\n- billing: Invoices\n- hr: People\n\n" in text


def test_name_that_no_domain_has_is_said_to_be_unknown() -> None:
    assert wording.not_mine({}, missing="shipping").startswith("I don't know: I have no domain “shipping”.\n\nFor an")


@pytest.mark.parametrize(("written", "did"), [(False, "checked"), (True, "corrected")])
def test_reviewed_answer_says_so_in_a_line_of_its_own_that_can_be_taken_off_again(written: bool, did: str) -> None:
    known = ReviewedAnswer(
        reply="a", route="billing", text="Yes.", written=written, at=datetime(2026, 5, 3, tzinfo=UTC)
    )

    shown = known.text + wording.reviewed(known)

    assert shown == f"Yes.\n\n✓ A person has {did} this answer (3 May 2026)."
    assert wording.without_review(shown) == "Yes."


@pytest.mark.parametrize(
    ("why", "text"), [("stop", ""), ("deadline", " … (I ran out of time here.)"), ("length", " …")]
)
def test_answer_that_was_cut_off_ends_with_an_ellipsis(why: str, text: str) -> None:
    assert wording.cut_off(why) == text
