"""
The course of a training, step by step, as a file that others read while it runs.

One file a domain, of its newest training. Whoever trains holds a lock beside it, so that a reader knows whether the
training still runs, whoever started it, and two trainings of one domain never meet in one folder.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from filelock import FileLock, Timeout

from bot.errors import StoreError, TrainingError
from bot.messages import DatasetKind, now

FILE, LOCK = "course.jsonl", "course.lock"
PATIENCE = 1.0  # seconds; a reader holds the lock for microseconds

OnStep = Callable[[int, int, float], None]
"""Called with each step, the steps in all, and the loss."""


def unwritten(step: int, total: int, loss: float) -> None:
    """An OnStep for trainings that nobody follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a training was told to do."""

    domain: str = ""  # empty: there was none
    dataset: str = ""  # "domain@version", or a file's name
    method: DatasetKind = "sft"
    start: str = ""  # the adapter, "name@version" or "none"
    deadline_seconds: float | None = None
    at: str = field(default_factory=lambda: now().isoformat())

    def same(self, other: "Plan") -> bool:
        """Whether a training by *other* goes on with one by this."""
        return (self.dataset, self.method, self.start) == (other.dataset, other.method, other.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a training."""

    step: int
    total: int
    loss: float
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How far a training came."""

    plan: Plan = Plan()
    steps: tuple[Step, ...] = ()
    running: bool = False
    ended: bool = False  # it came to its own end

    @property
    def seconds_left(self) -> float | None:
        """How long it takes yet, by the pace since it was begun or went on; None where nobody can tell."""
        begun = datetime.fromisoformat(self.plan.at)
        steps = [step for step in self.steps if step.at >= begun]
        if not self.running or len(steps) < 2:
            return None
        first, last = steps[0], steps[-1]
        left = (last.at - first.at).total_seconds() / (last.step - first.step) * (last.total - last.step)
        if self.plan.deadline_seconds is None:
            return left
        return min(left, max(0.0, self.plan.deadline_seconds - (last.at - begun).total_seconds()))

    def after(self, row: Mapping[str, Any]) -> "Course":
        """The course with one more line of the file. Raises: ValueError, KeyError or TypeError if it is none."""
        if "plan" in row:
            return replace(self, plan=Plan(**row["plan"]), ended=False)
        if "ended" in row:
            return replace(self, ended=True)
        done = Step(step=row["step"], total=row["total"], loss=float(row["loss"]), at=datetime.fromisoformat(row["at"]))
        # Steps that a kill took away are done again: what was later is not true any more.
        return replace(self, steps=(*(step for step in self.steps if step.step < done.step), done))


@contextmanager
def recorded(folder: Path, plan: Plan) -> Iterator[OnStep]:
    """
    Gives what is called with each step of a training in *folder*.

    Raises: TrainingError if this domain is being trained already, StoreError if the file cannot be written.
    """
    lock = FileLock(folder / LOCK, timeout=PATIENCE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        earlier = read_course(folder)
        goes_on = earlier is not None and earlier.plan.same(plan)
        file = (folder / FILE).open("a" if goes_on else "w", encoding="utf-8")
    except Timeout as exc:
        raise TrainingError(f"{plan.domain} is being trained already; wait for the end of that, or stop it") from exc
    except OSError as exc:
        raise StoreError(f"{folder} cannot be written ({exc.strerror}); free some space or correct its rights") from exc
    try:
        with file:
            _write(file, {"plan": asdict(plan)})
            yield lambda step, total, loss: _write(
                file, {"step": step, "total": total, "loss": loss, "at": now().isoformat()}
            )
            _write(file, {"ended": True})
    finally:
        lock.release()


def read_course(folder: Path) -> Course | None:
    """The newest training in *folder*; None where there was none, or its file cannot be read."""
    try:
        lines = (folder / FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    found = Course()
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):  # a line that is being written, or was torn by a kill
            found = found.after(json.loads(line))
    return replace(found, running=_is_held(folder)) if found.plan.domain else None


def _is_held(folder: Path) -> bool:
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a folder that may only be read
        return False


def _write(file: TextIO, row: dict[str, object]) -> None:
    file.write(json.dumps(row) + "\n")
    file.flush()
