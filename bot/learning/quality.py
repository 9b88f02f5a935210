"""
How well the bot does, in figures: how its answers ended, how they were voted on, how long the first word took.

The database counts; what is here puts its counts together, so that every figure of the overview has one definition.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal, NamedTuple

from bot.learning.comparison import Votes
from bot.messages import GENERAL

Outcome = Literal["answered", "asked_back", "unknown"]
Kind = Literal["general", "domain", "asked_back", "unknown"]

KINDS: tuple[Kind, ...] = ("general", "domain", "asked_back", "unknown")
NONE = "none"
STEPS = (1, 7, 28, 91, 364)  # days that may stand together in a plot
RANGES: Mapping[str, int | None] = {"7": 7, "30": 30, "90": 90, "365": 365, "all": None}  # days, for addresses
USUAL = "30"  # of them
POINTS = 60  # a plot has no more: a month by the day, a year by the week


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewFilter:
    """Which answers the figures are of."""

    days: int | None = 30  # today and so many days before it, less one; None: all
    route: str = ""  # "general", a domain, or "domains" for any of them; empty: all
    platform: str = ""

    def since(self, today: date) -> date | None:
        """The first day; None: from the beginning."""
        return first_day(self.days, today)


class Count(NamedTuple):
    """How many answers are alike in what the overview looks at; there may be thousands of these."""

    answers: int
    up: int  # votes
    down: int
    outcome: str
    route: str
    platform: str = ""
    adapter: str = NONE
    prompt: str = NONE
    seconds: float | None = None  # until the first word, rounded; None: no model wrote them
    day: date | None = None

    @property
    def kind(self) -> Kind:
        """Of the four kinds of answers, each of which is of one."""
        if self.outcome == "asked_back":
            return "asked_back"
        if self.outcome == "unknown":
            return "unknown"
        return "general" if self.route == GENERAL else "domain"


class Wait(NamedTuple):
    """How many answers of a day had their first word after so many seconds, rounded."""

    answers: int
    seconds: float
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures(Votes):
    """What is known of some answers."""

    questions: int = 0
    kinds: Mapping[Kind, int] = field(default_factory=dict)
    median: float | None = None  # seconds until the first word; None: no model wrote any
    slow: float | None = None  # the same for the slowest answer but 5 %

    def of(self, kind: Kind) -> int:
        """How many are of *kind*."""
        return self.kinds.get(kind, 0)

    def share(self, kind: Kind) -> float | None:
        """Which part of the questions is of *kind*; None without questions."""
        return self.of(kind) / self.questions if self.questions else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Some days in a row."""

    first: date
    last: date
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All figures, of everything together and of each part."""

    total: Figures
    periods: tuple[Period, ...]  # oldest first, without holes
    parts: Mapping[
        str, tuple[tuple[str, Figures], ...]
    ]  # "platform", "route", "adapter", "prompt": by name, most first


def first_day(days: int | None, today: date) -> date | None:
    """The first of so many days of which *today* is the last; None: from the beginning."""
    return None if days is None else today - timedelta(days=days - 1)


def figures(counts: Iterable[Count], waits: Iterable[Wait] = ()) -> Figures:
    """What *counts* say together; *waits* where they do not tell the seconds."""
    kinds: Counter[Kind] = Counter()
    seconds: Counter[float] = Counter()
    up = down = 0
    for count in counts:
        kinds[count.kind] += count.answers
        up, down = up + count.up, down + count.down
        if count.seconds is not None:
            seconds[count.seconds] += count.answers
    for wait in waits:
        seconds[wait.seconds] += wait.answers
    return Figures(
        questions=kinds.total(),
        kinds=kinds,
        up=up,
        down=down,
        median=_at(seconds, 0.5),
        slow=_at(seconds, 0.95),
    )


def overview(
    parts: Sequence[Count], days: Sequence[Count], waits: Sequence[Wait], *, since: date | None, today: date
) -> Overview:
    """Everything, from counts of which *parts* know where and by what was answered, *days* and *waits* on which day."""
    written = [count for count in parts if count.route != GENERAL and count.seconds is not None]
    return Overview(
        total=figures(parts),
        periods=_periods(days, waits, since, today),
        parts={
            "platform": _by(parts, lambda count: count.platform),
            "route": _by(parts, lambda count: count.route),
            "adapter": _by(written, lambda count: count.adapter),
            "prompt": _by((count for count in parts if count.prompt != NONE), lambda count: count.prompt),
        },
    )


def _periods(counts: Sequence[Count], waits: Sequence[Wait], since: date | None, today: date) -> tuple[Period, ...]:
    days = [count.day for count in counts if count.day]
    first = since or min(days, default=today)
    last = max([today, *days])
    step = next((step for step in STEPS if (last - first).days // step < POINTS), STEPS[-1])
    begun = first - timedelta(days=(step - 1) - (last - first).days % step)  # the last period is a whole one
    found: dict[int, list[Count]] = defaultdict(list)
    waited: dict[int, list[Wait]] = defaultdict(list)
    for count in counts:
        if count.day:
            found[(count.day - begun).days // step].append(count)
    for wait in waits:
        waited[(wait.day - begun).days // step].append(wait)
    starts = [begun + timedelta(days=step * n) for n in range((last - begun).days // step + 1)]
    return tuple(
        Period(
            first=max(start, first),
            last=start + timedelta(days=step - 1),
            figures=figures(found[number], waited[number]),
        )
        for number, start in enumerate(starts)
    )


def _by(counts: Iterable[Count], name: Callable[[Count], str]) -> tuple[tuple[str, Figures], ...]:
    found: dict[str, list[Count]] = defaultdict(list)
    for count in counts:
        found[name(count)].append(count)
    each = [(name, figures(alike)) for name, alike in found.items()]
    return tuple(sorted(each, key=lambda part: (-part[1].questions, part[0])))


def _at(values: Counter[float], share: float) -> float | None:
    """The value that *share* of *values* do not exceed; None where there are none."""
    reached, wanted = 0, share * values.total()
    for value in sorted(values):
        reached += values[value]
        if reached >= wanted:
            return value
    return None
