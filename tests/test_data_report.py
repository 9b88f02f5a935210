"""What the report of a dataset says, and that its page shows it."""

import re
from dataclasses import replace
from typing import Any

import pytest

from adapters.datasets.composing import DataRow
from adapters.datasets.report import draw, measure, page
from bot.messages import DatasetVersion


def row(question: str, answer: str | None, **more: Any) -> DataRow:
    written = {"question": question, "passages": ["Refunds are paid within 14 days."], "answer": answer}
    label = "unanswerable" if answer is None else "answerable"
    return DataRow(row=written | more, question=question, answer=answer, label=label)


TRAIN = [
    row("When is my refund paid?", "Within 14 days."),
    row("when is my REFUND paid", "Write to <EMAIL> or <PERSON>."),
    row("Wann wird meine Erstattung ausgezahlt und wer hilft mir dabei?", None),
]
HELD_OUT = [row("How high is the fee?", None)]


@pytest.fixture
def report() -> dict[str, Any]:
    return measure(TRAIN, HELD_OUT, {"asked in a private place": ["a", "b"]}) | {
        "origin": "curated replies",
        "seed": 17,
    }


def version(report: dict[str, Any]) -> DatasetVersion:
    return DatasetVersion(
        domain="billing",
        version="2",
        kind="sft",
        rows=4,
        hash="abc",
        approved_by=("ada",),
        documents=("<script>alert(1)</script>.md",),
        report=report,
    )


def test_rows_labels_languages_and_redactions_are_counted(report: dict[str, Any]) -> None:
    assert (report["rows"], report["train"], report["held_out"]) == (4, 3, 1)
    assert report["labels"] == {"train": {"answerable": 2, "unanswerable": 1}, "held_out": {"unanswerable": 1}}
    assert report["languages"] == {"en": 3, "de": 1}
    assert report["redactions"] == {"EMAIL": 1, "PERSON": 1}
    assert report["left_out"] == {"asked in a private place": ["a", "b"]}


def test_questions_that_say_the_same_count_as_repeated(report: dict[str, Any]) -> None:
    assert report["repeated_questions"] == 1


def test_lengths_are_in_words(report: dict[str, Any]) -> None:
    assert report["length"]["question"] == {"shortest": 5, "median": 5, "nine in ten at most": 10, "longest": 10}
    assert report["length"]["answer"]["longest"] == 5
    assert report["histogram"] == {"0": 4}


def test_roles_of_chat_messages_are_not_counted_as_words() -> None:
    turns = [{"role": "user", "content": "When is it paid?"}, {"role": "assistant", "content": "Soon."}]

    report = measure([replace(TRAIN[0], row={"messages": turns})], [], {})

    assert report["length"]["row"]["longest"] == 5


def test_report_of_no_answers_has_no_lengths_of_answers() -> None:
    assert measure(HELD_OUT, [], {})["length"]["answer"] == {}


def test_page_needs_no_other_file_and_shows_the_plot(report: dict[str, Any]) -> None:
    plot = draw(report)

    shown = page(version(report), plot)

    assert plot and plot.startswith(b"\x89PNG")
    assert 'src="data:image/png;base64,iVBOR' in shown and "http" not in re.sub(r'src="[^"]*"', "", shown)
    assert "Dataset billing@2" in shown and "asked in a private place" in shown


def test_page_without_a_plot_has_the_numbers_all_the_same(report: dict[str, Any]) -> None:
    shown = page(version(report), None)

    assert "<img" not in shown and "3 to train on, 1 held out" in shown


def test_names_in_the_page_are_text_and_no_markup(report: dict[str, Any]) -> None:
    shown = page(version(report), None)

    assert "<script>" not in shown and "&lt;script&gt;alert(1)" in shown
