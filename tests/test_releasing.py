"""Releases: judged, promoted and taken back while questions are answered."""

import json
from pathlib import Path

import pytest
from scripted_exam import Yard

from adapters.stages import Canary
from bot.errors import AdapterNotFound, InputError
from bot.ports import silent


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


async def test_candidate_that_is_better_answers_from_then_on(yard: Yard) -> None:
    before = yard.current

    row = await yard.promote("2")

    assert (before, yard.current) == ("none", "billing@2")
    assert (row["promoted"], row["passed"], row["adapter"], row["against"]) == (True, True, "billing@2", "none")
    assert yard.statuses == ["candidate", "production", "candidate", "candidate"]


async def test_candidate_that_is_no_better_is_refused_with_reasons(yard: Yard) -> None:
    await yard.promote("2")

    row = await yard.promote("1")

    assert (row["promoted"], row["passed"], row["against"]) == (False, False, "billing@2")
    assert row["reasons"] and row["reasons"] == [check["reason"] for check in row["checks"] if not check["passed"]]
    assert yard.current == "billing@2" and yard.statuses[0] == "candidate"


async def test_report_lies_beside_the_version_whether_it_passed_or_not(yard: Yard) -> None:
    rows = [await yard.promote(version) for version in ("2", "1")]

    assert [row["promoted"] for row in rows] == [True, False]
    assert [Path(row["report"]).is_file() for row in rows] == [True, True]
    assert Path(rows[0]["report"]).is_relative_to(yard.folder / "adapters" / "billing" / "2")


async def test_both_sides_of_a_comparison_have_their_scores_in_the_list(yard: Yard) -> None:
    await yard.promote("1")
    await yard.promote("2")

    scores = {version.label: version.scores for version in yard.registry.all() if version.domain and version.scores}

    assert scores.keys() == {"billing@1", "billing@2"}
    assert 0.3 < scores["billing@1"]["domain"] < scores["billing@2"]["domain"] < 1
    json.dumps(scores)


async def test_every_release_and_refusal_is_in_the_audit_log(yard: Yard) -> None:
    await yard.promote("1", share=0.2)
    await yard.promote("2")
    await yard.promote("4")
    await yard.rollback()

    names = [
        "adapter.promote billing",
        "adapter.promote billing",
        "adapter.refuse billing@4",
        "adapter.rollback billing",
    ]
    assert [(who, what) for who, what, _, _ in yard.audit.entries] == list(
        zip(["ada"] * 3 + ["bob"], names, strict=True)
    )
    first, second, refusal, back = ((before, after) for _, _, before, after in yard.audit.entries)
    assert (first[0]["canary"], first[1]["canary"]) == (None, {"version": "1", "share": 0.2})
    assert first[1] == second[0] and (second[1]["production"], back[1]["production"]) == ("2", None)
    assert refusal[1]["reasons"]


async def test_new_adapter_is_loaded_before_it_answers(yard: Yard) -> None:
    await yard.promote("1")
    await yard.promote("2")

    assert yard.loaded == [("billing@1", "none"), ("billing@2", "billing@1")]


async def test_canary_answers_its_share_and_is_put_in_production_by_a_second_promotion(yard: Yard) -> None:
    await yard.promote("1")

    trial = await yard.promote("3", share=0.2)
    stages = yard.registry.stages("billing")
    final = await yard.promote()

    assert (stages.production, stages.canary) == ("1", Canary(version="3", share=0.2))
    assert (trial["canary"], trial["adapter"]) == ({"version": "3", "share": 0.2}, "billing@1")
    assert (final["canary"], final["adapter"], yard.current) == (None, "billing@3", "billing@3")


async def test_second_promotion_is_judged_against_what_is_in_production_then(yard: Yard) -> None:
    await yard.promote("2", share=0.5)
    await yard.promote("3")

    row = await yard.promote("2")

    assert (row["against"], row["promoted"]) == ("billing@3", False)
    assert yard.statuses == ["candidate", "retired", "production", "candidate"]


async def test_what_was_answered_once_is_not_asked_again(yard: Yard) -> None:
    await yard.promote("2", share=0.5)
    asked = len(yard.script.asked)

    await yard.promote("2")

    assert asked and len(yard.script.asked) == asked


async def test_canary_has_to_pass_the_gate_too(yard: Yard) -> None:
    await yard.promote("2")

    row = await yard.promote("1", share=0.1)

    assert not row["promoted"] and yard.registry.stages("billing").canary is None


async def test_without_a_version_the_newest_candidate_is_meant(yard: Yard) -> None:
    row = await yard.promote()

    assert (row["version"], yard.current) == ("4", "billing@4")


async def test_version_may_be_given_with_its_name(yard: Yard) -> None:
    assert (await yard.promote("billing@2"))["adapter"] == "billing@2"


@pytest.mark.parametrize("version", ["travel@1", "reading@1"])
async def test_version_of_another_adapter_is_refused(yard: Yard, version: str) -> None:
    with pytest.raises(InputError, match=f"{version} is no version of billing; give its number"):
        await yard.promote(version)


async def test_version_that_does_not_exist_is_named(yard: Yard) -> None:
    with pytest.raises(AdapterNotFound, match="'billing@9' does not exist"):
        await yard.promote("9")


async def test_version_in_production_is_not_promoted_again(yard: Yard) -> None:
    await yard.promote("2")

    with pytest.raises(InputError, match="billing@2 is in production already"):
        await yard.promote("2", share=0.1)


async def test_canary_that_another_takes_the_place_of_is_named(yard: Yard) -> None:
    await yard.promote("1", share=0.1)

    row = await yard.promote("2", share=0.1)

    assert "billing@1 is no longer a canary" in row["notes"]
    assert yard.statuses[:2] == ["retired", "canary"]


