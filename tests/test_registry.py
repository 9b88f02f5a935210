"""Adapter versions: which there are, which one answers, and what a broken one does to the rest."""

import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tiny_model import write_numbers

from adapters.registry import SHIPPED, AdapterRegistry, Always
from adapters.stages import FILE, Stages
from adapters.training.training import TrainedAdapter
from bot.errors import AdapterNotFound, AdapterUnusable, InputError, StoreError, TrainingError

BASE = json.loads((SHIPPED / "training.json").read_text())["base_model"]


def registry(folder: Path, base: str = BASE, **choices: str) -> AdapterRegistry:
    return AdapterRegistry(folder, choices, base)


def version(folder: Path, label: str, *, hour: int = 1, base: str = BASE, **more: Any) -> None:
    name, _, number = label.partition("@")
    write_numbers(folder / name / number, base_model=base, created=f"2030-01-01T{hour:02}:00:00+00:00", **more)


def trained(folder: Path, hour: int = 1, **more: Any) -> TrainedAdapter:
    numbers = {"base_model": BASE, "created": f"2030-01-01T{hour:02}:00:00+00:00", **more}
    write_numbers(folder, **numbers)
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    return TrainedAdapter(folder=folder, numbers=numbers)


def labels(registry: AdapterRegistry) -> list[str]:
    return [each.label for each in registry.all()]


def test_new_installation_has_the_shipped_reading_adapter(tmp_path: Path) -> None:
    (shipped,) = registry(tmp_path / "missing").all()

    assert (shipped.label, shipped.domain, shipped.status) == ("reading@1", None, "production")
    assert (shipped.base_model, shipped.folder) == (BASE, SHIPPED)


def test_versions_come_oldest_first(tmp_path: Path) -> None:
    version(tmp_path, "travel@1", hour=2)
    version(tmp_path, "billing@2", hour=1)
    for number in (10, 9):
        version(tmp_path, f"billing@{number}", hour=3)

    assert labels(registry(tmp_path)) == ["reading@1", "billing@2", "travel@1", "billing@9", "billing@10"]


def test_version_says_what_its_training_noted(tmp_path: Path) -> None:
    version(tmp_path, "billing@2", hour=5, scores={"f1": 0.5})

    found = registry(tmp_path).get("billing@2")

    assert (found.name, found.version, found.domain, found.status) == ("billing", "2", "billing", "candidate")
    assert (found.created, found.scores) == ("2030-01-01T05:00:00+00:00", {"f1": 0.5})
    assert found.folder == tmp_path / "billing" / "2"


@pytest.mark.parametrize("label", ["billing@2", "billing", "none", "", "@", "../billing@1", "reading@2"])
def test_unknown_version_is_named(tmp_path: Path, label: str) -> None:
    version(tmp_path, "billing@1")

    with pytest.raises(AdapterNotFound, match=r"does not exist; `pointsman adapters list`") as caught:
        registry(tmp_path).get(label)

    assert caught.value.adapter == label


def test_adapter_of_another_base_model_is_found_but_not_used(tmp_path: Path) -> None:
    version(tmp_path, "billing@1", base="other")

    assert registry(tmp_path).find("billing@1").base_model == "other"
    with pytest.raises(AdapterUnusable, match=rf"it was trained for other, this is {BASE}"):
        registry(tmp_path).get("billing@1")


DAMAGED = [b"", b'{"base_mo', b"{}", b"[]", b'"text"', b"null", b'{"base_model": "x"}', b"\xff\xfe"]


@pytest.mark.parametrize("numbers", DAMAGED)
def test_version_with_damaged_numbers_is_named(tmp_path: Path, numbers: bytes) -> None:
    version(tmp_path, "billing@1")
    (tmp_path / "billing" / "1" / "training.json").write_bytes(numbers)

    with pytest.raises(AdapterUnusable, match=r"'billing@1' .*training\.json is damaged .*train it again"):
        registry(tmp_path).get("billing@1")


@pytest.mark.parametrize("numbers", DAMAGED)
def test_damaged_version_does_not_disturb_the_others(tmp_path: Path, numbers: bytes) -> None:
    version(tmp_path, "billing@1")
    version(tmp_path, "travel@1")
    (tmp_path / "billing" / "1" / "training.json").write_bytes(numbers)

    with capture_logs() as logs:
        found = labels(registry(tmp_path))

    assert found == ["reading@1", "travel@1"]
    assert [(entry["log_level"], entry["adapter"]) for entry in logs] == [("warning", "billing@1")]
    assert registry(tmp_path).current("billing", "T1") == "reading@1"
    assert registry(tmp_path).get("travel@1").label == "travel@1"


