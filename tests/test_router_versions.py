"""Versions of the router: kept whole, one of them in use, old ones let go."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fakes import DIMENSION
from tiny_model import ROOT

from bot import routing
from bot.errors import InputError, RetrievalError
from bot.learning.checks import Check
from bot.learning.router_versions import KEPT, RouterVersion, RouterVersions, Stages
from bot.routing import DomainClassifier

CHECK = Check(
    name="accuracy",
    candidate=0.9,
    production=0.8,
    difference=0.1,
    low=0.0,
    high=0.2,
    passed=True,
    reason="Accuracy 0.900 against 0.800.",
)
DRAFT = RouterVersion(
    origin="train",
    hash="abc",
    learned=("f1", "f2"),
    counts={"billing": {"written": 2, "reviewed": 3, "made": 40}, "general": {"written": 1, "shipped": 2_000}},
    left_out={"asked in a private place": 2},
    index={"billing": "d1"},
    against="1",
    checks=(CHECK,),
    reasons=("too few",),
)


def classifiers(number: float = 0.0, *domains: str) -> dict[str, DomainClassifier]:
    """One per domain that *number* tells from others."""
    one = DomainClassifier(
        embedding=np.full(DIMENSION + 1, number),
        mean=np.zeros(4),
        scale=np.ones(4),
        evidence=np.zeros(5),
        own=np.eye(2, DIMENSION, dtype=np.float32),
        other=np.eye(3, DIMENSION, dtype=np.float32),
    )
    return dict.fromkeys(domains or ("billing",), one)


def in_use(versions: RouterVersions) -> float | None:
    """The number of the classifiers that are in use."""
    found = versions.classifiers(["billing", "travel"])
    return float(found["billing"].embedding[0]) if found else None


@pytest.fixture
def versions(tmp_path: Path) -> RouterVersions:
    return RouterVersions(tmp_path)


def made(versions: RouterVersions, count: int) -> None:
    """*count* versions, each promoted over the one before."""
    for _ in range(count):
        version = versions.add(DRAFT, classifiers(len(versions.all()) + 1.0)).version
        versions.change(versions.stages.promoted(version))


def test_nothing_is_in_use_at_first(versions: RouterVersions) -> None:
    assert versions.all() == [] and versions.classifiers(["billing"]) == {}
    assert (versions.stages, versions.production, versions.before) == (Stages(), None, None)


def test_version_is_kept_with_what_it_learnt_and_how_it_was_measured(versions: RouterVersions) -> None:
    kept = versions.add(DRAFT, classifiers())

    assert versions.all() == [kept] and versions.find("1") == kept
    assert (kept.version, kept.learned, kept.checks, kept.reasons) == ("1", ("f1", "f2"), (CHECK,), ("too few",))
    assert kept.examples == {"written": 3, "reviewed": 3} and kept.counts == DRAFT.counts


def test_new_version_is_not_in_use_before_it_is_said_so(versions: RouterVersions) -> None:
    made(versions, 1)
    versions.add(DRAFT, classifiers(2.0))
    before = in_use(versions)

    versions.change(versions.stages.promoted("2"))

    assert (before, in_use(versions)) == (1.0, 2.0)
    assert [versions.stages.status(number) for number in "123"] == ["retired", "production", "candidate"]


def test_domains_that_are_gone_have_no_classifier(versions: RouterVersions) -> None:
    versions.add(DRAFT, classifiers(1.0, "billing", "closed"))

    assert list(versions.classifiers(["billing", "new"], "1")) == ["billing"]


def test_rollback_leads_back_one_step_after_the_other() -> None:
    stages = Stages().promoted("1").promoted("2").promoted("3")

    once = stages.back_to("2", "2")
    twice = once.back_to("1", "1")

    assert (once.production, once.earlier, once.status("3")) == ("2", ("1",), "retired")
    assert (twice.production, twice.earlier, twice.retired) == ("1", (), ("2", "3"))


def test_version_that_replaces_an_outdated_one_takes_its_place() -> None:
    stages = Stages().promoted("1").promoted("2").replaced("3")

    assert (stages.production, stages.earlier, stages.status("2")) == ("3", ("1",), "retired")


def test_version_that_is_taught_again_stands_for_the_one_that_is_gone_back_to() -> None:
    stages = Stages().promoted("1").promoted("2").promoted("3").back_to("2", "4")

    assert (stages.production, stages.earlier) == ("4", ("1",))


def test_oldest_versions_are_let_go(versions: RouterVersions) -> None:
    made(versions, KEPT + 3)

    assert [version.version for version in versions.all()] == [str(number) for number in range(4, KEPT + 4)]


def test_version_in_use_and_the_one_to_go_back_to_are_never_let_go(versions: RouterVersions) -> None:
    made(versions, 3)
    for _ in range(KEPT + 3):
        versions.add(DRAFT, classifiers())

    versions.change(versions.stages)

    kept = [version.version for version in versions.all()]
    assert kept[:2] == ["2", "3"] and len(kept) == KEPT + 2
    assert (in_use(versions), versions.before) == (3.0, "2")


def test_number_of_a_version_is_never_used_again(versions: RouterVersions) -> None:
    made(versions, KEPT + 3)

    assert versions.add(DRAFT, classifiers()).version == str(KEPT + 4)


def test_router_from_before_there_were_versions_goes_on(versions: RouterVersions) -> None:
    routing.save(classifiers(7.0), versions.folder / "router.npz")

    versions.adopt()
    versions.adopt()

    (found,) = versions.all()
    assert (found.origin, found.learned, in_use(versions)) == ("found", (), 7.0)
    assert not (versions.folder / "router.npz").exists()


def test_router_whose_adoption_was_cut_short_is_adopted_again(versions: RouterVersions) -> None:
    routing.save(classifiers(7.0), versions.folder / "router.npz")
    versions.add(RouterVersion(origin="found"), classifiers(7.0))  # killed here: not in use yet

    versions.adopt()

    assert in_use(versions) == 7.0 and versions.stages.production == "2"


def test_file_of_an_older_program_is_read(versions: RouterVersions) -> None:
    one = classifiers(7.0)["billing"]
    arrays = {f"billing/{name}": getattr(one, name) for name in DomainClassifier.__slots__}
    np.savez_compressed(versions.folder / "router.npz", domains=np.array('["billing"]'), **arrays)

    versions.adopt()

    assert in_use(versions) == 7.0
    assert np.array_equal(versions.classifiers(["billing"])["billing"].other, one.other)


def test_known_questions_of_several_domains_are_stored_once(versions: RouterVersions) -> None:
    versions.add(DRAFT, classifiers(1.0, "billing", "travel"))

    with np.load(versions.folder / "versions" / "1" / "router.npz") as arrays:
        assert arrays["vectors"].shape == (3, DIMENSION)


def test_version_that_does_not_exist_is_named(versions: RouterVersions) -> None:
    for name in ("9", "../1", ""):
        with pytest.raises(InputError, match="does not exist; `pointsman router list` shows those that do"):
            versions.find(name)


@pytest.mark.parametrize("damage", ["", "no JSON", "[]", '{"origin": "train"}'])
def test_damaged_description_hides_one_version_and_routes_on(versions: RouterVersions, damage: str) -> None:
    made(versions, 2)
    (versions.folder / "versions" / "2" / "training.json").write_text(damage)

    assert [version.version for version in versions.all()] == ["1"] and in_use(versions) == 2.0
    assert versions.production and (versions.production.version, versions.production.learned) == ("2", ())
    with pytest.raises(RetrievalError, match=r"training\.json is damaged .* run `pointsman router train`"):
        versions.find("2")


@pytest.mark.parametrize("damage", ["", "no JSON", "[]", "{}", '{"production": "1", "earlier": 2}'])
def test_damaged_stages_are_named_with_their_remedy(versions: RouterVersions, damage: str) -> None:
    made(versions, 1)
    (versions.folder / "stages.json").write_text(damage)

    with pytest.raises(RetrievalError, match=r"stages\.json is damaged .*; delete the file and run `pointsman ingest`"):
        versions.classifiers(["billing"])


def test_what_a_kill_left_behind_is_no_version_and_is_swept_up(versions: RouterVersions) -> None:
    made(versions, 1)
    home = versions.folder / "versions"
    for half in (home / ".2.123.part", home / "2"):  # half written, half deleted
        half.mkdir()
        (half / "router.npz").write_bytes(b"PK")

    versions.change(versions.stages)

    assert [path.name for path in home.iterdir()] == ["1"]


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, "tests")
from test_router_versions import *
step, folder = int(sys.argv[1]), Path(sys.argv[2])
before = Path.replace
def replace(self, target):
    global step
    if step == 0:
        os.kill(os.getpid(), 9)
    step -= 1
    return before(self, target)
Path.replace = replace
made(RouterVersions(folder), 1)
"""


