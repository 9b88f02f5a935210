"""Learn: datasets, trainings, the gate's word and releases, each done in the background for who began it."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from console_school import BETTER, WORSE, School, open_school
from console_site import Site, open_site
from tiny_model import write_adapter

from bot.console.curves import curve
from bot.learning.course import Plan, recorded
from bot.messages import now
from bot.settings import LearningSettings

BILLING = "/learn/domain/billing"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A console with nobody behind it: what is begun waits."""
    async with open_site(tmp_path) as site:
        await site.sign_in("admin")
        yield site


@pytest.fixture
async def school(tmp_path: Path, tiny_folder: Path) -> AsyncIterator[School]:
    async with open_school(tmp_path, base=tiny_folder) as school:
        await school.site.sign_in("admin")
        yield school


async def begin(school: School, path: str, **fields: Any) -> dict[str, Any]:
    """Send a form of the learn pages, and wait for what comes of it. Returns: the result, or the error."""
    response = await school.site.post(f"{BILLING}/{path}", **fields)
    assert (response.status, response.headers["Location"]) == (303, BILLING), await response.text()
    return await outcome(school)


async def outcome(school: School) -> dict[str, Any]:
    while True:
        *_, last = await school.site.parts.learn.undertakings()
        if last.ended:
            return dict(last.result) or {"error": last.listed.status.error}
        await asyncio.sleep(0.05)


async def adapters(school: School, *shares: float) -> None:
    """Versions 1, 2, ... of an adapter, each of which gets that share of the gate's exam right."""
    here = school.here
    for number, share in enumerate(shares, 1):
        folder = here.settings.storage.directory / "adapters" / "billing" / str(number)
        write_adapter(Path(here.settings.model.base), folder, seed=number, created=f"2030-01-0{number}T00:00:00+00:00")
        await school.sit(f"billing@{number}", share)


async def audit(site: Site, what: str) -> list[tuple[str, str, Any]]:
    entries = await site.parts.audit.page(what=what)
    return [(entry.who, entry.what, entry.after) for entry in reversed(entries)]


async def test_page_says_what_to_do_first_where_nothing_is_there(site: Site) -> None:
    page = await site.read("/learn")
    domain = await site.read(BILLING)

    assert "Next: approve and correct answers on the page Review." in page and "Off. Set retrain_after" in page
    assert "Build a dataset first." in domain and "No version of its own yet" in domain
    assert "No router yet" in await site.read("/learn/router")


async def test_schedule_says_when_a_training_begins_by_itself(tmp_path: Path) -> None:
    schedule = LearningSettings(retrain_after=50, promote="automatic")
    async with open_site(tmp_path, schedule=schedule) as site:
        await site.sign_in("viewer")
        page = await site.read("/learn")

    assert "with 50 newly approved answers" in page and "between 1 and 5 o'clock" in page
    assert "What passes the gate answers from then on." in page and "of 50 that start a training" in page


async def test_dataset_is_built_of_what_was_approved_and_shows_its_report(school: School) -> None:
    await school.ask(*range(12), approved=True)
    waiting = await school.site.read(BILLING)

    result = await begin(school, "dataset", kind="sft")

    report = await school.site.read(f"{BILLING}/dataset/1")
    page = await school.site.read(BILLING)
    assert "12 answers were approved or corrected" in waiting and "Nothing was approved or corrected since" in page
    assert (result["version"], "a dataset with" in page) == ("1", True)
    assert "unanswerable" in report and '<svg class="bar"' in report and "Left out" in report
    assert [entry[:2] for entry in await audit(school.site, "dataset")] == [("admin", "dataset.add billing@1")]


async def test_dataset_that_cannot_be_built_says_why_and_can_be_begun_again(school: School) -> None:
    result = await begin(school, "dataset")
    page = await school.site.read("/learn")
    (failed,) = await school.site.parts.learn.undertakings()

    refused = await school.site.post(f"/learn/work/{failed.id}/again")
    await school.ask(*range(12), approved=True)
    later = await school.site.read("/learn")
    await school.site.post(f"/learn/work/{failed.id}/again")

    assert "none is reviewed" in result["error"] and "Approve or correct some on the page Review" in page
    assert (refused.status, "Begin again" in page, "Begin again" in later) == (409, False, True)
    assert (await outcome(school))["version"] == "1"
    assert [each.id for each in await school.site.parts.learn.undertakings()] != [failed.id]


