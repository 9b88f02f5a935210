"""Which way suits a domain, and why."""

from dataclasses import replace

import pytest

from bot.learning.advice import Circumstances, Measured, Way, advise, difference

FACTS = Circumstances(examples=200, documents=40, changes_per_week=0.0, questions_per_week=300.0, training_hours=0.5)


def measured(way: Way, *scores: float, rows: int = 40, adapter: str = "none") -> Measured:
    every = tuple((list(scores) * rows)[:rows])
    return Measured(
        way=way,
        adapter=adapter,
        scores=every,
        prompt_tokens=(100,) * rows,
        completion_tokens=(9,) * rows,
        seconds=(1.0,) * rows,
    )


PROMPT = measured("prompt", 0.1, 0.2)
RETRIEVE = measured("retrieve", 0.4, 0.5)
TUNED = measured("fine-tune", 0.7, 0.8, adapter="billing@3")


def test_adapter_that_is_better_over_the_same_passages_is_recommended() -> None:
    advice = advise([PROMPT, RETRIEVE, TUNED], FACTS)

    assert advice.recommendation == "fine-tune"
    assert any("billing@3 answers better than the base model" in reason for reason in advice.reasons)


def test_retrieval_is_recommended_where_the_adapter_gains_nothing_beyond_chance() -> None:
    noise = measured("fine-tune", 0.5, 0.4, adapter="billing@3")

    advice = advise([PROMPT, RETRIEVE, noise], FACTS)

    assert advice.recommendation == "retrieve"
    assert any("not better than the base model beyond chance: +0.00" in reason for reason in advice.reasons)


def test_prompt_is_recommended_where_retrieval_makes_answers_worse() -> None:
    advice = advise([measured("prompt", 0.8), measured("retrieve", 0.2, 0.3)], FACTS)

    assert advice.recommendation == "prompt"
    assert "look at what is retrieved" in advice.reasons[0]


def test_few_held_out_questions_mean_that_more_have_to_be_collected() -> None:
    advice = advise([measured("prompt", 0.1, rows=12), measured("retrieve", 0.9, rows=12)], FACTS)

    assert advice.recommendation == "collect"
    assert advice.reasons[0].startswith("only 12 held-out questions")


def test_no_held_out_question_at_all_is_no_crash() -> None:
    advice = advise([measured("prompt", rows=0), measured("retrieve", rows=0)], FACTS)

    assert advice.recommendation == "collect"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (replace(FACTS, examples=12), "12 reviewed answers are too few"),
        (replace(FACTS, questions_per_week=3.0), "3 questions a week are few"),
        (replace(FACTS, changes_per_week=9.0), "9.0 of 40 documents change in a week"),
        (FACTS, "training takes 0.5 hours"),
    ],
)
def test_life_of_the_domain_is_among_the_reasons(facts: Circumstances, said: str) -> None:
    reasons = advise([PROMPT, RETRIEVE, TUNED], facts).reasons

    assert any(said in reason for reason in reasons)


def test_difference_is_paired_by_question() -> None:
    """Two ways that rise and fall together differ surely, however much each of them scatters."""
    low, high = measured("prompt", 0.0, 0.5, 0.9), measured("retrieve", 0.1, 0.6, 1.0)

    gain, least, most = difference(low, high)

    assert (gain, least, most) == pytest.approx((0.1, 0.1, 0.1))
