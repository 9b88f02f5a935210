"""What the console says where something cannot be done: the right status, one plain page, and a way back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_site import Site, open_site
from test_console_knowledge import RULES

from bot.errors import Conflict
from bot.messages import Review
from knowledge.catalogue import Catalogue

BILLING = "/learn/domain/billing"
ANSWERS = "/prompts/of/domain/answer"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        await site.sign_in("admin")
        yield site


@pytest.mark.parametrize(
    "path",
    [
        "/review/nobody",
        "/knowledge/in/nowhere",
        "/knowledge/in/billing/document?id=nothing.md",
        "/learn/domain/nowhere",
        f"{BILLING}/dataset/9",
        f"{BILLING}/version/9",
        "/prompts/of/domain/nothing",
        f"{ANSWERS}/diff?before=99",
        f"{ANSWERS}/edit?from=99",
        "/prompts/preview/99",
        "/nowhere",
    ],
)
async def test_page_of_what_there_is_not_is_not_found(site: Site, path: str) -> None:
    response = await site.get(path)

    page = await response.text()
    assert response.status == 404 and 'role="alert"' in page and 'class="button" href="/' in page


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/review/decide", {"reply": "nobody", "action": "approve"}),
        ("/review/nobody/again", {}),
        ("/review/reply1/again", {"adapter": "billing@9"}),
        ("/review/reply1/again", {"prompt": "domain/answer@99"}),
        ("/knowledge/in/billing/remove", {"document": "nothing.md", "sure": "yes"}),
        (f"{BILLING}/train", {"dataset": "9", "minutes": "5"}),
        (f"{BILLING}/version/9/promote", {"to": "all"}),
        ("/learn/work/99/stop", {}),
        ("/learn/router/promote", {"version": "9"}),
        (f"{ANSWERS}/use", {"version": "99"}),
        ("/people/nobody/role", {"role": "viewer"}),
        ("/people/nobody/disable", {"disabled": "yes"}),
    ],
)
async def test_change_of_what_there_is_not_is_not_found(site: Site, path: str, fields: dict[str, str]) -> None:
    await site.answer(1)

    response = await site.post(path, **fields)

    assert response.status == 404 and 'role="alert"' in await response.text()


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/review/undo", {"reply": "reply1"}),
        (f"{BILLING}/rollback", {}),
        (f"{BILLING}/share", {"percent": "10"}),
        ("/learn/router/rollback", {}),
        (f"{ANSWERS}/use", {"version": "1", "seen": "something else"}),
        ("/people/admin/role", {"role": "viewer"}),
    ],
)
async def test_what_somebody_or_something_came_before_is_a_conflict(
    site: Site, path: str, fields: dict[str, str]
) -> None:
    await site.answer(1)

    response = await site.post(path, **fields)

    assert response.status == 409 and 'role="alert"' in await response.text()


@pytest.mark.parametrize("path", [f"{BILLING}/dataset", "/learn/router/train"])
async def test_what_runs_already_is_a_conflict(site: Site, path: str) -> None:
    await site.post(path)

    assert (await site.post(path)).status == 409


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (f"{BILLING}/dataset", {}),
        ("/learn/router/train", {}),
        ("/knowledge/in/billing/remove", {"document": "guides/rules.md", "sure": "yes"}),
    ],
)
async def test_of_those_who_press_a_button_at_the_same_moment_one_is_first(
    site: Site, tmp_path: Path, path: str, fields: dict[str, str]
) -> None:
    Catalogue(tmp_path / "knowledge" / "catalogue").write("billing", [RULES])
    csrf = await site.csrf()

    found = await asyncio.gather(*(site.post(path, csrf=csrf, **fields) for _ in range(5)))

    assert sorted(response.status for response in found) == [303, 409, 409, 409, 409]
    refused = next(response for response in found if response.status == 409)
    assert "This is being done already" in await refused.text()


async def test_trainings_of_two_domains_that_are_begun_at_the_same_moment_are_told_apart(site: Site) -> None:
    learn, wanted = site.parts.learn, {"dataset": "1"}
    begun = (learn.begin("train", wanted | {"domain": domain}, by="ada") for domain in ("billing", "travel"))

    found = await asyncio.gather(*begun, return_exceptions=True)

    (told,) = [each for each in found if each is not None]
    assert isinstance(told, Conflict) and "one at a time" in str(told) and len(await learn.undertakings()) == 1


async def test_overtaken_decision_is_a_conflict_and_one_without_sense_is_not(site: Site) -> None:
    reply = await site.answer(1)
    seen = {f"seen.{reply}": ""}
    senseless = await site.post("/review/decide", reply=reply, action="dance", **seen)
    await site.parts.curator.decide([Review(reply=reply, state="rejected", by="ben")])

    overtaken = await site.post("/review/decide", reply=reply, action="approve", **seen)

    assert (senseless.status, overtaken.status) == (400, 409)


async def test_script_gets_the_same_status_with_the_reason(site: Site) -> None:
    response = await site.post("/review/nobody/again", script=True)

    assert response.status == 404 and "is gone" in (await response.json())["error"]


async def test_page_of_a_refusal_leads_to_where_its_kind_of_thing_is_listed(site: Site) -> None:
    page = await (await site.get("/review/nobody")).text()

    assert '<a class="button" href="/review">Go back</a>' in page


PERSON = {"name": "Ada@example.com", "role": "curator", "password": "another long password"}


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"password": "secret 1"}, "password", "too short"),
        ({"name": "two words"}, "name", "cannot be a name"),
        ({"name": "viewer"}, "name", "already"),
        ({"role": "boss"}, "role", "no role"),
    ],
)
async def test_person_who_cannot_be_added_is_told_at_the_field_with_what_was_typed_but_the_password(
    site: Site, fields: dict[str, str], field: str, reason: str
) -> None:
    typed = PERSON | fields

    response = await site.post("/people", **typed)

    page = await response.text()
    assert response.status == (409 if reason == "already" else 400)
    assert reason in page.partition(f'id="new-{field}-problem"')[2].partition("</p>")[0]
    assert f'value="{typed["name"]}"' in page and typed["password"] not in page
    assert ('<option value="curator" selected>curator: looks' in page) == (field != "role")


async def test_everything_that_is_wrong_is_told_at_once(site: Site) -> None:
    page = await (await site.post("/people", name="", role="viewer", password="x")).text()

    assert 'id="new-name-problem"' in page and 'id="new-password-problem"' in page and page.count("aria-invalid") == 2


async def test_password_that_is_too_easy_is_told_beside_whose_it_was_to_be(site: Site) -> None:
    response = await site.post("/people/viewer/password", password="short")

    page = await response.text()
    assert response.status == 400 and page.count("too short") == 1 and '<details class="inline" open>' in page


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"again": "x"}, "again"), ({"password": "x", "again": "x"}, "password"), ({"current": "x"}, "current")],
)
async def test_own_password_that_cannot_be_changed_is_told_at_the_field(
    site: Site, fields: dict[str, str], field: str
) -> None:
    other = PERSON["password"]

    response = await site.post("/account/password", **({"current": "?", "password": other, "again": other} | fields))

    assert response.status == 400 and f'id="{field}-problem"' in await response.text()


def box(page: str) -> str:
    return page.partition('<textarea id="right-answer"')[2].partition("</textarea>")[0]


@pytest.mark.parametrize("action", ["approve", "reject", "pass"])
async def test_right_answer_that_was_typed_is_not_lost_by_another_button(site: Site, action: str) -> None:
    reply = await site.answer(1)
    shown = {"proposal": "Within 14 days [1].", f"seen.{reply}": ""}

    response = await site.post("/review/decide", reply=reply, action=action, answer="After\r\n30 days.", **shown)

    page = await response.text()
    assert response.status == 400 and "After\n30 days." in box(page) and "Drop what I typed" in page
    assert await site.parts.reviews.history(reply) == ()


async def test_right_answer_that_nobody_touched_is_in_the_way_of_nothing(site: Site) -> None:
    reply = await site.answer(1, text="One.\nTwo.")

    response = await site.post(
        "/review/decide", reply=reply, action="approve", answer="One.\r\nTwo.", proposal="One.\r\nTwo."
    )

    assert response.status == 303


async def test_correction_that_somebody_overtook_is_still_there_beside_what_they_decided(site: Site) -> None:
    reply = await site.answer(1)
    await site.parts.curator.decide([Review(reply=reply, state="rejected", by="ben")])
    fields = {"answer": "After 30 days.", "fault": "wording", f"seen.{reply}": ""}

    response = await site.post("/review/decide", reply=reply, action="correct", **fields)

    page = await response.text()
    assert response.status == 409 and "ben: rejected" in page and "After 30 days." in box(page)
    assert '<option value="wording" selected>' in page


async def test_question_that_cannot_be_asked_again_keeps_the_passage_that_was_typed(site: Site) -> None:
    reply = await site.answer(1)

    response = await site.post(f"/review/{reply}/again", adapter="billing@9", own="My own words.")

    page = await response.text()
    assert response.status == 404 and ">My own words.</textarea>" in page and "billing@9” any more" in page


async def test_passage_of_ones_own_that_is_too_long_is_refused_and_kept(site: Site) -> None:
    reply = await site.answer(1)

    response = await site.post(f"/review/{reply}/again", passages="these", own="x" * 4001)

    page = await response.text()
    assert response.status == 400 and "4001 characters; at most 4000 fit" in page and "x" * 4001 + "</textarea>" in page
    assert "at most 4,000 characters" in page and site.asked == []


async def test_share_of_a_trial_that_is_none_is_told_at_the_field(site: Site) -> None:
    text = site.parts.prompts.get("domain/answer").text.replace("briefly", "shortly")
    await site.post(f"{ANSWERS}/save", text=text, base="domain/answer@1")

    response = await site.post(f"{ANSWERS}/try", version="2", percent="half")

    page = await response.text()
    assert response.status == 400 and 'id="percent-2-problem"' in page and 'value="half"' in page


@pytest.mark.parametrize("letters", [201, 1001, 9_000, 100_000])
@pytest.mark.parametrize(
    "path", ["/review?text=", "/knowledge/search?text=", "/knowledge/in/billing?text=", "/audit?who="]
)
async def test_text_that_is_too_long_is_refused_on_a_page_like_any_other(site: Site, path: str, letters: int) -> None:
    response = await site.get(path + "x" * letters)

    page = await response.text()
    assert (response.status == 400) == (letters > 9_000 or "search" not in path)  # of questions the bot says it itself
    assert response.status != 400 or ('role="alert"' in page and ("at most" in page or "too long" in page))


async def test_stranger_with_a_long_address_is_sent_to_no_longer_one(site: Site) -> None:
    site.client.session.cookie_jar.clear()

    response = await site.get("/review?text=" + "x" * 100_000)

    assert response.status == 400 and "too long" in await response.text()


async def test_form_that_is_none_is_refused_on_a_page(site: Site) -> None:
    headers = {"Accept": "text/html", "Content-Type": "application/x-www-form-urlencoded; charset=klingon"}

    response = await site.client.post("/review/decide", data=b"reply=%ff", headers=headers, allow_redirects=False)

    assert response.status == 400 and "cannot be read" in await response.text()
