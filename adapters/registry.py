"""The versions of every adapter: where they lie, and which one answers for a domain."""

import json
import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from adapters.stages import Stages, Status, read_stages, write_stages
from adapters.training.training import TrainedAdapter
from bot.errors import AdapterNotFound, AdapterUnusable, InputError, StoreError, TrainingError
from bot.files import whole
from bot.rows import Row

SHIPPED = Path(__file__).parent / "reading"
SHIPPED_LABEL = "reading@1"
NONE = "none"
PRODUCTION = "production"
SCORES = "scores.json"  # in a version's folder, from its newest evaluation

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterVersion:
    """One version of one adapter."""

    name: str  # the domain's name, or "reading" for the adapter that comes with the product
    version: str
    domain: str | None  # None: shipped, serves every domain that has none of its own
    status: Status
    base_model: str
    created: str
    folder: Path
    dataset: str = ""  # "domain@version", or the name of the file that it was trained on; empty: not known
    start: str = NONE  # the adapter that its training began with
    scores: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Always:
    """Chooses one adapter for every domain."""

    adapter: str

    def current(self, domain: str, thread: str) -> str:
        """Always the same label."""
        return self.adapter


class AdapterRegistry:
    """
    Adapter versions as folders: the shipped one in the package, the installation's own below *folder*.

    `<folder>/<domain>/<version>/` holds the PEFT files and training.json; a version never changes once it is there.
    How far it has come stands in `<folder>/<domain>/stages.json`, which is read anew each time: what one process
    promotes, the next question to another gets.
    """

    def __init__(self, folder: Path, choices: Mapping[str, str], base_model: str) -> None:
        self._folder = folder
        self._choices = choices  # per domain the setting `adapter`
        self._base_model = base_model

    def all(self) -> list[AdapterVersion]:
        """
        Every version that can be read, oldest first.

        Raises: StoreError if the stages of a domain are damaged.
        """
        found = self._readable()
        stages = {name: self.stages(name) for name in {version.domain for version in found} if name}
        placed = [replace(v, status=stages[v.domain].status(v.version)) if v.domain else v for v in found]
        return sorted(placed, key=lambda version: (version.created, version.name, int(version.version)))

    def find(self, label: str) -> AdapterVersion:
        """
        The version called `name@version`, for whichever base model it was made.

        Raises: AdapterNotFound; AdapterUnusable if its training.json is damaged; StoreError if its stages are.
        """
        version = self._find(label)
        return (
            replace(version, status=self.stages(version.domain).status(version.version)) if version.domain else version
        )

    def get(self, label: str) -> AdapterVersion:
        """
        The version called `name@version`, fit for this base model.

        Raises: AdapterNotFound; AdapterUnusable if it was made for another base model.
        """
        version = self._find(label)
        if version.base_model != self._base_model:
            raise AdapterUnusable(label, f"it was trained for {version.base_model}, this is {self._base_model}")
        return version

    def current(self, domain: str, thread: str) -> str:
        """
        The label of the adapter that answers for *domain* in this conversation: what its setting names, else its canary
        for a share of the conversations, else what is in production. With damaged stages, as if nothing were released.
        """
        choice = self.setting(domain)
        if choice != PRODUCTION:
            return choice
        try:
            stages = self.stages(domain)
        except StoreError as exc:  # an answer with the shipped adapter is better than none
            log.error("the shipped adapter answers instead of the one in production", domain=domain, reason=str(exc))
            stages = Stages()
        if stages.canary and stages.canary.answers(domain, thread):
            return f"{domain}@{stages.canary.version}"
        return self.label(domain, stages.production)

    def answering(self, domain: str) -> dict[str, float]:
        """
        The labels of the adapters that answer for *domain* now, each with its share of the conversations.

        Raises: StoreError if the domain's stages are damaged.
        """
        choice = self.setting(domain)
        if choice != PRODUCTION:
            return {choice: 1.0}
        stages = self.stages(domain)
        production = self.label(domain, stages.production)
        if stages.canary is None:
            return {production: 1.0}
        return {production: 1 - stages.canary.share, f"{domain}@{stages.canary.version}": stages.canary.share}

    def production(self, domain: str) -> str:
        """
        The label of what is in production for *domain*, whatever its setting names; "none" where nothing fits.

        Raises: StoreError if the domain's stages are damaged.
        """
        return self.label(domain, self.stages(domain).production)

    def setting(self, domain: str) -> str:
        """What the settings have answer *domain*: "production", a label, or "none"."""
        choice = self._choices.get(domain, PRODUCTION)
        return choice if choice in (PRODUCTION, NONE) or "@" in choice else f"{domain}@{choice}"

    def label(self, domain: str, version: str | None) -> str:
        """What a version of the *domain*'s adapter is called; None: the shipped one, or "none" if it does not fit."""
        if version is not None:
            return f"{domain}@{version}"
        return SHIPPED_LABEL if self._shipped_fits() else NONE

    def stages(self, domain: str) -> Stages:
        """How far the versions of *domain* have come. Raises: StoreError naming the remedy if that is damaged."""
        return read_stages(self._folder / domain)

    def change(self, domain: str, stages: Stages) -> None:
        """Answer *domain* by these *stages* from the next question on. Raises: StoreError if they cannot be kept."""
        write_stages(self._folder / domain, stages)

    def newest_candidate(self, domain: str) -> str:
        """
        The version of *domain* that was trained last and is a candidate.

        Raises: InputError if there is none.
        """
        found = [v.version for v in self.all() if v.domain == domain and v.status == "candidate"]
        if not found:
            raise InputError(
                f"{domain} has no candidate; `pointsman train --domain {domain}` makes one, or name a version that "
                "`pointsman adapters list` shows"
            )
        return max(found, key=int)

    def lineage(self, label: str) -> list[AdapterVersion]:
        """The version and those that its training began with, newest first, as far as they are still there."""
        found: list[AdapterVersion] = []
        while label != NONE and label not in (version.label for version in found):
            try:
                version = self._find(label)
            except (AdapterNotFound, AdapterUnusable):
                break
            found.append(version)
            label = version.start
        return found

    def trained_on(self, datasets: Collection[str]) -> list[str]:
        """The labels of the versions that learnt from one of these datasets, also by way of the one they began with."""
        own = sorted((version.label for version in self._readable()), key=_by_number)
        return [label for label in own if any(each.dataset in datasets for each in self.lineage(label))]

    def untraced(self, datasets: Collection[str]) -> dict[str, str]:
        """The labels of the versions that learnt, at some time, from anything but these datasets; each with what."""
        found: dict[str, str] = {}
        for label in sorted((version.label for version in self._readable() if version.domain), key=_by_number):
            other = [v.dataset or "a file" for v in self.lineage(label) if v.domain and v.dataset not in datasets]
            if other:
                found[label] = other[0]
        return found

    def keep_scores(self, label: str, scores: Mapping[str, Any]) -> None:
        """Have `scores` of a version be these. Raises: AdapterNotFound, StoreError."""
        with whole(self._scores(self._find(label))) as part:
            part.write_text(json.dumps(dict(scores), indent=1), encoding="utf-8")

    def report_folder(self, label: str) -> Path:
        """Where the gate's report on a version lies. Raises: AdapterNotFound."""
        return self._find(label).folder / "gate"

    def _scores(self, version: AdapterVersion) -> Path:
        # The package's own folder may not be written; the name "reading" is no domain's.
        return self._folder / version.name / version.version / SCORES

    def _readable(self) -> list[AdapterVersion]:
        found = []
        for label in self._folders():
            try:
                found.append(self._find(label))
            except AdapterUnusable as exc:  # the others have to go on
                log.warning("an adapter is left out", adapter=label, reason=str(exc))
        return found

    def _find(self, label: str) -> AdapterVersion:
        """The version as its folder has it: a candidate, whatever its stage is."""
        folder = self._folders().get(label)
        if folder is None:
            raise AdapterNotFound(label)
        found = _version(folder, label, None if folder == SHIPPED else label.rpartition("@")[0])
        try:
            scores = json.loads(self._scores(found).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # not evaluated here
            return found
        return replace(found, scores=scores)

    def _shipped_fits(self) -> bool:
        try:
            return _version(SHIPPED, SHIPPED_LABEL, None).base_model == self._base_model
        except AdapterUnusable:
            return False

    def _folders(self) -> dict[str, Path]:
        """Where each label lies; what an `add` that was killed left behind is none."""
        found = {SHIPPED_LABEL: SHIPPED} if (SHIPPED / "training.json").exists() else {}
        for path in self._folder.glob("*/*/training.json"):
            if path.parent.name.isdecimal():
                found[f"{path.parent.parent.name}@{path.parent.name}"] = path.parent
        return found

    def start(self, domain: str, named: str) -> AdapterVersion | None:
        """
        The version that a training of *domain* starts from: "production" is the one that answers now, "reading" the
        shipped one, else a version; None for "none".

        Raises: InputError if it cannot be used.
        """
        choice = self.setting(domain) if named == PRODUCTION else named
        if choice == PRODUCTION:
            choice = self.production(domain)
        if choice == NONE:
            return None
        label = SHIPPED_LABEL if choice == SHIPPED.name else choice if "@" in choice else f"{domain}@{choice}"
        try:
            return self.get(label)
        except (AdapterNotFound, AdapterUnusable) as exc:
            raise InputError(f"no training can start there: {exc}; --start none trains from the base model") from exc

    def add(self, trained: TrainedAdapter, domain: str) -> AdapterVersion:
        """Make a finished training the next version of *domain*'s adapter; one that is a version already stays that."""
        numbers = (trained.folder / "training.json").read_bytes()
        for known in self._readable():
            if known.domain == domain and (known.folder / "training.json").read_bytes() == numbers:
                return known
        home = self._folder / domain
        taken = [
            int(name)
            for name in (*self.stages(domain).named, *(path.name for path in home.glob("*")))
            if name.isdecimal()
        ]
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
        return _version(target, f"{domain}@{target.name}", domain)


def adapter_row(version: AdapterVersion) -> Row:
    """A version as the contract has it in lists."""
    return {
        "name": version.name,
        "version": version.version,
        "domain": version.domain,
        "status": version.status,
        "base_model": version.base_model,
        "created": version.created,
        "scores": dict(version.scores),
    }


def _by_number(label: str) -> tuple[str, int]:
    name, _, version = label.rpartition("@")
    return name, int(version)


def _version(folder: Path, label: str, domain: str | None) -> AdapterVersion:
    name, _, version = label.rpartition("@")
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
            dataset=numbers.get("dataset", numbers.get("data", "")),
            start=numbers.get("start", NONE),
            scores=numbers.get("scores", {}),
        )
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise AdapterUnusable(label, f"{folder}/training.json is damaged ({exc}); train it again") from exc
