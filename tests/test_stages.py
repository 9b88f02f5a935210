"""
How far versions have come, which conversations a canary answers, and what a kill leaves behind.

Run as a program, this file changes the stages in a folder over and over.
"""

import itertools
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from math import sqrt
from pathlib import Path

import pytest
from tiny_model import ROOT

from adapters.stages import FILE, Canary, Stages, read_stages, stages_row, write_stages
from bot.errors import StoreError

NEW = Stages()


def in_production(*versions: str) -> Stages:
    """The stages after *versions* were put in production, one after the other."""
    stages = NEW
    for version in versions:
        stages = stages.with_production(version)
    return stages


def statuses(stages: Stages, *versions: str) -> list[str]:
    return [stages.status(version) for version in versions]


def test_version_that_nobody_released_is_a_candidate() -> None:
    assert NEW.status("1") == "candidate" and NEW.production is None


def test_version_goes_from_candidate_over_canary_to_production_and_retires() -> None:
    canary = in_production("1").with_canary("2", 0.1)
    promoted = canary.with_production("2")
    replaced = promoted.with_production("3")

    assert [stages.status("2") for stages in (canary, promoted, replaced)] == ["canary", "production", "retired"]
    assert [stages.status("1") for stages in (canary, promoted)] == ["production", "retired"]
    assert canary.canary == Canary(version="2", share=0.1) and promoted.canary is None


def test_canary_may_get_another_share() -> None:
    stages = NEW.with_canary("1", 0.1).with_canary("1", 0.5)

    assert (stages.canary, stages.status("1")) == (Canary(version="1", share=0.5), "canary")


@pytest.mark.parametrize(
    "after", [NEW.with_canary("1", 0.1).with_canary("2", 0.2), NEW.with_canary("1", 0.1).with_production("2")]
)
def test_canary_that_another_version_takes_the_place_of_is_retired(after: Stages) -> None:
    assert after.status("1") == "retired"


def test_canary_that_is_ended_leaves_production_as_it_was() -> None:
    before = in_production("1")

    after = before.with_canary("2", 0.3).without_canary()

    assert (after.production, after.canary, after.earlier) == ("1", None, before.earlier)
    assert after.status("2") == "retired"


def test_step_after_step_leads_back_to_the_shipped_adapter() -> None:
    stages, seen = in_production("1", "2", "3"), []

    while stages.earlier:
        stages = stages.back_to(stages.earlier[-1])
        seen.append(stages.production)

    assert seen == ["2", "1", None]
    assert statuses(stages, "1", "2", "3") == ["retired"] * 3


def test_long_way_back_leads_on_to_what_came_before_that() -> None:
    back = in_production("1", "2", "3").back_to("1")

    assert (back.production, back.earlier) == ("1", (None,))
    assert statuses(back, "2", "3") == ["retired", "retired"]


def test_step_back_can_itself_be_taken_back() -> None:
    stages = in_production("1", "2")

    again = stages.back_to("1").back_to("2")

    assert (again.production, again.earlier, again.status("1")) == ("2", (None, "1"), "retired")


def test_version_that_answered_twice_is_gone_back_to_from_its_latest_time() -> None:
    stages = in_production("1", "2", "1", "3")

    assert stages.back_to("1").earlier == (None, "1", "2")


def test_stepping_back_ends_the_canary() -> None:
    back = in_production("1").with_canary("2", 0.1).back_to(None)

    assert (back.production, back.canary, back.status("2")) == (None, None, "retired")


def test_conversation_always_meets_the_same_version() -> None:
    canary = Canary(version="2", share=0.3)
    threads = [f"thread {number}" for number in range(1000)]

    first, *others = [[canary.answers("billing", thread) for thread in threads] for _ in range(3)]

    assert others == [first, first] and set(first) == {True, False}


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.9])
def test_canary_answers_its_share_of_the_conversations(share: float) -> None:
    canary, of = Canary(version="2", share=share), 1000

    answered = sum(canary.answers("billing", f"C1/{number}.000100") for number in range(of))

    assert abs(answered - of * share) < 4 * sqrt(of * share * (1 - share))  # four standard deviations


