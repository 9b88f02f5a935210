"""Knowledge: what the domains hold, what is missing, a search to try out, and documents in and out."""

import asyncio
import io
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import Any, cast, get_args
from urllib.parse import quote, urlencode

from aiohttp import web

from bot.console.export import Line, download
from bot.console.ports import Redact
from bot.console.routes import Routes
from bot.console.visits import LONGEST_TEXT, Visit, local
from bot.desks.holdings import PUBLIC, DocumentFilter, Gap, GapFilter, Labels, ListedDocument, Upload
from bot.errors import InputError, NotFound
from bot.learning.quality import RANGES, USUAL, first_day
from bot.messages import now

N_ = str  # marks text for the catalogue that is said later
UPLOAD_BYTES = 100_000_000
LONGEST_SEARCH = 100_000  # characters of an address in which the longest question that the bot reads may be escaped
CHUNKS = 20  # on a page
SHOWN_GAPS = 50
TOP_GAPS = 10  # on the overview
AT_ONCE = 200  # documents that are removed together, at most
ORDERS = get_args(DocumentFilter.__annotations__["order"])
SOURCES = get_args(DocumentFilter.__annotations__["source"])

routes = Routes(title=N_("Knowledge"), home="/knowledge", need="viewer")


@routes.get("/knowledge", need="viewer")
async def show(visit: Visit) -> web.StreamResponse:
    """Show what each domain holds, and how far work on documents is."""
    holdings = await visit.parts.knowledge.holdings(_labels(visit))
    return visit.page("knowledge.html", holdings=holdings, **await _works(visit))


@routes.get("/knowledge/work", need="viewer")
async def work(visit: Visit) -> web.StreamResponse:
    """Show how far work on documents is; for the script, which asks again and again."""
    return visit.page("knowledge_works.html", **await _works(visit))


@routes.get("/knowledge/in/{domain}", need="viewer")
async def show_domain(visit: Visit) -> web.StreamResponse:
    """Show the documents of a domain, a page at a time."""
    domain, wanted = _domain(visit), _wanted(visit)
    page = await visit.parts.knowledge.page(domain, wanted, _labels(visit))
    plain = {name: value for name, value in asdict(wanted).items() if value and name != "page"}
    query = {name: value for name, value in plain.items() if (name, value) != ("order", "name")}
    return visit.page(
        "knowledge_domain.html",
        domain=domain,
        page=page,
        wanted=wanted,
        query=query,
        labels=visit.parts.knowledge.labels,
        **await _works(visit, domain),
    )


