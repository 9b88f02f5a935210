"""How the router learns: from the domains' own text, the general set, and the questions that people gave."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot import routing
from bot.files import whole
from bot.messages import GENERAL, LabelledQuestion, Query
from bot.ports import Encoder, EvidenceSource, Progress, silent
from bot.progress import in_thread
from bot.routing import DomainClassifier, KnownQuestion, TaskChooser
from bot.rows import read_rows

GENERAL_SET = Path(__file__).parent.parent / "examples" / "general.jsonl"
EXAMPLE = "example"
MADE = "made"
AT_A_TIME = 256  # questions that are embedded between two steps: a few seconds on a small machine

Row = tuple[str, str, str, tuple[str, int] | None]  # text, route, kind, the chunk it was made from


@dataclass(frozen=True)
class RouteTeacher:
    """Fits the classifiers of all domains."""

    encoder: Encoder
    evidence: EvidenceSource
    folder: Path  # keeps the general set's vectors and the fitted classifiers

    @property
    def path(self) -> Path:
        """Where the classifiers are kept."""
        return self.folder / "router.npz"

    @property
    def behind(self) -> bool:
        """Whether a teaching began that did not end: the classifiers do not know yet what the index holds."""
        return self._begun.exists()

    @property
    def _begun(self) -> Path:
        return self.folder / "teaching"

    async def teach(
        self, domains: Sequence[str], examples: Sequence[LabelledQuestion], progress: Progress = silent
    ) -> dict[str, DomainClassifier]:
        """
        The classifiers of every domain that has documents or examples, fitted anew and kept.

        Cancelling the task stops it at its next step; the classifiers in the folder stay as they were, and `behind`.
        """
        return await in_thread(partial(self._teach, domains, examples), progress)

    def tasks(self) -> TaskChooser:
        """Tells the kinds of general questions apart."""
        return TaskChooser(self._general_vectors(), [kind for _, kind in self.general_set])

    @cached_property
    def general_set(self) -> list[tuple[str, str]]:
        """The general questions that come with the product, with their kinds."""
        return [(row["text"], row["kind"]) for row in read_rows(GENERAL_SET)]

    def _teach(
        self, domains: Sequence[str], examples: Sequence[LabelledQuestion], progress: Progress
    ) -> dict[str, DomainClassifier]:
        with whole(self._begun) as part:
            part.touch()
        progress(0, 0, "Teaching the router")
        known = self._known(domains, examples, progress)
        fitted: dict[str, DomainClassifier] = {}
        for number, domain in enumerate(domains):
            progress(number, len(domains), f"Teaching the router {domain}")
            if any(question.route == domain for question in known):
                fitted[domain] = routing.fit(domain, known)
        progress(len(domains), len(domains), "Teaching the router")
        routing.save(fitted, self.path)
        self._begun.unlink(missing_ok=True)
        return fitted

    def _known(
        self, domains: Sequence[str], examples: Sequence[LabelledQuestion], progress: Progress = silent
    ) -> list[KnownQuestion]:
        """Every question whose route is known, with its evidence in each domain."""
        rows: list[Row] = [(text, GENERAL, kind, None) for text, kind in self.general_set]
        rows += [(e.text, e.route, EXAMPLE, None) for e in examples if e.route in (*domains, GENERAL)]
        made = {d: self.evidence.made_questions(d) for d in domains}
        rows += [(text, d, MADE, place) for d in domains for text, place in made[d]]
        general = self._general_vectors()
        vectors = np.vstack([general, *self._embedded([text for text, *_ in rows[len(general) :]], progress)])
        queries = [Query(text=row[0], vector=vector) for row, vector in zip(rows, vectors, strict=True)]
        measured = {}
        for number, d in enumerate(domains):
            progress(number, len(domains), f"Measuring {d}")
            without = [place if route == d else None for _, route, _, place in rows]
            measured[d] = self.evidence.measure(d, queries, without)
        return [
            KnownQuestion(query=queries[i], route=route, kind=kind, evidence={d: measured[d][i] for d in domains})
            for i, (_, route, kind, _) in enumerate(rows)
        ]

    def _embedded(self, texts: Sequence[str], progress: Progress) -> Iterator[NDArray[np.float32]]:
        """Embeddings of *texts*, some at a time, so that the work can be stopped."""
        for begin in range(0, len(texts), AT_A_TIME):
            progress(begin, len(texts), "Embedding")
            yield self.encoder.encode(texts[begin : begin + AT_A_TIME])

    def _general_vectors(self) -> NDArray[np.float32]:
        """Embeddings of the general set, computed once."""
        text = "\n".join(text for text, _ in self.general_set)
        kept = self.folder / f"general-{hashlib.sha256(text.encode()).hexdigest()[:12]}.npy"
        try:
            return np.asarray(np.load(kept, allow_pickle=False), dtype=np.float32)
        except (OSError, EOFError, ValueError):
            vectors = self.encoder.encode([text for text, _ in self.general_set])
            with whole(kept) as part:
                np.save(part, vectors)
            return vectors


def kept_classifiers(path: Path, domains: Mapping[str, object]) -> dict[str, DomainClassifier]:
    """
    The classifiers in *path* of the *domains* that there are now.

    Raises: RetrievalError if the file is damaged.
    """
    return {name: classifier for name, classifier in routing.load(path).items() if name in domains}
