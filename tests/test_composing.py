"""Rows from material: which passages come with a question that they do not answer."""

import pytest

from adapters.datasets.composing import compose
from adapters.datasets.material import Material
from bot.messages import Passage
from bot.prompts import PromptLibrary


def material(name: str, question: str, text: str) -> Material:
    passage = Passage(document=f"{name}.md", chunk=0, text=text)
    return Material(
        reply=name,
        user="slack:U1",
        workspace="slack:T1",
        thread=name,
        voters=(),
        approved_by="ada",
        question=question,
        passages=(passage,),
        sources=frozenset({passage.document}),
        given=text,
        target=text,
        votes=1.0,
    )


PAID = material("paid", "When are invoices of Berlin paid?", "Invoices of Berlin are paid in June.")
SIGNED = material("signed", "Who signs invoices of Berlin?", "Invoices of Berlin are signed by Ada.")
CATS = material("cats", "What do cats eat?", "Cats eat fish and mice.")
DOGS = material("dogs", "Where do dogs sleep?", "Dogs sleep in the barn.")


@pytest.mark.parametrize("seed", range(20))
def test_passages_that_do_not_answer_are_the_nearest_ones(seed: int) -> None:
    rows = compose((PAID, SIGNED, CATS, DOGS), "sft", PromptLibrary(), seed=seed)

    unanswered = {row.question: row.row["passages"] for row in rows if row.answer is None}
    nearest = {PAID.question: [SIGNED.given], SIGNED.question: [PAID.given]}
    assert len(unanswered) == 2
    assert all(passages == nearest.get(question, passages) for question, passages in unanswered.items())


def test_passages_that_hold_the_answer_are_never_taken_for_those_that_do_not() -> None:
    same = material("copy", "When does Berlin pay?", "Copy: Invoices of Berlin are paid in June.")

    rows = compose((PAID, same), "sft", PromptLibrary(), seed=1)

    assert [row.answer is None for row in rows] == [False, False]
