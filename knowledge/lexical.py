"""BM25 over chunks with bm25s; a memory-mapped folder that is rebuilt whenever it does not match the collection."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import Stemmer
from numpy.typing import NDArray

from bot.files import whole
from bot.messages import Chunk

K1, B = 1.2, 0.75


def tokens(texts: Sequence[str]) -> list[list[str]]:
    """Stemmed words without English stop words, per text."""
    found = bm25s.tokenize(list(texts), stopwords="en", stemmer=_stem, return_ids=False, show_progress=False)
    return [list(words) for words in found]


def _stem(words: Sequence[str]) -> list[str]:
    # A new stemmer per call: a shared one is not safe between threads.
    return list(Stemmer.Stemmer("english").stemWords(list(words)))


def fingerprint(chunks: Sequence[Chunk]) -> str:
    """Tells one list of chunks from any other."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(f"{chunk.document}\0{chunk.index}\0{chunk.text}\0".encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class WordIndex:
    """
    BM25 scores for a list of chunks.

    Source: Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework"; Lucene's variant.
    """

    bm25: Any
    chunks: Sequence[Chunk]
    idf: dict[str, float]  # word -> inverse document frequency
    rarest: float  # the idf of a word that no chunk has

    @classmethod
    def build(cls, chunks: Sequence[Chunk]) -> "WordIndex":
        """Index *chunks*; they may be none."""
        words = tokens([chunk.text for chunk in chunks])
        bm25 = bm25s.BM25(k1=K1, b=B)
        if any(words):
            bm25.index(words, show_progress=False)
        counts = Counter(word for text in words for word in set(text))
        n = len(chunks)
        idf = {word: _idf(n, count) for word, count in counts.items()}
        return cls(bm25=bm25, chunks=chunks, idf=idf, rarest=_idf(n, 0))

    def scores(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Returns: (len(chunks),) BM25 scores of a question given as `tokens`."""
        known = [word for word in words if word in self.idf]
        if not known:
            return np.zeros(len(self.chunks), dtype=np.float32)
        return np.asarray(self.bm25.get_scores(known), dtype=np.float32)

    def weight(self, words: Sequence[str]) -> float:
        """The summed idf of *words*: how much a question has to say."""
        return sum(self.idf.get(word, self.rarest) for word in words)

    def save(self, folder: Path) -> None:
        """Write the index; the folder appears under its name only when it is whole."""
        head = {"fingerprint": fingerprint(self.chunks), "idf": self.idf, "rarest": self.rarest}
        with whole(folder) as part:
            part.mkdir()
            if self.idf:
                self.bm25.save(part, show_progress=False)
            (part / "words.json").write_text(json.dumps(head), encoding="utf-8")

    @classmethod
    def open(cls, folder: Path, chunks: Sequence[Chunk]) -> "WordIndex":
        """The index in *folder* if it is the one of *chunks*, else a new one, saved there."""
        try:
            head = json.loads((folder / "words.json").read_text(encoding="utf-8"))
            if head["fingerprint"] == fingerprint(chunks):
                idf = head["idf"]
                bm25 = bm25s.BM25.load(folder, mmap=True, show_progress=False) if idf else bm25s.BM25()
                return cls(bm25=bm25, chunks=chunks, idf=idf, rarest=head["rarest"])
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):
            pass  # absent, from before a kill, or damaged: the chunks say everything that is needed to build it again
        index = cls.build(chunks)
        index.save(folder)
        return index


def _idf(chunks: int, having: int) -> float:
    return float(np.log1p((chunks - having + 0.5) / (having + 0.5)))
