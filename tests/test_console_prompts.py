"""Prompts: what each role sees and may do, new versions, trials with votes, and previews that lose nothing."""

import html
import re
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from console_site import Site, open_site

from bot.messages import now
from bot.prompt_choices import Choice, Trial, read_choices
from bot.prompts import GROUNDED

HERE = f"/prompts/of/{GROUNDED}"
JOBS = ("preview",)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        await site.sign_in("admin")
        yield site


def text_of(site: Site, label: str = GROUNDED) -> str:
    return site.parts.prompts.get(label).text


async def save(site: Site, text: str | None = None) -> Any:
    text = text if text is not None else text_of(site).replace("briefly", "shortly")
    return await site.post(f"{HERE}/save", text=text, base=f"{GROUNDED}@1")


async def seen(site: Site) -> str:
    """What answers, as the page has it in its forms."""
    found = re.search(r'name="seen" value="([^"]+)"', await site.read(HERE))
    assert found
    return html.unescape(found[1])


async def audited(site: Site) -> list[tuple[str, str, object, object]]:
    entries = await site.parts.audit.page(what="prompt.")
    return [(entry.who, entry.what, entry.before, entry.after) for entry in reversed(entries)]


async def test_every_prompt_is_listed_with_the_version_in_use(site: Site) -> None:
    page = await site.read("/prompts")

    assert [template.name for template in site.parts.prompts.used()] == re.findall(r'href="/prompts/of/([^"]+)"', page)
    assert "Small talk" in page and "version 1" in page


async def test_saved_text_is_the_next_version_and_answers_nothing_yet(site: Site, tmp_path: Path) -> None:
    done = await save(site)

    page = await site.read(done.headers["Location"])
    assert done.headers["Location"] == f"{HERE}?did=saved2" and "Version 2 is saved." in page
    assert site.parts.prompts.get(GROUNDED).version == 1
    assert (tmp_path / "prompts" / "domain" / "answer.v2.md").read_text() == text_of(site, f"{GROUNDED}@2")
    assert (await audited(site))[-1][:2] == ("admin", "prompt.save domain/answer@2")


@pytest.mark.parametrize(
    ("change", "reason"),
    [(("question }}", "questio }}"), "there is no value for questio"), (("{% endfor -%}", ""), "not a prompt yet")],
)
async def test_text_with_a_mistake_is_told_so_and_is_still_there(
    site: Site, change: tuple[str, str], reason: str
) -> None:
    text = text_of(site).replace(*change).replace("briefly", "<b>shortly</b>")

    refused = await save(site, text)

    page = await refused.text()
    assert refused.status == 400 and reason in page
    assert html.escape(text, quote=True).strip() in page.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
    assert len([each for each in site.parts.prompts.all() if each.name == GROUNDED]) == 1


async def test_version_in_use_is_changed_for_all_conversations_and_back(site: Site) -> None:
    await save(site)

    await site.post(f"{HERE}/use", version="2", seen=await seen(site))
    used = site.parts.prompts.get(GROUNDED).version
    await site.post(f"{HERE}/use", version="1", seen=await seen(site))

    assert (used, site.parts.prompts.get(GROUNDED).version) == (2, 1)
    assert (await audited(site))[1:] == [
        ("admin", "prompt.use domain/answer", {"version": 1}, {"version": 2}),
        ("admin", "prompt.use domain/answer", {"version": 2}, {"version": 1}),
    ]


async def test_trial_begins_changes_its_share_and_ends(site: Site, tmp_path: Path) -> None:
    await save(site)
    await site.post(f"{HERE}/try", version="2", percent="30", seen=await seen(site))
    begun = read_choices(tmp_path / "prompts.json")[GROUNDED].trial
    await site.post(f"{HERE}/try", version="2", percent="60", seen=await seen(site))
    wider = read_choices(tmp_path / "prompts.json")[GROUNDED].trial

    await site.post(f"{HERE}/end", seen=await seen(site))

    assert begun and wider and (begun.version, begun.share, wider) == (2, 0.3, replace(begun, share=0.6))
    assert site.parts.prompts.choice(GROUNDED) == Choice(version=1)
    trial = {"version": 1, "trial": 2, "share": 0.6}
    assert (await audited(site))[-1] == ("admin", "prompt.end domain/answer", trial, {"version": 1})


