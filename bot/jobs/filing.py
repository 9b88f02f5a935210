"""
Documents in and out of the index, and what it holds, as work for its owner.

What comes in by the console lies in `uploads/<domain>/<labels>/uploads/` below the storage directory, so its documents
are called `uploads/NAME`; an ingest with `prune` spares them, and one after the loss of the index brings them back.
"""

import asyncio
import hashlib
import json
import shutil
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from bot import admission
from bot.app import Installation, router_changes
from bot.conversation import understand
from bot.desks.holdings import UPLOADED, UPLOADS
from bot.errors import InputError, PointsmanError, StoreError
from bot.files import whole
from bot.grounding import too_weak
from bot.jobs.traces import held_of
from bot.messages import GENERAL, STOPPED, IngestReport, Job, Message
from bot.ports import Progress
from bot.progress import in_thread
from bot.rows import Row
from bot.store.usage import INGESTED, REMOVED
from knowledge.loading import ROWS, Source, find_sources

Payload = Mapping[str, Any]

INCOMING = ".incoming"  # beside the domains: what was sent and is not yet read
ACCESS = ".access.json"  # in a folder of uploads: the labels of all that lies in it
LONGEST_SENDING = 3600.0  # seconds; younger files without a job may be on their way
TRIED = 10  # passages that a search shows

log = structlog.get_logger()


async def _ingest(here: Installation, payload: Payload, progress: Progress) -> Row:
    domain, prune = payload["domain"], payload["prune"]
    paths = [Path(path) for path in payload["paths"]]
    homes = list(_homes(here, domain))
    keep = await asyncio.to_thread(_named_in, homes) if prune else frozenset[str]()
    work = partial(here.sync.ingest, domain, paths, access=payload["access"], prune=prune, keep=keep)
    if not homes:
        return await _changing(here, payload, lambda step: work(progress=step), progress)

    def with_uploads(step: Progress) -> IngestReport:
        first = work(progress=step)
        return _added(first, _reread(here, domain, homes, step))

    return await _changing(here, payload, with_uploads, progress)


async def _upload(here: Installation, payload: Payload, progress: Progress) -> Row:
    """Index what lies in `incoming`, and put what could be read in its place; what could not is forgotten."""
    domain, access, incoming = payload["domain"], tuple(payload["access"]), Path(payload["incoming"])
    if not incoming.is_dir():
        return await _put_away_already(here, payload)
    ingest = partial(here.sync.ingest, domain, [incoming], access=access, source_of=_file_of)
    before = await _changed(here, domain)
    try:
        found = await _changing(here, payload, lambda step: ingest(progress=step), progress)
        bad = {failure["document"].removeprefix(f"{UPLOADS}/") for failure in found["failed"]}
        await asyncio.to_thread(_put_away, here, domain, access, incoming, bad)
    except asyncio.CancelledError as exc:
        if STOPPED in exc.args:  # else the owner ends, and the next one goes on with what was sent
            read = {name for name, _ in (await _changed(here, domain)).items() - before.items()}
            await asyncio.to_thread(_put_away, here, domain, access, incoming, set(payload["files"]) - read)
        raise
    except InputError:
        await asyncio.to_thread(shutil.rmtree, incoming, ignore_errors=True)
        raise
    return found


async def settle_uploads(here: Installation) -> None:
    """
    Do for uploads that ended with their owner what a stop does: keep the files that were read, and forget the others.

    The owner calls it at its start. What belongs to work that is still to be done stays.
    """
    sent = sorted((here.settings.storage.directory / UPLOADS / INCOMING).glob("*"))
    if not sent:
        return
    try:
        awaited = {_name(job) for job in await here.stores.jobs.unended("upload")}
        ended = {_name(each.job): each.job for each in await here.stores.jobs.listed(["upload"])}
        for incoming in sent:
            if incoming.name in awaited:
                continue
            if job := ended.get(incoming.name):
                await _settle(here, job.payload, incoming)
            elif time.time() - incoming.stat().st_mtime > LONGEST_SENDING:
                await asyncio.to_thread(shutil.rmtree, incoming, ignore_errors=True)
    except (PointsmanError, OSError) as exc:  # the next start tries again
        log.warning("files of uploads that have ended cannot be cleared away", reason=str(exc))


def _name(job: Job) -> str:
    return Path(str(job.payload["incoming"])).name


async def _settle(here: Installation, payload: Payload, incoming: Path) -> None:
    domain = payload["domain"]
    known = domain in [each.name for each in here.settings.domains]
    if not known or not (incoming / UPLOADS).is_dir():
        await asyncio.to_thread(shutil.rmtree, incoming, ignore_errors=True)
        return
    arrived = datetime.fromtimestamp(int(incoming.stat().st_mtime), UTC)
    async with here.changing:
        await asyncio.to_thread(here.sync.list_documents, domain)
        held = (await _changed(here, domain)).items()
        read = {name for name, documents in held if any(changed and changed >= arrived for _, changed in documents)}
        await asyncio.to_thread(
            _put_away, here, domain, tuple(payload["access"]), incoming, set(payload["files"]) - read
        )


