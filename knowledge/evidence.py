"""What a domain's index says about whether a question is its own, and whether it holds the answer."""

from collections.abc import Container, Sequence

import numpy as np

from bot.messages import Chunk
from knowledge.lexical import WordIndex, tokens

NAMES = (
    "best_cosine",
    "mean_cosine",  # of the five nearest chunks
    "cosine_margin",  # nearest over tenth nearest
    "best_words",  # BM25 of the best chunk, by what the question could score at most
    "coverage",  # share of the question's words, weighted by rarity, that the best chunk has
    "known_words",  # the same for the index as a whole
    "agreement",  # cosine of the chunk that BM25 ranks first
    "question_words",  # log of the number of words that are no stop words
)
NOTHING = (0.0,) * len(NAMES)


def measure(
    words: Sequence[str],
    index: WordIndex,
    near: Sequence[tuple[Chunk, float]],
    worded: Sequence[tuple[Chunk, float, float]],
) -> tuple[float, ...]:
    """
    The evidence of one index for one question, in the order of NAMES.

    *near*: chunks with cosine, best first. *worded*: chunks with BM25 and cosine, best BM25 first.
    """
    if not near:
        return NOTHING
    cosines = [cosine for _, cosine in near]
    most = index.weight(words) * 2.2  # a word's BM25 is at most (k1 + 1) * idf
    best_text = worded[0][0] if worded else near[0][0]
    return (
        cosines[0],
        float(np.mean(cosines[:5])),
        cosines[0] - cosines[min(9, len(cosines) - 1)],
        worded[0][1] / most if worded and most else 0.0,
        _coverage(words, index, set(tokens([best_text.text + "\n" + near[0][0].text])[0])),
        _coverage(words, index, index.idf.keys()),
        worded[0][2] if worded else cosines[-1],
        float(np.log1p(len(words))),
    )


def _coverage(words: Sequence[str], index: WordIndex, have: Container[str]) -> float:
    whole = index.weight(words)
    return index.weight([word for word in words if word in have]) / whole if whole else 0.0
