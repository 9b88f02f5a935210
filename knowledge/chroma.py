"""
Chunks and vectors in Chroma, one collection per domain and set of access labels.

Access is a matter of which collections are searched, never of a filter that could be forgotten; a metadata filter would
also cost 72 ms at 100,000 rows. The collections are the only record of what is indexed: a document is whole when all
chunks of its content hash are there, so an ingest that was killed is finished by running it again.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from bot.errors import RetrievalError
from bot.messages import Chunk

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

PAGE = 5_000
WRITE_BATCH = 1_000
QUERY_BATCH = 100  # Chroma puts the ids of all hits into one SQL statement, which takes 32,766 variables
# The default search loses a best passage in some builds of the same vectors; 400 lost none in 8 of 8.
SEARCH_EF = 400

Place = tuple[str, int]  # a chunk: its document and its position there


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedDocument:
    """What the index knows of a document."""

    id: str
    hash: str
    chunks: int
    expected: int  # fewer than expected: an ingest was killed in the middle
    title: str
    url: str = ""
    source: str = ""  # where it was read from
    changed: str = ""  # when this text came in, in ISO format; empty: before that was noted


@contextmanager
def chroma_errors(folder: Path) -> Iterator[None]:
    """Chroma's errors become ours here and nowhere else."""
    import sqlite3

    from chromadb.errors import ChromaError

    try:
        yield
    except (ChromaError, sqlite3.Error, OSError, ValueError) as exc:
        if "is full" in str(exc) or "No space left" in str(exc):
            raise RetrievalError(f"the disk of {folder} is full; free some space, then run it again") from exc
        raise RetrievalError(
            f"the index in {folder} cannot be used ({str(exc)[:200]}); if this stays, "
            "delete that folder and run `pointsman ingest` again"
        ) from exc


class ChromaIndex:
    """All collections of one installation. One process at a time may open a folder, see bot/owner.py."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with chroma_errors(folder):
            self._client = _open(folder)

    def collections(self, domain: str) -> list["ChromaCollection"]:
        """The collections of *domain* in a stable order."""
        with chroma_errors(self._folder):
            found = [c for c in self._client.list_collections() if (c.metadata or {}).get("domain") == domain]
        return [ChromaCollection(c, self._folder) for c in sorted(found, key=lambda c: c.name)]

    def collection(self, domain: str, access: Sequence[str]) -> "ChromaCollection":
        """The collection of *domain* for documents with exactly these *access* labels; made where it is missing."""
        labels = json.dumps(sorted(set(access)))
        name = f"{domain}.{hashlib.sha256(labels.encode()).hexdigest()[:12]}"
        with chroma_errors(self._folder):
            found = self._client.get_or_create_collection(
                name,
                embedding_function=None,  # Chroma's own would download a model
                metadata={"domain": domain, "access": labels},
                configuration={"hnsw": {"space": "cosine", "ef_search": SEARCH_EF}},
            )
        return ChromaCollection(found, self._folder)


def _open(folder: Path) -> "ClientAPI":
    import chromadb
    from chromadb.config import Settings

    folder.mkdir(parents=True, exist_ok=True)
    return chromadb.PersistentClient(path=str(folder), settings=Settings(anonymized_telemetry=False))


class ChromaCollection:
    """The chunks of one domain that have the same access labels."""

    def __init__(self, collection: "Collection", folder: Path) -> None:
        self._collection = collection
        self._folder = folder
        self.name = collection.name
        self.access = frozenset(json.loads((collection.metadata or {})["access"]))

    def count(self) -> int:
        """How many chunks there are."""
        with chroma_errors(self._folder):
            return self._collection.count()

    def write(
        self, chunks: Sequence[Chunk], vectors: NDArray[np.float32], *, hash: str, source: str = "", changed: str = ""
    ) -> None:
        """Add a document's chunks, all of one content *hash*; writing them twice changes nothing."""
        shared: dict[str, str | int] = {"hash": hash, "expected": len(chunks), "source": source, "changed": changed}
        with chroma_errors(self._folder):
            for begin in range(0, len(chunks), WRITE_BATCH):
                part = chunks[begin : begin + WRITE_BATCH]
                self._collection.upsert(
                    ids=[f"{hash}:{chunk.index}:{chunk.document}" for chunk in part],
                    embeddings=cast(Any, vectors[begin : begin + WRITE_BATCH]),
                    documents=[chunk.text for chunk in part],
                    metadatas=[_metadata(chunk) | shared for chunk in part],
                )

    def delete(self, document: str) -> None:
        """Remove every chunk of a document, whatever its hash."""
        with chroma_errors(self._folder):
            self._collection.delete(where={"document": document})

    def documents(self) -> dict[str, IndexedDocument]:
        """What is indexed, by document id; a document with chunks of two hashes counts as unfinished."""
        found: dict[str, IndexedDocument] = {}
        for page in self._pages(["metadatas"]):
            for data in page["metadatas"]:
                key = str(data["document"])
                known = found.get(key)
                same = known is None or known.hash == data["hash"]
                found[key] = IndexedDocument(
                    id=key,
                    hash=str(data["hash"]) if same else "",
                    chunks=(known.chunks if known else 0) + 1,
                    expected=int(data["expected"]),
                    title=str(data.get("title", "")),
                    url=str(data.get("url", "")),
                    source=str(data.get("source", "")),
                    changed=str(data.get("changed", "")),
                )
        return found

    def chunks(self) -> list[Chunk]:
        """Every chunk, ordered by document and position."""
        found = [
            _chunk(text, data)
            for page in self._pages(["metadatas", "documents"])
            for text, data in zip(page["documents"], page["metadatas"], strict=True)
        ]
        return sorted(found, key=lambda chunk: (chunk.document, chunk.index))

    def nearest(self, vectors: NDArray[np.float32], top_k: int) -> list[list[tuple[Place, float]]]:
        """Per row of *vectors* (n, 384) its nearest chunks with their cosine, best first."""
        found: list[list[tuple[Place, float]]] = []
        for begin in range(0, len(vectors), QUERY_BATCH):
            with chroma_errors(self._folder):
                page = self._collection.query(
                    query_embeddings=cast(Any, vectors[begin : begin + QUERY_BATCH]),
                    n_results=min(top_k, self.count() or 1),
                    include=["distances"],
                )
            for ids, distances in zip(page["ids"], page["distances"] or [], strict=True):
                found.append([(_place(key), 1.0 - float(d)) for key, d in zip(ids, distances, strict=True)])
        return found

    def _pages(self, include: list[str]) -> Iterator[Any]:
        for offset in range(0, self.count(), PAGE):
            with chroma_errors(self._folder):
                yield self._collection.get(limit=PAGE, offset=offset, include=cast(Any, include))


def _place(key: str) -> Place:
    _, index, document = key.split(":", 2)
    return document, int(index)


def _metadata(chunk: Chunk) -> dict[str, str | int]:
    return {
        "document": chunk.document,
        "index": chunk.index,
        "heading": chunk.heading,
        "title": chunk.title,
        "url": chunk.url or "",
    }


def _chunk(text: str, data: Any) -> Chunk:
    return Chunk(
        document=str(data["document"]),
        index=int(data["index"]),
        text=text,
        heading=str(data["heading"]),
        title=str(data["title"]),
        url=str(data["url"]) or None,
    )
