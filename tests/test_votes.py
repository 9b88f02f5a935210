"""Votes as every chat platform gives them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from fakes import MESSAGE, REPLY, InMemoryExchangeStore, InMemoryFeedbackStore

from bot.errors import StoreError
from bot.messages import Feedback
from connectors.votes import Votes, noted

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PLACE, ANN, BOB = "discord:7:8", "discord:user:1", "discord:user:2"


class Room:
    """One answer that is read at PLACE, and the votes on it."""

    def __init__(self, *, broken: bool = False) -> None:
        self.exchanges = InMemoryExchangeStore()
        self.stored = InMemoryFeedbackStore(self.exchanges)
        self.votes = Votes("discord", self.exchanges, self.stored, self._refuse if broken else self.stored.save)

    async def _refuse(self, feedback: Feedback) -> None:
        raise StoreError("the disk is full")

    async def ratings(self) -> dict[str, int]:
        return {vote.user: vote.rating for vote in await self.stored.all()}


@pytest.fixture
async def room() -> Room:
    room = Room()
    await room.exchanges.begin(MESSAGE, REPLY)
    await room.exchanges.show(REPLY.id, [PLACE])
    return room


def test_voter_is_told_which_thumb_was_noted() -> None:
    assert (noted(1), noted(-1)) == ("Your 👍 is noted, thank you.", "Your 👎 is noted, thank you.")


async def test_vote_is_kept_with_what_was_filled_in(room: Room) -> None:
    kept = await room.votes.give(REPLY.id, ANN, -1, reason="old", correction="In 30 days", wrong_route="general")

    (vote,) = await room.stored.all()
    assert kept and (vote.user, vote.platform, vote.rating) == (ANN, "discord", -1)
    assert (vote.reason, vote.correction, vote.wrong_route) == ("old", "In 30 days", "general")


async def test_empty_fields_leave_what_was_filled_in_before(room: Room) -> None:
    await room.votes.give(REPLY.id, ANN, -1, reason="old")
    await room.votes.give(REPLY.id, ANN, -1, reason="", correction="In 30 days")

    (vote,) = await room.stored.all()
    assert (vote.reason, vote.correction) == ("old", "In 30 days")


async def test_latest_vote_of_each_counts_and_can_be_taken_back(room: Room) -> None:
    await room.votes.give(REPLY.id, ANN, 1)
    await room.votes.give(REPLY.id, ANN, -1)
    await room.votes.give(REPLY.id, BOB, 1)
    assert await room.ratings() == {ANN: -1, BOB: 1}

    await room.votes.give(REPLY.id, ANN, 0)

    assert await room.ratings() == {BOB: 1}


async def test_answer_that_is_no_longer_stored_takes_no_votes(room: Room) -> None:
    assert not await room.votes.give("reply-0", ANN, 1)


async def test_vote_that_could_not_be_stored_is_no_vote_on_a_lost_answer() -> None:
    room = Room(broken=True)
    await room.exchanges.begin(MESSAGE, REPLY)

    with pytest.raises(StoreError, match="disk is full"):
        await room.votes.give(REPLY.id, ANN, 1)


# Reactions


async def test_reaction_counts_like_the_button(room: Room) -> None:
    await room.votes.give(REPLY.id, ANN, 1)

    await room.votes.react(PLACE, ANN, -1, added=True)

    assert await room.ratings() == {ANN: -1}


async def test_reaction_to_anything_else_counts_not(room: Room) -> None:
    await room.votes.react("discord:7:9", ANN, 1, added=True)

    assert await room.ratings() == {}


@pytest.mark.parametrize(("button", "left"), [(None, {}), (1, {}), (-1, {ANN: -1})])
async def test_reaction_that_is_taken_off_takes_back_its_own_vote_alone(
    room: Room, button: int | None, left: dict[str, int]
) -> None:
    await room.votes.react(PLACE, ANN, 1, added=True)
    if button is not None:
        await room.votes.give(REPLY.id, ANN, button)  # type: ignore[arg-type]  # one of the buttons

    await room.votes.react(PLACE, ANN, 1, added=False)

    assert await room.ratings() == left


async def test_reaction_that_was_never_a_vote_is_taken_off_without_a_trace(room: Room) -> None:
    await room.votes.react(PLACE, ANN, 1, added=False)

    assert await room.stored.find(REPLY.id, ANN) is None


async def test_reactions_that_come_together_do_not_overtake_one_another(room: Room) -> None:
    await asyncio.gather(
        room.votes.react(PLACE, ANN, 1, added=True),
        room.votes.react(PLACE, ANN, 1, added=False),
        room.votes.react(PLACE, ANN, -1, added=True),
    )

    assert await room.ratings() == {ANN: -1}


async def test_reaction_that_is_told_again_does_not_undo_a_later_vote(room: Room) -> None:
    await room.votes.react(PLACE, ANN, 1, added=True, at=NOON)
    await room.votes.react(PLACE, ANN, -1, added=True, at=NOON + MINUTE)

    await room.votes.react(PLACE, ANN, 1, added=True, at=NOON)

    assert await room.ratings() == {ANN: -1}