async def _changed(here: Installation, domain: str) -> dict[str, frozenset[tuple[str, datetime | None]]]:
    """The files that came in by the console, each with its documents and when they last changed."""
    found: dict[str, set[tuple[str, datetime | None]]] = {}
    for document in await asyncio.to_thread(here.sync.listed, domain):
        if document.uploaded:
            found.setdefault(document.uploaded, set()).add((document.id, document.changed))
    return {name: frozenset(documents) for name, documents in found.items()}


async def _put_away_already(here: Installation, payload: Payload) -> Row:
    """The outcome of an upload that was cut off after its last step. Raises: InputError if it was before the first."""
    home = home_of(here.settings.storage.directory, payload["domain"], payload["access"])
    if not any((home / UPLOADS / name).is_file() for name in payload["files"]):
        raise InputError("the files that were sent are gone; send them once more")
    return asdict(await asyncio.to_thread(here.sync.list_documents, payload["domain"]))


async def _remove(here: Installation, payload: Payload, progress: Progress) -> Row:
    """Take documents out of the index, and their files away where they came in by the console."""
    domain, documents = payload["domain"], list(payload["documents"])

    def remove(step: Progress) -> IngestReport:
        # The files first: after a kill in between the job is done again, and nothing brings the documents back.
        _throw_away(list(_homes(here, domain)), documents)
        return here.sync.remove(domain, documents, progress=step)

    return await _changing(here, payload, remove, progress)


async def _changing(
    here: Installation, payload: Payload, work: Callable[[Progress], IngestReport], progress: Progress
) -> Row:
    """Do *work* on the index, and all that has to follow: search, audit log, router, traces of what is gone."""
    domain = payload["domain"]
    async with here.changing:
        removes = payload.get("prune") or "documents" in payload
        listed = await _times(here, domain)
        before = await asyncio.to_thread(here.retriever.documents, domain) if removes else {}
        try:
            report = await in_thread(work, progress)
        except asyncio.CancelledError:
            await asyncio.to_thread(here.sync.list_documents, domain)
            await _note(here, payload, _cut_off(listed, await _times(here, domain)))
            raise
        finally:
            here.retriever.refresh(domain)
        changed = await _note(here, payload, report)
        if changed or domain not in here.router.domains or await router_changes(here).behind():
            await here.learn_routes(progress)
        gone = before.keys() - await asyncio.to_thread(here.retriever.documents, domain) if before else ()
        held = await held_of(here, domain, gone, by=payload.get("by", "operator")) if gone else {}
    return asdict(report) | ({"held": held} if held else {})


async def _note(here: Installation, payload: Payload, report: IngestReport) -> bool:
    """Whether *report* changed anything; the audit log says so then."""
    if not (report.added or report.updated or report.removed):
        return False
    counts = {"added": report.added, "updated": report.updated, "removed": report.removed}
    named = {name: list(payload[name]) for name in ("files", "documents") if name in payload}
    what = REMOVED if "documents" in payload else INGESTED
    await here.stores.audit.record(payload.get("by", "operator"), f"{what} {payload['domain']}", None, counts | named)
    return True


async def _times(here: Installation, domain: str) -> dict[str, datetime | None]:
    """When each document of *domain* last changed."""
    return {each.id: each.changed for each in await asyncio.to_thread(here.sync.listed, domain)}


def _cut_off(before: Mapping[str, datetime | None], after: Mapping[str, datetime | None]) -> IngestReport:
    """What work that did not come to its end has changed."""
    both = before.keys() & after.keys()
    return IngestReport(
        added=len(after.keys() - before.keys()),
        updated=sum(before[each] != after[each] for each in both),
        removed=len(before.keys() - after.keys()),
    )


async def _list(here: Installation, payload: Payload, progress: Progress) -> Row:
    """Write the list of a domain's documents: for an index from before there were such lists."""
    async with here.changing:
        report = await in_thread(lambda step: here.sync.list_documents(payload["domain"]), progress)
    return asdict(report)


async def _chunks(here: Installation, payload: Payload, progress: Progress) -> Row:
    """Some chunks of one document, in order."""
    domain, document, first = payload["domain"], payload["document"], payload["first"]
    chunks = await asyncio.to_thread(here.retriever.chunks_of, domain, document)
    return {"texts": [chunk.text for chunk in chunks[first : first + payload["limit"]]], "total": len(chunks)}


