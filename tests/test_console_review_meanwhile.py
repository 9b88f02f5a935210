"""Review, when somebody else decides at the same time, or the same person twice."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientResponse
from console_site import Site, open_site

from bot.messages import Review


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        await site.sign_in("curator")
        yield site


async def on_the_page(site: Site, path: str) -> dict[str, str]:
    """What the forms of a page say that it showed, by field."""
    return dict(re.findall(r'name="(seen\.[^"]+)" value="([^"]*)"', await site.read(path)))


async def decide_elsewhere(site: Site, reply: str, state: str = "rejected", **more: str) -> None:
    await site.parts.curator.decide([Review(reply=reply, state=state, by="ben", **more)])  # type: ignore[arg-type]  # one of the states


async def send(site: Site, what: str, replies: list[str], **fields: str) -> ClientResponse:
    form = [*(("reply", reply) for reply in replies), *fields.items(), ("csrf", await site.csrf())]
    headers = {"Accept": "application/json"}
    return await site.client.post(f"/review/{what}", data=form, allow_redirects=False, headers=headers)


async def states(site: Site, reply: str) -> list[str]:
    return [review.state for review in await site.parts.reviews.history(reply)]


@pytest.mark.parametrize("path", ["/review?state=any", "/review/reply1"])
@pytest.mark.parametrize("before", [[], ["approved"]])
async def test_decision_that_nobody_overtook_is_kept(site: Site, path: str, before: list[str]) -> None:
    reply = await site.answer(1)
    for state in before:
        await decide_elsewhere(site, reply, state)

    done = await send(site, "decide", [reply], action="reject", **await on_the_page(site, path))

    assert (done.status, await states(site, reply)) == (200, [*before, "rejected"])


@pytest.mark.parametrize("path", ["/review?state=any", "/review/reply1"])
@pytest.mark.parametrize("before", [[], ["approved"]])
async def test_decision_after_somebody_elses_says_what_they_decided(site: Site, path: str, before: list[str]) -> None:
    reply = await site.answer(1)
    for state in before:
        await decide_elsewhere(site, reply, state)
    shown = await on_the_page(site, path)
    await decide_elsewhere(site, reply, "needs_person")

    done = await send(site, "decide", [reply], action="approve", **shown)

    assert (done.status, "ben: passed on" in (await done.json())["error"]) == (409, True)
    assert await states(site, reply) == [*before, "needs_person"]


async def test_person_without_script_reads_it_on_a_page(site: Site) -> None:
    reply = await site.answer(1)
    shown = await on_the_page(site, f"/review/{reply}")
    await decide_elsewhere(site, reply)

    done = await site.post("/review/decide", reply=reply, action="approve", **shown)

    assert done.status == 409
    assert "ben: rejected" in (page := await done.text()) and "Load the page anew" in page


async def test_of_several_none_is_decided_on_where_somebody_overtook_one(site: Site) -> None:
    replies = [await site.answer(number) for number in range(3)]
    shown = await on_the_page(site, "/review")
    await decide_elsewhere(site, replies[1])

    done = await send(site, "decide", replies, action="approve", **shown)

    assert done.status == 409
    assert [await states(site, reply) for reply in replies] == [[], ["rejected"], []]


async def test_undo_does_not_take_back_what_somebody_else_decided_meanwhile(site: Site) -> None:
    reply = await site.answer(1)
    mine = await (await send(site, "decide", [reply], action="approve")).json()
    await decide_elsewhere(site, reply)

    done = await send(site, "undo", [reply], **{f"seen.{reply}": mine["seen"][reply]})

    assert (done.status, await states(site, reply)) == (409, ["approved", "rejected"])


async def test_own_decision_can_be_undone_with_what_its_answer_said(site: Site) -> None:
    reply = await site.answer(1)
    shown = await on_the_page(site, f"/review/{reply}")
    mine = await (await send(site, "decide", [reply], action="approve", **shown)).json()

    done = await send(site, "undo", [reply], **{f"seen.{reply}": mine["seen"][reply]})

    assert (done.status, await states(site, reply)) == (200, ["approved", "new"])


async def test_flash_offers_to_undo_only_what_is_still_ones_own(site: Site) -> None:
    replies = [await site.answer(number) for number in range(2)]
    await send(site, "decide", replies, action="approve")
    await decide_elsewhere(site, replies[0])

    page = await site.read(f"/review?did=approved&decided={replies[0]}&decided={replies[1]}")

    assert [f'name="reply" value="{reply}"' in page for reply in replies] == [False, True]
    assert set(await on_the_page(site, "/review?did=approved&decided=reply1")) == {"seen.reply1"}


async def test_script_that_does_not_say_what_it_saw_decides_as_ever(site: Site) -> None:
    reply = await site.answer(1)
    await decide_elsewhere(site, reply)

    done = await send(site, "decide", [reply], action="approve")

    assert (done.status, await states(site, reply)) == (200, ["rejected", "approved"])


async def test_time_that_is_none_is_refused(site: Site) -> None:
    reply = await site.answer(1)

    done = await send(site, "decide", [reply], action="approve", **{f"seen.{reply}": "yesterday"})

    assert (done.status, await states(site, reply)) == (400, [])


async def test_same_decision_twice_is_kept_and_noted_once(site: Site) -> None:
    reply = await site.answer(1)
    shown = await on_the_page(site, f"/review/{reply}")
    fields = {"action": "correct", "answer": "After 30 days.", **shown}
    first, second = [await send(site, "decide", [reply], **fields) for _ in range(2)]

    await send(site, "undo", [reply])

    assert await first.json() == await second.json()
    assert await states(site, reply) == ["corrected", "new"]
    assert len(await site.parts.audit.page(what="curation")) == 2


async def test_other_words_in_a_correction_are_another_decision(site: Site) -> None:
    reply = await site.answer(1)
    for text in ("After 30 days.", "After 31 days."):
        await send(site, "decide", [reply], action="correct", answer=text)

    assert await states(site, reply) == ["corrected", "corrected"]


async def test_correction_that_counts_stands_in_the_box_and_near_the_top(site: Site) -> None:
    reply = await site.answer(1)
    await site.vote(reply, rating=-1, correction="Proposed words.")
    await decide_elsewhere(site, reply, "corrected", answer="Kept words.")

    page = await site.read(f"/review/{reply}")

    box = page.partition("<textarea")[2].partition("</textarea>")[0]
    assert "Kept words." in box and "Proposed words." not in box
    assert page.index("Kept words.") < page.index("Proposed words.")


async def test_proposal_stands_in_the_box_once_the_correction_is_taken_back(site: Site) -> None:
    reply = await site.answer(1)
    await site.vote(reply, rating=-1, correction="Proposed words.")
    await decide_elsewhere(site, reply, "corrected", answer="Kept words.")
    await send(site, "undo", [reply])

    page = await site.read(f"/review/{reply}")

    assert "Proposed words." in page.partition("<textarea")[2].partition("</textarea>")[0]
