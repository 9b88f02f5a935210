"""The documents as the console sees them: what is there, what is missing, and work on them for the owner."""

import asyncio
import json
import re
import shutil
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import uuid4

from bot.desks.holdings import (
    PUBLIC,
    UPLOADS,
    Chunks,
    DocumentFilter,
    DocumentPage,
    Gap,
    GapFilter,
    Holding,
    Labels,
    ListedDocument,
    Rests,
    Tried,
    TriedRoute,
    Upload,
    Work,
    may_see,
)
from bot.errors import Conflict, InputError, NotFound, StoreError
from bot.jobs.filing import INCOMING
from bot.learning.gaps import GapFinder
from bot.messages import EVERYONE, SHARED, STOPPED, ListedJob, Passage
from bot.ports import AuditLog, JobQueue
from bot.settings import DomainSettings, Settings
from bot.store.unanswered import SqlUnanswered
from knowledge.catalogue import Catalogue
from knowledge.loading import KINDS

WORK = ("upload", "remove", "ingest", "list")  # kinds of jobs that change or list documents
MOST_FILES = 50  # in one upload
LONGEST_NAME = 120
_PART = re.compile(r"\((\d+) of (\d+) chunks\)$")  # what the owner says of a long document


@dataclass(frozen=True, kw_only=True)
class Librarian:
    """What the page of documents is made of."""

    settings: Settings
    catalogue: Catalogue
    jobs: JobQueue
    unanswered: SqlUnanswered
    finder: GapFinder
    audit: AuditLog
    do: Callable[[str, Mapping[str, Any]], Awaitable[Any]]  # a job of bot.work by its name, and its result

    @property
    def kinds(self) -> Sequence[str]:
        """The endings of the files that can be read."""
        return KINDS.split(", ")

    @property
    def labels(self) -> Sequence[str]:
        """Every access label that the settings know."""
        named = [EVERYONE, *(each.label for each in self.settings.access)]
        return tuple(dict.fromkeys([*named, *(label for domain in self.settings.domains for label in domain.access)]))

    async def holdings(self, labels: Labels) -> Sequence[Holding]:
        """What each domain holds that somebody with *labels* may see; lists that are missing are asked for."""
        found = [await asyncio.to_thread(self._holding, domain, labels) for domain in self.settings.domains]
        missing = [holding.domain for holding in found if not holding.listed]
        if missing:
            asked_for = {work.domain for work in await self.works() if work.kind == "list"}
            for domain in missing:
                if domain not in asked_for:
                    with suppress(Conflict):  # somebody else has asked for it at the same moment
                        await self.jobs.submit("list", {"domain": domain}, sole=json.dumps(["list", domain]))
        return found

    async def page(self, domain: str, wanted: DocumentFilter, labels: Labels) -> DocumentPage:
        """Returns: a page of the documents of *domain*."""
        self.settings.domain(domain)
        return await asyncio.to_thread(self.catalogue.page, domain, wanted, self._within(domain, labels))

    async def find(self, domain: str, document: str, labels: Labels) -> ListedDocument | None:
        """Returns: a document that somebody with *labels* may see."""
        self.settings.domain(domain)
        listed = await asyncio.to_thread(self.catalogue.all, domain) or ()
        seen = self._within(domain, labels)
        return next((each for each in listed if each.id == document and each.readable(seen)), None)

    async def open_to_all(self, rests: Sequence[Rests]) -> Sequence[bool]:
        """Returns: for each of *rests* whether everyone may read all of it; of what is gone, by who could read it."""
        domains = {each.domain for each in rests}
        shelves = {domain: await asyncio.to_thread(self._shelf, domain) for domain in domains}
        return [_is_open(each, shelves[each.domain]) for each in rests]

    async def chunks(self, domain: str, document: str, *, first: int, limit: int) -> Chunks:
        """Returns: some chunks of a document, as the owner of the index has them now."""
        payload = {"domain": domain, "document": document, "first": first, "limit": limit}
        row = await self.do("chunks", payload)
        return Chunks(texts=tuple(row["texts"]), first=first, total=row["total"])

    async def search(self, text: str, domain: str, labels: Labels) -> Tried:
        """Returns: where a question would go, and what *domain*, or the likeliest one, has for it."""
        payload = {"text": text, "domain": domain, "labels": None if labels is None else sorted(labels)}
        row = await self.do("search", payload)
        if objection := row.get("objection"):
            nowhere = TriedRoute(
                route="", probability=0.0, domain_probability=0.0, decision="answer", objection=objection
            )
            return Tried(choice=nowhere, domain="", passages=(), weak=True)
        return Tried(
            choice=TriedRoute(**row["choice"]),
            domain=row["domain"],
            passages=tuple(Passage(**each) for each in row["passages"]),
            weak=row["weak"],
        )

    async def upload(self, domain: str, files: Sequence[Upload], access: Collection[str], *, by: str) -> int:
        """
        Have *files* read and indexed; those that cannot be read are named in how the work ended.

        *access*: the labels of which a reader needs one; empty: those of the domain.
        Returns: the job. Raises: InputError if none can be read, or there is no such label.
        """
        access = access or self.settings.domain(domain).access
        if unknown := set(access) - set(self.labels):
            raise InputError(f"there is no access label {min(unknown)!r}; [[access]] in pointsman.toml lists them")
        taken, refused = _sorted_out(files[:MOST_FILES], self.kinds)
        refused |= {file.name: f"at most {MOST_FILES} files are read at once" for file in files[MOST_FILES:]}
        if not taken:
            raise InputError("; ".join(f"{name}: {why}" for name, why in refused.items()) or "no file was sent")
        incoming = self.settings.storage.directory.resolve() / UPLOADS / INCOMING / uuid4().hex
        await asyncio.to_thread(_write, taken, incoming / UPLOADS)
        payload = {
            "domain": domain,
            "access": sorted(set(access)),
            "incoming": str(incoming),
            "files": list(taken),
            "refused": refused,
            "by": by,
        }
        return await self.jobs.submit("upload", payload)

    async def remove(self, domain: str, documents: Sequence[str], *, by: str) -> int:
        """Have *documents* taken out of the index. Returns: the job. Raises: Conflict if that is being done."""
        self.settings.domain(domain)
        payload = {"domain": domain, "documents": list(documents), "by": by}
        return await self.jobs.submit("remove", payload, sole=json.dumps(["remove", domain, sorted(documents)]))

    async def works(self) -> Sequence[Work]:
        """Returns: the latest work on documents, newest first."""
        return tuple(_work(job) for job in reversed(await self.jobs.listed(WORK)))

    async def stop(self, job: int, *, by: str) -> None:
        """
        Have the reading of documents end before its time; those that are read by then stay.

        Raises: NotFound if there is no such work, Conflict if it has ended or cannot be stopped.
        """
        found = next((each for each in await self.jobs.listed(WORK) if each.job.id == job), None)
        if found is None:
            raise NotFound("this work is no longer there; somebody has seen that it ended")
        if not _work(found).stoppable:
            raise Conflict("this cannot be stopped any more; look at the page anew")
        await self.jobs.stop(job)
        await self.audit.record(by, f"work.stop {_work(found).domain}", None, {"work": found.job.kind})
        incoming = found.job.payload.get("incoming")
        if incoming and (await self.jobs.status(job)).state == "failed":  # nobody had begun with it
            await asyncio.to_thread(shutil.rmtree, str(incoming), ignore_errors=True)

    async def dismiss(self, job: int) -> None:
        """Forget work that has ended."""
        if any(work.id == job and work.ended for work in await self.works()):
            await self.jobs.forget(job)

    async def gaps(self, wanted: GapFilter) -> Sequence[Gap]:
        """Returns: what people asked in vain, most asked first."""
        moment = datetime.combine(wanted.since or date.min, time(), UTC)
        questions = await self.unanswered.since(moment, domain=wanted.domain, platform=wanted.platform)
        return await asyncio.to_thread(self.finder.find, questions)

    def _holding(self, domain: DomainSettings, labels: Labels) -> Holding:
        listed = self.catalogue.all(domain.name)
        seen = self._within(domain.name, labels)
        own = [each for each in listed or () if each.readable(seen)]
        times: list[datetime] = [each.changed for each in own if each.changed]
        return Holding(
            domain=domain.name,
            description=domain.description,
            access=domain.access,
            documents=len(own),
            chunks=sum(each.chunks for each in own),
            hidden=len(listed or ()) - len(own),
            newest=max(times, default=None),
            oldest=min(times, default=None),
            listed=listed is not None,
        )

    def _shelf(self, domain: str) -> Mapping[str, bool] | None:
        """By document of *domain* whether everyone may read it; None where the whole domain is not for everyone."""
        found = next((each for each in self.settings.domains if each.name == domain), None)
        if found is None:  # general questions, or a domain that is gone
            return {}
        if not may_see(found.access, PUBLIC):
            return None
        return {each.id: each.readable(PUBLIC) for each in self.catalogue.all(domain) or ()}

    def _within(self, domain: str, labels: Labels) -> Labels:
        """*labels*, or none where the whole domain is closed to them."""
        return labels if may_see(self.settings.domain(domain).access, labels) else frozenset()