async def test_training_makes_a_candidate_under_the_name_of_who_began_it(school: School) -> None:
    await school.ask(*range(30), approved=True)
    await begin(school, "dataset")

    result = await begin(school, "train", dataset="1", start="none", minutes="5")

    page = await school.site.read(f"{BILLING}/version/1")
    assert result == {"domain": "billing", "adapter": "billing@1"}
    assert '<svg class="plot"' in page and "Loss of each step" in page and ">candidate<" in page
    begun, made = await audit(school.site, "train")
    assert (begun[:2], made[:2]) == (("admin", "training.start billing"), ("admin", "adapter.train billing@1"))
    assert made[2]["dataset"] == "billing@1" and begun[2]["minutes"] == 5


async def test_training_is_followed_while_it_runs_whoever_began_it(site: Site, tmp_path: Path) -> None:
    plan = Plan(domain="billing", dataset="billing@4", start="reading@1")
    with recorded(tmp_path / "training" / "billing", plan) as on_step:
        starting = await site.read("/learn/now")
        for step, loss in enumerate((2.5, 2.0, 1.5), 1):
            on_step(step, 12, loss)
        running = await site.read("/learn/now?about=billing")
        elsewhere = await site.read("/learn/now?about=travel")
    ended = await site.read("/learn/now")

    assert "The model is loaded" in starting and "data-state" not in elsewhere + ended
    assert "step 3 of 12" in running and "loss 1.500" in running and "seconds left" in running
    assert "<polyline" in running and "from 2.50 at step 1 to 1.50 at step 3" in running


async def test_one_training_runs_at_a_time(school: School) -> None:
    await school.ask(*range(12), approved=True)
    await begin(school, "dataset")
    folder = school.here.settings.storage.directory / "training" / "travel"
    with recorded(folder, Plan(domain="travel")):
        refused = await school.site.post(f"{BILLING}/train", dataset="1", minutes="5")
        page = await school.site.read(BILLING)

    assert refused.status == 409 and "there is one at a time" in await refused.text()
    assert "A training runs, and there is one at a time." in page and f"{BILLING}/train" not in page
    assert await audit(school.site, "training") == []


async def test_training_that_is_stopped_says_so_and_can_go_on(school: School) -> None:
    await school.ask(*range(30), approved=True)
    await begin(school, "dataset")
    await school.site.post(f"{BILLING}/train", dataset="1", start="none", minutes="5")
    *_, training = await school.site.parts.learn.undertakings()

    await school.site.post(f"/learn/work/{training.id}/stop")
    result = await outcome(school)

    page = await school.site.read("/learn")
    assert result == {"error": "it was stopped"} and "it goes on at its last checkpoint" in page
    assert [entry[:2] for entry in await audit(school.site, "training.stop")] == [("admin", "training.stop billing")]
    assert f"/learn/work/{training.id}/again" in page and school.here.registry.stages("billing").production is None


async def test_version_that_passes_the_gate_answers_and_can_be_taken_back(school: School) -> None:
    await adapters(school, BETTER)

    promoted = await begin(school, "version/1/promote", to="all", percent="10")
    answering = await school.site.read("/learn")
    back = await begin(school, "rollback")

    assert (promoted["promoted"], promoted["adapter"], back["adapter"]) == (True, "billing@1", "none")
    assert "billing@1 answers billing now." in answering
    names = [entry[:2] for entry in await audit(school.site, "adapter.")]
    assert names == [("admin", "adapter.promote billing"), ("admin", "adapter.rollback billing")]


async def test_refusal_of_the_gate_is_told_with_its_reasons_and_its_report(school: School) -> None:
    await adapters(school, WORSE)

    result = await begin(school, "version/1/promote", to="all", percent="10")

    page, report = await school.site.read(BILLING), await school.site.read(f"{BILLING}/version/1")
    reason = "There is no gain. Approve and correct more answers"
    assert result["promoted"] is False and "The gate refused billing@1; nothing was changed." in page
    assert reason in page and reason in report and "Answers that became worse" in report
    assert '<svg class="interval failed"' in report and '<svg class="interval passed"' in report
    assert [entry[:2] for entry in await audit(school.site, "adapter.")] == [("admin", "adapter.refuse billing@1")]


