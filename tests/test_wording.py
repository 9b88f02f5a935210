"""What the bot says in its own words."""

import pytest

from bot import wording
from bot.messages import Citation, RouteChoice
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

    expected = "Is this about billing (Invoices) or hr (People)? Please answer “billing”, “hr” or “general”."
    assert text == expected


@pytest.mark.parametrize(("route", "runner_up"), [("billing", "general"), ("general", "billing")])
def test_question_back_between_a_domain_and_general_names_the_domain(route: str, runner_up: str) -> None:
    text = wording.ask_back(choice(route, runner_up), DOMAINS)

    assert text == "Is this about billing (Invoices), or a general question? Please answer “billing” or “general”."


def test_unknown_answer_lists_each_near_place_once_with_what_it_says() -> None:
    nearest = [place("A > B", "First."), place("A > B", "Second."), place("C", "Third.")]

    text = wording.unknown("billing", nearest)

    assert text.startswith("I don't know: ")
    assert text.split("\n")[1:] == ["- A > B: “First.”", "- C: “Third.”"]


def test_unknown_answer_without_places_says_so() -> None:
    assert wording.unknown("billing", []) == "I don't know: the documents of billing say nothing about this."


def test_empty_domain_is_told_the_command_that_fills_it() -> None:
    assert "`pointsman ingest --domain billing`" in wording.no_documents("billing")


@pytest.mark.parametrize(("language", "named"), [("de", True), ("other", False)])
def test_language_is_named_where_it_is_known(language: str, named: bool) -> None:
    text = wording.not_served(language)

    assert text.startswith("I can only work in English so far") and text.endswith("Please ask me again in English.")
    assert ("looks like 'de'" in text) == named


@pytest.mark.parametrize(
    ("why", "text"), [("stop", ""), ("deadline", " … (I ran out of time here.)"), ("length", " …")]
)
def test_answer_that_was_cut_off_ends_with_an_ellipsis(why: str, text: str) -> None:
    assert wording.cut_off(why) == text
