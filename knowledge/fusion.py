"""
One ranking from two: min-max scaled cosine and BM25, added with a weight per collection.

Plain reciprocal-rank fusion loses to dense search alone on manuals, so the weight is fitted on the collection's own
headings where they show a clear difference, and stays at a default that is never bad where they do not.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bot.messages import Chunk
from bot.ports import Encoder
from knowledge.lexical import WordIndex, tokens

DEFAULT_WEIGHT = 0.7  # of the cosine
WEIGHTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
MIN_QUESTIONS = 40
MAX_QUESTIONS = 300
MIN_WORDS = 3
RANKED = 10


def scaled(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """*scores* stretched to [0, 1]; where they are all alike, all one if they are above zero."""
    low, high = float(scores.min()), float(scores.max())
    if high - low < 1e-9:
        return np.full_like(scores, float(high > 0))
    return (scores - low) / (high - low)


def fuse(dense: NDArray[np.float32], words: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
    """Returns: (n,) fused scores in [0, 1] for n candidates."""
    return weight * scaled(dense) + (1.0 - weight) * scaled(words)


def fit_weight(chunks: Sequence[Chunk], encoder: Encoder, *, seed: int = 0) -> float:
    """
    The weight with which the collection's headings find the text below them best.

    Headings stand for questions. They are taken out of the chunks first, else BM25 would find them trivially.
    Another weight than the default has to be better by more than a standard error.
    """
    asked = _headed(chunks, seed)
    if len(asked) < MIN_QUESTIONS:
        return DEFAULT_WEIGHT
    questions = [chunk.heading.rpartition(" > ")[2] for chunk in asked]
    bodies = [Chunk(document=c.document, index=c.index, text=c.body, heading="", title="") for c in asked]
    cosines = encoder.encode(questions) @ encoder.encode([chunk.text for chunk in bodies]).T
    index = WordIndex.build(bodies)
    scored = np.stack([index.scores(words) for words in tokens(questions)])
    gains = {weight: _gains(cosines, scored, weight) for weight in WEIGHTS}
    best = max(WEIGHTS, key=lambda weight: float(gains[weight].mean()))
    better = gains[best] - gains[DEFAULT_WEIGHT]
    clear = float(better.mean()) > float(better.std()) / math.sqrt(len(better))
    return best if clear else DEFAULT_WEIGHT


def _headed(chunks: Sequence[Chunk], seed: int) -> list[Chunk]:
    """One chunk per distinct heading that says enough to be a question, at most MAX_QUESTIONS of them."""
    by_heading = {c.heading: c for c in reversed(chunks) if len(c.heading.rpartition(" > ")[2].split()) >= MIN_WORDS}
    found = sorted(by_heading.values(), key=lambda chunk: (chunk.document, chunk.index))
    picked = np.random.default_rng(seed).permutation(len(found))[:MAX_QUESTIONS]
    return [found[number] for number in sorted(picked)]


def _gains(cosines: NDArray[np.float32], words: NDArray[np.float32], weight: float) -> NDArray[np.float64]:
    """Per question 1 / log2(1 + rank) of its own text, 0 beyond RANKED: nDCG with one right answer."""
    gains = []
    for number, (dense, scored) in enumerate(zip(cosines, words, strict=True)):
        fused = fuse(dense, scored, weight)
        rank = 1 + int((fused > fused[number]).sum())
        gains.append(1 / math.log2(1 + rank) if rank <= RANKED else 0.0)
    return np.array(gains)
