"""When a domain's adapter is trained anew without anybody saying so."""

from collections.abc import Sequence
from datetime import datetime

from bot.messages import Review
from bot.settings import LearningSettings

COUNTED = ("approved", "corrected")


def approved_since(reviews: Sequence[Review], domain: str, since: datetime | None) -> int:
    """How many of the decisions that count were made for *domain* after *since*; None: ever."""
    return sum(
        review.state in COUNTED and review.route == domain and (since is None or review.at > since)
        for review in reviews
    )


def is_due(settings: LearningSettings, approved: int, at: datetime) -> bool:
    """Whether a training begins at the local time *at*, with so many answers approved since the last."""
    return 0 < settings.retrain_after <= approved and _within(settings, at.hour)


def _within(settings: LearningSettings, hour: int) -> bool:
    begin, end = settings.from_hour, settings.to_hour
    if begin == end:
        return True
    return begin <= hour < end if begin < end else hour >= begin or hour < end  # over midnight
