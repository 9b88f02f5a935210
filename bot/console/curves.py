"""The geometry of small plots; templates draw them as SVG, with the same numbers in a table beneath."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

WIDTH, HEIGHT = 640, 220  # units of the drawing; a browser scales it
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 10, 28  # room for the scales
TICKS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A line with its scales."""

    points: str  # as SVG's polyline has them
    last: tuple[float, float]
    across: tuple[tuple[float, str], ...]  # where the marks of the scale are, with what is written there
    up: tuple[tuple[float, str], ...]


def curve(values: Sequence[tuple[float, float]], *, until: float) -> Curve | None:
    """*values* as a line over a scale from 0 *until* there; None where there is nothing to draw."""
    if not values:
        return None
    across, up = _marks(max(until, values[-1][0], 1), whole=True), _marks(max(y for _, y in values) or 1.0)
    placed = [(_x(x / across[-1]), _y(y / up[-1])) for x, y in values]
    return Curve(
        points=" ".join(f"{x:.1f},{y:.1f}" for x, y in placed),
        last=placed[-1],
        across=tuple((_x(mark / across[-1]), f"{mark:g}") for mark in across),
        up=tuple((_y(mark / up[-1]), f"{mark:g}") for mark in up),
    )


def _marks(top: float, *, whole: bool = False) -> list[float]:
    """Round numbers from 0 to *top* or a little above."""
    unit = 10.0 ** floor(log10(top / TICKS))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor * TICKS >= top)
    if whole:
        step = max(1.0, ceil(step))
    return [round(step * number, 10) for number in range(ceil(top / step - 1e-9) + 1)]


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)
