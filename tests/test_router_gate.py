"""Whether a new router is no worse than the one in use: what is measured, on which questions, and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from fakes_routing import ENCODER, TEXTS, QuickTeacher, SharedWords, general_rows

from bot.learning.curation import ALIKE
from bot.learning.router_gate import (
    ENOUGH,
    FOLDS,
    LEAST_CHANCE,
    Answers,
    Contender,
    Verdict,
    accuracy,
    calibration_error,
    compare,
    log_loss,
)
from bot.learning.router_versions import Check
from bot.messages import LabelledQuestion
from bot.routing import DomainClassifier, KnownQuestion

DOMAINS = ("billing", "travel")
THINGS = ("ledger", "invoice", "refund", "dunning", "voucher", "sleeper", "hotel", "train", "poem", "planet", "joke")
ROUTES = ("billing",) * 4 + ("travel",) * 4 + ("general",) * 3
ONCE = np.ones((1, 4))


def answers(chances: Sequence[Sequence[float]], right: Sequence[int]) -> Answers:
    return Answers(np.array(chances), np.array(right))


def test_each_route_counts_alike_in_accuracy() -> None:
    found = answers([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.9, 0.1]], [0, 0, 0, 1])

    assert accuracy(found, ONCE) == pytest.approx(0.5)


def test_route_that_a_resample_lacks_is_left_out() -> None:
    found = answers([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.9, 0.1]], [0, 0, 0, 1])

    assert accuracy(found, np.array([[1.0, 2.0, 1.0, 0.0]])) == pytest.approx(1.0)


def test_calibration_error_is_the_gap_between_chance_and_share() -> None:
    found = answers([[0.75, 0.25]] * 4, [0, 0, 0, 1])
    sure = answers([[0.95, 0.05]] * 4, [0, 0, 0, 1])

    assert calibration_error(found, ONCE) == pytest.approx(0.0)
    assert calibration_error(sure, ONCE) == pytest.approx(0.2)


def test_bins_are_equally_filled_so_that_chances_far_apart_do_not_cancel_out() -> None:
    rows = [[0.9, 0.1]] * 15 + [[0.6, 0.4]] * 15  # those at 0.9 are wrong one time in three, those at 0.6 never
    found = answers(rows, [0] * 10 + [1] * 5 + [0] * 15)

    assert calibration_error(found, np.ones((1, 30))) == pytest.approx((0.9 - 10 / 15) / 2 + 0.4 / 2)


def test_one_question_does_not_decide_the_log_loss() -> None:
    found = answers([[1.0, 0.0]] * 4, [0, 0, 0, 1])

    assert log_loss(found, ONCE) == pytest.approx(-np.log(LEAST_CHANCE) / 4)


@dataclass
class School:
    """Routers of two domains, fitted on example questions, with everything that was ever fitted on."""

    folder: Path
    fits: list[Sequence[KnownQuestion]] = field(default_factory=list)

    def known(self, examples: Sequence[LabelledQuestion]) -> list[KnownQuestion]:
        return QuickTeacher(ENCODER, SharedWords(), self.folder).known(DOMAINS, examples)

    def fit(self, known: Sequence[KnownQuestion]) -> Mapping[str, DomainClassifier]:
        self.fits.append(known)
        return QuickTeacher(ENCODER, SharedWords(), self.folder).fitted(DOMAINS, known)

    def contender(self, name: str, examples: Sequence[LabelledQuestion]) -> Contender:
        known = self.known(examples)
        learned = [question for question in known if question.kind == "example"]
        return Contender(name=name, classifiers=self.fit(known), learned=learned)

    def compare(self, new: Sequence[LabelledQuestion], old: Sequence[LabelledQuestion] = ()) -> Verdict:
        contenders = self.contender("the new router", new), self.contender("router 1", old)
        self.fits.clear()
        return compare(*contenders, self.known(new), self.fit)


@pytest.fixture
def school(tmp_path: Path) -> School:
    return School(tmp_path)


def examples(count: int = 44) -> list[LabelledQuestion]:
    """Questions in words that no document has, but for one."""
    things = [(THINGS[number % len(THINGS)], ROUTES[number % len(THINGS)]) for number in range(count)]
    return [
        LabelledQuestion(text=f"zone{number // 11} may somebody quickly check {thing} desk{number}", route=route)
        for number, (thing, route) in enumerate(things)
    ]


def mistakes() -> list[LabelledQuestion]:
    """What the documents say and what is general, each with a route that is not its own."""
    others = {"billing": "travel", "travel": "billing"}
    found = [(f"{text} desk{n} zone{n} hall{n}", others[d]) for d in others for n, text in enumerate(TEXTS[d])]
    found += [(f"{row['text']} desk{n} zone{n}", "billing") for n, row in enumerate(general_rows()[12:1000:24])]
    return [LabelledQuestion(text=text, route=route) for text, route in found]


def check(verdict: Verdict, name: str) -> Check:
    return next(check for check in verdict.checks if check.name == name)


def test_router_that_learnt_what_people_ask_passes(school: School) -> None:
    verdict = school.compare(examples())

    assert verdict.passed and verdict.reasons == ()
    found = check(verdict, "accuracy")
    assert found.difference == pytest.approx(found.candidate - found.production) and found.difference > 0.05
    assert found.low <= found.difference <= found.high
    assert f"Accuracy {found.candidate:.3f} against {found.production:.3f} of the router in use" in found.reason
    assert "44 questions), within a fall of 0.020" in found.reason


def test_router_that_learnt_wrong_routes_is_refused_for_what_it_unlearnt(school: School) -> None:
    """On the wrong examples themselves it looks better than the router in use."""
    verdict = school.compare(mistakes())

    assert not verdict.passed and verdict.reasons
    assert check(verdict, "log loss").difference < 0
    assert any("on the other questions" in reason and "that is allowed" in reason for reason in verdict.reasons)


def test_same_router_is_no_worse(school: School) -> None:
    verdict = school.compare(examples(), old=examples())

    assert verdict.passed and {check.difference for check in verdict.checks} == {0.0}


def test_router_that_forgets_is_refused(school: School) -> None:
    """The one in use learnt the examples, the new one did not."""
    contenders = school.contender("the new router", []), school.contender("router 1", examples())

    verdict = compare(*contenders, school.known(examples()), school.fit)

    assert not verdict.passed and not check(verdict, "accuracy").passed


def test_no_router_is_asked_what_it_was_fitted_on(school: School) -> None:
    new = examples()
    vectors = ENCODER.encode([example.text for example in new])

    school.compare(new)

    assert 0 < len(school.fits) <= 2 * FOLDS
    seen = [np.stack([each.query.vector for each in known]) for known in school.fits]
    left_out = [(known @ vectors.T).max(axis=0) < ALIKE for known in seen]
    assert np.sum(left_out, axis=0).min() >= 1


def test_what_a_router_never_knew_it_answers_itself(school: School) -> None:
    old, new = school.contender("router 1", []), examples(22)
    known = school.known(new)
    own = [question for question in known if question.kind == "example"]

    unknown = old.knows(np.stack([question.query.vector for question in own]))

    assert not unknown.any()
    assert school.contender("router 2", new).knows(np.stack([question.query.vector for question in own])).all()


@pytest.mark.parametrize("count", [0, ENOUGH - 1])
def test_too_few_examples_are_no_measure(school: School, count: int) -> None:
    verdict = school.compare(examples(count))

    assert not verdict.passed and verdict.checks == () and school.fits == []
    assert verdict.reasons[0].startswith(f"{count} example questions are too few to measure a router by, 20 are needed")


def test_flood_of_one_asker_weighs_less_in_the_measurement(school: School) -> None:
    good, flood = examples(22), [replace(each, weight=0.01) for each in examples(33)[22:]]
    wrong = [replace(each, route="general" if each.route != "general" else "travel") for each in flood]

    alone, flooded = (check(school.compare([*good, *more]), "accuracy") for more in (flood, wrong))

    assert flooded.production == pytest.approx(alone.production, abs=0.02)
