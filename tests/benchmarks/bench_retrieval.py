"""Retrieval: nDCG@10 and recall@5 of documents, hybrid beside dense alone, BM25 alone and reciprocal-rank fusion."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from knowledge_base import CORPORA, KnowledgeBase, open_knowledge_base
from tables import rows_of, show

from bot.messages import Query
from knowledge.lexical import tokens
from knowledge.retriever import Shelf

DEPTH = 100  # chunks that are ranked
RRF = 60


def questions(corpus: str) -> list[tuple[str, set[str]]]:
    """Questions with the documents that answer them."""
    if corpus != "scifact":
        return [(row["question"], {row["answer_doc"]}) for row in rows_of(f"{corpus}/questions.jsonl")]
    right: dict[str, set[str]] = {}
    for row in rows_of("scifact/qrels.jsonl"):
        right.setdefault(str(row.get("query_id", row.get("query-id"))), set()).add(
            str(row.get("corpus_id", row.get("corpus-id", row.get("doc_id"))))
        )
    texts = {str(row.get("_id", row.get("id"))): row["text"] for row in rows_of("scifact/queries.jsonl")}
    return [(texts[key], documents) for key, documents in right.items() if key in texts][:300]


def documents(places: Iterable[str]) -> list[str]:
    """Documents in the order of their best chunk."""
    return list(dict.fromkeys(places))


def dense(shelf: Shelf, queries: Sequence[Query]) -> list[list[str]]:
    found = shelf.collection.nearest(np.stack([query.vector for query in queries]), DEPTH)
    return [documents(place[0] for place, _ in row) for row in found]


def words(shelf: Shelf, queries: Sequence[Query]) -> list[list[str]]:
    ranked = []
    for asked in tokens([query.text for query in queries]):
        scores = shelf.words.scores(asked)
        ranked.append(documents(shelf.words.chunks[i].document for i in np.argsort(-scores)[:DEPTH] if scores[i] > 0))
    return ranked


def reciprocal(first: list[list[str]], second: list[list[str]]) -> list[list[str]]:
    ranked = []
    for pair in zip(first, second, strict=True):
        scores: dict[str, float] = {}
        for ranking in pair:
            for rank, document in enumerate(ranking, 1):
                scores[document] = scores.get(document, 0.0) + 1 / (RRF + rank)
        ranked.append(sorted(scores, key=lambda document: -scores[document]))
    return ranked


def ndcg(ranking: list[str], right: set[str]) -> float:
    gained = sum(1 / math.log2(1 + rank) for rank, document in enumerate(ranking[:10], 1) if document in right)
    return gained / sum(1 / math.log2(1 + rank) for rank in range(1, min(len(right), 10) + 1))


def run(base: KnowledgeBase | None = None, corpora: Sequence[str] = CORPORA) -> list[dict[str, object]]:
    """One row per corpus and method."""
    base = base or open_knowledge_base()
    table: list[dict[str, object]] = []
    for corpus in corpora:
        asked = questions(corpus)
        queries = base.queries([text for text, _ in asked])
        (shelf,) = base.retriever.shelves(corpus)
        hybrid = base.retriever.search(corpus, queries, top_k=DEPTH)
        by_vector, by_word = dense(shelf, queries), words(shelf, queries)
        methods = {
            f"hybrid (ours, weight {shelf.weight})": [documents(p.document for p in r.passages) for r in hybrid],
            "dense alone": by_vector,
            "BM25 alone": by_word,
            "reciprocal-rank fusion": reciprocal(by_vector, by_word),
        }
        for name, rankings in methods.items():
            gains = np.array([ndcg(ranking, right) for ranking, (_, right) in zip(rankings, asked, strict=True)])
            hits = [bool(right & set(ranking[:5])) for ranking, (_, right) in zip(rankings, asked, strict=True)]
            table.append(
                {
                    "corpus": corpus,
                    "questions": len(asked),
                    "method": name,
                    "nDCG@10": float(gains.mean()),
                    "standard error": float(gains.std() / math.sqrt(len(gains))),
                    "recall@5": float(np.mean(hits)),
                }
            )
    return table


if __name__ == "__main__":
    show("Retrieval", run())
