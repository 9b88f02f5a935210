"""What the console says where something cannot be done: the right status, one plain page, and a way back."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_site import Site, open_site

from bot.messages import Review

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
