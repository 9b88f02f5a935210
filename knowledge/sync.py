"""
Bring a domain's index in line with its documents.

A document is replaced when its content hash changed; it counts as indexed only when all its chunks are. So an ingest
can be killed at any moment and run again: it ends with the same index.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bot.errors import InputError
from bot.messages import IngestReport
from bot.ports import Progress, silent
from knowledge.chroma import ChromaCollection, ChromaIndex, IndexedDocument
from knowledge.chunking import MAX_TOKENS, split
from knowledge.encoder import MiniLmEncoder
from knowledge.fusion import fit_weight
from knowledge.loading import Source, Unreadable, find_sources
from knowledge.retriever import write_weight

# Part of every hash: another way of cutting or another encoder means that everything is indexed again.
FORMAT = f"2|{MAX_TOKENS}|all-MiniLM-L6-v2"
Indexed = dict[str, tuple[ChromaCollection, IndexedDocument]]
Withdraw = Callable[[str, str], None]
"""Called with domain and document before a document's old text leaves the index: nobody may find it from then on."""


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

    def ingest(
        self,
        domain: str,
        paths: Sequence[Path],
        *,
        access: Sequence[str],
        prune: bool = False,
        progress: Progress = silent,
    ) -> IngestReport:
        """
        Index every document below *paths*; with *prune* the domain holds exactly these afterwards.

        Raises: InputError for a path that cannot be used; broken documents are listed in the report instead.
        """
        progress(0, 0, "Looking for documents")
        sources = list(find_sources(paths))
        if not sources and not prune:
            raise InputError(f"no documents in {', '.join(map(str, paths))}; give files of another kind or folder")
        target = self._index.collection(domain, access)
        known = self._known(domain)
        counts = {"added": 0, "updated": 0, "removed": 0, "unchanged": 0}
        failed: list[dict[str, str]] = []
        seen: set[str] = set()
        for number, source in enumerate(sources):
            progress(number, len(sources), f"Ingesting {source.id}")
            if isinstance(source, Unreadable):
                failed.append({"document": source.id, "reason": source.reason})
            elif source.id in seen:
                failed.append({"document": source.id, "reason": f"its id was used before; {source.path} is left out"})
            else:
                seen.add(source.id)
                try:
                    counts[self._put(domain, source, target, known)] += 1
                except InputError as exc:
                    failed.append({"document": source.id, "reason": str(exc)})
        nameless = [source for source in sources if isinstance(source, Unreadable)]
        if prune and nameless:
            # A row that cannot be parsed may be any document, so none can be told to be gone.
            failed.append({"document": nameless[0].id, "reason": "because of this nothing was pruned; mend it first"})
        elif prune:
            counts["removed"] = self._remove(domain, known, keep=seen | {entry["document"] for entry in failed})
        del counts["unchanged"]
        if any(counts.values()):
            self._tidy(domain, progress)
        progress(len(sources), len(sources), "Ingested")
        now = self._known(domain)
        return IngestReport(
            documents=len(now), chunks=sum(entry.chunks for _, entry in now.values()), failed=failed, **counts
        )

    def _known(self, domain: str) -> Indexed:
        return {key: (c, d) for c in self._index.collections(domain) for key, d in c.documents().items()}

    def _put(self, domain: str, source: Source, target: ChromaCollection, known: Indexed) -> str:
        """Returns: "added", "updated" or "unchanged"."""
        document = source.read()
        content = "\0".join((FORMAT, document.id, document.title, document.url or "", document.text))
        digest = hashlib.sha256(content.encode()).hexdigest()
        place, entry = known.get(source.id, (None, None))
        if place and entry and place.name == target.name and entry.hash == digest and entry.chunks == entry.expected:
            return "unchanged"
        chunks = split(document, self._encoder.count_tokens)
        vectors = self._encoder.encode([chunk.text for chunk in chunks])
        # First out, then in: where access was narrowed, a kill in between must not leave the text readable.
        if place:
            self._withdraw(domain, source.id)
            place.delete(source.id)
        target.write(chunks, vectors, hash=digest)
        return "updated" if entry else "added"

    def _remove(self, domain: str, known: Indexed, *, keep: Iterable[str]) -> int:
        gone = known.keys() - set(keep)
        for key in gone:
            self._withdraw(domain, key)
            known[key][0].delete(key)
        return len(gone)

    def _tidy(self, domain: str, progress: Progress) -> None:
        """Fit the fusion weight of the collections; emptied ones stay, since a search may be under way in them."""
        for collection in self._index.collections(domain):
            if collection.count():
                progress(0, 0, "Fitting the ranking to the documents")
                weight = fit_weight(collection.chunks(), self._encoder)
                write_weight(self._folder / collection.name, weight)