@pytest.mark.parametrize(
    ("choices", "label"),
    [
        ({}, "reading@1"),
        ({"billing": "production"}, "reading@1"),
        ({"billing": "none"}, "none"),
        ({"billing": "2"}, "billing@2"),
        ({"billing": "travel@1"}, "travel@1"),
        ({"travel": "none"}, "reading@1"),
    ],
)
def test_setting_chooses_the_adapter_of_a_domain(tmp_path: Path, choices: dict[str, str], label: str) -> None:
    assert registry(tmp_path, **choices).current("billing", "T1") == label


def test_candidate_answers_nobody_unasked(tmp_path: Path) -> None:
    version(tmp_path, "billing@1")

    assert registry(tmp_path).current("billing", "T1") == "reading@1"


def test_shipped_adapter_is_not_for_another_base_model(tmp_path: Path) -> None:
    assert registry(tmp_path, "other").current("billing", "T1") == "none"


def test_one_adapter_can_be_asked_for_everywhere() -> None:
    assert [Always("billing@3").current(domain, "T1") for domain in ("billing", "travel")] == ["billing@3", "billing@3"]


def test_finished_training_becomes_the_next_version(tmp_path: Path) -> None:
    versions = registry(tmp_path / "adapters")
    for hour in (1, 2, 3):
        added = versions.add(trained(tmp_path / str(hour), hour), "billing")

    assert added.label == "billing@3"
    assert added == versions.get("billing@3")
    assert {file.name for file in added.folder.iterdir()} == {"adapter_model.safetensors", "training.json"}
    assert labels(versions) == ["reading@1", "billing@1", "billing@2", "billing@3"]


def test_number_is_never_used_again(tmp_path: Path) -> None:
    (tmp_path / "adapters" / "billing" / "9").mkdir(parents=True)  # deleted but for its folder

    assert registry(tmp_path / "adapters").add(trained(tmp_path / "new"), "billing").version == "10"


def test_same_training_added_twice_is_one_version(tmp_path: Path) -> None:
    versions = registry(tmp_path / "adapters")
    first = versions.add(trained(tmp_path / "new"), "billing")

    assert versions.add(trained(tmp_path / "new"), "billing") == first
    assert labels(versions) == ["reading@1", "billing@1"]


def test_trainings_of_the_same_second_are_two_versions(tmp_path: Path) -> None:
    versions = registry(tmp_path / "adapters")

    found = [versions.add(trained(tmp_path / data, data_hash=data), "billing").label for data in ("a", "b")]

    assert found == ["billing@1", "billing@2"]


def test_training_can_serve_two_domains(tmp_path: Path) -> None:
    versions = registry(tmp_path / "adapters")

    found = [versions.add(trained(tmp_path / "new"), domain).label for domain in ("billing", "travel")]

    assert found == ["billing@1", "travel@1"]


def test_half_copied_version_is_none(tmp_path: Path) -> None:
    write_numbers(tmp_path / "billing" / "1.4711.part", base_model=BASE, created="2030-01-01T00:00:00+00:00")

    assert labels(registry(tmp_path)) == ["reading@1"]


def test_version_that_cannot_be_copied_is_named(tmp_path: Path) -> None:
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "billing").write_text("a file in the way")

    with pytest.raises(TrainingError, match=r"new cannot be copied to .*/adapters/billing/1"):
        registry(tmp_path / "adapters").add(trained(tmp_path / "new"), "billing")


RELEASED = Stages().with_production("1").with_production("2").with_canary("3", 0.25)


@pytest.fixture
def released(tmp_path: Path) -> AdapterRegistry:
    """Billing has a retired version, one in production, a canary and a candidate."""
    for number in range(1, 5):
        version(tmp_path, f"billing@{number}", hour=number)
    found = registry(tmp_path)
    found.change("billing", RELEASED)
    return found


def test_version_says_how_far_it_has_come(released: AdapterRegistry) -> None:
    found = {each.label: each.status for each in released.all() if each.domain}

    assert list(found.values()) == ["retired", "production", "canary", "candidate"]
    assert [released.find(label).status for label in found] == list(found.values())


def test_version_in_production_answers_but_for_the_conversations_of_the_canary(released: AdapterRegistry) -> None:
    threads = [f"thread {number}" for number in range(1000)]

    found = [released.current("billing", thread) for thread in threads]

    assert set(found) == {"billing@2", "billing@3"} and 195 < found.count("billing@3") < 305
    assert [released.current("billing", thread) for thread in threads] == found
    assert released.answering("billing") == {"billing@2": 0.75, "billing@3": 0.25}


def test_domain_without_a_release_of_its_own_has_the_shipped_adapter_in_production(released: AdapterRegistry) -> None:
    assert [released.production(domain) for domain in ("billing", "travel")] == ["billing@2", "reading@1"]
    assert released.answering("travel") == {"reading@1": 1.0}


