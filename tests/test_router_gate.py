"""Whether a new router is no worse than the one in use: what is measured, on which questions, and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from fakes import DIMENSION
from fakes_routing import ENCODER, TEXTS, QuickTeacher, SharedWords, general_rows

from bot.learning.checks import Check
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
from bot.messages import LabelledQuestion, Query
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


def test_equal_chances_are_in_one_bin_whatever_their_order() -> None:
    found = answers([[0.75, 0.25]] * 60, [0] * 45 + [1] * 15)

    assert calibration_error(found, np.ones((1, 60))) == pytest.approx(0.0)


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
    vectors = ENCODER.encode([example.text for example in examples()])

    school.compare(examples(), old=examples())

    assert len(school.fits) == 2 * FOLDS
    for own in (school.fits[:FOLDS], school.fits[FOLDS:]):
        seen = [np.stack([each.query.vector for each in known]) for known in own]
        left_out = np.array([(known @ vectors.T).max(axis=0) < ALIKE for known in seen])
        assert left_out.any(axis=0).all() and not left_out.all(axis=0).any()


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


def reading(place: int) -> DomainClassifier:
    """One whose log odds are what stands at this *place* of the evidence; it was fitted on nothing."""
    nothing = np.zeros((0, DIMENSION), dtype=np.float32)
    return DomainClassifier(
        embedding=np.zeros(DIMENSION + 1),
        mean=np.zeros(5),
        scale=np.ones(5),
        evidence=np.eye(6)[place],
        own=nothing,
        other=nothing,
    )


def asked(kind: str, new: tuple[float, int], old: tuple[float, int], count: int = 100) -> list[KnownQuestion]:
    """
    Questions of one kind: how sure either router is of its choice, and how many of a hundred it has right.

    Half of them belong to the domain.
    """

    def odds(sure: float, right: bool, of_domain: bool) -> float:
        return float(np.log(sure / (1 - sure))) * (1 if right == of_domain else -1)

    found = []
    for number in range(count):
        of_domain, place = number % 2 == 0, number * 100 / count
        evidence = tuple(odds(sure, place < hits, of_domain) for sure, hits in (new, old))
        query = Query(text=f"{kind} {number}", vector=ENCODER.encode([f"{kind}{number} a{number} b{number}"])[0])
        route = "billing" if of_domain else "general"
        found.append(KnownQuestion(query=query, route=route, kind=kind, evidence={"billing": evidence}))
    return found


FAIR = ((0.9, 90), (0.9, 90))
CASES = {
    "accuracy": (((0.85, 85), (0.9, 90)), FAIR),
    "calibration error": (((0.99, 90), (0.9, 90)), FAIR),
    "accuracy on the other questions": (FAIR, ((0.85, 85), (0.9, 90))),
    "calibration error on the other questions": (FAIR, ((0.99, 90), (0.9, 90))),
}


@pytest.mark.parametrize("name", CASES)
def test_each_comparison_can_refuse_by_itself(name: str) -> None:
    own, others = CASES[name]
    known = [*asked("example", *own), *asked("made", *others)]
    new, old = (
        Contender(name=n, classifiers={"billing": reading(p)}, learned=()) for p, n in enumerate(("new", "old"))
    )

    verdict = compare(new, old, known, lambda _: {})

    assert [check.name for check in verdict.checks if not check.passed] == [name] and not verdict.passed


def test_what_is_within_the_margins_passes() -> None:
    known = [*asked("example", (0.885, 89), (0.9, 90)), *asked("made", (0.885, 89), (0.9, 90))]
    new, old = (
        Contender(name=n, classifiers={"billing": reading(p)}, learned=()) for p, n in enumerate(("new", "old"))
    )

    assert compare(new, old, known, lambda _: {}).passed
