"""Hybrid retrieval: dense search in Chroma and BM25, fused, over the collections that the reader may read."""

import asyncio
import json
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from bot.files import whole
from bot.messages import EVERYONE, Chunk, Passage, Query, Retrieval
from bot.ports import Encoder
from knowledge import evidence
from knowledge.chroma import ChromaCollection, ChromaIndex, Place
from knowledge.fusion import DEFAULT_WEIGHT, fuse
from knowledge.lexical import WordIndex, tokens
from knowledge.openers import openers
from knowledge.questions import made_questions

EARLIER_WEIGHT = 0.5  # of the question that a follow-up leans on
POOL = 50  # candidates per side that are fused


@dataclass(frozen=True, slots=True)
class Hidden:
    """What a search must not find."""

    place: Place | None
    documents: Collection[str]

    def __contains__(self, chunk: Chunk) -> bool:
        return chunk.document in self.documents or _place(chunk) == self.place


@dataclass(frozen=True)
class Shelf:
    """One collection, opened for search."""

    collection: ChromaCollection
    words: WordIndex
    weight: float

    @cached_property
    def chunks(self) -> dict[Place, Chunk]:
        """The chunks by document and position."""
        return {_place(chunk): chunk for chunk in self.words.chunks}

    def candidates(
        self, queries: Sequence[Query], *, without: Sequence[Place | None], withdrawn: Collection[str]
    ) -> list["Candidates"]:
        """
        Per query the chunks that come into question, as if the chunk in *without* were not there.

        Of the *withdrawn* documents nothing is found, nor of those that came in since the shelf was opened.
        """
        if not queries:
            return []
        near = self.collection.nearest(np.stack([query.vector for query in queries]), POOL)
        asked = tokens([query.text for query in queries])
        found = []
        for words, nearest, left_out in zip(asked, near, without, strict=True):
            hidden = Hidden(place=left_out, documents=withdrawn)
            known = [(self.chunks[place], cosine) for place, cosine in nearest if place in self.chunks]
            found.append(self._one(words, [row for row in known if row[0] not in hidden], hidden))
        return found

    def _one(self, words: list[str], near: list[tuple[Chunk, float]], hidden: "Hidden") -> "Candidates":
        if not near:
            return Candidates(weight=self.weight)
        cosines = {_place(chunk): cosine for chunk, cosine in near}
        floor = near[-1][1]
        scores = self.words.scores(words)
        worded = [
            (chunk, float(scores[i]), cosines.get(_place(chunk), floor))
            for i in np.argsort(-scores, kind="stable")[: POOL + 1]
            if scores[i] > 0 and (chunk := self.words.chunks[i]) not in hidden
        ]
        bm25 = {_place(chunk): score for chunk, score, _ in worded}
        pool = {_place(chunk): chunk for chunk in [c for c, _ in near] + [c for c, _, _ in worded]}
        return Candidates(
            weight=self.weight,
            chunks=tuple(pool.values()),
            dense=tuple(cosines.get(place, floor) for place in pool),
            words=tuple(bm25.get(place, 0.0) for place in pool),
            evidence=evidence.measure(words, self.words, near, worded),
        )


@dataclass(frozen=True)
class Candidates:
    """The chunks of one collection that come into question, with both scores."""

    weight: float
    chunks: tuple[Chunk, ...] = ()
    dense: tuple[float, ...] = ()
    words: tuple[float, ...] = ()
    evidence: tuple[float, ...] = evidence.NOTHING


def _place(chunk: Chunk) -> Place:
    return chunk.document, chunk.index


def _passage(chunk: Chunk, score: float, dense: float, words: float) -> Passage:
    return Passage(
        document=chunk.document,
        chunk=chunk.index,
        text=chunk.text,
        heading=chunk.heading,
        title=chunk.title,
        url=chunk.url,
        score=score,
        dense=dense,
        words=words,
    )