async def test_change_by_somebody_who_saw_another_state_is_refused(site: Site) -> None:
    await save(site)
    early = await seen(site)
    await site.post(f"{HERE}/try", version="2", percent="30", seen=early)

    late = await site.post(f"{HERE}/use", version="2", seen=early)

    assert late.status == 409 and "changed meanwhile" in await late.text()
    assert site.parts.prompts.get(GROUNDED).version == 1


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("try", {"version": "2", "percent": "100"}),
        ("try", {"version": "2", "percent": "0.5"}),
        ("try", {"version": "1", "percent": "50"}),
        ("try", {"version": "9", "percent": "50"}),
        ("use", {"version": "9"}),
        ("use", {"version": "x"}),
    ],
)
async def test_change_that_cannot_be_is_refused(site: Site, path: str, fields: dict[str, str]) -> None:
    await save(site)

    refused = await site.post(f"{HERE}/{path}", seen=await seen(site), **fields)

    assert refused.status in (400, 404, 409) and site.parts.prompts.choice(GROUNDED) == Choice(version=1)


async def test_versions_are_shown_with_their_votes_and_how_sure_they_are(site: Site) -> None:
    await save(site)
    for number in range(6):
        version = 1 + number % 2
        await site.answer(number, rating=-1 if number == 0 else 1, prompt=f"{GROUNDED}@{version}")
    await site.answer(7, rating=1, prompt="general/chat@1")

    page = await site.read(HERE)

    second, first = page.partition("on trial")[0].partition("domain/answer%402")[2].partition("domain/answer%401")[::2]
    assert "<b>100%</b>" in second and "44% to 100%" in second and "<b>67%</b>" not in second
    assert "<b>67%</b>" in first and "21% to 94%" in first and "by one person" in first


async def test_trial_counts_the_votes_since_it_began_and_says_when_it_is_more_than_chance(site: Site) -> None:
    await save(site)
    old = {"at": now() - timedelta(days=9)}
    for number in range(40):
        await site.answer(number, rating=1, prompt=f"{GROUNDED}@1", message=old)
    await site.post(f"{HERE}/try", version="2", percent="50", seen=await seen(site))
    nobody = await site.read(HERE)
    late = {"at": now() + timedelta(minutes=1)}
    for number in range(40, 80):
        version = 1 + number % 2
        await site.answer(number, rating=1 if version == 2 else -1, prompt=f"{GROUNDED}@{version}", message=late)

    page = await site.read(HERE)

    assert "One of them has no votes yet" in nobody
    assert "Version 2 is liked better, by more than chance." in page and "The true difference lies between" in page


async def test_difference_of_two_versions_is_marked(site: Site) -> None:
    await save(site)

    page = await site.read(f"{HERE}/diff?before=1&after=2")

    assert "<del>briefly</del>" in page and "<ins>shortly</ins>" in page
    assert "They are alike." in await site.read(f"{HERE}/diff?before=1&after=1")


@pytest.mark.parametrize("path", ["/prompts/of/domain/none", f"{HERE}/diff?before=7", "/prompts/preview/77"])
async def test_address_that_names_nothing_is_answered_with_a_reason(site: Site, path: str) -> None:
    response = await site.get(path)

    assert response.status == 404 and 'role="alert"' in await response.text()


async def test_editor_offers_real_questions_the_worst_answered_first(site: Site) -> None:
    good, bad = await site.answer(1, rating=1), await site.answer(2, rating=-1)
    await site.answer(3, prompt="general/chat@1")

    page = await site.read(f"{HERE}/edit")

    assert re.findall(r'name="reply" value="([^"]+)"', page) == [bad, good]
    assert "{{ constraints }}" in page and "Save as version 2" in page


async def test_preview_is_work_for_the_owner_with_the_text_and_the_questions(site: Site) -> None:
    replies = [await site.answer(number) for number in range(5)]
    draft = text_of(site).replace("briefly", "shortly")
    fields = [("text", draft), ("base", f"{GROUNDED}@1"), ("typed", " Why? "), ("domain", "travel")]
    form = [*fields, *(("reply", reply) for reply in replies), ("csrf", await site.csrf())]

    done = await site.client.post(f"{HERE}/preview", data=form, allow_redirects=False, headers={"Accept": "text/html"})

    (listed,) = await site.parts.prompting.jobs.listed(JOBS)  # type: ignore[attr-defined]  # a prompt desk's
    payload: Any = listed.job.payload
    assert done.headers["Location"].startswith(f"/prompts/preview/{listed.job.id}")
    assert [each.get("reply") for each in payload["questions"]] == [*replies, None]
    assert payload["questions"][-1] == {"text": "Why?", "route": "travel", "labels": None}
    assert (payload["text"], payload["version"], payload["by"]) == (draft, 2, "admin")


