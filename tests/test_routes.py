"""Routes that reviewers decided: which become example questions, with what text and what weight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from fakes import MESSAGE, REPLY, HashedWordsEncoder, InMemoryExampleStore
from fakes_learning import REDACTOR, Office

from bot.learning import routes
from bot.learning.curation import ALIKE, WINDOW
from bot.learning.routes import Lessons, RouteDesk
from bot.messages import LabelledQuestion, now

Row = Mapping[str, Any]
NOTHING: Row = {}
ROUTES = ("billing", "travel", "general")
NOON = now()


@dataclass
class Desk(Office):
    """An office whose reviews teach the router."""

    examples: InMemoryExampleStore = field(default_factory=InMemoryExampleStore)

    async def lessons(self, routes: Sequence[str] = ROUTES) -> Lessons:
        desk = RouteDesk(
            examples=self.examples,
            exchanges=self.exchanges,
            reviews=self.reviews,
            encoder=HashedWordsEncoder(),
            redactor=REDACTOR,
        )
        return await desk.lessons(routes)

    async def reviewed(
        self,
        reply: str,
        question: str = "",
        state: str = "approved",
        *,
        asked: Row = NOTHING,
        said: Row = NOTHING,
        **review: Any,
    ) -> None:
        """*asked*, *said*: what is particular about the message and its reply."""
        question = question or f"Where does parcel {reply} wait for me?"
        message = replace(MESSAGE, **{"id": f"event of {reply}", "text": question, "thread": ""} | dict(asked))
        done = replace(REPLY, **{"id": reply, "question": question} | dict(said))
        await self.exchanges.begin(message, done)
        await self.exchanges.complete(done)
        await self.review(reply, state, **review)

    async def taught(self) -> dict[str, str]:
        """The routes by text."""
        return {example.text: example.route for example in (await self.lessons()).examples}

    async def left_out(self) -> dict[str, list[str]]:
        return {reason: list(replies) for reason, replies in (await self.lessons()).left_out.items()}


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(
    ("state", "more", "route"),
    [
        ("approved", {}, "billing"),
        ("corrected", {"answer": "On Monday."}, "billing"),
        ("corrected", {"answer": "In Basel.", "route": "travel", "fault": "route"}, "travel"),
        ("rejected", {"route": "general", "fault": "route"}, "general"),
    ],
)
async def test_decided_route_becomes_an_example(desk: Desk, state: str, more: dict[str, str], route: str) -> None:
    await desk.reviewed("r1", "When does the parcel arrive?", state, **more)

    (example,) = (await desk.lessons()).examples

    assert example == LabelledQuestion(text="When does the parcel arrive?", route=route, reply="r1", weight=1.0)


async def test_review_without_a_route_is_no_example_and_no_loss(desk: Desk) -> None:
    await desk.reviewed("r1", state="rejected", route=None)

    assert await desk.lessons() == Lessons(examples=(), left_out={})


async def test_personal_data_is_taken_out(desk: Desk) -> None:
    await desk.reviewed("r1", "Why does ada@example.org get two invoices?")

    assert await desk.taught() == {"Why does <EMAIL> get two invoices?": "billing"}


WHOLE = "How do I get a refund of mine? And when is it paid?"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"asked": {"private": True}}, routes.PRIVATE),
        ({"asked": {"passages": ("The shared text.",)}}, routes.SHARED_FILE),
        ({"state": "needs_person"}, routes.OPEN),
        ({"route": "closed"}, routes.NO_SUCH_ROUTE),
        ({"question": "Как оплатить счёт за май?"}, routes.NOT_SERVED),
        ({"question": "And why is that?"}, routes.FOLLOW_UP),
        ({"question": "refund status"}, routes.FOLLOW_UP),
        ({"question": WHOLE, "asked": {"text": "And when is it paid?"}}, routes.FOLLOW_UP),
        ({"question": WHOLE, "asked": {"text": "billing: And when is it paid?"}}, routes.FOLLOW_UP),
        ({"said": {"decision": "ask_back"}}, routes.NOT_JUDGED),
        ({"asked": {"bound": "billing"}, "said": {"abstained": True}}, routes.NOT_JUDGED),
        ({"state": "corrected", "answer": "Soon.", "fault": "route"}, routes.NOT_JUDGED),
    ],
)
async def test_review_that_teaches_nothing_is_left_out_with_its_reason(desk: Desk, more: Row, reason: str) -> None:
    await desk.reviewed("r1", **more)

    assert await desk.taught() == {} and await desk.left_out() == {reason: ["r1"]}


@pytest.mark.parametrize(
    "more",
    [
        {"said": {"decision": "ask_back"}, "state": "rejected", "route": "travel"},
        {"said": {"decision": "ask_back"}, "route": "travel"},
        {"asked": {"bound": "billing"}, "said": {"abstained": True}, "route": "travel"},
        {"asked": {"text": "travel"}, "route": "travel"},  # what was asked back is answered by a route's name
        {"asked": {"text": "travel: Where does parcel r1 wait for me?"}, "route": "travel"},
    ],
)
async def test_route_that_somebody_named_is_learnt(desk: Desk, more: Row) -> None:
    await desk.reviewed("r1", **more)

    assert await desk.taught() == {"Where does parcel r1 wait for me?": "travel"}


async def test_what_is_deleted_is_not_learnt_again(desk: Desk) -> None:
    await desk.reviewed("r1")
    before = await desk.taught()

    await desk.exchanges.delete_older_than(now())

    assert before and await desk.taught() == {} and await desk.left_out() == {routes.DELETED: ["r1"]}


async def test_decision_that_is_taken_back_is_not_learnt(desk: Desk) -> None:
    await desk.reviewed("r1")

    await desk.reviews.undo(["r1"], by="ada")

    assert await desk.lessons() == Lessons(examples=(), left_out={})


async def test_newest_decision_on_the_same_question_counts(desk: Desk) -> None:
    await desk.reviewed("r1", "Who books the sleeper train?")
    await desk.reviewed("r2", "who books the sleeper train", route="travel")

    assert await desk.taught() == {"who books the sleeper train": "travel"}
    assert await desk.left_out() == {routes.OVERRULED: ["r1"]}


async def test_changed_mind_counts_as_the_newest_decision(desk: Desk) -> None:
    await desk.reviewed("r1", "Who books the sleeper train?")
    await desk.reviewed("r2", "who books the sleeper train", route="travel")

    await desk.review("r1", "approved", route="billing")

    assert await desk.taught() == {"Who books the sleeper train?": "billing"}


NEAR = "Who books the sleeper train for all of the team on the day before"


async def test_nearly_the_same_question_counts_once(desk: Desk) -> None:
    await desk.reviewed("r1", f"{NEAR} please")
    await desk.reviewed("r2", NEAR)
    first, second = HashedWordsEncoder().encode([NEAR, f"{NEAR} please"])

    assert ALIKE <= first @ second < 1
    assert list(await desk.taught()) == [NEAR] and await desk.left_out() == {routes.REPEATED: ["r1"]}


async def test_what_was_written_by_hand_comes_first_and_overrules(desk: Desk) -> None:
    await desk.examples.add([LabelledQuestion(text="Who books the sleeper train?", route="travel")])
    await desk.reviewed("r1", "Who books the sleeper train?")
    await desk.reviewed("r2")

    assert list((await desk.taught()).items()) == [
        ("Who books the sleeper train?", "travel"),
        ("Where does parcel r2 wait for me?", "billing"),
    ]
    assert await desk.left_out() == {routes.OVERRULED: ["r1"]}


WORDS = ("apple", "bridge", "candle", "desert", "engine", "forest", "garden", "harbour", "island", "jacket")


async def test_flood_of_one_asker_counts_as_the_root_of_its_size(desk: Desk) -> None:
    for word in WORDS[:9]:
        await desk.reviewed(word, f"Where is the {word} {word}s kept?", asked={"user": "slack:U9", "at": NOON})
    await desk.reviewed("other", asked={"user": "slack:U8", "at": NOON})

    weights = {example.reply: example.weight for example in (await desk.lessons()).examples}

    assert weights == pytest.approx(dict.fromkeys(WORDS[:9], 1 / 3) | {"other": 1.0})


@pytest.mark.parametrize("apart", [{"at": NOON + WINDOW}, {"user": "slack:U8"}, {"workspace": "slack:T2"}])
async def test_questions_that_are_no_flood_keep_their_weight(desk: Desk, apart: Row) -> None:
    same = {"user": "slack:U9", "workspace": "slack:T1", "at": NOON}
    await desk.reviewed("r1", "Where is the harbour office?", asked=same)
    await desk.reviewed("r2", "Which jacket fits the forest?", asked=same | dict(apart))

    assert [example.weight for example in (await desk.lessons()).examples] == [1.0, 1.0]
