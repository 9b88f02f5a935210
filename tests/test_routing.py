"""Where a question goes: probabilities, thresholds, and what the classifiers learn."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import DIMENSION, HashedWordsEncoder
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import RetrievalError
from bot.messages import Query, Retrieval, RouteChoice
from bot.routing import (
    OUR_COMPANY,
    SOMEBODYS_OWN,
    USUAL,
    DomainClassifier,
    KnownQuestion,
    LearnedRouter,
    TaskChooser,
    chances,
    fit,
    load,
    save,
)

FEATURES = 4  # evidence of one number, two likenesses, the first step's score
BILLING = ("How do I pay an invoice", "When is an invoice due", "Invoice number is missing", "Pay the invoice later")
TRAVEL = ("Which train do I take", "Is the hotel booked", "The train is late", "Book a hotel near the train")
GENERAL = ("Why is the sky blue", "Tell me a joke", "Who wrote Hamlet", "How tall is a giraffe", "Is the sky big")
ENCODER = HashedWordsEncoder()


def query(text: str) -> Query:
    return Query(text=text, vector=ENCODER.encode([text])[0])


def with_odds(odds: float) -> DomainClassifier:
    """One that gives these odds to every question."""
    return DomainClassifier(
        embedding=np.zeros(DIMENSION + 1),
        mean=np.zeros(FEATURES),
        scale=np.ones(FEATURES),
        evidence=np.append(np.zeros(FEATURES), np.log(odds)),
        own=np.zeros((1, DIMENSION), dtype=np.float32),
        other=np.zeros((1, DIMENSION), dtype=np.float32),
    )


def choose(explicit: str | None = None, *, readable: Sequence[str] | None = None, **odds: float) -> RouteChoice:
    router = LearnedRouter({domain: with_odds(value) for domain, value in odds.items()})
    found = {domain: Retrieval(evidence=(0.5,)) for domain in (odds if readable is None else readable)}
    return router.choose(query("Why?"), found, explicit=explicit)


def known(text: str, route: str, *, kind: str = "made", near: float | None = None) -> KnownQuestion:
    evidence = {domain: (near if near is not None else float(route == domain),) for domain in ("billing", "travel")}
    return KnownQuestion(query=query(text), route=route, kind=kind, evidence=evidence)


KNOWN = (
    *(known(text, "billing") for text in BILLING),
    *(known(text, "travel") for text in TRAVEL),
    *(known(text, "general", kind="science") for text in GENERAL),
)


def taught(questions: Sequence[KnownQuestion] = KNOWN) -> LearnedRouter:
    return LearnedRouter({domain: fit(domain, questions) for domain in ("billing", "travel")})


def evidence_for(route: str) -> Mapping[str, Retrieval]:
    return {domain: Retrieval(evidence=(float(route == domain),)) for domain in ("billing", "travel")}


@pytest.mark.parametrize(
    ("odds", "route", "probability", "domain_probability", "runner_up"),
    [
        ({"billing": 4.0}, "billing", 0.8, 0.8, "general"),
        ({"billing": 0.25}, "general", 0.8, 0.2, "billing"),
        ({"billing": 6.0, "travel": 3.0}, "billing", 0.6, 0.9, "travel"),
        ({"billing": 1.5, "travel": 2.5}, "travel", 0.5, 0.8, "billing"),
        ({"billing": 0.1, "travel": 0.1}, "general", 1 / 1.2, 0.2 / 1.2, "billing"),
        ({}, "general", 1.0, 0.0, None),
    ],
)
def test_odds_of_all_domains_are_shared_out_so_that_the_chances_sum_to_one(
    odds: dict[str, float], route: str, probability: float, domain_probability: float, runner_up: str | None
) -> None:
    choice = choose(**odds)

    assert (choice.route, choice.runner_up) == (route, runner_up)
    assert choice.probability == pytest.approx(probability)
    assert choice.domain_probability == pytest.approx(domain_probability)


@given(st.lists(st.floats(1e-12, 1e12), max_size=5))
def test_probabilities_stay_between_0_and_1(odds: list[float]) -> None:
    choice = choose(**{f"d{number}": value for number, value in enumerate(odds)})

    assert 0 <= choice.probability <= 1 and 0 <= choice.domain_probability <= 1
    if choice.route == "general":
        assert choice.probability + choice.domain_probability == pytest.approx(1)
    else:
        assert choice.probability <= choice.domain_probability + 1e-9


@pytest.mark.parametrize(
    ("odds", "decision"),
    [
        ({"billing": 0.61 / 0.39}, "answer"),
        ({"billing": 0.59 / 0.41}, "ask_back"),
        ({"billing": 0.39 / 0.61}, "answer"),
        ({"billing": 0.41 / 0.59}, "ask_back"),
        ({"billing": 50.0, "travel": 49.0}, "ask_back"),
        ({}, "answer"),
    ],
)
def test_best_route_that_is_less_than_60_percent_sure_is_asked_back(odds: dict[str, float], decision: str) -> None:
    assert choose(**odds).decision == decision


@pytest.mark.parametrize(("explicit", "domain_probability"), [("travel", 1.0), ("general", 0.0), ("new", 1.0)])
def test_explicit_choice_is_certain_and_never_asked_back(explicit: str, domain_probability: float) -> None:
    choice = choose(explicit, billing=1.0, travel=1.0)

    assert (choice.route, choice.probability, choice.decision) == (explicit, 1.0, "answer")
    assert choice.domain_probability == domain_probability


def test_domain_that_the_asker_may_not_read_is_never_chosen() -> None:
    choice = choose(readable=["travel"], billing=1000.0, travel=0.1)

    assert (choice.route, choice.runner_up) == ("general", "travel")


def test_domain_without_a_classifier_is_never_chosen() -> None:
    choice = choose(readable=["billing", "new"], billing=0.1)

    assert (choice.route, choice.runner_up) == ("general", "billing")


def test_domain_without_documents_is_judged_without_evidence() -> None:
    router = LearnedRouter({"billing": with_odds(4.0)})

    choice = router.choose(query("Why?"), {"billing": Retrieval()}, explicit=None)

    assert choice.probability == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("Which invoice do I pay", "billing"),
        ("Is my train booked", "travel"),
        ("Why is a giraffe tall", "general"),
    ],
)
def test_questions_like_the_known_ones_go_their_way(text: str, route: str) -> None:
    choice = taught().choose(query(text), evidence_for(route), explicit=None)

    assert (choice.route, choice.decision) == (route, "answer")


def test_retrieval_evidence_counts_beside_the_words() -> None:
    router = taught()

    with_it = router.choose(query("What about mine"), evidence_for("billing"), explicit=None)
    without = router.choose(query("What about mine"), evidence_for("general"), explicit=None)

    assert with_it.probability > without.probability or with_it.route != without.route
    assert with_it.domain_probability > without.domain_probability + 0.2


def test_examples_of_people_move_a_decision() -> None:
    text = "Is the sky lounge free"
    examples = [known(text + end, "travel", kind="example", near=0.0) for end in ("", " today", " for guests")]

    before = taught().choose(query(text), evidence_for("general"), explicit=None)
    after = taught((*KNOWN, *examples)).choose(query(text), evidence_for("general"), explicit=None)

    assert (before.route, after.route) == ("general", "travel")


def test_chances_of_many_questions_are_those_of_each_by_itself() -> None:
    classifiers = {domain: fit(domain, KNOWN) for domain in ("billing", "travel")}

    found = chances(classifiers, KNOWN)

    for question, row in zip(KNOWN, found, strict=True):
        evidence = {domain: Retrieval(evidence=question.evidence[domain]) for domain in classifiers}
        choice = LearnedRouter(classifiers).choose(question.query, evidence, explicit=None)
        assert choice.route == ("general", "billing", "travel")[row.argmax()]
        assert (choice.probability, choice.domain_probability) == pytest.approx((row.max(), 1 - row[0]))


def test_few_questions_hardly_move_what_likeness_is_usually_worth() -> None:
    few = [*KNOWN[:2], *KNOWN[-4:]]

    classifier = fit("billing", [replace(question, evidence={"billing": (0.0,)}) for question in few])

    assert classifier.evidence[1:-1] == pytest.approx(USUAL[:-1], abs=0.3)


def test_one_example_is_judged_by_what_is_usual() -> None:
    classifier = fit("billing", [*KNOWN[-5:], known(BILLING[0], "billing", kind="example")])

    assert classifier.evidence[1:] == pytest.approx(USUAL)


def test_many_questions_decide_by_themselves_what_likeness_is_worth() -> None:
    many = [known(f"{text} {n}", "billing", near=0.0) for n in range(60) for text in BILLING]
    many += [known(f"{text} {n}", "general", near=0.0) for n in range(60) for text in GENERAL]

    classifier = fit("billing", many)

    assert max(abs(classifier.evidence[1:-1] - np.array(USUAL[:-1]))) > 0.3


def test_fit_is_repeatable() -> None:
    first, second = fit("billing", KNOWN), fit("billing", KNOWN)

    assert np.array_equal(first.evidence, second.evidence) and np.array_equal(first.embedding, second.embedding)


@pytest.mark.parametrize("questions", [KNOWN[:4], KNOWN[4:]])
def test_nothing_to_tell_apart_is_an_error_with_its_remedy(questions: Sequence[KnownQuestion]) -> None:
    with pytest.raises(RetrievalError, match="'billing' has neither documents nor examples; run `pointsman ingest`"):
        fit("billing", questions)


@pytest.mark.parametrize(("near", "left_out"), [(1.5, True), (0.2, False)])
def test_company_whose_questions_resemble_the_domains_own_is_no_counter_example(near: float, left_out: bool) -> None:
    bank = [known(f"{text} at my bank", "general", kind="company:banking", near=near) for text in BILLING]

    others = fit("billing", (*KNOWN, *bank)).other

    assert len(others) == len(TRAVEL) + len(GENERAL) + (0 if left_out else len(bank))


def test_nearest_domain_leaves_general_aside() -> None:
    router = taught()

    assert [router.nearest_domain(query(text)) for text in ("the invoice", "train")] == ["billing", "travel"]
    assert LearnedRouter({}).nearest_domain(query("the invoice")) is None


def test_router_uses_new_classifiers_at_once() -> None:
    router = LearnedRouter({"billing": with_odds(9.0)})

    router.use({"travel": with_odds(9.0)})

    assert router.domains == {"travel"}
    assert router.choose(query("Why?"), evidence_for("travel"), explicit=None).route == "travel"


def test_classifiers_are_kept_in_a_file_without_pickle(tmp_path: Path) -> None:
    before = {domain: fit(domain, KNOWN) for domain in ("billing", "travel")}

    save(before, tmp_path / "new" / "router.npz")
    after = load(tmp_path / "new" / "router.npz")

    assert list(after) == ["billing", "travel"]
    for name in DomainClassifier.__slots__:
        assert np.array_equal(getattr(after["travel"], name), getattr(before["travel"], name))
    with np.load(tmp_path / "new" / "router.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays)


def test_missing_file_holds_no_classifiers(tmp_path: Path) -> None:
    assert load(tmp_path / "router.npz") == {}


def flip(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:400] + bytes(byte ^ 0xFF for byte in whole[400:600]) + whole[600:])


def save_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


DAMAGES: Mapping[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_bytes(b"garbage"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "flipped": flip,
    "another array": save_array,
    "another archive": lambda path: np.savez(path, domains=np.array('["billing"]')),
    "no domains": lambda path: np.savez(path, domains=np.array("1")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_file_is_named_with_its_remedy(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "router.npz"
    save({"billing": fit("billing", KNOWN)}, path)

    DAMAGES[damage](path)

    with pytest.raises(RetrievalError, match=r"router\.npz is damaged; delete the file and run `pointsman ingest`"):
        load(path)


CHOOSER = TaskChooser(
    ENCODER.encode([*GENERAL, *("Where is my parcel order",) * 5, *("What did our team decide",) * 4, *BILLING]),
    ["science"] * len(GENERAL) + ["company:parcel-delivery"] * 5 + [OUR_COMPANY] * 4 + ["company:cloud-hosting"] * 4,
)


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("Why is the sky so blue", "science"),
        ("Where is my parcel", SOMEBODYS_OWN),
        ("What did our team decide", SOMEBODYS_OWN),
        ("Pay an invoice", "company:cloud-hosting"),
    ],
)
def test_kind_of_a_general_question_is_that_of_its_nearest_neighbours(text: str, task: str) -> None:
    assert CHOOSER.choose(query(text)) == task


@pytest.mark.parametrize(("text", "own"), [("Where is your parcel", True), ("Where is the parcel", False)])
def test_fewer_neighbours_will_do_where_a_question_speaks_to_somebody(text: str, own: bool) -> None:
    known = ENCODER.encode(["Where is my parcel"] * 5 + ["Where is a parcel from"] * 2)
    chooser = TaskChooser(known, ["company:parcel-delivery"] * 5 + ["science"] * 2)

    assert (chooser.choose(query(text)) == SOMEBODYS_OWN) == own


def test_far_away_records_are_not_taken_for_somebodys_own() -> None:
    far = TaskChooser(ENCODER.encode(["Where is my parcel order now please"] * 9), ["company:parcel-delivery"] * 9)

    assert far.choose(query("is that so")) == "company:parcel-delivery"


def test_choice_tells_the_kind_of_question() -> None:
    router = LearnedRouter({"billing": with_odds(0.1)}, CHOOSER)

    general = router.choose(query("Why is the sky so blue"), {}, explicit=None)
    explicit = router.choose(query("Why is the sky so blue"), {}, explicit="general")

    assert general.task == explicit.task == "science"
    assert replace(general, task=None) == RouteChoice(route="general", probability=1.0, domain_probability=0.0)
