"""Knowledge: what each role sees of the documents, files on their way in and out, a search to try out, and gaps."""

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from console_site import Site, librarian, open_site

from bot.desks.holdings import ListedDocument, Work
from bot.messages import now
from bot.store.database import open_database

RULES = ListedDocument(
    id="guides/rules.md",
    title="House rules",
    chunks=45,
    whole=True,
    access=("everyone",),
    source="/srv/docs/rules.md",
    changed=now() - timedelta(days=3),
)
PAY = replace(RULES, id="pay.md", title="Salaries", access=("finance",), chunks=2, changed=None)
NOTE = replace(RULES, id="uploads/note & more.md", title="Note", source="upload: note & more.md", chunks=1)
PASSAGE = {"document": "guides/rules.md", "chunk": 21, "text": "House rules\nNo shoes.", "title": "House rules"}
CHOICE = {
    "route": "billing",
    "probability": 0.81,
    "domain_probability": 0.9,
    "decision": "answer",
    "runner_up": "travel",
}
FOUND = {"choice": CHOICE, "domain": "billing", "weak": False}


@dataclass
class Owner:
    """Whoever owns the index: says what it is told to, and notes what it was asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def do(self, kind: str, payload: Any) -> Any:
        self.asked.append((kind, dict(payload)))
        return self.answers[kind]


@pytest.fixture
def owner() -> Owner:
    scores = {"score": 0.97, "dense": 0.66, "words": 4.5}
    return Owner(
        {
            "chunks": {"texts": ["House rules > Shoes\nTake them off."], "total": 45},
            "search": FOUND | {"passages": [PASSAGE | scores]},
        }
    )


@pytest.fixture
async def site(tmp_path: Path, owner: Owner) -> AsyncIterator[Site]:
    async with open_database(f"sqlite:///{tmp_path / 'console.db'}") as database:
        keeper = replace(librarian(database, tmp_path), do=owner.do)
        keeper.catalogue.write("billing", [RULES, PAY, NOTE])
        keeper.catalogue.write("travel", [])
        async with open_site(tmp_path, knowledge=keeper) as site:
            yield site


async def works(site: Site) -> list[Work]:
    return list(await site.parts.knowledge.works())


async def send(site: Site, *files: tuple[str, bytes], **fields: str) -> aiohttp.ClientResponse:
    form = aiohttp.FormData(quote_fields=False, fields={"csrf": await site.csrf(), "domain": "billing"} | fields)
    for name, data in files:
        form.add_field("file", io.BytesIO(data), filename=name)
    headers = {"Accept": "text/html"}
    return await site.client.post("/knowledge/upload", data=form, allow_redirects=False, headers=headers)


async def jobs(site: Site, kind: str) -> list[Any]:
    return [each.job.payload for each in await site.parts.knowledge.jobs.listed([kind])]  # type: ignore[attr-defined]  # a librarian's


@pytest.mark.parametrize(("role", "documents"), [("viewer", 2), ("curator", 2), ("admin", 3)])
async def test_domains_are_shown_with_what_the_role_may_see(site: Site, role: str, documents: int) -> None:
    await site.sign_in(role)

    page = await site.read("/knowledge")

    assert f'data-label="Documents">{documents}' in page and "3 days ago" in page
    assert ("and 1 that only admins see" in page) == (role != "admin")


@pytest.mark.parametrize("role", ["viewer", "curator"])
async def test_restricted_document_is_shown_to_admins_only(site: Site, role: str) -> None:
    await site.sign_in(role)

    listed = await site.read("/knowledge/in/billing")
    opened = await site.get("/knowledge/in/billing/document?id=pay.md")

    assert "House rules" in listed and "Salaries" not in listed and "/srv/docs" not in listed
    assert opened.status == 404 and "only admins may see it" in await opened.text()


async def test_admin_sees_labels_sources_and_what_came_in_by_the_console(site: Site) -> None:
    await site.sign_in("admin")

    page = await site.read("/knowledge/in/billing?order=longest")

    assert page.index("House rules") < page.index("Salaries")
    for shown in ("finance", "/srv/docs/rules.md", "this console", "uploads/note &amp; more.md", "not known"):
        assert shown in page, shown


@pytest.mark.parametrize(("query", "titles"), [("text=RULE", {"House rules"}), ("source=uploads", {"Note"})])
async def test_list_is_filtered_by_the_address(site: Site, query: str, titles: set[str]) -> None:
    await site.sign_in("viewer")

    page = await site.read(f"/knowledge/in/billing?{query}")

    assert {title for title in ("House rules", "Note") if f">{title}</a>" in page} == titles


@pytest.mark.parametrize("path", ["/in/billing?order=mood", "/search?text=x&domain=no", "/gaps?domain=no"])
async def test_address_that_makes_no_sense_is_answered_with_a_reason(site: Site, path: str) -> None:
    await site.sign_in("admin")

    response = await site.get(f"/knowledge{path}")

    assert response.status == 400 and 'role="alert"' in await response.text()


async def test_list_that_is_missing_is_asked_for_once(site: Site, tmp_path: Path) -> None:
    await site.sign_in("viewer")
    (tmp_path / "knowledge" / "catalogue" / "travel.json").unlink()

    for _ in range(3):
        page = await site.read("/knowledge")

    assert "The list is being made" in page and await jobs(site, "list") == [{"domain": "travel"}]


async def test_document_is_shown_in_chunks_as_the_retriever_sees_them(site: Site, owner: Owner) -> None:
    await site.sign_in("viewer")

    page = await site.read("/knowledge/in/billing/document?id=guides/rules.md&page=2")

    assert owner.asked == [("chunks", {"domain": "billing", "document": "guides/rules.md", "first": 20, "limit": 20})]
    assert "<b>21</b> <span>House rules &gt; Shoes</span>" in page and "Take them off." in page
    assert 'rel="next"' in page and 'rel="prev"' in page


@pytest.mark.parametrize(("role", "labels"), [("viewer", ["everyone"]), ("admin", None)])
async def test_search_finds_what_the_role_may_read(site: Site, owner: Owner, role: str, labels: object) -> None:
    await site.sign_in(role)

    page = await site.read("/knowledge/search?text=Shoes?&domain=billing")

    assert owner.asked == [("search", {"text": "Shoes?", "domain": "billing", "labels": labels})]
    for shown in (
        "<b>billing</b>",
        "81% sure",
        "next: travel",
        "score 0.97",
        "likeness 0.66",
        "words 4.5",
        "No shoes.",
    ):
        assert shown in page, shown
    assert "document?id=guides/rules.md&amp;page=2" in page


async def test_search_says_where_the_bot_would_not_answer(site: Site, owner: Owner) -> None:
    await site.sign_in("admin")
    owner.answers["search"] = FOUND | {"passages": [PASSAGE], "weak": True}
    weak = await site.read("/knowledge/search?text=Shoes?")
    owner.answers["search"] = {"objection": "I read English only; whole documents go in with `pointsman ingest`."}

    objected = await site.read("/knowledge/search?text=Schuhe?" + "x" * 9_000)

    assert "None is near enough" in weak and "/knowledge/upload?domain=billing&amp;question=Shoes%3F" in weak
    assert "I read English only; whole documents go in with the page “Add documents”." in objected


async def test_files_are_handed_over_and_one_that_cannot_be_read_is_named(site: Site) -> None:
    await site.sign_in("admin")

    done = await send(site, ("../a b.md", b"# Hi"), ("x.exe", b"MZ"), (".hidden.md", b"x"), access="finance")

    (payload,) = await jobs(site, "upload")
    assert (done.status, done.headers["Location"]) == (303, "/knowledge/in/billing")
    assert (payload["files"], payload["access"], payload["by"]) == (["a b.md"], ["finance"], "admin")
    assert (Path(payload["incoming"]) / "uploads" / "a b.md").read_bytes() == b"# Hi"
    assert list(payload["refused"]) == ["x.exe", ".hidden.md"]
    assert "files of this kind are not read" in await site.read("/knowledge/in/billing")


async def test_text_written_on_the_page_becomes_a_document_for_those_of_the_domain(site: Site) -> None:
    await site.sign_in("admin")

    await send(site, title="Where to park: now?", text="Behind the house.")

    (payload,) = await jobs(site, "upload")
    file = Path(payload["incoming"]) / "uploads" / "Where to park now.md"
    assert file.read_text() == "# Where to park: now?\n\nBehind the house.\n"
    assert payload["access"] == ["everyone"]


@pytest.mark.parametrize(
    ("files", "fields", "reason"),
    [
        ([("x.exe", b"MZ")], {}, "x.exe: files of this kind are not read; these are: .docx"),
        ([], {}, "Choose a file, or write a text."),
        ([], {"text": "No title."}, "Give the text a title"),
        ([("a.md", b"x")], {"access": "nobody"}, "there is no access label"),
    ],
)
async def test_upload_that_cannot_be_is_refused_and_what_was_written_is_still_there(
    site: Site, files: list[tuple[str, bytes]], fields: dict[str, str], reason: str
) -> None:
    await site.sign_in("admin")

    refused = await send(site, *files, **fields)

    page = await refused.text()
    assert refused.status == 400 and reason in page and fields.get("text", "") in page
    assert await jobs(site, "upload") == []


async def test_documents_are_removed_only_once_that_is_sure(site: Site) -> None:
    await site.sign_in("admin")
    gone = {"document": "guides/rules.md"}

    asked = await site.post("/knowledge/in/billing/remove", **gone)
    before = await jobs(site, "remove")
    await site.post("/knowledge/in/billing/remove", sure="yes", **gone)

    assert "Remove this document?" in await asked.text() and "comes back" in await asked.text() and before == []
    assert await jobs(site, "remove") == [{"domain": "billing", "documents": ["guides/rules.md"], "by": "admin"}]


async def test_progress_is_shown_to_everybody_and_names_to_admins_only(site: Site) -> None:
    await site.sign_in("admin")
    await send(site, ("secret plan.md", b"x"))
    queue = site.parts.knowledge.jobs  # type: ignore[attr-defined]  # a librarian's
    job = await queue.take()
    await queue.report(job.id, done=1, total=3, doing="Ingesting uploads/secret plan.md")
    shown = await site.read("/knowledge/work?domain=billing")
    await site.sign_in("viewer")
    seen = await site.read("/knowledge")

    assert "secret plan.md" in shown and "1 of 3" in shown and "You may close this page" in shown
    assert "1 of 3" in seen and "secret plan" not in seen


async def test_work_that_ended_says_how_until_it_was_seen(site: Site) -> None:
    await site.sign_in("admin")
    await send(site, ("a.md", b"x"))
    queue = site.parts.knowledge.jobs  # type: ignore[attr-defined]  # a librarian's
    job = await queue.take()
    failed = [{"document": "uploads/a.md", "reason": "it holds no text"}]
    await queue.finish(job.id, result={"added": 1, "updated": 2, "removed": 0, "failed": failed})
    page = await site.read("/knowledge")

    await site.post(f"/knowledge/work/{job.id}/dismiss")

    assert "1 added, 2 replaced, 0 removed" in page and "<b>a.md</b>: it holds no text" in page
    assert await works(site) == [] and "replaced" not in await site.read("/knowledge")


async def test_work_that_goes_on_cannot_be_forgotten(site: Site) -> None:
    await site.sign_in("admin")
    await send(site, ("a.md", b"x"))

    await site.post(f"/knowledge/work/{(await works(site))[0].id}/dismiss")

    assert [work.state for work in await works(site)] == ["waiting"]


async def test_gaps_come_most_asked_first_with_what_to_do_next(site: Site) -> None:
    for number, asked in enumerate(("Can I park here?", "Can I park here today?", "Are dogs allowed?")):
        message = {"user": f"slack:user:U{number}", "at": now() - timedelta(hours=number)}
        reply = await site.answer(number, abstained=True, message=message)
        await site.parts.exchanges.complete(replace((await exchange(site, reply)).reply, question=asked))
    await site.sign_in("admin")

    page = await site.read("/knowledge/gaps?part=1")

    assert page.index("Can I park here?") < page.index("Are dogs allowed?")
    for shown in ("asked 2 times", "by 2 people", "asked once", "/review/reply1", "question=Are%20dogs%20allowed%3F"):
        assert shown in page, shown


async def exchange(site: Site, reply: str) -> Any:
    return await site.parts.exchanges.find(reply)


async def test_gaps_page_is_there_at_once_and_works_without_a_script(site: Site) -> None:
    await site.answer(1, abstained=True)
    await site.sign_in("viewer")

    shell, whole = await site.read("/knowledge/gaps"), await site.read("/knowledge/gaps?all=1&days=365")

    assert 'data-part="/knowledge/gaps?days=30' in shell and "all=1" in shell and "Question 1?" not in shell
    assert "Question 1?" in whole and "/knowledge/upload" not in whole


async def test_empty_places_say_what_to_do_next(site: Site) -> None:
    await site.sign_in("admin")

    empty, filtered = await site.read("/knowledge/in/travel"), await site.read("/knowledge/in/billing?text=zzz")
    gaps = await site.read("/knowledge/gaps?all=1")

    assert "No documents yet" in empty and "/knowledge/upload?domain=travel" in empty
    assert "Take a filter out" in filtered and "No gaps" in gaps


async def test_upload_that_nobody_has_begun_is_stopped_with_its_files(site: Site) -> None:
    await site.sign_in("admin")
    await send(site, ("a.md", b"x"))
    (payload,), (work,) = await jobs(site, "upload"), await works(site)

    await site.post(f"/knowledge/work/{work.id}/stop")

    page = await site.read("/knowledge")
    assert "It was stopped. What was read by then is kept" in page and not Path(payload["incoming"]).exists()
    (entry,) = await site.parts.audit.page(what="work.stop")
    assert (entry.who, entry.what, entry.after) == ("admin", "work.stop billing", {"work": "upload"})


async def test_bar_moves_within_a_long_document_and_upload_that_runs_is_stopped(site: Site) -> None:
    await site.sign_in("admin")
    await send(site, ("a.md", b"x"))
    queue = site.parts.knowledge.jobs  # type: ignore[attr-defined]  # a librarian's
    job = await queue.take()
    await queue.report(job.id, done=1, total=3, doing="Ingesting uploads/a.md (512 of 2048 chunks)")
    running = await site.read("/knowledge")

    await site.post(f"/knowledge/work/{job.id}/stop")

    stopping = await site.read("/knowledge")
    assert 'max="3" value="1.25"' in running and "512 of 2,048 chunks" in running and "/stop" in running
    assert "Is being stopped" in stopping and "/stop" not in stopping


async def test_only_the_reading_of_documents_is_stopped_and_only_once(site: Site) -> None:
    await site.sign_in("admin")
    await site.post("/knowledge/in/billing/remove", sure="yes", document="guides/rules.md")
    (removal,) = await works(site)
    await send(site, ("a.md", b"x"))
    upload, _ = await works(site)
    await site.post(f"/knowledge/work/{upload.id}/stop")

    statuses = [(await site.post(f"/knowledge/work/{job}/stop")).status for job in (removal.id, upload.id, 99, "x")]

    assert statuses == [409, 409, 404, 404]
