"""Changes of the router: what a version learns, when it comes into use, and how one goes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fakes import InMemoryExampleStore
from fakes_learning import REDACTOR, Office
from fakes_routing import ENCODER, QuickTeacher, SharedWords
from test_router_gate import DOMAINS, examples, mistakes

from bot.errors import InputError
from bot.learning.router_changes import OUTDATED, Outcome, RouterChanges
from bot.learning.router_gate import ENOUGH
from bot.learning.router_versions import RouterVersion, RouterVersions, Stages
from bot.learning.routes import PRIVATE, RouteDesk
from bot.messages import LabelledQuestion, Query, Retrieval, now
from bot.routing import LearnedRouter

DOG = "May my spotted dog lie beside me"
SAID = (DOG, "Is a spotted dog allowed beside me", "Can the spotted dog sleep there", "Must my spotted dog stay home")
DOGS = [LabelledQuestion(text=text, route="travel") for text in SAID]


@dataclass
class Audit:
    entries: list[tuple[str, str, object, object]] = field(default_factory=list)

    async def record(self, who: str, what: str, before: object = None, after: object = None) -> None:
        self.entries.append((who, what, before, after))


@dataclass
class Bot(Office):
    """A bot of two domains whose router learns."""

    folder: Path = field(default_factory=Path)
    examples: InMemoryExampleStore = field(default_factory=InMemoryExampleStore)
    words: SharedWords = field(default_factory=SharedWords)
    router: LearnedRouter = field(default_factory=lambda: LearnedRouter({}))
    audit: Audit = field(default_factory=Audit)

    @property
    def versions(self) -> RouterVersions:
        return RouterVersions(self.folder)

    @property
    def teacher(self) -> QuickTeacher:
        return QuickTeacher(ENCODER, self.words, self.folder)

    @property
    def changes(self) -> RouterChanges:
        desk = RouteDesk(
            examples=self.examples, exchanges=self.exchanges, reviews=self.reviews, encoder=ENCODER, redactor=REDACTOR
        )
        return RouterChanges(
            domains=DOMAINS,
            desk=desk,
            teacher=self.teacher,
            versions=self.versions,
            router=self.router,
            audit=self.audit,
        )

    async def reviewed(self, questions: Sequence[LabelledQuestion], prefix: str = "r") -> None:
        """Each question was asked by somebody else, and a reviewer said its route."""
        for number, question in enumerate(questions):
            reply = f"{prefix}{number}"
            await self.answer(reply, question.text, user=f"slack:{reply}")
            await self.review(reply, "approved", route=question.route)

    async def train(self) -> Outcome:
        return await self.changes.train(by="ada")

    def domain_probability(self, text: str = DOG) -> float:
        query = Query(text=text, vector=ENCODER.encode([text])[0])
        found = {d: Retrieval(evidence=self.words.measure(d, [query], [None])[0]) for d in DOMAINS}
        return self.router.choose(query, found, explicit=None).domain_probability

    def statuses(self) -> Mapping[str, str]:
        return {v.version: f"{v.origin} {self.versions.stages.status(v.version)}" for v in self.versions.all()}


@pytest.fixture
async def bot(tmp_path: Path) -> Bot:
    """After the first ingest."""
    made = Bot(folder=tmp_path)
    await made.changes.learn("ingest")
    return made


async def test_first_ingest_makes_the_first_version(bot: Bot) -> None:
    assert bot.statuses() == {"1": "ingest production"} and bot.router.domains == {"billing", "travel"}
    assert bot.versions.all()[0].counts["billing"] == {"made": 6}
    assert bot.versions.all()[0].counts["general"]["shipped"] > 100
    assert not bot.teacher.behind


async def test_training_learns_the_routes_of_reviews_and_is_used_at_once(bot: Bot) -> None:
    await bot.reviewed([*examples(), *DOGS])
    before = bot.domain_probability()

    outcome = await bot.train()

    assert outcome.in_use and outcome.verdict and outcome.verdict.passed
    assert bot.statuses() == {"1": "ingest retired", "2": "train production"}
    assert outcome.version.examples == {"written": 0, "reviewed": 48} and outcome.version.against == "1"
    assert bot.domain_probability() > before + 0.2
    assert bot.audit.entries == [("ada", "router.promote", {"version": "1"}, {"version": "2"})]


async def test_router_of_a_training_is_the_one_after_the_next_start(bot: Bot) -> None:
    await bot.reviewed([*examples(), *DOGS])
    await bot.train()
    before = bot.domain_probability()

    bot.router = LearnedRouter(bot.versions.classifiers(DOMAINS))

    assert bot.domain_probability() == before


async def test_training_on_wrong_routes_stays_a_candidate_and_says_why(bot: Bot) -> None:
    await bot.reviewed(mistakes())
    before = bot.domain_probability()

    outcome = await bot.train()

    assert not outcome.in_use and outcome.version.reasons and outcome.version.checks
    assert bot.statuses() == {"1": "ingest production", "2": "train candidate"}
    assert bot.domain_probability() == before and bot.audit.entries == []


async def test_training_on_too_few_reviews_stays_a_candidate(bot: Bot) -> None:
    await bot.reviewed(DOGS)

    outcome = await bot.train()

    assert not outcome.in_use and "4 example questions are too few" in outcome.version.reasons[0]


async def test_training_without_anything_new_makes_no_version(bot: Bot) -> None:
    await bot.reviewed(examples())
    first = await bot.train()

    again = await bot.train()

    assert (again.made, again.version, again.in_use) == (False, first.version, True)
    assert list(bot.statuses()) == ["1", "2"]


async def test_training_says_which_reviews_taught_nothing(bot: Bot) -> None:
    await bot.answer("secret", "Where is the secret ledger kept?", private=True)
    await bot.review("secret", "approved")

    outcome = await bot.train()

    assert outcome.left_out == {PRIVATE: 1}


async def test_ingest_teaches_again_what_the_version_in_use_had_learnt_and_no_more(bot: Bot) -> None:
    await bot.reviewed([*examples(), *DOGS])
    await bot.train()
    await bot.reviewed([LabelledQuestion(text="Who feeds the green parrot of our chief", route="billing")], "new")

    await bot.changes.learn("ingest")

    assert bot.statuses()["3"] == "ingest production" and bot.statuses()["2"] == "train retired"
    assert bot.versions.find("3").learned == bot.versions.find("2").learned
    assert bot.domain_probability() > 0.5


async def test_ingest_lets_go_of_what_was_deleted_since(bot: Bot) -> None:
    await bot.reviewed([*examples(), *DOGS])
    await bot.train()
    await bot.exchanges.delete_older_than(now())

    await bot.changes.learn("ingest")

    assert bot.versions.find("3").learned == () and len(bot.versions.find("2").learned) == 48


async def test_examples_written_by_hand_are_used_at_once_and_can_be_taken_back(bot: Bot) -> None:
    before = bot.domain_probability()
    await bot.examples.add(DOGS)

    await bot.changes.learn("examples")
    with_them = bot.domain_probability()
    await bot.changes.rollback(None, by="ada")

    assert with_them > before + 0.2
    assert bot.statuses()["2"] == "examples retired"


async def test_rollback_uses_the_version_before_at_once(bot: Bot) -> None:
    await bot.reviewed([*examples(), *DOGS])
    before = bot.domain_probability()
    await bot.train()

    outcome = await bot.changes.rollback(None, by="ada")

    assert (outcome.version.version, outcome.in_use) == ("1", True) and bot.domain_probability() == before
    assert bot.statuses() == {"1": "ingest production", "2": "train retired"}
    assert bot.audit.entries[-1] == ("ada", "router.rollback", {"version": "2"}, {"version": "1"})


async def test_rollback_after_an_ingest_teaches_the_version_before_on_the_new_documents(bot: Bot) -> None:
    await bot.reviewed([*examples(), *DOGS])
    await bot.train()
    bot.words.texts["travel"] = ("Buses need no booking", "The bus to Bern is red", "A bus has forty seats")
    await bot.changes.learn("ingest")

    outcome = await bot.changes.rollback(None, by="ada")

    assert bot.statuses()["4"] == "rollback production" and outcome.version.learned == ()
    assert outcome.version.index == bot.versions.find("3").index != bot.versions.find("1").index


async def test_rollback_does_not_bring_back_what_was_deleted(bot: Bot) -> None:
    await bot.reviewed(examples())
    await bot.train()
    await bot.examples.add(DOGS)
    await bot.changes.learn("examples")
    gone = bot.exchanges.exchanges.pop("r0")

    outcome = await bot.changes.rollback(None, by="ada")

    assert gone and outcome.version.origin == "rollback"
    assert len(outcome.version.learned) == len(bot.versions.find("2").learned) - 1


async def test_rollback_that_a_kill_interrupted_is_not_made_twice(bot: Bot) -> None:
    await bot.reviewed(examples())
    await bot.train()
    await bot.examples.add(DOGS)
    await bot.changes.learn("examples")

    for _ in range(2):
        outcome = await bot.changes.rollback(None, by="ada", request="job 7")

    assert outcome.version.version == "2" and len(bot.audit.entries) == 2


async def test_nothing_goes_back_from_the_first_version(bot: Bot) -> None:
    with pytest.raises(InputError, match="no router was in use before this one"):
        await bot.changes.rollback(None, by="ada")


async def test_training_again_after_a_rollback_does_not_undo_it(bot: Bot) -> None:
    await bot.reviewed([*examples(), *DOGS])
    await bot.train()
    await bot.changes.rollback(None, by="ada")

    outcome = await bot.train()

    assert (outcome.made, outcome.in_use, outcome.version.version) == (False, False, "2")


async def test_training_again_does_not_undo_a_rollback_that_taught_anew(bot: Bot) -> None:
    await bot.reviewed([*examples(), *DOGS])
    await bot.train()
    bot.words.texts["travel"] = ("Buses need no booking", "The bus to Bern is red", "A bus has forty seats")
    await bot.changes.learn("ingest")
    await bot.changes.rollback(None, by="ada")

    outcome = await bot.train()

    assert not outcome.in_use and bot.statuses()["4"] == "rollback production"


async def test_training_that_was_killed_before_its_version_was_used_is_ended_by_the_next(bot: Bot) -> None:
    await bot.reviewed([*examples(), *DOGS])
    await bot.train()
    bot.versions.change(Stages(production="1"))  # as it was before

    outcome = await bot.train()

    assert (outcome.made, outcome.in_use, outcome.version.version)[1:] == (True, "2")


async def test_promotion_measures_again_and_refuses_with_reasons(bot: Bot) -> None:
    await bot.reviewed(mistakes())
    await bot.train()

    outcome = await bot.changes.promote(None, by="ada")

    assert not outcome.in_use and outcome.verdict and outcome.verdict.reasons
    assert bot.statuses() == {"1": "ingest production", "2": "train candidate"}


async def test_candidate_is_promoted_once_there_are_enough_questions_to_measure_by(bot: Bot) -> None:
    await bot.reviewed(examples(ENOUGH - 1))
    first = await bot.train()
    await bot.reviewed(examples()[ENOUGH - 1 :], "more")

    outcome = await bot.changes.promote("2", by="ada")

    assert not first.in_use and outcome.in_use and bot.statuses()["2"] == "train production"
    assert len(outcome.version.learned) == ENOUGH - 1


async def test_candidate_that_knows_other_documents_is_refused(bot: Bot) -> None:
    await bot.reviewed(DOGS)
    await bot.train()
    bot.words.texts["travel"] = ("Buses need no booking",)
    await bot.changes.learn("ingest")

    outcome = await bot.changes.promote("2", by="ada")

    assert not outcome.in_use and outcome.verdict and outcome.verdict.reasons == (OUTDATED,)


@pytest.mark.parametrize(
    ("version", "reason"),
    [(None, "there is no candidate"), ("1", "router 1 is in use already"), ("9", "router 9 does not exist")],
)
async def test_what_cannot_be_promoted_is_said(bot: Bot, version: str | None, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        await bot.changes.promote(version, by="ada")


async def test_rollback_to_a_version_that_was_never_in_use_is_refused(bot: Bot) -> None:
    await bot.reviewed(DOGS)
    await bot.train()

    with pytest.raises(InputError, match="router 2 was never in use; `pointsman router promote 2` measures it first"):
        await bot.changes.rollback("2", by="ada")


async def test_router_is_behind_until_it_knows_the_examples_that_were_written(bot: Bot) -> None:
    before = await bot.changes.behind()
    await bot.examples.add(DOGS)  # and killed before they were learnt
    meanwhile = await bot.changes.behind()

    await bot.changes.learn("ingest")

    assert (before, meanwhile, await bot.changes.behind()) == (False, True, False)


async def test_router_from_before_there_were_versions_knows_what_was_written(bot: Bot) -> None:
    await bot.examples.add(DOGS)
    bot.versions.change(Stages(production=bot.versions.add(RouterVersion(origin="found"), {}).version))

    assert not await bot.changes.behind()


async def test_teaching_that_was_cut_short_is_made_up_for_before_a_training(bot: Bot) -> None:
    (bot.folder / "teaching").touch()

    await bot.train()

    assert bot.statuses()["2"] == "ingest production" and not bot.teacher.behind