@pytest.mark.parametrize(("step", "number"), [(0, 1.0), (1, 1.0), (2, 1.0), (3, 2.0)])
def test_kill_at_any_moment_leaves_a_router_that_can_be_used(tmp_path: Path, step: int, number: float) -> None:
    """Three files and folders take their place: classifiers, the version, the stages."""
    versions = RouterVersions(tmp_path)
    made(versions, 1)

    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(step), str(tmp_path)], cwd=ROOT, env=os.environ, check=False
    )

    assert done.returncode == (0 if step == 3 else -9)
    assert in_use(versions) == number
    made(versions, 1)
    assert in_use(versions) == len(versions.all())


DELETING = """
import os, shutil, sys
from pathlib import Path
sys.path.insert(0, "tests")
from test_router_versions import *
def rmtree(path, **_):
    if path.name.isdecimal():
        (path / "router.npz").unlink()
        os.kill(os.getpid(), 9)
shutil.rmtree = rmtree
made(RouterVersions(Path(sys.argv[1])), 1)
"""


def test_version_that_a_kill_left_half_deleted_is_none_any_more(versions: RouterVersions) -> None:
    made(versions, KEPT + 1)

    done = subprocess.run([sys.executable, "-c", DELETING, str(versions.folder)], cwd=ROOT, env=os.environ, check=False)

    assert done.returncode == -9
    assert [version.version for version in versions.all()] == [str(number) for number in range(3, KEPT + 3)]


def test_training_json_says_all_there_is_to_know(versions: RouterVersions) -> None:
    versions.add(DRAFT, classifiers())

    row = json.loads((versions.folder / "versions" / "1" / "training.json").read_text())

    assert row.keys() == set(RouterVersion.__slots__) - {"version"} and row["learned"] == ["f1", "f2"]
