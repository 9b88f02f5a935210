"""The public corpora, ingested as a user would; kept between runs, since embedding them takes minutes."""

from dataclasses import dataclass

from tables import DATA, WORK

from bot.messages import Query
from knowledge.chroma import ChromaIndex
from knowledge.encoder import MiniLmEncoder
from knowledge.retriever import HybridRetriever
from knowledge.sync import Sync

CORPORA = ("debian_faq", "python_faq", "scifact")


@dataclass(frozen=True)
class KnowledgeBase:
    encoder: MiniLmEncoder
    retriever: HybridRetriever

    def queries(self, texts: list[str]) -> list[Query]:
        vectors = self.encoder.encode(texts)
        return [Query(text=text, vector=vector) for text, vector in zip(texts, vectors, strict=True)]


def open_knowledge_base(corpora: tuple[str, ...] = CORPORA) -> KnowledgeBase:
    """The corpora, ingested where they are not yet."""
    encoder, index = MiniLmEncoder(), ChromaIndex(WORK / "chroma")
    sync = Sync(index, encoder, WORK / "knowledge")
    for corpus in corpora:
        print(f"Ingesting {corpus}...", flush=True)
        sync.ingest(corpus, [DATA / corpus / "corpus.jsonl"], access=["everyone"])
    access = {corpus: frozenset({"everyone"}) for corpus in corpora}
    return KnowledgeBase(encoder, HybridRetriever(index, encoder, WORK / "knowledge", access))