def test_larger_share_takes_in_the_conversations_of_the_smaller() -> None:
    small, large = (Canary(version="2", share=share) for share in (0.1, 0.4))

    assert all(large.answers("billing", str(n)) for n in range(1000) if small.answers("billing", str(n)))


@pytest.mark.parametrize(("domain", "version"), [("travel", "2"), ("billing", "3")])
def test_other_canaries_are_tried_on_other_conversations(domain: str, version: str) -> None:
    one, other = Canary(version="2", share=0.5), Canary(version=version, share=0.5)

    alike = sum(one.answers("billing", str(n)) == other.answers(domain, str(n)) for n in range(1000))

    assert 430 < alike < 570


@pytest.mark.parametrize(
    "stages", [NEW, in_production("1", "2").with_canary("3", 0.25).back_to(None), NEW.with_canary("1", 0.1)]
)
def test_stages_are_read_as_they_were_written(tmp_path: Path, stages: Stages) -> None:
    write_stages(tmp_path / "billing", stages)

    assert read_stages(tmp_path / "billing") == stages


def test_domain_without_stages_has_released_nothing(tmp_path: Path) -> None:
    assert read_stages(tmp_path / "billing") == NEW


GOOD = stages_row(in_production("1").with_canary("2", 0.1))
CHANGES: list[dict[str, object]] = [
    {"production": 1},
    {"production": "../1"},
    {"canary": {"version": "2"}},
    {"canary": {"version": "2", "share": 1.5}},
    {"canary": {"version": "2", "share": True}},
    {"earlier": [1]},
    {"retired": None},
]
DAMAGED = ["", '{"production"', "[]", "null", "{}", *(json.dumps(GOOD | change) for change in CHANGES)]


@pytest.mark.parametrize("text", DAMAGED)
def test_damaged_stages_are_named_with_the_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / "billing").mkdir()
    (tmp_path / "billing" / FILE).write_text(text)

    with pytest.raises(StoreError, match=r"billing/stages\.json is damaged .*backup, or delete it.*promote billing"):
        read_stages(tmp_path / "billing")


LONG = Stages(earlier=tuple(map(str, range(1, 20_000))))  # takes a while to write


def test_kill_at_any_moment_leaves_the_stages_from_before_or_from_after(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    found = []

    for number in range(8):
        process = subprocess.Popen([sys.executable, __file__, tmp_path], stdout=subprocess.PIPE, env=environment)
        assert process.stdout and process.stdout.readline() == b"begun\n"
        time.sleep(0.007 * number)
        process.kill()
        process.communicate()
        found.append(read_stages(tmp_path))

    assert all(stages in (replace(LONG, production="1"), replace(LONG, production="2")) for stages in found)


if __name__ == "__main__":
    for count in itertools.count():
        write_stages(Path(sys.argv[1]), replace(LONG, production=str(1 + count % 2)))
        if not count:
            print("begun", flush=True)


def test_candidate_that_is_withdrawn_is_retired_and_comes_back_by_a_promotion(tmp_path: Path) -> None:
    withdrawn = Stages(production="1").without_candidate("2")
    write_stages(tmp_path, withdrawn)

    again = withdrawn.with_production("2").with_production("1")

    assert read_stages(tmp_path) == withdrawn and withdrawn.status("2") == "retired"
    assert ("2" in withdrawn.named, again.status("2"), again.withdrawn) == (True, "retired", ())


def test_stages_of_an_older_release_have_nothing_withdrawn(tmp_path: Path) -> None:
    write_stages(tmp_path, Stages(production="1"))
    row = json.loads((tmp_path / FILE).read_text())
    del row["withdrawn"]
    (tmp_path / FILE).write_text(json.dumps(row))

    assert read_stages(tmp_path) == Stages(production="1")
