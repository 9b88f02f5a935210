"""What a reviewer looks at first, how much a vote weighs, and what a decision is completed with."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
import pytest
from fakes import MESSAGE, HashedWordsEncoder
from fakes_learning import Office

from bot.errors import InputError, NotFound
from bot.learning.curation import ALIKE, WINDOW, Curator, QueueItem, leaders, score, weighted
from bot.messages import Feedback, Review, now
from bot.privacy.redaction import Redactor

NOON = now()
REDACTOR = Redactor()


@dataclass
class Desk(Office):
    """An office with somebody who reviews."""

    curator: Curator = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.curator = Curator(
            exchanges=self.exchanges,
            votes=self.votes,
            reviews=self.reviews,
            encoder=HashedWordsEncoder(),
            redactor=REDACTOR,
        )

    async def queue(self, **more: object) -> Sequence[QueueItem]:
        return await self.curator.queue(**more)  # type: ignore[arg-type]  # of every type


@pytest.fixture
def desk() -> Desk:
    return Desk()


def votes_of(user: str, count: int, *, apart: timedelta = timedelta()) -> list[Feedback]:
    return [
        Feedback(reply=f"{user} {n}", user=user, platform="slack", rating=-1, at=NOON + n * apart) for n in range(count)
    ]


def ids(items: Sequence[QueueItem]) -> list[str]:
    return [item.exchange.reply.id for item in items]


def decision(reply: str, state: str = "approved", **more: object) -> Review:
    return Review(**{"reply": reply, "state": state, "by": "ada"} | more)  # type: ignore[arg-type]  # of every type


def test_a_single_vote_has_its_full_weight() -> None:
    ((vote, weight),) = weighted(votes_of("ada", 1))["ada 0"]

    assert (vote.user, weight) == ("ada", 1.0)


def test_a_flood_of_one_user_weighs_as_much_as_the_root_of_its_size() -> None:
    found = weighted([*votes_of("mallory", 100), *votes_of("ada", 1)])

    assert sum(score(votes) for reply, votes in found.items() if reply.startswith("mallory")) == pytest.approx(-10)
    assert score(found["ada 0"]) == -1.0


def test_votes_that_are_far_apart_do_not_weigh_each_other_down() -> None:
    found = weighted(votes_of("ada", 3, apart=WINDOW))

    assert [score(found[f"ada {n}"]) for n in range(3)] == [-1.0] * 3


def test_questions_are_compared_with_the_first_of_a_group_only() -> None:
    step = np.arccos(ALIKE) * 0.9
    chain = np.array([[np.cos(n * step), np.sin(n * step)] for n in range(4)], dtype=np.float32)

    assert leaders(chain) == [0, 0, 2, 2]


async def test_what_was_corrected_comes_first_and_what_nobody_voted_on_last(desk: Desk) -> None:
    for reply in ("plain", "praised", "blamed", "disputed", "corrected"):
        await desk.answer(reply, question=f"About {reply} things?")
    await desk.vote("praised", 1)
    await desk.vote("blamed", -1)
    for user, rating in (("slack:U2", 1), ("slack:U3", -1)):
        await desk.vote("disputed", rating, user)
    await desk.vote("corrected", -1, correction="After 30 days.")

    items = await desk.queue()

    assert ids(items) == ["corrected", "disputed", "blamed", "praised", "plain"]
    assert [i.reason for i in items] == ["correction", "contradiction", "downvote", "upvote", "no vote"]


async def test_nearly_the_same_questions_stand_together_behind_the_most_useful(desk: Desk) -> None:
    await desk.answer("a", question="When is my refund paid?")
    await desk.answer("b", question="How high is the fee?")
    await desk.answer("c", question="when is MY refund paid")
    await desk.vote("b", -1)
    await desk.vote("c", -1, correction="After 30 days.")

    items = await desk.queue()

    assert ids(items) == ["c", "a", "b"]
    assert [item.group for item in items] == ["c", "c", "b"]


async def test_votes_that_contradict_each_other_on_the_same_answer_are_seen_side_by_side(desk: Desk) -> None:
    for reply, question, rating in (("a", "When is my refund paid?", 1), ("b", "When is my refund paid", -1)):
        await desk.answer(reply, question=question)
        await desk.vote(reply, rating)
    await desk.answer("c", question="How high is the fee?")
    await desk.vote("c", -1)

    items = await desk.queue()

    assert [(item.exchange.reply.id, item.reason) for item in items] == [
        ("b", "contradiction"),
        ("a", "contradiction"),
        ("c", "downvote"),
    ]


async def test_other_answers_to_the_same_question_contradict_nothing(desk: Desk) -> None:
    await desk.answer("a", question="When is my refund paid?", text="Never.")
    await desk.answer("b", question="When is my refund paid?")
    await desk.vote("a", -1)
    await desk.vote("b", 1)

    assert {item.reason for item in await desk.queue()} == {"downvote", "upvote"}


async def test_blame_of_many_comes_before_a_flood_of_one(desk: Desk) -> None:
    for n in range(9):
        await desk.answer(f"flood {n}", question=f"Question number {n}?")
        await desk.vote(f"flood {n}", -1, "slack:mallory")
    await desk.answer("real", question="How high is the fee?")
    await desk.vote("real", -1)

    assert ids(await desk.queue())[0] == "real"


async def test_likely_personal_data_is_marked_wherever_it_stands(desk: Desk) -> None:
    await desk.answer("a", question="I am jane.doe@example.com, when is my refund paid?")
    await desk.vote("a", -1, correction="Call +49 30 901820 in Berlin.")

    (item,) = await desk.queue()

    assert set(item.personal) == {"EMAIL", "PHONE"}


async def test_queue_shows_no_more_than_asked_for(desk: Desk) -> None:
    for n in range(4):
        await desk.answer(str(n), question=f"Question number {n}?")
    await desk.vote("0", -1)

    assert ids(await desk.queue(limit=2)) == ["0", "2"]


async def test_decided_replies_leave_the_queue_and_are_found_by_their_state(desk: Desk) -> None:
    for reply in ("a", "b"):
        await desk.answer(reply)

    await desk.curator.decide([decision("a", "needs_person")])

    assert ids(await desk.queue()) == ["b"]
    assert [(i.exchange.reply.id, i.state) for i in await desk.queue(state="needs_person")] == [("a", "needs_person")]


@pytest.mark.parametrize(
    ("given", "route", "fault"),
    [
        (decision("a"), "billing", None),
        (decision("a", "corrected", answer="Yes."), "billing", None),
        (decision("a", "corrected", answer="Yes.", route="travel"), "travel", "route"),
        (decision("a", "corrected", answer="Yes.", fault="wording"), "billing", "wording"),
        (decision("a", "rejected"), None, None),
        (decision("a", "rejected", route="general"), "general", "route"),
        (decision("a", "rejected", fault="retrieval"), None, "retrieval"),
    ],
)
async def test_route_and_fault_are_completed_from_what_is_known(
    desk: Desk, given: Review, route: str | None, fault: str | None
) -> None:
    await desk.answer("a")

    (kept,) = await desk.curator.decide([given])

    assert kept == replace(given, route=route, fault=fault)
    assert await desk.reviews.all() == (kept,)


async def test_several_replies_are_decided_at_once_and_taken_back_at_once(desk: Desk) -> None:
    for reply in ("a", "b"):
        await desk.answer(reply)
    await desk.curator.decide([decision("a"), decision("b")])

    found = await desk.curator.undo(["a", "b"], by="eve")

    assert [(review.state, review.by) for review in found] == [("new", "eve")] * 2
    assert await desk.reviews.all() == ()


async def test_decision_on_an_unknown_reply_is_refused_by_name(desk: Desk) -> None:
    with pytest.raises(NotFound, match="'nobody' is not known"):
        await desk.curator.decide([decision("nobody")])


async def test_unfinished_reply_cannot_be_decided_on(desk: Desk) -> None:
    await desk.answer("a")
    await desk.exchanges.begin(MESSAGE, replace(desk.exchanges.exchanges["a"].reply, id="b"))

    with pytest.raises(InputError, match="'b' was never finished"):
        await desk.curator.decide([decision("a"), decision("b")])

    assert await desk.reviews.all() == ()


async def test_correction_without_text_is_refused(desk: Desk) -> None:
    await desk.answer("a")

    with pytest.raises(InputError, match="the correction of reply 'a' holds no text"):
        await desk.curator.decide([decision("a", "corrected", answer=" ")])
