"""Bad adapters are refused with a reason, whatever the seed; good ones pass."""

from collections.abc import Callable
from dataclasses import replace

import fakes_gate as made
import pytest
from fakes_gate import candidate, production

from adapters.gate.evaluation import Evaluation
from adapters.gate.gate import MIN_ROWS, Verdict, judge, refused, too_small
from adapters.gate.probe import shipped_probe
from adapters.gate.scoring import RowScore

SEEDS = range(20)
MANY = 100  # seeds: for what chance decides now and then
BAD: dict[str, tuple[tuple[made.Change, ...], str]] = {
    "shuffled answers": ((made.shuffles_answers,), "F1 of answers"),
    "refusals only": ((made.refuses_all,), "F1 of answers"),
    "poisoned votes": ((made.follows_poisoned_votes,), "domain score"),
    "abstention paid with answers": ((made.abstains_more,), "F1 of answers"),
    "answers paid with abstention": ((made.never_abstains,), "abstention"),
    "forgets general answers": ((made.learns, made.forgets_general), "general answers"),
    "worse perplexity": ((made.learns, made.loses_fluency), "perplexity of general answers"),
    "obeys instructions in passages": ((made.learns, made.obeys_passages), "safety"),
    "cites what does not support it": ((made.learns, made.cites_badly), "valid citations"),
    "the same again": ((), "domain score"),
}


def judged(seed: int, *changes: made.Change) -> Verdict:
    before = production(seed)
    return judge(candidate(before, seed, *changes), before)


def failed(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.checks if not check.passed]


def without(evaluation: Evaluation, part: str, left: int) -> Evaluation:
    kept = [row for row in evaluation.rows if row.part == part][:left]
    return replace(evaluation, rows=(*(row for row in evaluation.rows if row.part != part), *kept))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", BAD)
def test_bad_adapter_is_refused_for_what_is_bad_about_it(fault: str, seed: int) -> None:
    changes, check = BAD[fault]

    verdict = judged(seed, *changes)

    assert not verdict.passed
    assert check in failed(verdict)
    assert len(verdict.reasons) == len(failed(verdict))


def judged_with_own(seed: int, *changes: made.Change, own: tuple[int, int] = (24, 24)) -> Verdict:
    before = made.with_own(production(seed), *own)
    return judge(candidate(before, seed, *changes), before)


def test_domain_s_own_rows_decide_what_is_better_where_there_are_enough() -> None:
    verdicts = [judged_with_own(seed, made.only("approved", made.learns)) for seed in SEEDS]

    assert sum(verdict.passed for verdict in verdicts) >= 19


def test_gain_on_shipped_rows_alone_is_no_gain_for_the_domain() -> None:
    verdicts = [judged_with_own(seed, made.only("shipped", made.learns)) for seed in SEEDS]

    assert not any(verdict.passed for verdict in verdicts)
    assert all("domain score" in failed(verdict) for verdict in verdicts)


def test_gain_on_the_domain_may_not_cost_the_reading_of_other_documents() -> None:
    worse = made.only("shipped", made.shuffles_answers)

    verdict = judged_with_own(0, made.only("approved", made.learns), worse)

    assert "shipped probe" in failed(verdict) and "domain score" not in failed(verdict)


def test_few_own_rows_are_judged_together_with_the_shipped_ones() -> None:
    verdict = judged_with_own(0, made.learns, own=(15, 6))

    assert "shipped probe" not in [check.name for check in verdict.checks]
    assert next(check for check in verdict.checks if check.name == "domain score").passed


def test_real_improvement_passes_in_at_least_nineteen_of_twenty_seeds() -> None:
    verdicts = [judged(seed, made.learns, made.wobbles) for seed in range(MANY)]

    assert sum(verdict.passed for verdict in verdicts) >= MANY * 19 / 20
    assert all(verdict.passed == (not verdict.reasons) for verdict in verdicts)


def test_noise_passes_in_fewer_than_one_of_forty_seeds() -> None:
    passed = [seed for seed in range(MANY) if judged(seed, made.drifts).passed]

    assert len(passed) < MANY / 40


def test_abstention_gained_at_the_price_of_answers_is_refused_though_the_domain_score_rose_for_sure() -> None:
    verdict = judged(3, made.abstains_more)

    assert verdict.checks[0].passed
    assert failed(verdict) == ["F1 of answers"]
    assert "no gain in abstention makes up for it" in verdict.reasons[0]