async def _search(here: Installation, payload: Payload, progress: Progress) -> Row:
    """Where a question would go, and the passages that a domain has for it."""
    labels = None if payload["labels"] is None else frozenset(payload["labels"])
    domains = [domain.name for domain in here.settings.domains]
    asked = understand(Message(id="", text=admission.clean(payload["text"])), (), domains)
    if asked.objection:
        return {"objection": asked.objection}
    query = await here.retriever.embed(asked.text)
    found = await here.retriever.retrieve(query, labels=labels, top_k=TRIED)
    choice = here.router.choose(query, found, explicit=asked.route)
    nearest = choice.route if choice.route != GENERAL else here.router.nearest_domain(query)
    domain: str = payload["domain"] or (nearest if nearest in found else next(iter(found), "")) or ""
    passages = found[domain].passages if domain in found else ()
    return {
        "choice": {
            "route": choice.route,
            "probability": choice.probability,
            "domain_probability": choice.domain_probability,
            "decision": choice.decision,
            "runner_up": choice.runner_up,
        },
        "domain": domain,
        "passages": [asdict(passage) for passage in passages],
        "weak": not passages or too_weak(passages[:3]),
    }


def home_of(directory: Path, domain: str, access: Collection[str]) -> Path:
    """The folder for uploads to *domain* with these *access* labels, below the storage *directory*."""
    labels = json.dumps(sorted(set(access)))
    return directory / UPLOADS / domain / hashlib.sha256(labels.encode()).hexdigest()[:12]


def _homes(here: Installation, domain: str) -> Iterator[Path]:
    for marker in sorted((here.settings.storage.directory / UPLOADS / domain).glob(f"*/{ACCESS}")):
        yield marker.parent


def _named_in(homes: Sequence[Path]) -> frozenset[str]:
    return frozenset(source.id for source in find_sources(homes))


def _reread(here: Installation, domain: str, homes: Sequence[Path], step: Progress) -> IngestReport:
    """Index the uploads that the index does not hold, or holds otherwise."""
    report = IngestReport()
    for home in homes:
        access = json.loads((home / ACCESS).read_text(encoding="utf-8"))
        if any(home.glob(f"{UPLOADS}/*")):
            report = _added(report, here.sync.ingest(domain, [home], access=access, source_of=_file_of, progress=step))
    return report


def _added(first: IngestReport, then: IngestReport) -> IngestReport:
    """Both in one; the totals are those of the later one."""
    return IngestReport(
        documents=then.documents or first.documents,
        chunks=then.chunks or first.chunks,
        added=first.added + then.added,
        updated=first.updated + then.updated,
        removed=first.removed + then.removed,
        failed=[*first.failed, *then.failed],
    )


def _file_of(source: Source) -> str:
    return UPLOADED + source.path.name


def _put_away(here: Installation, domain: str, access: Sequence[str], incoming: Path, bad: Collection[str]) -> None:
    """Move the files that were read, all but the *bad* ones, to where they stay, in place of those of the same name."""
    directory = here.settings.storage.directory
    home = home_of(directory, domain, access)
    with whole(home / ACCESS) as part:
        part.write_text(json.dumps(sorted(set(access))), encoding="utf-8")
    (home / UPLOADS).mkdir(exist_ok=True)
    for file in sorted((incoming / UPLOADS).iterdir()):
        if file.name in bad or not any(isinstance(each, Source) for each in find_sources([file])):
            continue
        for other in _homes(here, domain):  # with other labels
            (other / UPLOADS / file.name).unlink(missing_ok=True)
        file.replace(home / UPLOADS / file.name)
    shutil.rmtree(incoming, ignore_errors=True)


def _throw_away(homes: Sequence[Path], documents: Collection[str]) -> None:
    """Delete the files of *documents*, and their rows from files of rows. Raises: StoreError."""
    try:
        for home in homes:
            for file in (home / UPLOADS).glob("*"):
                if f"{UPLOADS}/{file.name}" in documents:
                    file.unlink(missing_ok=True)
                elif file.suffix.lower() in ROWS:
                    _without(file, documents)
    except OSError as exc:
        raise StoreError(f"{exc.filename} cannot be deleted ({exc.strerror}); correct the permissions") from exc


def _without(file: Path, documents: Collection[str]) -> None:
    """Take the rows of *documents* out of a file of rows; a file that is left empty goes."""
    lines = file.read_text(encoding="utf-8-sig").split("\n")
    kept = [line for line in lines if line.strip() and not {_key(line), f"{UPLOADS}/{_key(line)}"} & set(documents)]
    if not kept:
        file.unlink()
    elif len(kept) < sum(bool(line.strip()) for line in lines):
        with whole(file) as part:
            part.write_text("\n".join(kept) + "\n", encoding="utf-8")


def _key(line: str) -> str:
    try:
        row = json.loads(line)
    except ValueError:
        return ""
    return str(row.get("id", row.get("_id", ""))) if isinstance(row, dict) else ""


WORKERS: dict[str, Callable[[Installation, Payload, Progress], Awaitable[Row]]] = {
    "ingest": _ingest,
    "upload": _upload,
    "remove": _remove,
    "list": _list,
    "chunks": _chunks,
    "search": _search,
}
