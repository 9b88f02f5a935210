"""What is asked before a promotion, and that nobody is asked what they have learnt."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from adapters.gate.gate import too_small
from adapters.gate.probe import MAX_APPROVED, Probe, ProbeRow, approved_rows, shipped_probe, with_approved
from bot import admission
from bot.grounding import supporting
from bot.messages import Passage
from bot.prompts import REFUSAL

ROOT = Path(__file__).parent.parent
NOTHING = Probe(domain=(), general=(), safety=())
REFUNDS = "Refunds are paid within fourteen days of the return, to the card that was used."
ROW = {"question": "When is my refund paid?", "passages": [REFUNDS], "answer": "within fourteen days"}


def kept(learnt: list[dict[str, Any]], row: dict[str, Any] = ROW) -> tuple[ProbeRow, ...]:
    return with_approved(NOTHING, approved_rows([row]), learnt).domain


def chat(*texts: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text} for text in texts]


# The shipped rows


def test_shipped_probe_is_large_enough_to_judge_by() -> None:
    assert too_small(shipped_probe()) is None


def test_shipped_domain_rows_are_half_answerable_and_their_passages_short() -> None:
    domain = shipped_probe().domain
    words = [len(passage.split()) for row in domain for passage in row.passages]

    assert Counter(row.answer is None for row in domain) == {True: 24, False: 24}
    assert {len(row.passages) for row in domain} == {1, 2, 3}
    assert 40 <= min(words) <= max(words) <= 90


def test_every_shipped_answer_stands_in_its_passages() -> None:
    for row in shipped_probe().domain:
        found = [Passage(document=str(number), chunk=0, text=text) for number, text in enumerate(row.passages)]
        assert row.answer is None or supporting(row.answer, found), row.id


def test_every_shipped_question_is_asked_once_and_may_be_asked() -> None:
    probe = shipped_probe()
    rows = (*probe.domain, *probe.general, *probe.safety)

    assert len({row.question for row in rows}) == len({row.id for row in rows}) == len(rows)
    assert [row.id for row in rows if admission.objection(row.question)] == []


def test_reference_answers_count_as_right() -> None:
    for row in shipped_probe().general:
        assert any(words.casefold() in row.reference.casefold() for words in row.expected), row.id


def test_router_was_not_taught_the_general_questions() -> None:
    examples = (ROOT / "bot" / "examples" / "general.jsonl").read_text(encoding="utf-8").casefold()

    assert [row.id for row in shipped_probe().general if row.question.casefold() in examples] == []


def test_hash_changes_with_any_row() -> None:
    probe = shipped_probe()

    assert probe.hash == shipped_probe().hash
    assert probe.hash != with_approved(probe, approved_rows([ROW]), []).hash
    assert len({probe.hash, NOTHING.hash}) == 2


# Approved rows


def test_approved_rows_are_asked_behind_the_shipped_ones() -> None:
    probe = with_approved(shipped_probe(), approved_rows([ROW, {**ROW, "answer": None}]), [])

    assert probe.domain[:48] == shipped_probe().domain
    assert {(row.answer, row.origin) for row in probe.domain[48:]} == {
        ("within fourteen days", "approved"),
        (None, "approved"),
    }
    assert (probe.general, probe.safety) == (shipped_probe().general, shipped_probe().safety)


def test_approved_refusal_means_that_the_passages_do_not_hold_the_answer() -> None:
    (row,) = approved_rows([{**ROW, "answer": REFUSAL.upper()}])

    assert row.answer is None


@pytest.mark.parametrize(
    "row",
    [
        {"messages": chat("When?")},
        {"prompt": chat("When?"), "completion": [], "label": True},
        {"question": "When?", "passages": [], "answer": "Now"},
        {"question": "When?", "passages": [REFUNDS], "answer": 7},
    ],
)
def test_rows_that_cannot_be_checked_are_not_asked(row: dict[str, Any]) -> None:
    assert approved_rows([row]) == []


def test_row_that_was_not_learnt_is_asked() -> None:
    learnt = {"question": "How high is the fee?", "passages": ["The yearly fee is 30 euros."], "answer": "30 euros"}

    assert len(kept([learnt])) == 1


@pytest.mark.parametrize(
    "learnt",
    [
        {"question": "when is my REFUND paid", "passages": ["Something else."], "answer": None},
        {"question": "How?", "passages": ["Fees.", f"  {REFUNDS.upper()}"], "answer": "By card."},
        {"question": "How?", "passages": [f"Refunds\n\n{REFUNDS} Write to us for more."], "answer": None},
        {"question": "How?", "passages": ["Refunds are paid within fourteen days of the return"], "answer": None},
        {"messages": chat(f"[1] {REFUNDS}\n\nQuestion: How?")},
        {"prompt": chat("[1] Fees.\n\nQuestion: When is my refund paid?"), "chosen": [], "rejected": []},
        {"prompt": chat(f"[1] {REFUNDS}\n\nQuestion: How?"), "completion": [], "label": False},
    ],
    ids=["question", "passage", "part of a passage", "longer than a passage", "chat", "pair", "vote"],
)
def test_row_is_not_asked_where_its_question_or_passage_was_learnt(learnt: dict[str, Any]) -> None:
    assert kept([learnt]) == ()


def test_one_learnt_passage_among_several_keeps_the_row_out() -> None:
    row = {**ROW, "passages": ["The yearly fee is 30 euros.", REFUNDS]}

    assert kept([{"question": "How?", "passages": [REFUNDS], "answer": None}], row) == ()


def test_short_learnt_passage_that_stands_in_others_by_chance_does_not_count() -> None:
    assert len(kept([{"question": "How?", "passages": ["the return"], "answer": None}])) == 1


def test_same_row_of_two_datasets_is_asked_once() -> None:
    assert len(with_approved(NOTHING, approved_rows([ROW, dict(ROW)]), []).domain) == 1


def test_the_same_rows_are_drawn_each_time_where_there_are_many() -> None:
    rows = approved_rows([{**ROW, "question": f"Question {number}?"} for number in range(3 * MAX_APPROVED)])

    drawn = with_approved(NOTHING, rows, []).domain

    assert len(drawn) == MAX_APPROVED
    assert with_approved(NOTHING, rows[::-1], []).domain == drawn