async def finished_preview(site: Site, new: str, *, draft: str) -> str:
    reply = await site.answer(1)
    await site.post(f"{HERE}/preview", text=draft, base=f"{GROUNDED}@1", reply=reply)
    queue = site.parts.prompting.jobs  # type: ignore[attr-defined]  # a prompt desk's
    job = await queue.take()
    exchange = await site.parts.exchanges.find(reply)
    assert exchange
    row = {"reply": reply, "question": "", "error": "", "old": None, "new": asdict(replace(exchange.reply, text=new))}
    await queue.finish(job.id, result=[row])
    return f"/prompts/preview/{job.id}"


async def test_old_and_new_answers_stand_side_by_side_with_what_changed(site: Site) -> None:
    path = await finished_preview(site, "Within 30 days [1].", draft=text_of(site))

    page = await site.read(path)

    assert "<del>14</del>" in page and "<ins>30</ins>" in page and "Question 1?" in page and "domain/answer@1" in page


async def test_draft_goes_from_the_preview_back_to_the_editor_unharmed(site: Site) -> None:
    draft = text_of(site).replace("briefly", "<i>shortly</i>")
    page = await site.read(await finished_preview(site, "Never.", draft=draft))

    edited = await site.post(f"{HERE}/edit", text=draft, base=f"{GROUNDED}@1")

    assert "&lt;i&gt;shortly&lt;/i&gt;" in page and "&lt;i&gt;shortly&lt;/i&gt;" in await edited.text()


async def test_answer_that_was_deleted_is_not_shown_by_a_preview(site: Site) -> None:
    path = await finished_preview(site, "Never.", draft=text_of(site))
    await site.parts.exchanges.delete_older_than(now() + timedelta(days=1))

    page = await site.read(path)

    assert "Question 1?" not in page and "Its answer was deleted meanwhile." in page


async def test_preview_without_a_question_or_with_a_mistake_keeps_the_text(site: Site) -> None:
    without = await site.post(f"{HERE}/preview", text=text_of(site), base=f"{GROUNDED}@1")
    mistaken = await site.post(f"{HERE}/preview", text="<oops>", base=f"{GROUNDED}@1", typed="Why?")

    assert without.status == 400 and "choose a question" in await without.text()
    assert mistaken.status == 400 and "&lt;oops&gt;</textarea>" in await mistaken.text()


async def test_more_questions_than_a_preview_takes_are_not_dropped_in_silence(site: Site) -> None:
    replies = [await site.answer(number) for number in range(7)]
    form = [("text", text_of(site)), ("csrf", await site.csrf()), *(("reply", reply) for reply in replies)]

    done = await site.client.post(f"{HERE}/preview", data=form, allow_redirects=False, headers={"Accept": "text/html"})

    page = await done.text()
    assert done.status == 400 and "You ticked 7 questions, and a preview takes 5. Untick some." in page
    assert page.count(" checked>") == 7
    assert await site.parts.prompting.jobs.listed(JOBS) == ()  # type: ignore[attr-defined]  # a prompt desk's


async def test_only_the_latest_previews_are_kept(site: Site) -> None:
    for _ in range(8):
        await finished_preview_again(site)

    assert len(await site.parts.prompting.jobs.listed(JOBS)) == 5  # type: ignore[attr-defined]  # a prompt desk's


async def finished_preview_again(site: Site) -> None:
    await site.post(f"{HERE}/preview", text=text_of(site), base=f"{GROUNDED}@1", typed="Why?")
    queue = site.parts.prompting.jobs  # type: ignore[attr-defined]  # a prompt desk's
    await queue.finish((await queue.take()).id, result=[])


@pytest.mark.parametrize(("role", "edits", "saves"), [("viewer", False, False), ("curator", True, False)])
async def test_role_sees_only_what_it_may_do(site: Site, role: str, edits: bool, saves: bool) -> None:
    await save(site)
    await site.sign_in(role)

    page = await site.read(HERE)
    editor = await site.get(f"{HERE}/edit")

    assert ("/edit" in page, "/use" in page, "/try" in page) == (edits, saves, saves)
    assert (editor.status == 200) == edits and "/save" not in await editor.text()


async def test_question_that_a_curator_types_is_answered_from_what_everyone_may_read(site: Site) -> None:
    await site.sign_in("curator")

    await site.post(f"{HERE}/preview", text=text_of(site), base=f"{GROUNDED}@1", typed="What is paid?")

    (listed,) = await site.parts.prompting.jobs.listed(JOBS)  # type: ignore[attr-defined]  # a prompt desk's
    assert listed.job.payload["questions"] == [{"text": "What is paid?", "route": "billing", "labels": ["everyone"]}]


def test_choice_of_a_trial_is_the_same_for_the_same_conversation() -> None:
    trial = Trial(version=2, share=0.5)

    assert len({trial.answers(GROUNDED, "T1") for _ in range(9)}) == 1
