"""
How two versions of an adapter are voted on, and whether the difference is more than chance.

Intervals: Wilson's score interval for a share, Newcombe's for the difference of two (method 10 in Newcombe 1998,
Statistics in Medicine 17, 873-890), both at 95 %. They also hold for few votes, and for none.
"""

from dataclasses import dataclass
from math import sqrt

NONE = "none"
Z = 1.959964  # 95 % of a normal distribution lie within so many standard deviations


@dataclass(frozen=True, slots=True, kw_only=True)
class Votes:
    """Votes that were counted, and what share of them is up."""

    up: int = 0
    down: int = 0

    @property
    def votes(self) -> int:
        """Up and down."""
        return self.up + self.down

    @property
    def rate(self) -> float | None:
        """The share of thumbs up; None without votes."""
        return self.up / self.votes if self.votes else None

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true rate lies with 95 % confidence."""
        return wilson(self.up, self.votes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally(Votes):
    """The votes on the answers of one version."""

    adapter: str  # "name@version" or "none"
    answers: int  # that it wrote, with votes or without
    voters: int  # people

    @property
    def name(self) -> str:
        """What people call it."""
        return "the base model alone" if self.adapter == NONE else self.adapter


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two versions side by side."""

    first: Tally
    second: Tally

    @property
    def difference(self) -> float | None:
        """By how much the second's rate is higher; None where one of them has no votes."""
        if self.first.rate is None or self.second.rate is None:
            return None
        return self.second.rate - self.first.rate

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the true difference lies with 95 % confidence."""
        if self.difference is None:
            return None
        return newcombe((self.first.up, self.first.votes), (self.second.up, self.second.votes))

    @property
    def more_than_chance(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]

    @property
    def sentence(self) -> str:
        """What it means, for people."""
        without = [tally.name for tally in (self.first, self.second) if not tally.votes]
        if self.interval is None or self.difference is None:
            return f"Nobody has voted on {' or '.join(without)} yet, so nothing can be said."
        low, high = (f"{100 * end:+.0f}" for end in self.interval)
        between = f"the true difference lies between {low} and {high} percentage points, with 95 % confidence"
        if not self.more_than_chance:
            return f"The difference may be chance: {between}. More votes narrow it down."
        better, worse = (self.second, self.first) if self.difference > 0 else (self.first, self.second)
        sentence = f"{better.name} is liked better than {worse.name}, by more than chance: {between}."
        return sentence[0].upper() + sentence[1:] if better.adapter == NONE else sentence


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % score interval for a share; all of [0, 1] where nothing was counted."""
    if not of:
        return 0.0, 1.0
    share, spread = hits / of, Z * Z / of
    middle = share + spread / 2
    half = Z * sqrt(share * (1 - share) / of + spread / (4 * of))
    # At none and at all, rounding must not leave the true share out.
    low = 0.0 if hits == 0 else (middle - half) / (1 + spread)
    high = 1.0 if hits == of else (middle + half) / (1 + spread)
    return low, high


def newcombe(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float]:
    """The 95 % interval for how much the second share is above the first; each is given as (hits, of), of above 0."""
    (share1, (low1, high1)), (share2, (low2, high2)) = ((hits / of, wilson(hits, of)) for hits, of in (first, second))
    difference = share2 - share1
    low = difference - sqrt((share2 - low2) ** 2 + (high1 - share1) ** 2)
    high = difference + sqrt((high2 - share2) ** 2 + (share1 - low1) ** 2)
    return low, high
