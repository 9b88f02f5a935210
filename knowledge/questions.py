"""Stand-ins for questions, made from a domain's own text, so that its router can learn before anybody has asked."""

import re
from collections.abc import Sequence

import numpy as np

from bot.messages import Chunk
from knowledge.chroma import Place

MAX_OF_EACH = 300  # headings, and sentences
MIN_HEADING_WORDS = 2
SMALL = 50  # chunks
SENTENCE_WORDS = range(4, 26)

_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def made_questions(chunks: Sequence[Chunk], *, seed: int = 0) -> list[tuple[str, Place | None]]:
    """
    Headings and sentences of *chunks*, each with the chunk to leave out when evidence for the stand-in is measured.

    That is the chunk it was taken from: no real question is a copy of a chunk. In a small domain headings keep theirs,
    since nothing else there is about the same thing.
    """
    chance = np.random.default_rng(seed)
    by_heading = {_last(chunk.heading): chunk for chunk in reversed(chunks)}
    headings = [(text, chunk) for text, chunk in by_heading.items() if len(text.split()) >= MIN_HEADING_WORDS]
    picked = [headings[i] for i in chance.permutation(len(headings))[:MAX_OF_EACH]]
    for i in chance.permutation(len(chunks))[:MAX_OF_EACH]:
        sentences = _sentences(chunks[i])
        if sentences:
            picked.append((sentences[chance.integers(len(sentences))], chunks[i]))
    small = len(chunks) < SMALL
    return [(text, None if small and text in by_heading else (chunk.document, chunk.index)) for text, chunk in picked]


def _last(heading: str) -> str:
    return heading.rpartition(" > ")[2]


def _sentences(chunk: Chunk) -> list[str]:
    flat = " ".join(chunk.body.split())
    return [sentence for sentence in _SENTENCE.split(flat) if len(sentence.split()) in SENTENCE_WORDS]