async def test_gate_is_asked_without_changing_anything(school: School) -> None:
    await adapters(school, BETTER)

    result = await begin(school, "version/1/judge")

    assert result["passed"] and "The gate would let billing@1 through." in await school.site.read(BILLING)
    assert school.here.registry.production("billing") == "none" and await audit(school.site, "adapter.") == []


async def test_canary_gets_a_share_that_can_be_changed_and_ended(school: School) -> None:
    await adapters(school, BETTER)
    await begin(school, "version/1/promote", to="share", percent="20")
    page = await school.site.read(BILLING)

    changed = await begin(school, "share", percent="5")
    ended = await begin(school, "rollback")

    assert "answers 20 %" in page and "End the canary" in page
    assert (changed["canary"], ended["canary"]) == ({"version": "1", "share": 0.05}, None)
    assert [entry[1] for entry in await audit(school.site, "adapter.share")] == ["adapter.share billing"]


async def test_version_that_was_retired_is_offered_no_longer_and_never_without_the_gate(school: School) -> None:
    await adapters(school, BETTER, WORSE)

    await begin(school, "version/2/retire")

    page = await school.site.read(f"{BILLING}/version/2")
    assert ">retired<" in page and f"{BILLING}/version/2/retire" not in page
    assert school.here.registry.newest_candidate("billing") == "1"
    again = await begin(school, "version/2/retire")
    assert "is retired already" in again["error"] and "Begin again" not in await school.site.read(BILLING)


async def test_versions_are_compared_by_their_votes(site: Site, tmp_path: Path) -> None:
    for number in range(20):
        await site.answer(number, rating=1 if number < 18 else -1, adapter="billing@1" if number % 2 else "none")

    page = await site.read(f"{BILLING}?first=reading%401&second=none")

    assert "10" in page and "90%" in page and "One of them has no votes yet" in page
    response = await site.get(f"{BILLING}?first=none&second=none")
    assert response.status == 400


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/learn/domain/nowhere/dataset", {}),
        (f"{BILLING}/dataset", {"kind": "poems"}),
        (f"{BILLING}/train", {"dataset": "7", "minutes": "5"}),
        (f"{BILLING}/version/9/promote", {"to": "all"}),
        (f"{BILLING}/version/../promote", {"to": "all"}),
        (f"{BILLING}/share", {"percent": "10"}),
        (f"{BILLING}/rollback", {}),
        ("/learn/router/rollback", {}),
        ("/learn/router/promote", {"version": "9"}),
        ("/learn/work/99/stop", {}),
        ("/learn/work/nonsense/again", {}),
    ],
)
async def test_what_cannot_be_is_refused_with_a_reason_and_begins_nothing(
    site: Site, path: str, fields: dict[str, str]
) -> None:
    response = await site.post(path, **fields)

    assert response.status in (400, 404, 409) and 'role="alert"' in await response.text()
    assert await site.parts.learn.undertakings() == () and await audit(site, "training") == []


@pytest.mark.parametrize("percent", ["0", "100", "-5", "nan", "many", ""])
async def test_share_has_to_be_one(school: School, percent: str) -> None:
    await adapters(school, BETTER)

    response = await school.site.post(f"{BILLING}/version/1/promote", to="share", percent=percent)

    page = await response.text()
    assert response.status == 400 and 'id="share-1-problem"' in page and f'value="{percent}" required aria-' in page
    assert await school.site.parts.learn.undertakings() == ()


async def test_time_of_a_training_that_is_none_is_told_at_the_field_and_the_rest_is_kept(school: School) -> None:
    await school.ask(*range(12), approved=True)
    await begin(school, "dataset")

    response = await school.site.post(f"{BILLING}/train", dataset="1", start="none", minutes="soon")

    page = await response.text()
    assert response.status == 400 and 'id="minutes-problem"' in page and 'value="soon"' in page
    assert '<option value="none" selected>' in page and len(await school.site.parts.learn.undertakings()) == 1


async def test_same_thing_is_not_begun_twice(site: Site) -> None:
    first, second = await site.post(f"{BILLING}/dataset"), await site.post(f"{BILLING}/dataset")
    other = await site.post("/learn/domain/travel/dataset")
    votes = await site.post(f"{BILLING}/dataset", kind="kto")

    assert (first.status, second.status, other.status, votes.status) == (303, 409, 303, 303)
    assert len(await site.parts.learn.undertakings()) == 3


