"""Trainings that begin by themselves: only when asked for, with enough that is new, and at night."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.learning.schedule import approved_since, is_due
from bot.messages import Review
from bot.settings import LearningSettings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def review(state: str, route: str | None = "billing", days: float = 0.0) -> Review:
    return Review(reply="r", state=state, by="ada", route=route, at=NOON + timedelta(days=days))  # type: ignore[arg-type]  # one of the states


@pytest.mark.parametrize(
    ("hour", "begin", "end", "expected"),
    [
        (2, 1, 5, True),
        (0, 1, 5, False),
        (5, 1, 5, False),
        (23, 22, 4, True),
        (3, 22, 4, True),
        (12, 22, 4, False),
        (12, 7, 7, True),
    ],
)
def test_training_begins_within_the_hours_also_over_midnight(hour: int, begin: int, end: int, expected: bool) -> None:
    settings = LearningSettings(retrain_after=10, from_hour=begin, to_hour=end)

    assert is_due(settings, 10, NOON.replace(hour=hour)) is expected


@pytest.mark.parametrize(("after", "approved", "expected"), [(10, 9, False), (10, 10, True), (0, 1000, False)])
def test_training_waits_for_enough_that_is_new_and_never_begins_unasked(
    after: int, approved: int, expected: bool
) -> None:
    settings = LearningSettings(retrain_after=after, from_hour=0, to_hour=0)

    assert is_due(settings, approved, NOON) is expected


def test_only_approved_and_corrected_answers_of_the_domain_since_the_last_training_count() -> None:
    reviews = [
        review("approved", days=1),
        review("corrected", days=2),
        review("approved", days=-1),
        review("rejected", days=1),
        review("approved", route="travel", days=1),
        review("needs_person", route=None, days=1),
    ]

    assert approved_since(reviews, "billing", NOON) == 2
    assert approved_since(reviews, "billing", None) == 3
