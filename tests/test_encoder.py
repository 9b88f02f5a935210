"""The embedding model."""

import threading
import time

import numpy as np
import pytest

from knowledge.encoder import DIMENSION, MiniLmEncoder


@pytest.mark.model
def test_texts_become_vectors_of_unit_length_in_their_order() -> None:
    encoder = MiniLmEncoder()
    texts = ["a refund", "a much longer text about trains and their points " * 9, "a refund"]

    found = encoder.encode(texts)

    assert found.shape == (3, DIMENSION) and np.allclose(np.linalg.norm(found, axis=1), 1)
    assert np.allclose(found[0], found[2], atol=1e-5) and found[0] @ found[1] < 0.9


@pytest.mark.model
def test_question_comes_between_the_batches_of_an_ingest() -> None:
    encoder = MiniLmEncoder()
    encoder.encode(["warm"])
    ended: list[str] = []

    def ingest() -> None:
        encoder.encode([f"document {n} about refunds" for n in range(600)])
        ended.append("ingest")

    thread = threading.Thread(target=ingest)
    thread.start()
    time.sleep(0.05)
    encoder.encode(["When is my refund?"])
    ended.append("question")
    thread.join()

    assert ended == ["question", "ingest"]
