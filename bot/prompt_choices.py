"""
Which version of a prompt answers: one for all conversations, or two with a share each.

One small file, written whole and read anew when it has changed: what one process chooses, the next question to another
gets.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import StoreError
from bot.files import whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A version that answers a share of the conversations."""

    version: int
    share: float  # of conversations, above 0 and below 1
    since: str = ""  # when it began, in ISO format

    def answers(self, name: str, talk: str) -> bool:
        """Whether this conversation is one of the share; always the same for the same conversation."""
        key = json.dumps(["prompt", name, self.version, talk]).encode()
        return int.from_bytes(hashlib.sha256(key).digest()[:8]) < self.share * 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What answers for one prompt."""

    version: int
    trial: Trial | None = None


def read_choices(file: Path) -> dict[str, Choice]:
    """
    What was chosen, by the prompts' names; those not named take their newest version.

    Raises: StoreError naming the file and the remedy if it is damaged.
    """
    try:
        return {str(name): _choice(row) for name, row in json.loads(file.read_text(encoding="utf-8")).items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise StoreError(
            f"{file} is damaged ({exc}); restore it from a backup, or delete it: then the newest versions answer"
        ) from exc


def write_choices(file: Path, choices: Mapping[str, Choice]) -> None:
    """
    Keep *choices*, whole or not at all.

    Raises: StoreError if they cannot be written.
    """
    with whole(file) as part:
        part.write_text(json.dumps({name: choice_row(each) for name, each in choices.items()}, indent=1), "utf-8")


def choice_row(choice: Choice) -> dict[str, Any]:
    """*choice* as JSON holds it."""
    trial = choice.trial
    return {
        "version": choice.version,
        "trial": {"version": trial.version, "share": trial.share, "since": trial.since} if trial else None,
    }


def _choice(row: Mapping[str, Any]) -> Choice:
    trial = row["trial"]
    if trial is None:
        return Choice(version=_number(row["version"]))
    share = trial["share"]
    if not isinstance(share, int | float) or not 0 < share < 1:
        raise ValueError(f"{share!r} is no share between 0 and 1")
    begun = Trial(version=_number(trial["version"]), share=float(share), since=str(trial["since"]))
    return Choice(version=_number(row["version"]), trial=begun)


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{value!r} is no version")
    return value