def _is_open(rests: Rests, shelf: Mapping[str, bool] | None) -> bool:
    if shelf is None:
        return False
    if any(document.startswith(SHARED) for document in rests.documents):  # a file that serves one conversation only
        return False
    was_open = rests.labels is not None and rests.labels <= {EVERYONE}
    return all(shelf.get(document, was_open) for document in rests.documents)


def _sorted_out(files: Sequence[Upload], kinds: Collection[str]) -> tuple[dict[str, BinaryIO], dict[str, str]]:
    """The files by the names that they get, and those that are not taken with the reason."""
    taken: dict[str, BinaryIO] = {}
    refused: dict[str, str] = {}
    for file in files:
        name = "".join(each for each in file.name.replace("\\", "/").rpartition("/")[2] if each.isprintable()).strip()
        if not name or name.startswith(".") or len(name.encode()) > LONGEST_NAME:
            refused[name[:60] or "?"] = "this cannot be a name here; use a plain one of at most 100 letters"
        elif Path(name).suffix.lower() not in kinds:
            refused[name] = f"files of this kind are not read; these are: {', '.join(kinds)}"
        elif name in taken:
            refused[name] = "another file of this upload has the same name; this one is left out"
        else:
            taken[name] = file.data
    return taken, refused


def _write(files: Mapping[str, BinaryIO], folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
        for name, data in files.items():
            with (folder / name).open("wb") as target:
                shutil.copyfileobj(data, target)
    except OSError as exc:
        shutil.rmtree(folder.parent, ignore_errors=True)
        raise StoreError(f"{folder} cannot be written ({exc.strerror}); free some space") from exc


def _work(listed: ListedJob) -> Work:
    payload, status = cast("dict[str, Any]", listed.job.payload), listed.status
    result = status.result or {}
    failed = [(each["document"], each["reason"]) for each in result.get("failed", ())]
    return Work(
        id=listed.job.id,
        kind=listed.job.kind,
        domain=str(payload.get("domain", "")),
        by=str(payload.get("by", "operator")),
        names=tuple(payload.get("files") or payload.get("documents") or payload.get("paths") or ()),
        state="stopped" if status.error == STOPPED else status.state,
        done=status.done,
        total=status.total,
        doing=_PART.sub("", status.doing).strip(),
        chunks=(int(part[1]), int(part[2])) if (part := _PART.search(status.doing)) else None,
        counts={name: result[name] for name in ("added", "updated", "removed") if name in result},
        failed=tuple(
            (name.removeprefix(f"{UPLOADS}/"), reason)
            for name, reason in [*payload.get("refused", {}).items(), *failed]
        ),
        error=status.error or "",
    )
