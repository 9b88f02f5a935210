"""Where the marks of a plot stand: numbers become places in a picture, which templates/plots.html draws as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

WIDTH, HEIGHT = 420, 190
LEFT, RIGHT, TOP, BOTTOM = 48, 6, 10, 26  # room for the axes' words
LABELS = 4  # dates below a plot
ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)  # steps of an axis that people can read

Span = tuple[float, float] | None  # a low and a high value; None: nothing is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A rectangle, or a point where it is flat."""

    x: float
    y: float
    width: float = 0.0
    height: float = 0.0
    name: str = ""  # what it stands for
    of: int = 0  # which of the columns, from 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """The values at the left and the dates below."""

    ticks: tuple[tuple[float, float], ...]  # place and value
    days: tuple[tuple[float, date, str], ...]  # place, day, and where the word stands: start, middle or end


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture with a column for each of *days*, and values from 0 to *top*."""

    days: Sequence[date]
    highest: float
    whole: bool = False  # only whole numbers can occur

    @property
    def step(self) -> float:
        """From one value of the axis to the next."""
        least = self.highest / 4 or 1.0
        power = 10.0 ** math.floor(math.log10(least))
        step = next(power * each for each in ROUND if power * each >= least * 0.999)
        return max(1.0, float(math.ceil(step))) if self.whole else step

    @property
    def top(self) -> float:
        """The value at the upper edge."""
        return self.step * max(1, math.ceil(self.highest / self.step - 1e-9))

    @property
    def column(self) -> float:
        """How wide a column is."""
        return (WIDTH - LEFT - RIGHT) / max(1, len(self.days))

    @property
    def axes(self) -> Axes:
        """The words around the picture."""
        count = round(self.top / self.step)
        every = max(1, math.ceil(len(self.days) / LABELS))
        shown = range(0, len(self.days), every)
        return Axes(
            ticks=tuple((self._y(self.step * n), self.step * n) for n in range(count + 1)),
            days=tuple((self._x(n, 0.0), self.days[n], _anchor(self._x(n, 0.0))) for n in shown),
        )

    def bars(self, columns: Sequence[Sequence[tuple[str, float]]]) -> tuple[Mark, ...]:
        """Each column's values (name, value), one upon the other."""
        found, gap = [], min(1.5, self.column * 0.2)
        for number, values in enumerate(columns):
            below = 0.0
            for name, value in values:
                if value:
                    upper, lower = self._y(below + value), self._y(below)
                    x, width = self._x(number, 0.0) + gap / 2, self.column - gap
                    found.append(Mark(x=x, y=upper, width=width, height=lower - upper, name=name, of=number))
                below += value
        return tuple(found)

    def spans(self, values: Sequence[Span]) -> tuple[Mark, ...]:
        """An upright line per column, from its low value to its high one."""
        found = []
        for number, span in enumerate(values):
            if span is not None:
                upper, lower = self._y(span[1]), self._y(span[0])
                found.append(Mark(x=self._x(number, 0.5), y=upper, height=lower - upper, of=number))
        return tuple(found)

    def points(self, values: Sequence[float | None]) -> tuple[Mark, ...]:
        """A point per column that has a value."""
        return tuple(
            Mark(x=self._x(number, 0.5), y=self._y(value), of=number)
            for number, value in enumerate(values)
            if value is not None
        )

    def lines(self, values: Sequence[float | None]) -> tuple[str, ...]:
        """The points joined, as SVG's polylines have them; a column without a value parts them."""
        found: list[list[str]] = [[]]
        for number, value in enumerate(values):
            if value is None:
                found.append([])
            else:
                found[-1].append(f"{self._x(number, 0.5):g},{self._y(value):g}")
        return tuple(" ".join(part) for part in found if len(part) > 1)

    def _x(self, column: int, within: float) -> float:
        return round(LEFT + (column + within) * self.column, 2)

    def _y(self, value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(value, self.top) / self.top), 2)


def _anchor(x: float) -> str:
    """Which end of a word stands at *x*: none may be cut off at the edge."""
    return "end" if x > WIDTH - 60 else "start"
