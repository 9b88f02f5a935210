"""The overview's figures: put together from counts."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest

from bot.learning.quality import POINTS, Count, figures, overview

TODAY = date(2026, 11, 23)


def count(answers: int = 1, **more: Any) -> Count:
    return Count(**({"answers": answers, "up": 0, "down": 0, "outcome": "answered", "route": "billing"} | more))


def test_every_answer_is_of_one_kind() -> None:
    counts = [
        count(3),
        count(2, route="general"),
        count(outcome="asked_back", route="general"),
        count(outcome="unknown"),
    ]

    found = figures(counts)

    assert found.kinds == {"domain": 3, "general": 2, "asked_back": 1, "unknown": 1}
    assert sum(found.share(kind) or 0 for kind in found.kinds) == pytest.approx(1)


def test_without_questions_or_votes_there_is_no_share() -> None:
    found = figures([])

    assert (found.share("general"), found.rate, found.median, found.interval) == (None, None, None, (0.0, 1.0))


def test_waits_are_those_of_half_and_of_nearly_all_answers() -> None:
    found = figures([count(94, seconds=1.0), count(1, seconds=2.0), count(5, seconds=9.0), count(100)])

    assert (found.median, found.slow) == (1.0, 2.0)


def test_few_votes_leave_the_true_rate_open() -> None:
    few, many = figures([count(up=3, down=1)]), figures([count(up=300, down=100)])

    assert few.rate == many.rate == 0.75
    assert few.interval[0] < many.interval[0] < 0.75 < many.interval[1] < few.interval[1]


@pytest.mark.parametrize(("days", "points"), [(1, 1), (30, 30), (60, 60), (90, 13), (365, 53), (3650, 41)])
def test_longer_times_are_told_by_the_week_or_the_month(days: int, points: int) -> None:
    since = TODAY - timedelta(days=days - 1)

    periods = overview([], [count(day=since), count(day=TODAY)], [], since=since, today=TODAY).periods

    assert len(periods) == points <= POINTS
    assert (periods[0].first, periods[-1].last) == (since, TODAY)
    assert all(one.last + timedelta(days=1) == after.first for one, after in pairwise(periods))
    assert sum(period.figures.questions for period in periods) == 2


def test_everything_begins_with_the_oldest_answer() -> None:
    first = TODAY - timedelta(days=10)

    assert overview([], [count(day=first)], [], since=None, today=TODAY).periods[0].first == first
    assert len(overview([], [], [], since=None, today=TODAY).periods) == 1


def test_adapters_are_judged_by_what_they_wrote_for_a_domain() -> None:
    counts = [
        count(5, adapter="billing@2", prompt="domain/answer@1", seconds=1.0),
        count(3, prompt="general/answer@1", route="general", seconds=1.0),
        count(2, outcome="unknown"),
    ]

    parts = overview(counts, [], [], since=None, today=TODAY).parts

    assert [(name, part.questions) for name, part in parts["adapter"]] == [("billing@2", 5)]
    assert [name for name, _ in parts["prompt"]] == ["domain/answer@1", "general/answer@1"]
    assert [(name, part.questions) for name, part in parts["route"]] == [("billing", 7), ("general", 3)]
