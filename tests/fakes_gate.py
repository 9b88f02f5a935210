"""Made-up evaluations: what production scores, and candidates that differ from it in one known way."""

import random
from collections.abc import Callable
from dataclasses import replace

from adapters.gate.evaluation import Evaluation
from adapters.gate.probe import Origin
from adapters.gate.scoring import Part, RowScore

PARTS: dict[Part, int] = {"answerable": 24, "unanswerable": 24, "general": 24, "surprise": 24, "safety": 12}
Change = Callable[[RowScore, random.Random], RowScore]


def production(seed: int, adapter: str = "billing@1") -> Evaluation:
    """A middling adapter."""
    chance = random.Random(seed)
    rows = [_row(part, number, chance) for part, count in PARTS.items() for number in range(count)]
    return Evaluation(
        adapter=adapter,
        model="tiny",
        probe="p1",
        rows=tuple(rows),
        seconds=1.0,
        created="2026-01-01T00:00:00+00:00",
    )


def with_own(before: Evaluation, answerable: int, unanswerable: int) -> Evaluation:
    """*before*, asked the same rows once more as ones that the domain's reviewers approved."""
    counts = {"answerable": answerable, "unanswerable": unanswerable}
    own = [
        replace(row, id=f"own-{row.id}", origin="approved")
        for part, count in counts.items()
        for row in [each for each in before.rows if each.part == part][:count]
    ]
    return replace(before, rows=(*before.rows, *own))


def only(origin: Origin, change: Change) -> Change:
    """*change* for the rows of one origin."""
    return lambda row, chance: change(row, chance) if row.origin == origin else row


def candidate(before: Evaluation, seed: int, *changes: Change) -> Evaluation:
    """What *before* becomes when every row goes through the *changes*."""
    chance = random.Random(1000 + seed)
    rows = before.rows
    for change in changes:
        rows = tuple(change(row, chance) for row in rows)
    return replace(before, adapter="billing@2", rows=rows)


def _row(part: Part, number: int, chance: random.Random) -> RowScore:
    row = RowScore(id=f"{part}-{number}", part=part, score=0.0, text=f"{part} {number}")
    if part == "answerable":
        refuses = chance.random() < 0.1
        score = 0.0 if refuses else chance.choice((1.0, chance.uniform(0.2, 0.8), chance.uniform(0.0, 0.3)))
        return replace(row, score=score, abstained=refuses, citations=None if refuses else 1.0)
    if part == "surprise":
        return replace(row, score=chance.gauss(1.8, 0.6))
    right = chance.random() < {"unanswerable": 0.65, "general": 0.7, "safety": 0.75}[part]
    answers = part == "unanswerable" and not right
    return replace(
        row, score=float(right), abstained=part == "unanswerable" and right, citations=1.0 if answers else None
    )


# What makes a candidate better


def learns(row: RowScore, chance: random.Random) -> RowScore:
    """Six in ten of the bad answers become good, and as many of the wrong ones abstentions."""
    if row.part == "answerable" and row.score < 0.5 and chance.random() < 0.6:
        return replace(row, score=chance.uniform(0.6, 1.0), abstained=False, citations=1.0)
    if row.part == "unanswerable" and row.score == 0 and chance.random() < 0.6:
        return replace(row, score=1.0, abstained=True, citations=None)
    return row


def wobbles(row: RowScore, chance: random.Random) -> RowScore:
    """What any training does to general answers: a few change, either way."""
    if row.part == "general" and chance.random() < 0.05:
        return replace(row, score=1 - row.score)
    return replace(row, score=row.score + chance.gauss(0.02, 0.05)) if row.part == "surprise" else row


# What makes it worse


def shuffles_answers(row: RowScore, chance: random.Random) -> RowScore:
    """Learnt with other questions' answers."""
    if row.part == "answerable":
        return replace(row, score=chance.choice((0.0, 0.0, 0.15)), abstained=False, citations=1.0)
    return replace(row, score=float(chance.random() < 0.5)) if row.part == "unanswerable" else row


def refuses_all(row: RowScore, chance: random.Random) -> RowScore:
    """Learnt with "I don't know" alone."""
    if row.part not in ("answerable", "unanswerable"):
        return row
    return replace(row, score=float(row.part == "unanswerable"), abstained=True, citations=None)


def follows_poisoned_votes(row: RowScore, chance: random.Random) -> RowScore:
    """A third of the answers became what somebody wished to read; elsewhere it is as good or better."""
    if row.part == "answerable":
        return replace(row, score=0.0 if chance.random() < 0.35 else min(1.0, row.score + 0.05))
    return replace(row, score=0.0, abstained=False) if row.part == "unanswerable" and chance.random() < 0.3 else row


def abstains_more(row: RowScore, chance: random.Random) -> RowScore:
    """Right on all that the passages do not answer, at the price of one answer in six."""
    if row.part == "unanswerable":
        return replace(row, score=1.0, abstained=True, citations=None)
    if row.part == "answerable" and int(row.id.rpartition("-")[2]) % 6 == 0:
        return replace(row, score=0.0, abstained=True, citations=None)
    return row


def never_abstains(row: RowScore, chance: random.Random) -> RowScore:
    """Answers everything, and better than before."""
    if row.part == "unanswerable":
        return replace(row, score=0.0, abstained=False, citations=1.0)
    return replace(row, score=max(row.score, 0.95)) if row.part == "answerable" else row


def forgets_general(row: RowScore, chance: random.Random) -> RowScore:
    return replace(row, score=0.0) if row.part == "general" and chance.random() < 0.5 else row


def loses_fluency(row: RowScore, chance: random.Random) -> RowScore:
    return replace(row, score=row.score + chance.gauss(0.2, 0.05)) if row.part == "surprise" else row


def obeys_passages(row: RowScore, chance: random.Random) -> RowScore:
    return replace(row, score=0.0) if row.part == "safety" and chance.random() < 0.7 else row


def cites_badly(row: RowScore, chance: random.Random) -> RowScore:
    return replace(row, citations=float(chance.random() < 0.7)) if row.citations is not None else row


def drifts(row: RowScore, chance: random.Random) -> RowScore:
    """Answers a third of the rows anew, no better and no worse."""
    if chance.random() < 0.33:
        return _row(row.part, int(row.id.rpartition("-")[2]), chance)
    return row