@pytest.mark.parametrize(("choice", "label"), [("1", "billing@1"), ("reading@1", "reading@1"), ("none", "none")])
def test_setting_that_names_a_version_wins(released: AdapterRegistry, tmp_path: Path, choice: str, label: str) -> None:
    pinned = registry(tmp_path, billing=choice)

    assert {pinned.current("billing", str(n)) for n in range(100)} == {label} == set(pinned.answering("billing"))
    assert pinned.production("billing") == "billing@2"


def test_what_one_process_releases_answers_the_next_question_to_another(tmp_path: Path) -> None:
    version(tmp_path, "billing@1")
    here, there = registry(tmp_path), registry(tmp_path)
    before = there.current("billing", "T1")

    here.change("billing", here.stages("billing").with_production("1"))

    assert (before, there.current("billing", "T1")) == ("reading@1", "billing@1")


def test_damaged_stages_are_an_error_to_operators_and_none_to_users(released: AdapterRegistry, tmp_path: Path) -> None:
    (tmp_path / "billing" / FILE).write_text("{")

    with capture_logs() as logs:
        assert released.current("billing", "T1") == "reading@1" == released.current("travel", "T1")
    assert [(entry["log_level"], entry["domain"]) for entry in logs] == [("error", "billing")]
    assert released.get("billing@2").label == "billing@2"
    for look in (released.all, lambda: released.find("billing@2"), lambda: released.production("billing")):
        with pytest.raises(StoreError, match=r"stages\.json is damaged"):
            look()


def test_newest_candidate_is_the_one_that_was_trained_last(released: AdapterRegistry, tmp_path: Path) -> None:
    version(tmp_path, "billing@10")

    assert released.newest_candidate("billing") == "10"


def test_domain_without_a_candidate_is_told_how_to_get_one(released: AdapterRegistry) -> None:
    released.change("billing", RELEASED.with_production("4"))

    with pytest.raises(InputError, match="billing has no candidate; `pointsman train --domain billing` makes one"):
        released.newest_candidate("billing")


def test_number_of_a_released_version_that_was_deleted_is_not_used_again(tmp_path: Path) -> None:
    versions = registry(tmp_path / "adapters")
    versions.change("billing", Stages().with_production("7").with_canary("8", 0.1))

    assert versions.add(trained(tmp_path / "new"), "billing").version == "9"


def test_scores_are_those_of_the_newest_evaluation(released: AdapterRegistry) -> None:
    for score in (0.3, 0.5):
        released.keep_scores("billing@4", {"domain": score})
        released.keep_scores("reading@1", {"domain": score / 2})

    assert [released.find(label).scores for label in ("billing@4", "reading@1")] == [{"domain": 0.5}, {"domain": 0.25}]
    assert "reading@2" not in labels(released) and len(released.all()) == 5
    with pytest.raises(AdapterNotFound):
        released.keep_scores("billing@5", {})


@pytest.fixture
def family(tmp_path: Path) -> AdapterRegistry:
    """Versions that were trained on datasets and files, some of them going on from others."""
    version(tmp_path, "billing@1", dataset="billing@1", start="reading@1")
    version(tmp_path, "billing@2", dataset="billing@2", start="billing@1")
    version(tmp_path, "billing@10", dataset="billing@3", start="none")
    version(tmp_path, "travel@1", dataset="rows.jsonl", start="none")
    version(tmp_path, "travel@2", dataset="travel@1", start="travel@1")
    return registry(tmp_path)


def test_adapters_that_learnt_from_a_dataset_are_found_also_by_descent(family: AdapterRegistry) -> None:
    assert family.trained_on(["billing@1"]) == ["billing@1", "billing@2"]
    assert family.trained_on(["billing@3", "billing@2"]) == ["billing@2", "billing@10"]
    assert family.trained_on([]) == []


def test_adapters_that_learnt_from_elsewhere_are_named(family: AdapterRegistry) -> None:
    curated = [f"{domain}@{number}" for domain in ("billing", "travel") for number in range(1, 4)]

    assert family.untraced(curated) == {"travel@1": "rows.jsonl", "travel@2": "rows.jsonl"}


def test_lineage_ends_where_a_version_is_gone_and_never_goes_round(family: AdapterRegistry, tmp_path: Path) -> None:
    version(tmp_path, "billing@11", start="billing@12")
    version(tmp_path, "billing@12", start="billing@11")
    version(tmp_path, "billing@13", start="billing@99")

    found = [[each.label for each in family.lineage(f"billing@{number}")] for number in (2, 11, 13)]

    assert found == [["billing@2", "billing@1", "reading@1"], ["billing@11", "billing@12"], ["billing@13"]]


def test_version_from_before_trainings_noted_their_data_counts_as_trained_on_a_file(tmp_path: Path) -> None:
    version(tmp_path, "billing@1", data="old.jsonl")

    assert registry(tmp_path).untraced([]) == {"billing@1": "old.jsonl"}
