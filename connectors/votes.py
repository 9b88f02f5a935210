"""Votes as every chat platform gives them: a button, a reaction, a form behind a bad one, and the way back."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from bot.errors import StoreError
from bot.messages import Feedback, now
from bot.ports import ExchangeStore, FeedbackHandler, FeedbackStore

GONE = "I no longer keep that answer, so I cannot note your vote."
TAKEN_BACK = "Your vote is taken back."
# The form behind a thumbs-down.
FORM, NOTED = "What was wrong?", "Your 👎 is noted; all of this is optional."
BETTER, RIGHT = "What should be better?", "What would the right answer be?"
WHERE, THERE = "Where should I have looked?", "Leave it empty if the place was right"


def noted(rating: int) -> str:
    """What a voter is told."""
    return f"Your {'👍' if rating > 0 else '👎'} is noted, thank you."


@dataclass(frozen=True)
class Votes:
    """Keeps what people on one platform think of answers."""

    platform: str
    exchanges: ExchangeStore
    votes: FeedbackStore
    on_feedback: FeedbackHandler
    _reacting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def give(
        self,
        reply: str,
        user: str,
        rating: Literal[1, -1, 0],
        *,
        reason: str | None = None,
        correction: str | None = None,
        wrong_route: str | None = None,
        at: datetime | None = None,
    ) -> bool:
        """Returns: whether the vote is kept; it is not where the answer is no longer stored."""
        feedback = Feedback(
            reply=reply,
            user=user,
            platform=self.platform,
            rating=rating,
            reason=reason or None,
            correction=correction or None,
            wrong_route=wrong_route or None,
            at=at or now(),
        )
        try:
            await self.on_feedback(feedback)
        except StoreError:
            if await self.exchanges.find(reply) is not None:
                raise
            return False
        return True

    async def react(
        self, place: str, user: str, rating: Literal[1, -1], *, added: bool, at: datetime | None = None
    ) -> None:
        """
        A thumb as a reaction counts like the button; taken off, it takes back the vote that it gave.

        *at*: when it was pressed, where the platform says so; what is older than the vote we have is a repetition.
        """
        reply = await self.exchanges.shown_at(place)
        if reply is None:
            return
        async with self._reacting:  # two events that come together must not overtake one another
            vote = await self.votes.find(reply, user)
            if at is not None and vote is not None and vote.rating and vote.at > at:
                return
            if added:
                await self.give(reply, user, rating, at=at)
            elif vote is not None and vote.rating == rating:
                await self.give(reply, user, 0, at=at)
