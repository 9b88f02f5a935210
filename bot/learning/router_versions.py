"""
The versions of the router, as folders that never change; one of them is in use.

    versions/<n>/router.npz      the fitted classifiers
    versions/<n>/training.json   what it learnt, how it was measured, and why it is not in use
    stages.json                  which one is in use, and what a rollback goes back to

Each is written whole: whoever is killed at any moment leaves a router that can be used.
"""

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import structlog

from bot import routing
from bot.errors import InputError, RetrievalError
from bot.files import whole
from bot.learning.checks import Check
from bot.messages import now
from bot.routing import DomainClassifier

log = structlog.get_logger()

KEPT = 10  # versions; besides, the one in use and the one that a rollback goes back to
ROUTER, ABOUT, STAGES = "router.npz", "training.json", "stages.json"

Origin = Literal["ingest", "examples", "train", "rollback", "found"]  # found: made before there were versions
Status = Literal["production", "candidate", "retired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterVersion:
    """One version of the router."""

    version: str = ""  # "1", "2", ...; empty while it is not kept yet
    origin: Origin
    hash: str = ""  # of what it was fitted on
    learned: tuple[str, ...] = ()  # fingerprints of the examples
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # questions per route and kind
    left_out: Mapping[str, int] = field(default_factory=dict)  # reviews that taught nothing, by reason
    index: Mapping[str, str] = field(default_factory=dict)  # per domain the state of its documents
    against: str = ""  # the version in use that it was measured against; empty: it was not
    checks: tuple[Check, ...] = ()
    reasons: tuple[str, ...] = ()  # why it did not come into use at once
    created: str = field(default_factory=lambda: now().isoformat())

    @property
    def examples(self) -> Mapping[str, int]:
        """How many examples it learnt, by where they came from."""
        return {kind: sum(row.get(kind, 0) for row in self.counts.values()) for kind in ("written", "reviewed")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """Which version is in use, and how it came to that."""

    production: str = ""  # empty: none
    earlier: tuple[str, ...] = ()  # what a rollback goes back to, the latest last
    retired: tuple[str, ...] = ()
    request: str = ""  # the latest change's; one that a kill interrupted is not made twice

    def status(self, version: str) -> Status:
        """How far *version* has come."""
        return "production" if version == self.production else "retired" if version in self.retired else "candidate"

    def promoted(self, version: str) -> "Stages":
        """*version* is in use; a rollback goes back to the one before."""
        return self._using(version, (*self.earlier, self.production) if self.production else self.earlier)

    def replaced(self, version: str) -> "Stages":
        """*version* is in use for the one before, which is out of date: nothing goes back to that."""
        return self._using(version, self.earlier)

    def back_to(self, target: str, version: str) -> "Stages":
        """*version* is in use, which learnt what the earlier *target* did."""
        at = self.earlier.index(target) if target in self.earlier else len(self.earlier)
        return self._using(version, self.earlier[:at])

    def _using(self, version: str, earlier: tuple[str, ...]) -> "Stages":
        retired = {*self.retired, self.production} - {version, ""}
        return replace(self, production=version, earlier=earlier, retired=tuple(sorted(retired, key=int)))


@dataclass(frozen=True, slots=True)
class RouterVersions:
    """The versions in one folder. Only the owner of the index changes them."""

    folder: Path

    def adopt(self) -> None:
        """Make the router of an installation that knew no versions one, in use."""
        found = self.folder / ROUTER
        if not found.exists():
            return
        made = datetime.fromtimestamp(found.stat().st_mtime, UTC).isoformat()
        version = self._write(RouterVersion(origin="found", created=made), lambda path: shutil.copyfile(found, path))
        self.change(self.stages.replaced(version.version))
        found.unlink()

    def all(self) -> list[RouterVersion]:
        """Every version that can be read, oldest first."""
        found = []
        for number in self._numbers():
            try:
                found.append(self.find(str(number)))
            except RetrievalError as exc:  # the others have to be shown
                log.warning("a version of the router is left out", version=number, reason=str(exc))
        return found

    def find(self, version: str) -> RouterVersion:
        """
        The version with this number.

        Raises: InputError if there is none, RetrievalError if its training.json is damaged.
        """
        file = self._home / version / ABOUT
        if not version.isdecimal() or not file.exists():
            raise InputError(f"router {version} does not exist; `pointsman router list` shows those that do")
        try:
            return _version(version, json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise RetrievalError(f"{file} is damaged ({exc}); run `pointsman router train` for another") from exc

    @property
    def stages(self) -> Stages:
        """
        Which version is in use.

        Raises: RetrievalError if stages.json is damaged.
        """
        file = self.folder / STAGES
        try:
            row = json.loads(file.read_text(encoding="utf-8"))
            texts = {name: str(row[name]) for name in ("production", "request")}
            return Stages(earlier=_strings(row["earlier"]), retired=_strings(row["retired"]), **texts)
        except FileNotFoundError:
            return Stages()
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise RetrievalError(f"{file} is damaged ({exc}); delete the file and run `pointsman ingest`") from exc

    @property
    def production(self) -> RouterVersion | None:
        """The version in use; nothing but its number where the rest cannot be read."""
        in_use = self.stages.production
        try:
            return self.find(in_use) if in_use else None
        except (InputError, RetrievalError) as exc:  # what routes is beside it, and goes on
            log.warning("the router in use does not say what it learnt", version=in_use, reason=str(exc))
            return RouterVersion(version=in_use, origin="found")

    @property
    def before(self) -> str | None:
        """The version that a rollback goes back to."""
        there = {str(number) for number in self._numbers()}
        return next((version for version in reversed(self.stages.earlier) if version in there), None)

    def classifiers(self, domains: Collection[str], version: str | None = None) -> dict[str, DomainClassifier]:
        """
        Of *version*, by default the one in use, the classifiers of the *domains* that there are now.

        Raises: RetrievalError if the file is damaged.
        """
        number = self.stages.production if version is None else version
        found = routing.load(self._home / number / ROUTER) if number else {}
        return {domain: classifier for domain, classifier in found.items() if domain in domains}

    def add(self, draft: RouterVersion, classifiers: Mapping[str, DomainClassifier]) -> RouterVersion:
        """*draft* as the next version, not yet in use. Raises: StoreError if it cannot be written."""
        return self._write(draft, lambda path: routing.save(classifiers, path))

    def change(self, stages: Stages) -> None:
        """Use what *stages* say from the next start on, and let go of old versions."""
        with whole(self.folder / STAGES) as part:
            part.write_text(json.dumps(asdict(stages), indent=1), encoding="utf-8")
        keep = {stages.production, self.before, *map(str, self._numbers()[-KEPT:])}
        for path in self._home.glob("*"):
            if path.name not in keep:  # also what a kill left half written
                (path / ABOUT).unlink(missing_ok=True)  # first: what is half deleted is no version
                shutil.rmtree(path, ignore_errors=True)

    def _write(self, draft: RouterVersion, save: Any) -> RouterVersion:
        made = replace(draft, version=str(max(self._numbers(), default=0) + 1))
        with whole(self._home / made.version) as part:
            part.mkdir()
            save(part / ROUTER)
            row = {name: value for name, value in asdict(made).items() if name != "version"}
            (part / ABOUT).write_text(json.dumps(row, ensure_ascii=False, indent=1), encoding="utf-8")
        return made

    @property
    def _home(self) -> Path:
        return self.folder / "versions"

    def _numbers(self) -> list[int]:
        """The versions that are whole, oldest first."""
        return sorted(int(p.parent.name) for p in self._home.glob(f"*/{ABOUT}") if p.parent.name.isdecimal())


def _version(version: str, row: Mapping[str, Any]) -> RouterVersion:
    return RouterVersion(
        version=version,
        origin=row["origin"],
        hash=row["hash"],
        learned=_strings(row["learned"]),
        counts=dict(row["counts"]),
        left_out=dict(row["left_out"]),
        index=dict(row["index"]),
        against=row["against"],
        checks=tuple(Check(**check) for check in row["checks"]),
        reasons=_strings(row["reasons"]),
        created=row["created"],
    )


def _strings(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError(f"{values!r} is no list")
    return tuple(str(value) for value in values)
