"""Review: what stands in the list, an answer's whole lineage, and what becomes of decisions."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from console_site import PASSAGE, Site, open_site
from fakes import REPLY

from bot.console.differences import differences
from bot.desks.accounts import ReviewFilter
from bot.errors import GenerationError
from bot.messages import Exchange, Reply, Review

EVERYTHING = ReviewFilter(state="any")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        await site.sign_in("curator")
        yield site


async def listed(site: Site, query: str = "") -> list[str]:
    page = await site.read(f"/review{query}")
    return [part.partition('"')[0] for part in page.split('<li data-reply="')[1:]]


async def state_of(site: Site, reply: str) -> Review:
    return (await site.parts.reviews.history(reply))[-1]


async def test_most_useful_answers_come_first(site: Site) -> None:
    plain, good, bad = [await site.answer(n, rating=rating) for n, rating in enumerate((0, 1, -1))]
    both, corrected = await site.answer(3, rating=1), await site.answer(4)
    await site.vote(both, rating=-1, user="slack:user:U2")
    await site.vote(corrected, rating=-1, correction="After 30 days.")

    assert await listed(site) == [corrected, both, bad, good, plain]


async def test_decided_answer_leaves_the_list_and_undone_one_comes_back(site: Site) -> None:
    reply = await site.answer(1)

    await site.post("/review/decide", reply=reply, action="approve")
    waiting, approved = await listed(site), await listed(site, "?state=approved")
    await site.post("/review/undo", reply=reply)

    assert (waiting, approved, await listed(site)) == ([], [reply], [reply])


async def test_withdrawn_vote_changes_the_place_in_the_list(site: Site) -> None:
    first, second = await site.answer(1, rating=-1), await site.answer(2)
    await site.vote(first, rating=0)

    assert await listed(site) == [second, first]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?route=travel", {2}),
        ("?route=domains", {1, 2}),
        ("?route=general", {3}),
        ("?vote=down", {2}),
        ("?vote=none", {1, 3}),
        ("?adapter=travel@1", {2}),
        ("?prompt=general/chat@1", {3}),
        ("?platform=discord", {3}),
        ("?since=2026-03-02", {2, 3}),
        ("?until=2026-03-01", {1}),
        ("?text=QUESTION+2", {2}),
        ("?text=weather", {3}),
        ("?text=%25", set()),
        ("?route=travel&vote=none", set()),
    ],
)
async def test_filter_lets_through_what_it_says(site: Site, query: str, found: set[int]) -> None:
    def at(day: int) -> dict[str, object]:
        return {"at": datetime(2026, 3, day, 12, tzinfo=UTC)}

    await site.answer(1, message=at(1))
    await site.answer(2, rating=-1, route="travel", adapter="travel@1", message=at(2))
    talk = {"route": "general", "prompt": "general/chat@1", "text": "The weather is fine."}
    await site.answer(3, message={"platform": "discord", **at(3)}, **talk)

    assert set(await listed(site, query)) == {f"reply{number}" for number in found}


async def test_pages_follow_each_other_there_and_back(site: Site) -> None:
    for number in range(7):
        await site.answer(number, rating=(1, -1, 0)[number % 3])
    whole = await site.parts.answers.page(EVERYTHING, limit=7)
    first = await site.parts.answers.page(EVERYTHING, limit=3)

    second = await site.parts.answers.page(EVERYTHING, after=first.later, limit=3)
    third = await site.parts.answers.page(EVERYTHING, after=second.later, limit=3)
    back = await site.parts.answers.page(EVERYTHING, before=third.earlier, limit=3)

    assert first.rows + second.rows + third.rows == whole.rows
    assert (back.rows, first.earlier, third.later) == (second.rows, None, None)


@pytest.mark.parametrize("query", ["?after=nonsense", "?state=lost", "?since=yesterday", "?vote=maybe"])
async def test_address_that_makes_no_sense_is_answered_with_a_reason(site: Site, query: str) -> None:
    response = await site.get(f"/review{query}")

    assert response.status == 400
    assert 'role="alert"' in await response.text()


async def test_answer_is_shown_with_its_whole_lineage(site: Site) -> None:
    await site.answer(1, message={"thread": "T9"})
    reply = await site.answer(2, message={"thread": "T9"}, probability=0.71)
    await site.vote(reply, rating=-1, reason="outdated", correction="After 30 days.", wrong_route="travel")

    page = await site.read(f"/review/{reply}")

    lineage = ("Question 2?", "Question 1?", "Within 14 days [1].", "71%", PASSAGE.text, "score", "0.9")
    for shown in (*lineage, "outdated", "After 30 days.", "travel", "billing@3", "domain/answer@1", "slack:U1"):
        assert shown in page, shown


async def test_what_people_wrote_is_never_markup(site: Site) -> None:
    reply = await site.answer(1, text="<img src=x onerror=alert(1)>")
    await site.vote(reply, rating=-1, reason="<script>alert(2)</script>")

    pages = await site.read("/review") + await site.read(f"/review/{reply}")

    assert "<img src=x" not in pages and "<script>alert" not in pages and "<b>Question" not in pages


@pytest.mark.parametrize(
    ("fields", "state", "route", "fault"),
    [
        ({"action": "approve"}, "approved", "billing", None),
        ({"action": "correct", "answer": " After 30 days. "}, "corrected", "billing", None),
        ({"action": "reject", "fault": "retrieval"}, "rejected", None, "retrieval"),
        ({"action": "reroute", "route": "travel"}, "rejected", "travel", "route"),
        ({"action": "pass"}, "needs_person", None, None),
    ],
)
async def test_decision_is_kept_with_who_made_it(
    site: Site, fields: dict[str, str], state: str, route: str | None, fault: str | None
) -> None:
    reply = await site.answer(1)

    done = await site.post("/review/decide", script=True, reply=reply, **fields)

    kept = await state_of(site, reply)
    assert await done.json() == {"replies": [reply], "state": state, "seen": {reply: kept.at.isoformat()}}
    assert (kept.state, kept.by, kept.route, kept.fault) == (state, "curator", route, fault)
    assert kept.answer == ("After 30 days." if state == "corrected" else None)


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "correct", "answer": "  "},
        {"action": "reroute"},
        {"action": "approve", "route": "nowhere"},
        {"action": "reject", "fault": "mood"},
        {"action": "dance"},
        {"action": "approve", "reply": "unknown"},
    ],
)
async def test_decision_that_cannot_be_is_refused_and_changes_nothing(site: Site, fields: dict[str, str]) -> None:
    reply = await site.answer(1)

    done = await site.post("/review/decide", script=True, **({"reply": reply} | fields))

    assert done.status in (400, 404) and (await done.json())["error"]
    assert await site.parts.reviews.history(reply) == ()


async def test_several_are_decided_on_at_once_and_undone_at_once(site: Site) -> None:
    replies = [await site.answer(number) for number in range(3)]

    fields = [("reply", reply) for reply in replies] + [("action", "reject"), ("csrf", await site.csrf())]
    done = await site.client.post("/review/decide", data=fields, allow_redirects=False, headers={"Accept": "text/html"})
    page = await site.read(done.headers["Location"])

    assert await listed(site) == []
    assert all(f'name="reply" value="{reply}"' in page for reply in replies)  # in the form that takes it back


async def test_page_after_a_decision_is_the_list_as_it_was_filtered(site: Site) -> None:
    reply = await site.answer(1)

    done = await site.post("/review/decide", reply=reply, action="approve", back="/review?route=billing&did=rejected")

    assert done.headers["Location"] == f"/review?route=billing&did=approved&decided={reply}"


async def test_viewer_sees_the_answer_and_no_way_to_decide(site: Site) -> None:
    reply = await site.answer(1)
    await site.sign_in("viewer")

    page = await site.read("/review") + await site.read(f"/review/{reply}")

    assert "Within 14 days" in page and "/review/decide" not in page.replace('action="/review/decide" class="list"', "")


async def test_same_question_is_asked_in_another_way_beside_the_old_answer(site: Site) -> None:
    reply = await site.answer(1)

    shown = await site.post(
        f"/review/{reply}/again", adapter="billing@3", prompt="domain/answer@1", passages="these", passage="0", own="X."
    )

    (exchange, rerun), page = site.asked[0], await shown.text()
    assert (exchange.reply.id, rerun.adapter, rerun.prompt) == (reply, "billing@3", "domain/answer@1")
    assert (rerun.passages, rerun.search) == ((PASSAGE.text, "X."), False)
    assert "<del>14</del>" in page and "<ins>30</ins>" in page


async def test_passages_are_searched_anew_where_one_says_so(site: Site) -> None:
    reply = await site.answer(1)

    await site.post(f"/review/{reply}/again", passages="search", passage="0")

    assert (site.asked[0][1].passages, site.asked[0][1].search) == (None, True)


async def test_reason_is_shown_where_the_question_cannot_be_asked_again(tmp_path: Path) -> None:
    async def broken(exchange: Exchange, rerun: object) -> Reply:
        raise GenerationError("the model is gone; install it")

    async with open_site(tmp_path, again=broken) as site:
        reply = await site.answer(1)
        await site.sign_in("curator")
        shown = await site.post(f"/review/{reply}/again")

        assert (shown.status, "the model is gone; install it" in await shown.text()) == (503, True)


async def test_hints_say_what_is_alike_and_what_may_be_personal(site: Site) -> None:
    first = await site.answer(1, text="Write to ada@example.com.")
    second = await site.answer(2, text="Nothing.")
    await site.parts.exchanges.complete(replace(REPLY, id=second, question="Question 1?", text="Nothing."))

    response = await site.get(f"/review/hints?reply={first}&reply={second}", Accept="application/json")

    assert await response.json() == {
        first: {"group": first, "personal": ["EMAIL"]},
        second: {"group": first, "personal": []},
    }


async def test_empty_list_says_what_to_do_next(site: Site) -> None:
    nothing, filtered = await site.read("/review"), await site.read("/review?vote=down")

    assert "As soon as somebody asks" in nothing and 'href="/review?state=any"' in nothing
    assert "Take a filter out" in filtered


async def test_number_of_answers_comes_by_itself(site: Site) -> None:
    for number in range(3):
        await site.answer(number, rating=-1 if number else 0)

    assert await (await site.get("/review/count?vote=down")).json() == {"count": 2}


async def test_list_is_exported_as_it_is_filtered_redacted_and_without_private_places(site: Site) -> None:
    for number in range(230):
        await site.answer(number, rating=-1 if number % 2 else 0, message={"private": number == 1})
    await site.rename("reply3", "Why is ada@example.com locked?")

    text = await (await site.get("/review.jsonl?vote=down")).text()
    found = {row["reply"]: row for row in map(json.loads, text.splitlines())}

    assert list(found) == [f"reply{number}" for number in range(229, 1, -2)]
    assert found["reply3"]["question"] == "Why is <EMAIL> locked?"
    assert (found["reply5"]["down"], found["reply5"]["outcome"], found["reply5"]["state"]) == (1, "answered", "new")


async def test_list_is_filtered_by_how_it_ended(site: Site) -> None:
    known, unknown = await site.answer(1), await site.answer(2, abstained=True)

    page = await site.read("/review?outcome=unknown")

    assert unknown in page and known not in page and '<option value="unknown" selected>' in page


def test_differences_are_whole_words_and_lose_nothing() -> None:
    old, new = "It takes 14 days  in all.", "It takes 30 days, in all."
    pieces = differences(old, new)

    assert "".join(text for kind, text in pieces if kind != "new") == old
    assert "".join(text for kind, text in pieces if kind != "gone") == new
    assert ("gone", "14") in pieces and ("new", "30") in pieces
