"""Questions to begin with, from the headings of documents."""

import pytest

from bot.messages import Chunk
from knowledge.openers import openers


def chunk(heading: str, document: str = "a.md") -> Chunk:
    return Chunk(document=document, index=0, text=heading, heading=heading, title="Guide")


@pytest.mark.parametrize(
    ("heading", "question"),
    [
        ("Guide > Download an invoice", "How do I download an invoice?"),
        ("Guide > How to report a message", "How do I report a message?"),
        ("Guide > How to plan ahead", "How do I plan ahead?"),
        ("Guide > Log in", "How do I log in?"),
        ("Guide > Ingest your own documents", "How do I ingest my own documents?"),
        ("Guide > Set up PostgreSQL", "How do I set up PostgreSQL?"),
        ("Guide > Who pays the duties?", "Who pays the duties?"),
    ],
)
def test_heading_that_says_what_is_done_becomes_a_question(heading: str, question: str) -> None:
    assert openers([chunk(heading)]) == [question]


@pytest.mark.parametrize(
    "heading",
    [
        "Guide > When a refund is paid",
        "Guide > Weekly game night",
        "Guide > Order numbers",
        "Guide > Settings for a channel",
        "Guide > Error: the token is wrong",
        "Guide > Install",
        "Guide > Why?",
        "Guide > Open the door. Close it",
        "Guide > Set a b c d e f g h i",
        "",
    ],
)
def test_heading_that_makes_no_question_is_left_out(heading: str) -> None:
    assert openers([chunk(heading)]) == []


def test_each_document_comes_before_any_documents_second_and_nothing_twice() -> None:
    headings = [("Pay a bill", "a.md"), ("Pay a bill", "a.md"), ("Send it", "a.md"), ("Pay a bill", "b.md")]
    chunks = [chunk(heading, document) for heading, document in [*headings, ("Undo it", "b.md")]]

    assert openers(chunks) == ["How do I pay a bill?", "How do I send it?", "How do I undo it?"]


def test_no_documents_give_no_questions() -> None:
    assert openers([]) == []
