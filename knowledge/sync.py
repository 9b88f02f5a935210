"""
Bring a domain's index in line with its documents.

A document is replaced when its content hash changed; it counts as indexed only when all its chunks are. So an ingest
can be killed at any moment and run again: it ends with the same index.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from bot.desks.holdings import ListedDocument
from bot.errors import InputError, RetrievalError
from bot.messages import Chunk, IngestReport, now
from bot.ports import Progress, silent
from knowledge.catalogue import Catalogue
from knowledge.chroma import ChromaCollection, ChromaIndex, IndexedDocument
from knowledge.chunking import MAX_TOKENS, split
from knowledge.encoder import MiniLmEncoder
from knowledge.fusion import fit_weight
from knowledge.loading import Source, Unreadable, find_sources
from knowledge.retriever import write_weight

# Part of every hash: another way of cutting or another encoder means that everything is indexed again.
FORMAT = f"3|{MAX_TOKENS}|all-MiniLM-L6-v2"
AT_ONCE = 128  # chunks that are embedded in one go
Indexed = dict[str, tuple[ChromaCollection, IndexedDocument]]
Withdraw = Callable[[str, str], None]
"""Called with domain and document before a document's old text leaves the index: nobody may find it from then on."""


SourceOf = Callable[[Source], str]
"""Returns: where a document comes from, in words for people."""


def path_of(source: Source) -> str:
    """A SourceOf for files that stay where they are."""
    return str(source.path)


def nobody_searches(domain: str, document: str) -> None:
    """A Withdraw for an index that nobody searches meanwhile."""


class Sync:
    """Ingests into one index."""

    def __init__(
        self, index: ChromaIndex, encoder: MiniLmEncoder, folder: Path, withdraw: Withdraw = nobody_searches
    ) -> None:
        self._index = index
        self._encoder = encoder
        self._folder = folder  # of the fusion weights
        self._withdraw = withdraw
        self._catalogue = Catalogue(folder / "catalogue")

    def ingest(
        self,
        domain: str,
        paths: Sequence[Path],
        *,
        access: Sequence[str],
        prune: bool = False,
        keep: Collection[str] = (),
        source_of: SourceOf = path_of,
        progress: Progress = silent,
    ) -> IngestReport:
        """
        Index every document below *paths*; with *prune* the domain holds exactly these and those to *keep* afterwards.

        Raises: InputError for a path that cannot be used; broken documents are listed in the report instead.
        """
        progress(0, 0, "Looking for documents")
        sources = list(find_sources(paths))
        if not sources and not prune:
            raise InputError(f"no documents in {', '.join(map(str, paths))}; give files of another kind or folder")
        target = self._index.collection(domain, access)
        run = _Run(
            self._encoder, target, self._known(domain), domain, self._withdraw, source_of, progress, len(sources)
        )
        for source in sources:
            progress(run.done, len(sources), f"Ingesting {source.id}")
            run.take(source)
        run.write()
        removed = self._prune(run, sources, keep) if prune else 0
        if run.added or run.updated or removed:
            self._tidy(domain, progress)
        progress(len(sources), len(sources), "Ingested")
        return replace(
            self.list_documents(domain), added=run.added, updated=run.updated, removed=removed, failed=run.failed
        )

    def remove(self, domain: str, documents: Collection[str], progress: Progress = silent) -> IngestReport:
        """Take *documents* out of the index of *domain*; those that are not there are passed over."""
        known = self._known(domain)
        gone = [document for document in documents if document in known]
        for number, document in enumerate(gone):
            progress(number, len(gone), f"Removing {document}")
            self._withdraw(domain, document)
            known[document][0].delete(document)
        if gone:
            self._tidy(domain, progress)
        return replace(self.list_documents(domain), removed=len(gone))

    def listed(self, domain: str) -> Sequence[ListedDocument]:
        """What was last written down of the documents of *domain*; nothing where that is damaged."""
        try:
            return self._catalogue.all(domain) or ()
        except RetrievalError:  # it is written anew with the next change
            return ()

    def list_documents(self, domain: str) -> IngestReport:
        """Write down what the index holds of *domain*, for those who may not open it. Returns: the totals."""
        known = self._known(domain)
        self._catalogue.write(domain, [_listed(collection, entry) for collection, entry in known.values()])
        return IngestReport(documents=len(known), chunks=sum(entry.chunks for _, entry in known.values()))

    def _known(self, domain: str) -> Indexed:
        return {key: (c, d) for c in self._index.collections(domain) for key, d in c.documents().items()}

    def _prune(self, run: "_Run", sources: Sequence[Source | Unreadable], keep: Collection[str]) -> int:
        """Remove what no source stands for; returns how many documents that were."""
        if nameless := [source for source in sources if isinstance(source, Unreadable)]:
            # A row that cannot be parsed may be any document, so none can be told to be gone.
            reason = "because of this nothing was pruned; mend it first"
            run.failed.append({"document": nameless[0].id, "reason": reason})
            return 0
        gone = run.known.keys() - run.seen - set(keep)
        for key in gone:
            self._withdraw(run.domain, key)
            run.known[key][0].delete(key)
        return len(gone)

    def _tidy(self, domain: str, progress: Progress) -> None:
        """Fit the fusion weight of the collections; emptied ones stay, since a search may be under way in them."""
        for collection in self._index.collections(domain):
            if collection.count():
                progress(0, 0, "Fitting the ranking to the documents")
                weight = fit_weight(collection.chunks(), self._encoder)
                write_weight(self._folder / collection.name, weight)