class HybridRetriever:
    """Questions to passages; safe to use from several threads while documents are ingested."""

    def __init__(
        self, index: ChromaIndex, encoder: Encoder, folder: Path, access: Mapping[str, frozenset[str]]
    ) -> None:
        self._index = index
        self._encoder = encoder
        self._folder = folder  # of the BM25 indexes and fusion weights
        self._access = access  # per domain the labels of which an asker needs one
        self._shelves: dict[str, list[Shelf]] = {}
        self._withdrawn: dict[str, set[str]] = {}  # per domain the documents that an ingest is changing
        self._lock = threading.Lock()

    async def embed(self, text: str, *, earlier: str = "") -> Query:
        """The query for *text*; the question before it counts where it has to, and less than *text* itself."""
        own, *before = await asyncio.to_thread(self._encoder.encode, [text, earlier] if earlier else [text])
        if not before:
            return Query(text=text, vector=own)
        mixed = own + EARLIER_WEIGHT * before[0]
        return Query(text=f"{earlier} {text}", vector=mixed / np.linalg.norm(mixed))

    async def compare(self, query: Query, texts: Sequence[str]) -> Sequence[Passage]:
        """*texts* as passages, each with its cosine to the question."""
        vectors = await asyncio.to_thread(self._encoder.encode, texts)
        return [
            Passage(document=f"passage {n}", chunk=0, text=text, dense=float(vector @ query.vector))
            for n, (text, vector) in enumerate(zip(texts, vectors, strict=True), 1)
        ]

    async def retrieve(self, query: Query, *, labels: frozenset[str] | None, top_k: int) -> Mapping[str, Retrieval]:
        """Per domain that the reader may ask its best passages, best first. *labels* None: read everything."""
        return await asyncio.to_thread(self._retrieve, query, labels, top_k)

    def _retrieve(self, query: Query, labels: frozenset[str] | None, top_k: int) -> dict[str, Retrieval]:
        allowed = [d for d, access in self._access.items() if labels is None or access & labels]
        return {domain: self.search(domain, [query], labels=labels, top_k=top_k)[0] for domain in allowed}

    async def reread(
        self, domain: str, passages: Sequence[Passage], *, labels: frozenset[str] | None
    ) -> Sequence[Passage] | None:
        """*passages* as the index has them now; None where the text of one is no longer there, or may not be read."""
        return await asyncio.to_thread(self._reread, domain, passages, labels)

    def _reread(
        self, domain: str, passages: Sequence[Passage], labels: frozenset[str] | None
    ) -> Sequence[Passage] | None:
        if labels is not None and not self._access.get(domain, frozenset()) & labels:
            return None
        with self._lock:
            withdrawn = set(self._withdrawn.get(domain, ()))
        held = {
            (chunk.document, chunk.index, chunk.text): chunk
            for shelf in self._readable(domain, labels)
            for place in {(passage.document, passage.chunk) for passage in passages}
            if (chunk := shelf.chunks.get(place)) and chunk.document not in withdrawn
        }
        now = [held.get((passage.document, passage.chunk, passage.text)) for passage in passages]
        found = [_passage(c, p.score, p.dense, p.words) for c, p in zip(now, passages, strict=True) if c]
        return found if len(found) == len(passages) else None

    async def changed(self, domain: str) -> datetime | None:
        """When a document of *domain* last came, went or changed; None where that is not known."""
        return await asyncio.to_thread(self._changed, domain)

    def _changed(self, domain: str) -> datetime | None:
        try:  # an ingest that changes something fits the weights of every collection of the domain anew
            times = [_weight_in(self._folder / s.collection.name).stat().st_mtime for s in self.shelves(domain)]
        except OSError:
            return None
        return datetime.fromtimestamp(max(times), UTC) if times else None

    def search(
        self,
        domain: str,
        queries: Sequence[Query],
        *,
        labels: frozenset[str] | None = None,
        top_k: int = 0,
        without: Sequence[Place | None] | None = None,
    ) -> list[Retrieval]:
        """Per query what *domain* has for it."""
        without = without or [None] * len(queries)
        with self._lock:
            withdrawn = self._withdrawn.setdefault(domain, set())
        shelves = self._readable(domain, labels)
        found = [shelf.candidates(queries, without=without, withdrawn=withdrawn) for shelf in shelves]
        return [_ranked(row, top_k) for row in zip(*found, strict=True)] if found else [Retrieval()] * len(queries)

    def made_questions(self, domain: str) -> list[tuple[str, Place | None]]:
        """Stand-ins for questions, from the domain's own text."""
        return made_questions([chunk for shelf in self.shelves(domain) for chunk in shelf.words.chunks])

    def openers(self, domain: str) -> list[str]:
        """Questions to begin with, from what everybody may read of *domain*."""
        if EVERYONE not in self._access.get(domain, frozenset()):
            return []
        with self._lock:
            withdrawn = set(self._withdrawn.get(domain, ()))
        public = [shelf for shelf in self.shelves(domain) if EVERYONE in shelf.collection.access]
        return openers([c for shelf in public for c in shelf.words.chunks if c.document not in withdrawn])

    def measure(
        self, domain: str, queries: Sequence[Query], without: Sequence[Place | None]
    ) -> list[tuple[float, ...]]:
        """The evidence per query; NOTHING where the domain has no documents."""
        found = self.search(domain, queries, without=without)
        return [retrieval.evidence or evidence.NOTHING for retrieval in found]

    def documents(self, domain: str) -> dict[str, frozenset[str]]:
        """The documents of *domain*, each with its access labels."""
        found = [(shelf.collection.access, shelf.words.chunks) for shelf in self.shelves(domain)]
        return {chunk.document: access for access, chunks in found for chunk in chunks}

    def chunks_of(self, domain: str, document: str) -> list[Chunk]:
        """The chunks of a document of *domain*, in order; none where it is not there."""
        found = [chunk for shelf in self.shelves(domain) for chunk in shelf.words.chunks if chunk.document == document]
        return sorted(found, key=lambda chunk: chunk.index)

    def _readable(self, domain: str, labels: frozenset[str] | None) -> list[Shelf]:
        return [shelf for shelf in self.shelves(domain) if labels is None or shelf.collection.access & labels]

    def shelves(self, domain: str) -> list[Shelf]:
        """The collections of *domain* that hold something, opened."""
        with self._lock:
            if domain not in self._shelves:
                self._shelves[domain] = [self._open(c) for c in self._index.collections(domain) if c.count()]
            return self._shelves[domain]

    def withdraw(self, domain: str, document: str) -> None:
        """Find nothing of *document* any more, until the next refresh: it is about to be replaced, moved or removed."""
        with self._lock:
            self._withdrawn.setdefault(domain, set()).add(document)

    def refresh(self, domain: str) -> None:
        """Look at the collections of *domain* anew, after an ingest."""
        with self._lock:
            self._shelves.pop(domain, None)
            self._withdrawn.pop(domain, None)

    def _open(self, collection: ChromaCollection) -> Shelf:
        folder = self._folder / collection.name
        words = WordIndex.open(folder / "words", collection.chunks())
        return Shelf(collection=collection, words=words, weight=read_weight(folder))


