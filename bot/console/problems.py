"""What is wrong with a form, by field: it is said at the field, and what was typed is still there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bot.console.routes import status_of
from bot.errors import InputError


@dataclass(slots=True)
class Problems:
    """The fields of a form that cannot be used, each with the reason."""

    reasons: dict[str, str] = field(default_factory=dict)
    status: int = 200  # of the page that says so

    def __bool__(self) -> bool:
        return bool(self.reasons)

    @contextmanager
    def at(self, name: str) -> Iterator[None]:
        """Take what goes wrong while the block runs for a problem of the field *name*."""
        try:
            yield
        except InputError as exc:
            self.reasons[name] = str(exc)
            self.status = status_of(exc)

    def of(self, name: str) -> str:
        """What is wrong with a field; empty where nothing is."""
        return self.reasons.get(name, "")
