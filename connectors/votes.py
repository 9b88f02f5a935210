"""Votes as every chat platform gives them: a button, a reaction, a form behind a bad one, and the way back."""

from dataclasses import dataclass
from typing import Literal

from bot.errors import StoreError
from bot.messages import Feedback
from bot.ports import ExchangeStore, FeedbackHandler, FeedbackStore

GONE = "I no longer keep that answer, so I cannot note your vote."
TAKEN_BACK = "Your vote is taken back."


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

    async def give(
        self,
        reply: str,
        user: str,
        rating: Literal[1, -1, 0],
        *,
        reason: str | None = None,
        correction: str | None = None,
        wrong_route: str | None = None,
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
        )
        try:
            await self.on_feedback(feedback)
        except StoreError:
            if await self.exchanges.find(reply) is not None:
                raise
            return False
        return True

    async def react(self, place: str, user: str, rating: Literal[1, -1], *, added: bool) -> None:
        """A thumb as a reaction counts like the button; taken off, it takes back the vote that it gave."""
        reply = await self.exchanges.shown_at(place)
        if reply is None:
            return
        if added:
            await self.give(reply, user, rating)
            return
        vote = await self.votes.find(reply, user)
        if vote is not None and vote.rating == rating:
            await self.give(reply, user, 0)