def _ranked(found: Sequence[Candidates], top_k: int) -> Retrieval:
    """The best of all collections, scaled together: a collection of one document has no scale of its own."""
    best = max(found, key=lambda candidates: candidates.evidence)
    chunks = [chunk for candidates in found for chunk in candidates.chunks]
    if not chunks:
        return Retrieval(evidence=best.evidence)
    dense = np.array([score for candidates in found for score in candidates.dense], dtype=np.float32)
    words = np.array([score for candidates in found for score in candidates.words], dtype=np.float32)
    fused = fuse(dense, words, best.weight)
    order = np.argsort(-fused, kind="stable")[:top_k]
    passages = (_passage(chunks[i], float(fused[i]), float(dense[i]), float(words[i])) for i in order)
    return Retrieval(passages=tuple(passages), evidence=best.evidence)


def read_weight(folder: Path) -> float:
    """The fusion weight of a collection, the default where none was fitted."""
    try:
        return float(json.loads(_weight_in(folder).read_text(encoding="utf-8"))["weight"])
    except (OSError, ValueError, KeyError, TypeError):
        return DEFAULT_WEIGHT


def write_weight(folder: Path, weight: float) -> None:
    """Keep the fusion weight of a collection."""
    with whole(_weight_in(folder)) as part:
        part.write_text(json.dumps({"weight": weight}), encoding="utf-8")


def _weight_in(folder: Path) -> Path:
    return folder / "fusion.json"
