"""How the router learns: from the domains' own text, the general set, and the questions that people gave."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from bot.routing import EXAMPLE, MADE, DomainClassifier, KnownQuestion, TaskChooser
from bot.rows import read_rows

GENERAL_SET = Path(__file__).parent.parent / "examples" / "general.jsonl"
AT_A_TIME = 256  # questions that are embedded between two steps: a few seconds on a small machine

Place = tuple[str, int] | None  # of the chunk that a question was made from
Row = tuple[str, str, str, Place, float]  # text, route, kind, place, share of an example's weight

Keep = Callable[[Mapping[str, DomainClassifier], Sequence[KnownQuestion]], None]
"""Called with the classifiers that were fitted and the questions that they know, to keep them."""


def forget(fitted: Mapping[str, DomainClassifier], known: Sequence[KnownQuestion]) -> None:
    """A Keep for callers that want the classifiers only."""


@dataclass(frozen=True)
class RouteTeacher:
    """Fits the classifiers of all domains."""

    encoder: Encoder
    evidence: EvidenceSource
    folder: Path  # keeps the general set's vectors

    @property
    def behind(self) -> bool:
        """Whether a teaching began that did not end: the classifiers do not know yet what the index holds."""
        return self._begun.exists()

    @property
    def _begun(self) -> Path:
        return self.folder / "teaching"

    async def teach(
        self,
        domains: Sequence[str],
        examples: Sequence[LabelledQuestion],
        progress: Progress = silent,
        keep: Keep = forget,
    ) -> dict[str, DomainClassifier]:
        """
        The classifiers of every domain that has documents or examples, fitted anew and given to *keep*.

        Cancelling the task stops it at its next step; what was kept before stays as it was, and `behind`.
        """
        return await in_thread(partial(self._teach, domains, examples, keep), progress)

    def tasks(self) -> TaskChooser:
        """Tells the kinds of general questions apart."""
        return TaskChooser(self._general_vectors(), [kind for _, kind in self.general_set])

    @cached_property
    def general_set(self) -> list[tuple[str, str]]:
        """The general questions that come with the product, with their kinds."""
        return [(row["text"], row["kind"]) for row in read_rows(GENERAL_SET)]

    def _teach(
        self, domains: Sequence[str], examples: Sequence[LabelledQuestion], keep: Keep, progress: Progress
    ) -> dict[str, DomainClassifier]:
        with whole(self._begun) as part:
            part.touch()
        known = self.known(domains, examples, progress)
        fitted = self.fitted(domains, known, progress)
        keep(fitted, known)
        self._begun.unlink(missing_ok=True)
        return fitted

    def fitted(
        self, domains: Sequence[str], known: Sequence[KnownQuestion], progress: Progress = silent
    ) -> dict[str, DomainClassifier]:
        """A classifier of every domain of which a question is known."""
        found: dict[str, DomainClassifier] = {}
        for number, domain in enumerate(domains):
            progress(number, len(domains), f"Teaching the router {domain}")
            if any(question.route == domain for question in known):
                found[domain] = routing.fit(domain, known)
        progress(len(domains), len(domains), "Teaching the router")
        return found

    def known(
        self, domains: Sequence[str], examples: Sequence[LabelledQuestion], progress: Progress = silent
    ) -> list[KnownQuestion]:
        """Every question whose route is known, with its evidence in each domain."""
        progress(0, 0, "Teaching the router")
        rows: list[Row] = [(text, GENERAL, kind, None, 1.0) for text, kind in self.general_set]
        rows += [(e.text, e.route, EXAMPLE, None, e.weight) for e in examples if e.route in (*domains, GENERAL)]
        made = {d: self.evidence.made_questions(d) for d in domains}
        rows += [(text, d, MADE, place, 1.0) for d in domains for text, place in made[d]]
        general = self._general_vectors()
        vectors = np.vstack([general, *self._embedded([text for text, *_ in rows[len(general) :]], progress)])
        queries = [Query(text=row[0], vector=vector) for row, vector in zip(rows, vectors, strict=True)]
        measured = {}
        for number, d in enumerate(domains):
            progress(number, len(domains), f"Measuring {d}")
            without = [place if route == d else None for _, route, _, place, _ in rows]
            measured[d] = self.evidence.measure(d, queries, without)
        return [
            KnownQuestion(
                query=queries[i],
                route=route,
                kind=kind,
                evidence={d: measured[d][i] for d in domains},
                share=share,
            )
            for i, (_, route, kind, _, share) in enumerate(rows)
        ]

    def state(self, domains: Sequence[str]) -> dict[str, str]:
        """Per domain a hash that changes with its documents; empty where it has none."""
        made = {domain: self.evidence.made_questions(domain) for domain in domains}
        texts = {domain: json.dumps(rows, ensure_ascii=True).encode() for domain, rows in made.items()}
        return {d: hashlib.sha256(texts[d]).hexdigest()[:16] if made[d] else "" for d in domains}

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
