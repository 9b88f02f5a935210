"""What Enter does in the forms of the console, and what is said where something is newest, single or for few."""

import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import lines, needed, serve, sign_in, wait_for
from console_site import Site, open_site
from fakes import REPLY
from tiny_model import write_adapter

BILLING = "/learn/domain/billing"
PROMOTE = f"{BILLING}/version/1/promote"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A console with nobody behind it: what is begun waits."""
    async with open_site(tmp_path) as site:
        await site.sign_in("admin")
        yield site


@pytest.fixture
async def candidate(site: Site, tmp_path: Path, tiny_folder: Path) -> Site:
    """The same, with a version that waits to be promoted."""
    folder = tmp_path / "adapters" / "billing" / "1"
    write_adapter(tiny_folder, folder, seed=1, created="2030-01-01T10:00:00+00:00")
    return site


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A console with thirty answers in a process of its own."""
    yield from serve(tmp_path)


def forms(page: str, action: str) -> list[str]:
    """The insides of the forms that are sent to *action*."""
    return re.findall(rf'<form [^>]*action="{re.escape(action)}"[^>]*>(.*?)</form>', page, re.DOTALL)


async def test_enter_in_the_share_promotes_for_that_share(candidate: Site) -> None:
    share = [form for form in forms(await candidate.read(BILLING), PROMOTE) if 'name="percent"' in form]

    fields = dict(re.findall(r'<input[^>]* name="(\w+)"[^>]* value="([^"]*)"', share[0]))
    await candidate.post(PROMOTE, **(fields | {"percent": "5"}))

    (work,) = await candidate.parts.learn.undertakings()
    assert len(share) == 1 and share[0].count("<button") == 1
    assert (work.kind, work.payload["canary"]) == ("promote", 0.05)


async def test_promotion_for_everybody_is_a_form_of_its_own(candidate: Site) -> None:
    everybody, _ = forms(await candidate.read(BILLING), PROMOTE)

    await candidate.post(PROMOTE, to=re.findall(r'name="to" value="(\w+)"', everybody)[0])

    (work,) = await candidate.parts.learn.undertakings()
    assert "Promote for everybody" in everybody and work.payload["canary"] is None


@pytest.mark.parametrize("fields", [{"to": "bogus"}, {"to": ""}, {"percent": "5"}])
async def test_promotion_that_does_not_say_for_whom_is_refused(candidate: Site, fields: dict[str, str]) -> None:
    response = await candidate.post(PROMOTE, **fields)

    assert response.status == 400 and "everybody or a share" in await response.text()
    assert await candidate.parts.learn.undertakings() == ()


async def test_first_button_of_the_list_does_nothing_so_that_enter_on_a_tick_does_nothing(site: Site) -> None:
    await site.answer(1)

    (form,) = forms(await site.read("/review"), "/review/decide")

    assert re.findall(r"<button[^>]*>", form)[0] == '<button formmethod="dialog" hidden>'


@needed
@pytest.mark.parametrize("scripts", [True, False])
def test_enter_on_a_tick_decides_nothing(browser: Any, address: str, scripts: bool) -> None:
    sign_in(browser, address, "curator")
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
    browser.get(f"{address}/review")
    tick = browser.find_element("css selector", ".queue input[type=checkbox]")
    tick.click()
    tick.send_keys("\n")
    time.sleep(0.5)
    stayed, ticked = browser.current_url == f"{address}/review", tick.is_selected()
    browser.find_element("css selector", ".bulk button[value=reject]").click()
    wait_for(lambda: browser.find_elements("css selector", ".flash, li[data-state=rejected]"))
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})

    browser.get(f"{address}/review?state=any")
    assert stayed and ticked
    assert [lines(browser, state) for state in ("approved", "rejected", "new")] == [0, 1, 29]


async def test_what_ended_last_is_shown_first(site: Site) -> None:
    queue = site.parts.learn.stores.jobs  # type: ignore[attr-defined]  # a workbench's
    first, second = [await queue.submit("dataset", {"domain": name, "by": "ada"}) for name in ("billing", "travel")]
    await queue.stop(second)
    await queue.finish(first, result={"version": "1", "rows": 1})

    page = await site.read("/learn")

    assert page.index(f'data-work="{first}"') < page.index("Earlier (1)") < page.index(f'data-work="{second}"')
    assert "a dataset with 1 row. Read" in page


@pytest.mark.parametrize(("role", "keys"), [("viewer", "jko/Esc?"), ("curator", "jkaerxbpumog/Esc?")])
async def test_keys_are_those_of_the_role(site: Site, role: str, keys: str) -> None:
    await site.sign_in(role)

    page = await site.read("/review")

    assert "".join(re.findall(r"<dt><kbd>(.+?)</kbd>", page)) == keys


async def test_rollback_of_the_router_says_what_can_be_done_instead(site: Site) -> None:
    response = await site.post("/learn/router/rollback")

    assert response.status == 409 and "Any version of the table can be promoted instead." in await response.text()


async def test_one_vote_is_a_vote_and_two_are_votes(site: Site) -> None:
    one = await site.answer(1, rating=1)
    page = await site.read("/review")
    await site.vote(one, rating=1, user="slack:user:U2")

    assert "vote for it" in page and "votes for it" not in page and "votes for it" in await site.read("/review")


async def test_browser_finds_an_icon_where_it_looks_for_one(site: Site) -> None:
    site.client.session.cookie_jar.clear()
    response = await site.client.get("/favicon.ico")

    assert (response.status, response.content_type) == (200, "image/svg+xml")


async def test_votes_that_disagree_on_the_same_answer_are_marked_and_found(site: Site) -> None:
    for number, rating in enumerate((1, -1, -1)):
        await site.answer(number, text=REPLY.text if number < 2 else "Never.")
        await site.rename(f"reply{number}", "When is my refund?")
        await site.vote(f"reply{number}", rating=rating, user=f"slack:user:U{number}")

    page, found = await site.read("/review"), await site.read("/review?vote=both")

    assert re.findall(r'<li data-reply="(\w+)"', page) == ["reply1", "reply0", "reply2"]
    assert page.count("votes disagree") == 2
    assert re.findall(r'<li data-reply="(\w+)"', found) == ["reply1", "reply0"]