@routes.get("/knowledge/in/{domain}/document", need="viewer")
async def show_document(visit: Visit) -> web.StreamResponse:
    """Show one document as the retriever sees it: its chunks, headings in front, a page at a time."""
    domain = _domain(visit)
    document = await _document(visit, domain)
    first = CHUNKS * (_number(visit, "page") - 1)
    chunks = await visit.parts.knowledge.chunks(domain, document.id, first=first, limit=CHUNKS)
    return visit.page(
        "knowledge_document.html",
        domain=domain,
        document=document,
        chunks=chunks,
        number=_number(visit, "page"),
        pages=max(1, -(-chunks.total // CHUNKS)),
        back=local(visit.field("back"), f"/knowledge/in/{domain}"),
    )


@routes.get("/knowledge/search", need="viewer", longest=LONGEST_SEARCH)
async def search(visit: Visit) -> web.StreamResponse:
    """Try a question: where it would go, and what would be found for it."""
    text, domain = visit.field("text").strip(), visit.field("domain")  # however long: the bot itself says what it reads
    if domain and domain not in visit.parts.domains:
        raise InputError(visit.say("There is no domain “%(domain)s”.", domain=domain))
    tried = await visit.parts.knowledge.search(text, domain, _labels(visit)) if text else None
    return visit.page("knowledge_search.html", text=text, domain=domain, tried=tried, domains=visit.parts.domains)


@routes.get("/knowledge/gaps", need="viewer")
async def gaps(visit: Visit) -> web.StreamResponse:
    """Show what people ask and no document answers; the script asks for the list alone, which takes a model."""
    days, wanted = _gaps_wanted(visit)
    choices = await visit.parts.answers.choices()
    values: dict[str, Any] = {
        "days": days,
        "wanted": wanted,
        "ranges": tuple(RANGES),
        "platforms": choices.platforms,
        "domains": visit.parts.domains,
        "query": _gaps_query(days, wanted),
    }
    if not visit.field("part") and not visit.field("all"):
        return visit.page("knowledge_gaps.html", gaps=None, **values)
    found = await visit.parts.knowledge.gaps(wanted)
    most = TOP_GAPS if visit.field("top") else SHOWN_GAPS
    values |= {"gaps": found[:most], "more": max(0, len(found) - most)}
    values["later"] = sum(not gap.compared for gap in found)
    return visit.page("knowledge_gap_list.html" if visit.field("part") else "knowledge_gaps.html", **values)


@routes.get("/knowledge/gaps.{format:csv|jsonl}", need="viewer")
async def export_gaps(visit: Visit) -> web.StreamResponse:
    """Write the gaps to a file, all of them, redacted."""
    found = await visit.parts.knowledge.gaps(_gaps_wanted(visit)[1])
    rows = await asyncio.to_thread(_gap_lines, found, visit.parts.redact)

    async def lines() -> AsyncIterator[Line]:
        for row in rows:
            yield row

    return await download(visit, "gaps", visit.request.match_info["format"], lines())


def _gaps_wanted(visit: Visit) -> tuple[str, GapFilter]:
    """The filter in the address, with how it names the time range: the same one as the overview's."""
    days, domain = visit.field("days") or USUAL, visit.field("domain")
    if domain and domain not in visit.parts.domains:
        raise InputError(visit.say("There is no domain “%(domain)s”.", domain=domain))
    if days not in RANGES:
        raise InputError(visit.say("There is no such time range; choose one of those on the page."))
    since = first_day(RANGES[days], now().date())
    return days, GapFilter(since=since, domain=domain, platform=visit.field("platform"))


def _gaps_query(days: str, wanted: GapFilter) -> str:
    query = {"days": days, "domain": wanted.domain, "platform": wanted.platform}
    return urlencode({name: value for name, value in query.items() if value})


def _gap_lines(found: Sequence[Gap], redact: Redact) -> list[Line]:
    """Gaps for a file: what people wrote leaves the console redacted."""
    return [
        {
            "question": redact(gap.question),
            "times": len(gap.questions),
            "people": gap.people,
            "route": gap.route,
            "asked_back": gap.asked_back,
            "wordings": [redact(text) for text in dict.fromkeys(each.question for each in gap.questions)],
            "latest": gap.questions[0].at.isoformat(),
        }
        for gap in found
    ]


@routes.get("/knowledge/upload", need="admin")
async def choose_files(visit: Visit) -> web.StreamResponse:
    """Ask for files, or for a text."""
    return _upload_page(visit)


@routes.post("/knowledge/upload", need="admin", limit=UPLOAD_BYTES)
async def upload(visit: Visit) -> web.StreamResponse:
    """Take files, or a text, for a domain; they are read in the background."""
    domain = visit.required("domain")
    if domain not in visit.parts.domains:
        raise InputError(visit.say("There is no domain “%(domain)s”.", domain=domain))
    try:
        files = [*_files(visit), *_written(visit)]
        if not files:
            raise InputError(visit.say("Choose a file, or write a text."))
        by = visit.account.name
        await visit.parts.knowledge.upload(domain, files, visit.fields("access"), by=by)
    except InputError as exc:
        return _upload_page(visit, reason=str(exc))
    finally:
        for file in visit.form.values():
            if isinstance(file, web.FileField):
                file.file.close()  # which deletes what the browser sent
    return visit.see(f"/knowledge/in/{quote(domain)}")


@routes.post("/knowledge/in/{domain}/remove", need="admin")
async def remove(visit: Visit) -> web.StreamResponse:
    """Ask whether documents are to be removed; once that is said, have them removed in the background."""
    domain, documents = _domain(visit), visit.fields("document")[:AT_ONCE]
    if not documents:
        raise InputError(visit.say("Tick at least one document."))
    known = [await visit.parts.knowledge.find(domain, document, None) for document in documents]
    found = [document for document in known if document]
    if not found:
        raise NotFound(visit.say("These documents are gone; somebody may have removed them a moment ago."))
    if visit.field("sure") != "yes":
        return visit.page("knowledge_remove.html", domain=domain, documents=found)
    await visit.parts.knowledge.remove(domain, [document.id for document in found], by=visit.account.name)
    return visit.see(f"/knowledge/in/{quote(domain)}")


@routes.post("/knowledge/work/{job}/stop", need="admin")
async def stop(visit: Visit) -> web.StreamResponse:
    """End the reading of documents before its time; what is read by then stays."""
    await visit.parts.knowledge.stop(_job(visit), by=visit.account.name)
    return visit.see(local(visit.field("back"), "/knowledge"))


@routes.post("/knowledge/work/{job}/dismiss", need="admin")
async def dismiss(visit: Visit) -> web.StreamResponse:
    """Take work that has ended off the page."""
    await visit.parts.knowledge.dismiss(_job(visit))
    return visit.see(local(visit.field("back"), "/knowledge"))


def _job(visit: Visit) -> int:
    """The work that the address names; 0, which none is, for what is no number."""
    job = visit.request.match_info["job"]
    return int(job) if job.isdecimal() and len(job) < 18 else 0


def _labels(visit: Visit) -> Labels:
    """What who asks may see: documents that are not for everyone are for admins only."""
    return None if visit.may("admin") else PUBLIC


async def _works(visit: Visit, domain: str = "") -> dict[str, Any]:
    """Work on documents, that of one domain or of all; names of documents are for admins only."""
    works = [work for work in await visit.parts.knowledge.works() if domain in ("", work.domain)]
    domain = domain or visit.field("domain")
    return {
        "works": [work for work in works if domain in ("", work.domain)][:10],
        "goes_on": any(not work.ended for work in works),
        "only": domain,
    }


def _upload_page(visit: Visit, reason: str = "") -> web.Response:
    return visit.page(
        "knowledge_upload.html",
        status=400 if reason else 200,
        reason=reason,
        domain=visit.field("domain"),
        domains=visit.parts.domains,
        labels=visit.parts.knowledge.labels,
        ticked=visit.fields("access"),
        kinds=visit.parts.knowledge.kinds,
        most=UPLOAD_BYTES // 1_000_000,
        title=visit.field("title"),
        text=visit.field("text"),
        question=visit.field("question")[:300],
    )


def _files(visit: Visit) -> list[Upload]:
    sent = [each for each in visit.form.getall("file", []) if isinstance(each, web.FileField) and each.filename]
    return [Upload(name=each.filename, data=cast(Any, each.file)) for each in sent]


def _written(visit: Visit) -> list[Upload]:
    """A text that was written on the page, as a file."""
    title, text = " ".join(visit.field("title").split()), visit.field("text").strip()
    if not text:
        return []
    if not title:
        raise InputError(visit.say("Give the text a title; it is what citations show."))
    plain = " ".join(re.sub(r'[\\/:*?"<>|.]+', " ", title).split())  # what every disk can have in a name
    name = plain.encode("utf-8", "ignore")[:100].decode("utf-8", "ignore") or "text"
    return [Upload(name=f"{name}.md", data=io.BytesIO(f"# {title}\n\n{text}\n".encode("utf-8", "replace")))]


def _domain(visit: Visit) -> str:
    domain = visit.request.match_info["domain"]
    if domain not in visit.parts.domains:
        raise NotFound(visit.say("There is no domain “%(domain)s”.", domain=domain))
    return domain


async def _document(visit: Visit, domain: str) -> ListedDocument:
    found = await visit.parts.knowledge.find(domain, visit.field("id"), _labels(visit))
    if found is None:
        raise NotFound(visit.say("There is no such document, or only admins may see it."))
    return found


def _wanted(visit: Visit) -> DocumentFilter:
    order, source = visit.field("order") or "name", visit.field("source")
    if order not in ORDERS or source not in SOURCES:
        raise InputError(visit.say("This filter does not exist; open the list anew."))
    return DocumentFilter(
        text=visit.short("text", LONGEST_TEXT),
        access=visit.field("access"),
        source=cast(Any, source),
        order=cast(Any, order),
        page=_number(visit, "page"),
    )


def _number(visit: Visit, name: str) -> int:
    """A number in the address, from 1; 1 where there is none."""
    text = visit.field(name)
    return max(1, int(text)) if text.isdecimal() and text.isascii() and len(text) < 9 else 1