async def test_version_trained_on_a_file_is_judged_by_the_shipped_probe_and_that_is_said(yard: Yard) -> None:
    (note,) = (await yard.promote("1"))["notes"]

    assert note.startswith("only the shipped probe is asked: billing@1 was trained on a file")


@pytest.mark.parametrize("setting", ["1", "none"])
async def test_setting_that_names_a_version_still_wins_and_that_is_said(tmp_path: Path, setting: str) -> None:
    yard = Yard(tmp_path, setting=setting)

    promoted, back = await yard.promote("2"), await yard.rollback()

    label = "none" if setting == "none" else "billing@1"
    assert yard.current == label
    for row in (promoted, back):
        assert any(note.startswith(f"{label} goes on answering billing") for note in row["notes"])


async def test_judging_changes_nothing_but_the_report(yard: Yard) -> None:
    row = await yard.releaser.judge("billing", "2", silent)

    assert row["passed"] and Path(row["report"]).is_file()
    assert (yard.current, yard.statuses, yard.audit.entries) == ("none", ["candidate"] * 4, [])


async def test_evaluation_shows_scores_and_keeps_them(yard: Yard) -> None:
    row = await yard.releaser.evaluate("billing@3", silent)

    assert row["adapter"] == "billing@3" and row["scores"]["abstention"] == 1.0 and row["rows"] > 80
    assert yard.registry.find("billing@3").scores.items() >= row["scores"].items()


async def test_rollback_leads_to_what_was_in_production_before(yard: Yard) -> None:
    for version in ("1", "2", "3"):
        await yard.promote(version)

    found = [(await yard.rollback())["adapter"] for _ in range(3)]

    assert found == ["billing@2", "billing@1", "none"] and yard.current == "none"
    with pytest.raises(InputError, match="nothing was in production for billing before"):
        await yard.rollback()


async def test_rollback_asks_no_gate(yard: Yard) -> None:
    await yard.promote("1")
    await yard.promote("2")
    asked = len(yard.script.asked)

    await yard.rollback("1")

    assert yard.current == "billing@1" and len(yard.script.asked) == asked


async def test_retired_version_comes_back_by_name(yard: Yard) -> None:
    for version in ("1", "2", "3"):
        await yard.promote(version)

    there = await yard.rollback("billing@1")
    and_back = await yard.rollback("3")

    assert [row["adapter"] for row in (there, and_back)] == ["billing@1", "billing@3"]


async def test_rollback_ends_a_canary_and_leaves_production_alone(yard: Yard) -> None:
    await yard.promote("1")
    await yard.promote("2", share=0.5)

    row = await yard.rollback()

    assert (row["adapter"], row["canary"]) == ("billing@1", None)
    assert yard.statuses[:2] == ["production", "retired"]


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("3", "billing@3 was never released; `pointsman adapters promote billing 3` judges it first"),
        ("2", "billing@2 is the canary; `pointsman adapters promote billing` puts it in production"),
        ("travel@1", "travel@1 is no version of billing"),
    ],
)
async def test_rollback_refuses_what_never_answered(yard: Yard, version: str, reason: str) -> None:
    await yard.promote("1")
    await yard.promote("2", share=0.5)

    with pytest.raises(InputError, match=reason):
        await yard.rollback(version)

    assert yard.statuses[:3] == ["production", "canary", "candidate"]


async def test_rollback_to_what_answers_already_only_ends_the_canary(yard: Yard) -> None:
    await yard.promote("1")
    await yard.promote("2", share=0.5)

    row = await yard.rollback("1")

    assert (row["adapter"], row["canary"]) == ("billing@1", None)
    with pytest.raises(InputError, match="billing@1 is in production already"):
        await yard.rollback("1")


async def test_share_of_a_canary_is_changed_without_asking_the_gate_again(yard: Yard) -> None:
    await yard.promote("2", share=0.2)
    asked = len(yard.script.asked)

    row = await yard.releaser.set_share("billing", 0.05, by="ada")

    assert (row["canary"], len(yard.script.asked)) == ({"version": "2", "share": 0.05}, asked)
    assert yard.audit.entries[-1][:2] == ("ada", "adapter.share billing")


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
async def test_share_that_is_none_is_refused(yard: Yard, share: float) -> None:
    with pytest.raises(InputError, match="has no canary"):
        await yard.releaser.set_share("billing", 0.1, by="ada")
    await yard.promote("2", share=0.2)

    with pytest.raises(InputError, match="is no share"):
        await yard.releaser.set_share("billing", share, by="ada")


async def test_retired_candidate_is_offered_no_longer_and_no_rollback_leads_to_it(yard: Yard) -> None:
    await yard.promote("2")

    await yard.releaser.retire("billing", "4", by="ada")

    assert (yard.statuses[3], yard.registry.newest_candidate("billing")) == ("retired", "3")
    with pytest.raises(InputError, match="was never released"):
        await yard.rollback("4")
    assert yard.audit.entries[-1][:2] == ("ada", "adapter.retire billing")


async def test_retired_canary_answers_nobody_and_production_cannot_be_retired(yard: Yard) -> None:
    await yard.promote("1")
    await yard.promote("2", share=0.2)

    row = await yard.releaser.retire("billing", "2", by="ada")

    assert (row["canary"], yard.statuses[:2]) == (None, ["production", "retired"])
    for version, reason in (("1", "is in production"), ("2", "is retired already")):
        with pytest.raises(InputError, match=reason):
            await yard.releaser.retire("billing", version, by="ada")
