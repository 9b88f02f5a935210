"""The versions of every adapter: where they lie, and which one answers for a domain."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from adapters.training import TrainedAdapter
from bot.errors import AdapterNotFound, AdapterUnusable, TrainingError

SHIPPED = Path(__file__).parent / "reading"
SHIPPED_LABEL = "reading@1"
NONE = "none"
PRODUCTION = "production"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterVersion:
    """One version of one adapter."""

    name: str  # the domain's name, or "reading" for the adapter that comes with the product
    version: str
    domain: str | None  # None: shipped, serves every domain that has none of its own
    status: str  # "production" or "candidate"
    base_model: str
    created: str
    folder: Path
    scores: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Always:
    """Chooses one adapter for every domain."""

    adapter: str

    def current(self, domain: str) -> str:
        """Always the same label."""
        return self.adapter


class AdapterRegistry:
    """
    Adapter versions as folders: the shipped one in the package, the installation's own below *folder*.

    `<folder>/<domain>/<version>/` holds the PEFT files and training.json; a version never changes once it is there.
    """

    def __init__(self, folder: Path, choices: Mapping[str, str], base_model: str) -> None:
        self._folder = folder
        self._choices = choices  # per domain the setting `adapter`
        self._base_model = base_model

    def all(self) -> list[AdapterVersion]:
        """Every version that can be read, oldest first."""
        found = []
        for label in self._folders():
            try:
                found.append(self.find(label))
            except AdapterUnusable as exc:  # the others have to go on
                log.warning("an adapter is left out", adapter=label, reason=str(exc))
        return sorted(found, key=lambda version: (version.created, version.name, int(version.version)))

    def find(self, label: str) -> AdapterVersion:
        """
        The version called `name@version`, for whichever base model it was made.

        Raises: AdapterNotFound; AdapterUnusable if its training.json is damaged.
        """
        folder = self._folders().get(label)
        if folder is None:
            raise AdapterNotFound(label)
        name, _, version = label.rpartition("@")
        return _version(folder, name, version, None if folder == SHIPPED else name)

    def get(self, label: str) -> AdapterVersion:
        """
        The version called `name@version`, fit for this base model.

        Raises: AdapterNotFound; AdapterUnusable if it was made for another base model.
        """
        version = self.find(label)
        if version.base_model != self._base_model:
            raise AdapterUnusable(label, f"it was trained for {version.base_model}, this is {self._base_model}")
        return version

    def current(self, domain: str) -> str:
        """The label of the adapter that answers for *domain*: its setting, else the shipped one, else "none"."""
        choice = self._choices.get(domain, PRODUCTION)
        if choice not in (PRODUCTION, NONE):
            return choice if "@" in choice else f"{domain}@{choice}"
        usable = [v for v in self.all() if v.domain is None and v.base_model == self._base_model]
        return usable[-1].label if choice == PRODUCTION and usable else NONE

    def _folders(self) -> dict[str, Path]:
        """Where each label lies; what an `add` that was killed left behind is none."""
        found = {SHIPPED_LABEL: SHIPPED} if (SHIPPED / "training.json").exists() else {}
        for path in self._folder.glob("*/*/training.json"):
            if path.parent.name.isdecimal():
                found[f"{path.parent.parent.name}@{path.parent.name}"] = path.parent
        return found

    def add(self, trained: TrainedAdapter, domain: str) -> AdapterVersion:
        """Make a finished training the next version of *domain*'s adapter; one that is a version already stays that."""
        numbers = (trained.folder / "training.json").read_bytes()
        for known in self.all():
            if known.domain == domain and (known.folder / "training.json").read_bytes() == numbers:
                return known
        home = self._folder / domain
        taken = [int(path.name) for path in home.glob("*") if path.name.isdigit()]
        target = home / str(max(taken, default=0) + 1)
        part = home / f"{target.name}.{os.getpid()}.part"
        try:
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(trained.folder, part)
            part.rename(target)
        except OSError as exc:
            raise TrainingError(f"the trained adapter in {trained.folder} cannot be copied to {target}: {exc}") from exc
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return _version(target, domain, target.name, domain)


def _version(folder: Path, name: str, version: str, domain: str | None) -> AdapterVersion:
    try:
        numbers = json.loads((folder / "training.json").read_text(encoding="utf-8"))
        return AdapterVersion(
            name=name,
            version=version,
            domain=domain,
            status="candidate" if domain else "production",
            base_model=numbers["base_model"],
            created=numbers["created"],
            folder=folder,
            scores=numbers.get("scores", {}),
        )
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise AdapterUnusable(
            f"{name}@{version}", f"{folder}/training.json is damaged ({exc}); train it again"
        ) from exc
