"""The course of a training, as others read it while it runs, after a kill, and at its end."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import StoreError, TrainingError
from bot.learning.course import FILE, Course, Plan, Step, read_course, recorded
from bot.messages import now

PLAN = Plan(domain="billing", dataset="billing@2", start="reading@1")


def losses(folder: Path) -> list[tuple[int, float]]:
    course = read_course(folder)
    assert course is not None
    return [(step.step, step.loss) for step in course.steps]


def test_steps_are_read_while_the_training_runs(tmp_path: Path) -> None:
    with recorded(tmp_path, PLAN) as on_step:
        on_step(1, 30, 2.5)
        on_step(2, 30, 2.0)
        running = read_course(tmp_path)
    ended = read_course(tmp_path)

    assert running and ended and [step.loss for step in running.steps] == [2.5, 2.0]
    assert (running.running, running.ended, ended.running, ended.ended) == (True, False, False, True)
    assert running.plan == PLAN


def test_training_that_broke_off_neither_runs_nor_has_ended(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), recorded(tmp_path, PLAN) as on_step:
        on_step(1, 30, 2.5)
        raise ZeroDivisionError

    course = read_course(tmp_path)
    assert course and not course.running and not course.ended


def test_steps_that_a_kill_took_away_are_done_again(tmp_path: Path) -> None:
    with recorded(tmp_path, PLAN) as on_step:
        for step in range(1, 18):
            on_step(step, 30, 3.0)

    with recorded(tmp_path, Plan(domain="billing", dataset="billing@2", start="reading@1")) as on_step:
        on_step(11, 30, 1.0)
        found = losses(tmp_path)

    assert found == [(step, 3.0) for step in range(1, 11)] + [(11, 1.0)]


def test_other_training_begins_a_course_of_its_own(tmp_path: Path) -> None:
    with recorded(tmp_path, PLAN) as on_step:
        on_step(1, 30, 2.5)

    with recorded(tmp_path, Plan(domain="billing", dataset="billing@3")):
        assert losses(tmp_path) == []


def test_second_training_of_a_domain_is_refused(tmp_path: Path) -> None:
    with recorded(tmp_path, PLAN) as on_step:
        on_step(1, 30, 2.5)
        with pytest.raises(TrainingError, match="billing is being trained already"), recorded(tmp_path, PLAN):
            pass

        assert losses(tmp_path) == [(1, 2.5)]


@pytest.mark.parametrize("torn", ['{"step": 2, "to', "nonsense", '{"step": "x"}', "[]", "{}"])
def test_line_that_a_kill_tore_is_passed_over(tmp_path: Path, torn: str) -> None:
    with recorded(tmp_path, PLAN) as on_step:
        on_step(1, 30, 2.5)
        with (tmp_path / FILE).open("a") as file:
            file.write(torn + "\n")
        on_step(3, 30, 2.0)

        assert losses(tmp_path) == [(1, 2.5), (3, 2.0)]


def test_folder_without_a_training_has_no_course(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({"step": 1, "total": 2, "loss": 1.0, "at": "2026-01-01T00:00:00+00:00"}))

    assert read_course(tmp_path) is None and read_course(tmp_path / "nowhere") is None


def test_folder_that_cannot_be_made_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with (
        pytest.raises(StoreError, match="file/billing cannot be written"),
        recorded(tmp_path / "file" / "billing", PLAN),
    ):
        pass


def course_of(*seconds: int, begun: int = 0, deadline: float | None = None) -> Course:
    """Steps 1, 2, ... of 40, done so many seconds after the start; it was begun, or went on, after *begun*."""
    at = now()
    steps = [Step(step=n, total=40, loss=1.0, at=at + timedelta(seconds=after)) for n, after in enumerate(seconds, 1)]
    plan = Plan(domain="billing", at=(at + timedelta(seconds=begun)).isoformat(), deadline_seconds=deadline)
    return Course(plan=plan, steps=tuple(steps), running=True)


def test_remaining_time_follows_the_pace() -> None:
    assert course_of(2, 4, 6, 8).seconds_left == pytest.approx(2 * 36)


def test_remaining_time_ends_with_the_deadline() -> None:
    assert course_of(2, 4, 6, 8, deadline=20).seconds_left == pytest.approx(12)


def test_pause_after_a_kill_does_not_slow_the_pace() -> None:
    assert course_of(2, 4, 3600, 3602, begun=3590).seconds_left == pytest.approx(2 * 36)


def test_remaining_time_is_not_known_before_two_steps(tmp_path: Path) -> None:
    with recorded(tmp_path, PLAN) as on_step:
        on_step(1, 30, 2.5)
        course = read_course(tmp_path)

    assert course and course.seconds_left is None
