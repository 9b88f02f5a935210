"""A small world for teaching the router: domains with a few texts, and a teacher that is quick."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from fakes import HashedWordsEncoder
from numpy.typing import NDArray

from bot.learning.router import GENERAL_SET, RouteTeacher
from bot.messages import Query

TEXTS = {
    "billing": (
        "Invoice reminders and dunning",
        "An invoice is due after 30 days",
        "Refunds reach the ledger in May",
        "The ledger closes when every invoice is paid",
        "Dunning begins when an invoice is overdue",
        "Refunds of an invoice need a ledger entry",
    ),
    "travel": (
        "Sleeper train bookings",
        "A hotel voucher covers two nights",
        "The train to Basel leaves at noon",
        "Train bookings come with a hotel voucher",
        "The sleeper to Basel has a hotel bed",
        "Voucher for the night train",
    ),
    "empty": (),
}
ENCODER = HashedWordsEncoder()


def general_rows() -> list[dict[str, str]]:
    return [json.loads(line) for line in GENERAL_SET.read_text(encoding="utf-8").splitlines()]


@dataclass
class SharedWords:
    """Evidence: how near the nearest text of the domain is, the one left out aside."""

    texts: dict[str, Sequence[str]] = field(default_factory=lambda: dict(TEXTS))

    def made_questions(self, domain: str) -> list[tuple[str, tuple[str, int] | None]]:
        return [(text, (domain, number)) for number, text in enumerate(self.texts[domain])]

    def measure(
        self, domain: str, queries: Sequence[Query], without: Sequence[tuple[str, int] | None]
    ) -> list[tuple[float, ...]]:
        vectors = ENCODER.encode(self.texts[domain])
        return [(self._nearest(domain, vectors, *pair),) for pair in zip(queries, without, strict=True)]

    def _nearest(
        self, domain: str, vectors: NDArray[np.float32], query: Query, left_out: tuple[str, int] | None
    ) -> float:
        others = [vector for number, vector in enumerate(vectors) if (domain, number) != left_out]
        return max((float(vector @ query.vector) for vector in others), default=0.0)


class BriefTeacher(RouteTeacher):
    """Knows a sixth of the general set, which takes a sixth of the time to learn."""

    EVERY = 6

    @cached_property
    def general_set(self) -> list[tuple[str, str]]:
        return [(row["text"], row["kind"]) for row in general_rows()[:: self.EVERY]]


class QuickTeacher(BriefTeacher):
    """Knows two hundred general questions."""

    EVERY = 12