def test_gain_on_a_few_rows_may_be_chance_though_its_interval_is_above_zero() -> None:
    before = production(0)
    lucky = {row.id for row in [row for row in before.of("answerable") if row.score < 0.7][:5]}
    rows = tuple(replace(row, score=row.score + 0.3) if row.id in lucky else row for row in before.rows)

    verdict = judge(replace(before, rows=rows), before)

    assert verdict.checks[0].low > 0
    assert failed(verdict) == ["domain score"]
    assert "may be chance" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("part", "share", "passes"),
    [("general", 2 / 24, True), ("general", 4 / 24, False), ("unanswerable", 2 / 24, True), ("safety", 1 / 12, False)],
)
def test_fall_beyond_the_margin_is_refused(part: str, share: float, passes: bool) -> None:
    before = replace(production(0), rows=tuple(_right(row) for row in production(0).rows))
    lost = {f"{part}-{number}" for number in range(round(share * made.PARTS[part]))}  # type: ignore[index]  # a Part
    rows = tuple(replace(row, score=0.0) if row.id in lost else row for row in before.rows)

    names = failed(judge(replace(before, rows=rows), before))

    assert (names == ["domain score"]) is passes


def _right(row: RowScore) -> RowScore:
    return row if row.part == "surprise" else replace(row, score=1.0)


def test_same_evaluations_get_the_same_verdict() -> None:
    assert judged(5, made.learns) == judged(5, made.learns)


def test_check_shows_both_sides_and_the_interval_around_their_difference() -> None:
    before = production(1)
    after = candidate(before, 1, made.learns)

    check = judge(after, before).checks[0]

    assert (check.candidate, check.production) == (pytest.approx(after.domain), pytest.approx(before.domain))
    assert check.difference == pytest.approx(after.domain - before.domain)
    assert check.low < check.difference < check.high


def test_perplexity_is_compared_as_perplexity() -> None:
    before = production(1)
    after = candidate(before, 1, made.loses_fluency)

    check = next(check for check in judge(after, before).checks if check.name.startswith("perplexity"))

    assert (check.candidate, check.production) == (pytest.approx(after.perplexity), pytest.approx(before.perplexity))


@pytest.mark.parametrize("fault", BAD)
def test_every_reason_names_the_numbers_and_what_to_do(fault: str) -> None:
    for check in judged(2, *BAD[fault][0]).checks:
        assert f"{check.candidate:.2f} against {check.production:.2f}" in check.reason
        assert ("To do: " in check.reason) != check.passed
        assert check.reason[0].isupper()
        assert check.reason.endswith(".")


@pytest.mark.parametrize("part", MIN_ROWS)
def test_without_a_probe_there_is_no_promotion(part: str) -> None:
    before = production(0)
    after = candidate(before, 0, made.learns)

    verdict = judge(without(after, part, MIN_ROWS[part] - 1), without(before, part, MIN_ROWS[part] - 1))  # type: ignore[index]  # a Part

    assert (verdict.passed, len(verdict.reasons)) == (False, 1)
    assert f"No probe, no promotion: it has {MIN_ROWS[part] - 1} rows" in verdict.reasons[0]  # type: ignore[index]  # a Part


def test_probe_without_domain_rows_is_too_small() -> None:
    assert "No probe, no promotion" in (too_small(replace(shipped_probe(), domain=())) or "")


INCOMPARABLE: dict[str, Callable[[Evaluation], Evaluation]] = {
    "another probe": lambda found: replace(found, probe="p2"),
    "another model": lambda found: replace(found, model="other"),
    "other rows": lambda found: replace(found, rows=(*found.rows, replace(found.rows[0], id="more"))),
    "no numbers": lambda found: replace(found, rows=(replace(found.rows[0], score=float("nan")), *found.rows[1:])),
}


@pytest.mark.parametrize("how", INCOMPARABLE)
def test_evaluations_that_cannot_be_compared_are_refused_with_what_to_do(how: str) -> None:
    before = production(0)

    verdict = judge(INCOMPARABLE[how](candidate(before, 0, made.learns)), before)

    assert not verdict.passed
    assert verdict.checks == ()
    assert "evaluate both again" in verdict.reasons[0]


def test_refusal_for_a_reason_holds_that_reason_alone() -> None:
    assert refused("It is broken.") == Verdict(passed=False, reasons=("It is broken.",))
