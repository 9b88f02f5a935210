"""How many questions a person and a workspace may ask in an hour."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bot import wording

HOUR = 3600.0


@dataclass
class Quota:
    """Counts in memory: a restart forgives, and no question is refused because of what nobody remembers."""

    per_user: int
    per_workspace: int
    clock: Callable[[], float] = time.monotonic
    _asked: dict[str, deque[float]] = field(default_factory=dict)  # times of the last hour, by who

    def refusal(self, user: str, workspace: str) -> str | None:
        """What to say instead of an answer; None where the question may be asked, which counts it."""
        if wait := self._wait(user, self.per_user):
            asked = wording.counted(self.per_user, "question")
            return f"You have asked {asked} within an hour. Please go on in {_minutes(wait)}."
        if workspace and (wait := self._wait(workspace, self.per_workspace)):
            return f"Very many questions came in this hour. Please ask again in {_minutes(wait)}."
        for who in filter(None, (user, workspace)):
            self._asked.setdefault(who, deque()).append(self.clock())
        return None

    def _wait(self, who: str, limit: int) -> float:
        """Seconds until *who* may ask again; 0: now."""
        asked = self._asked.get(who)
        if asked is None:
            return 0.0
        while asked and asked[0] <= self.clock() - HOUR:
            asked.popleft()
        if not asked:
            del self._asked[who]
            return 0.0
        return asked[0] + HOUR - self.clock() if len(asked) >= limit else 0.0


def _minutes(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return "a minute" if minutes == 1 else f"{minutes} minutes"