async def test_curators_build_datasets_and_admins_do_the_rest(site: Site) -> None:
    await site.post("/learn/router/train")
    (work,) = await site.parts.learn.undertakings()
    await site.sign_in("curator")

    built, stopped = await site.post(f"{BILLING}/dataset"), await site.post(f"/learn/work/{work.id}/stop")

    page = await site.read("/learn")
    assert (built.status, stopped.status) == (303, 403)
    assert f"/learn/work/{work.id}/stop" not in page and page.count("/stop") == 1


async def test_viewer_sees_everything_and_no_button(school: School) -> None:
    await adapters(school, BETTER)
    await school.site.sign_in("viewer")

    pages = [await school.site.read(path) for path in ("/learn", BILLING, f"{BILLING}/version/1", "/learn/router")]

    assert "billing@1" in pages[0]
    assert all('<form method="post" action="/learn' not in page for page in pages)


async def test_outcome_stays_until_it_is_put_away(site: Site) -> None:
    await site.post(f"{BILLING}/dataset")
    (work,) = await site.parts.learn.undertakings()
    await site.post(f"/learn/work/{work.id}/stop")
    stopped = await site.read("/learn")

    await site.post(f"/learn/work/{work.id}/away")

    assert "It was stopped." in stopped and "It was stopped." not in await site.read("/learn")


async def test_what_people_and_models_wrote_is_never_markup(school: School) -> None:
    await adapters(school, BETTER)
    await begin(school, "version/1/judge")
    folder = school.here.settings.storage.directory / "adapters" / "billing" / "1"
    report = json.loads((folder / "gate" / "gate.json").read_text())
    report["notes"] = ["<script>alert(1)</script>"]
    for row in report["candidate"]["rows"]:
        row |= {"text": "<img src=x>", "score": 0.0}
    (folder / "gate" / "gate.json").write_text(json.dumps(report))

    page = await school.site.read(f"{BILLING}/version/1")

    assert "<script>alert" not in page and "<img src=x" not in page and "&lt;img src=x&gt;" in page


@pytest.mark.parametrize("damage", ["{", '{"passed": true}', "[]", ""])
async def test_damaged_report_is_one_that_is_not_there(school: School, damage: str) -> None:
    await adapters(school, BETTER)
    folder = school.here.settings.storage.directory / "adapters" / "billing" / "1" / "gate"
    folder.mkdir()
    (folder / "gate.json").write_text(damage)

    assert "not asked yet" in await school.site.read(BILLING)


async def test_damaged_stages_are_told_and_the_page_goes_on(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "adapters" / "billing"
    folder.mkdir(parents=True)
    (folder / "stages.json").write_text("{")

    assert "is damaged" in await site.read(BILLING) and "is damaged" in await site.read("/learn")


async def test_tables_are_saved_as_files(school: School) -> None:
    await school.ask(*range(12), approved=True)
    await begin(school, "dataset")
    await adapters(school, BETTER)
    await begin(school, "version/1/judge")

    datasets = await (await school.site.get(f"{BILLING}/datasets.jsonl")).text()
    versions = await (await school.site.get(f"{BILLING}/versions.csv")).text()

    assert json.loads(datasets)["approved_by"] == ["ada"]
    assert versions.splitlines()[1].startswith("billing@1,candidate,0.0,0.9583,true,none,[]")


async def test_vote_says_beside_it_how_much_it_counts(site: Site) -> None:
    replies = [await site.answer(number) for number in range(5)]
    for reply in replies[:4]:
        await site.vote(reply, rating=1, user="slack:user:FLOOD")
    await site.vote(replies[0], rating=-1, user="slack:user:ONCE")
    await site.vote(replies[4], rating=1, user="slack:user:FLOOD", at=now() - timedelta(days=3))

    page = await site.read(f"/review/{replies[0]}")

    assert "counts 50%: one of 4 by this person within a day" in page and page.count("counts in full") == 1


def test_curve_begins_at_nothing_and_stays_within_its_frame() -> None:
    line = curve([(1, 2.4), (2, 1.2), (30, 0.3)], until=30)

    assert line is not None
    points = [tuple(map(float, point.split(","))) for point in line.points.split()]
    assert all(46 <= x <= 628 and 10 <= y <= 192 for x, y in points)
    assert (line.up[0][1], line.across[0][1], points[-1]) == ("0", "0", line.last)
    assert points[0][1] < points[1][1] < points[2][1]  # down on the screen
    assert curve([], until=5) is None