def _listed(collection: ChromaCollection, entry: IndexedDocument) -> ListedDocument:
    return ListedDocument(
        id=entry.id,
        title=entry.title,
        chunks=entry.chunks,
        whole=entry.chunks == entry.expected and bool(entry.hash),
        access=tuple(sorted(collection.access)),
        source=entry.source,
        changed=datetime.fromisoformat(entry.changed) if entry.changed else None,
        url=entry.url,
    )


@dataclass(frozen=True, slots=True)
class _Pending:
    """A document that is cut and waits for its vectors."""

    id: str
    hash: str
    source: str
    chunks: list[Chunk]


@dataclass(slots=True)
class _Run:
    """One ingest: changed documents are embedded some at a time, which is faster than one by one."""

    encoder: MiniLmEncoder
    target: ChromaCollection
    known: Indexed
    domain: str
    withdraw: Withdraw
    source_of: SourceOf
    progress: Progress
    total: int  # sources
    taken: int = 0
    added: int = 0
    updated: int = 0
    failed: list[dict[str, str]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    _pending: list[_Pending] = field(default_factory=list)

    @property
    def done(self) -> int:
        """How many sources are dealt with."""
        return self.taken - len(self._pending)

    def take(self, source: Source | Unreadable) -> None:
        """Read a document and have it indexed, unless it is already."""
        self.taken += 1
        try:
            if isinstance(source, Unreadable):
                raise InputError(source.reason)
            if source.id in self.seen:
                raise InputError("another document of this run has the same id; this one is left out")
            self.seen.add(source.id)
            self._read(source)
        except InputError as exc:
            self.failed.append({"document": source.id, "reason": str(exc)})
        if sum(len(pending.chunks) for pending in self._pending) >= AT_ONCE:
            self.write()

    def _read(self, source: Source) -> None:
        document = source.read(lambda: self.progress(self.done, self.total, f"Ingesting {source.id}"))
        content = "\0".join((FORMAT, document.id, document.title, document.url or "", document.text))
        digest = hashlib.sha256(content.encode()).hexdigest()
        place, entry = self.known.get(source.id, (None, None))
        whole = entry is not None and entry.hash == digest and entry.chunks == entry.expected
        if not (whole and place and place.name == self.target.name):
            chunks = split(document, self.encoder.count_tokens)
            self._pending.append(_Pending(source.id, digest, self.source_of(source), chunks))

    def write(self) -> None:
        """Embed and store the documents that wait."""
        texts = [chunk.text for pending in self._pending for chunk in pending.chunks]
        vectors = self.encoder.encode(texts, self._embedded)
        for pending in self._pending:
            own, vectors = vectors[: len(pending.chunks)], vectors[len(pending.chunks) :]
            # First out, then in: where access was narrowed, a kill in between must not leave the text readable.
            if pending.id in self.known:
                self.withdraw(self.domain, pending.id)
                self.known[pending.id][0].delete(pending.id)
            changed = now().isoformat(timespec="seconds")
            self.target.write(pending.chunks, own, hash=pending.hash, source=pending.source, changed=changed)
            self.updated += pending.id in self.known
            self.added += pending.id not in self.known
        self._pending.clear()

    def _embedded(self, done: int, total: int, doing: str) -> None:
        """Report, and so let the work be stopped; of a long document how much is embedded, since that takes minutes."""
        within = f" ({done} of {total} chunks)" if total > AT_ONCE else ""
        self.progress(self.done, self.total, f"Ingesting {self._pending[-1].id}{within}")
