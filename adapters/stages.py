"""
How far each version of a domain's adapter has come: candidate -> canary -> production -> retired.

One small file a domain, written whole: whoever is killed at any moment leaves the stages from before or from after.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from bot.errors import StoreError
from bot.files import whole

Status = Literal["candidate", "canary", "production", "retired"]

FILE = "stages.json"  # beside the versions' folders


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A version that answers a share of the conversations."""

    version: str
    share: float  # of conversations, above 0 and below 1

    def answers(self, domain: str, thread: str) -> bool:
        """Whether this conversation is one of the share; always the same for the same conversation."""
        # With the version: else the same conversations would meet every canary.
        key = json.dumps([domain, self.version, thread]).encode()
        return int.from_bytes(hashlib.sha256(key).digest()[:8]) < self.share * 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """The stages of one domain's versions; those not named here are candidates."""

    production: str | None = None  # None: the adapter that comes with the product
    canary: Canary | None = None
    earlier: tuple[str | None, ...] = ()  # what was in production before, the latest last
    retired: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()  # of the retired ones those that never answered: nothing goes back to them
    request: str = ""  # the latest change's; one that a kill interrupted is not made twice

    def status(self, version: str) -> Status:
        """How far *version* has come."""
        if version == self.production:
            return "production"
        if self.canary and version == self.canary.version:
            return "canary"
        return "retired" if version in (*self.retired, *self.withdrawn) else "candidate"

    @property
    def named(self) -> frozenset[str]:
        """The versions that are or were more than candidates."""
        return frozenset({*self.retired, *self.withdrawn, *(v for v in (self.production, self._on_trial) if v)})

    def with_canary(self, version: str, share: float) -> "Stages":
        """*version* answers *share* of the conversations, in place of another canary."""
        return replace(self, canary=Canary(version=version, share=share))._retiring(self._on_trial, but=version)

    def with_production(self, version: str) -> "Stages":
        """*version* answers; there is no canary any more."""
        return self._answering(version, (*self.earlier, self.production))

    def with_share(self, share: float) -> "Stages":
        """The canary answers another *share* of the conversations."""
        return self if self.canary is None else replace(self, canary=replace(self.canary, share=share))

    def without_candidate(self, version: str) -> "Stages":
        """*version* is not offered any more; it never answered."""
        return replace(self, withdrawn=tuple(sorted({*self.withdrawn, version}, key=int)))

    def without_canary(self) -> "Stages":
        """The version in production answers every conversation."""
        return replace(self, canary=None)._retiring(self._on_trial)

    def back_to(self, version: str | None) -> "Stages":
        """*version* answers again; what came before it is what the next step back leads to."""
        if version not in self.earlier:
            return self._answering(version, (*self.earlier, self.production))
        at = len(self.earlier) - 1 - self.earlier[::-1].index(version)
        return self._answering(version, self.earlier[:at])

    @property
    def _on_trial(self) -> str | None:
        return self.canary.version if self.canary else None

    def _answering(self, version: str | None, earlier: tuple[str | None, ...]) -> "Stages":
        after = replace(self, production=version, canary=None, earlier=earlier)
        return after._retiring(self.production, self._on_trial, but=version)

    def _retiring(self, *versions: str | None, but: str | None = None) -> "Stages":
        gone = {*self.retired, *(version for version in versions if version)} - {but}
        kept = tuple(version for version in self.withdrawn if version != but)
        return replace(self, retired=tuple(sorted(gone, key=int)), withdrawn=kept)


def read_stages(folder: Path) -> Stages:
    """
    The stages of the domain whose versions lie in *folder*.

    Raises: StoreError naming the file and the remedy if it is damaged.
    """
    file = folder / FILE
    try:
        return _stages(json.loads(file.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return Stages()
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise StoreError(
            f"{file} is damaged ({exc}); restore it from a backup, or delete it: then the adapter that came with "
            f"Pointsman answers until `pointsman adapters promote {folder.name} VERSION` chooses again"
        ) from exc


def write_stages(folder: Path, stages: Stages) -> None:
    """
    Keep *stages*, whole or not at all.

    Raises: StoreError if they cannot be written.
    """
    with whole(folder / FILE) as part:
        part.write_text(json.dumps(stages_row(stages), indent=1), encoding="utf-8")


def stages_row(stages: Stages) -> dict[str, Any]:
    """*stages* as JSON holds them."""
    canary = stages.canary
    return {
        "production": stages.production,
        "canary": {"version": canary.version, "share": canary.share} if canary else None,
        "earlier": list(stages.earlier),
        "retired": list(stages.retired),
        "withdrawn": list(stages.withdrawn),
        "request": stages.request,
    }


def _stages(row: Mapping[str, Any]) -> Stages:
    canary = row["canary"]
    return Stages(
        production=_version(row["production"]),
        canary=None if canary is None else Canary(version=_number(canary["version"]), share=_share(canary["share"])),
        earlier=tuple(_version(each) for each in row["earlier"]),
        retired=tuple(_number(each) for each in row["retired"]),
        withdrawn=tuple(_number(each) for each in row.get("withdrawn", ())),  # older files have none
        request=str(row["request"]),
    )


def _version(value: object) -> str | None:
    return None if value is None else _number(value)


def _number(value: object) -> str:
    if not isinstance(value, str) or not value.isdecimal():
        raise ValueError(f"{value!r} is no version")
    return value


def _share(value: object) -> float:
    if not isinstance(value, int | float) or not 0 < value < 1:
        raise ValueError(f"{value!r} is no share between 0 and 1")
    return float(value)
