"""
Versions of a domain's training data: built from curated replies, or imported from a file.

A version is a folder of JSONL files with a report, and never changes: the same rows are the same version, and its hash
is checked before it is used.
"""

import functools
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from adapters.datasets.composing import UNANSWERABLE, DataRow, compose
from adapters.datasets.importing import read_any
from adapters.datasets.material import REPEATED, Curated, Library, Material, Redact, assess, normal
from adapters.datasets.report import draw, measure, page
from adapters.datasets.splitting import apart, held_out
from bot.errors import InputError, StoreError
from bot.files import whole
from bot.learning.curation import weighted
from bot.messages import DatasetKind, DatasetSource, DatasetVersion
from bot.ports import CurationStore, DatasetStore, ExchangeStore, FeedbackStore, Progress, silent
from bot.privacy.redaction import Redactor
from bot.progress import in_thread
from bot.prompts import GROUNDED, REFUSAL, PromptLibrary
from bot.rows import Row

TRAIN, HELD_OUT = "train.jsonl", "held_out.jsonl"
SEED = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Rows that are ready to be kept as a version."""

    kind: DatasetKind
    train: list[DataRow]
    held_out: list[DataRow]
    left_out: Mapping[str, list[str]]  # by reason, what was left out
    approved_by: Collection[str] = ()
    facts: Mapping[str, object] = field(default_factory=dict)  # for the report

    @property
    def sources(self) -> list[DatasetSource]:
        """What the rows were made from."""
        found = {source for row in (*self.train, *self.held_out) for source in row.sources}
        return sorted(found, key=lambda source: (source.reply, source.user, source.document))


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetBuilder:
    """Makes dataset versions, over the stores."""

    exchanges: ExchangeStore
    votes: FeedbackStore
    reviews: CurationStore
    datasets: DatasetStore
    prompts: PromptLibrary
    redactor: Redactor
    directory: Path  # the storage directory
    plot: Callable[[Row], bytes | None] = draw

    async def build(
        self, library: Library, *, kind: DatasetKind, by: str, seed: int = SEED, progress: Progress = silent
    ) -> DatasetVersion:
        """
        The version that the curated replies of a domain make now.

        Raises: InputError, with the reasons, if they make no row.
        """
        votes = weighted(await self.votes.all())
        curated = [
            Curated(review=each, exchange=await self.exchanges.find(each.reply), votes=votes.get(each.reply, ()))
            for each in await self.reviews.all()
        ]
        own = [each for each in curated if each.belongs_to(library.domain) and each.review.state != "needs_person"]
        collected = await in_thread(partial(self._collect, own, library, kind, seed), progress)
        return await self._keep(library.domain, collected, by=by)

    async def import_file(
        self, file: Path, domain: str, *, by: str, seed: int = SEED, progress: Progress = silent
    ) -> DatasetVersion:
        """
        The version that the rows of a JSONL *file* make.

        Raises: InputError naming the file and the line that cannot be used.
        """
        collected = await in_thread(partial(self._read, file, seed), progress)
        return await self._keep(domain, collected, by=by)

    def _collect(
        self, curated: Sequence[Curated], library: Library, kind: DatasetKind, seed: int, progress: Progress
    ) -> Collected:
        redact = functools.cache(self.redactor.redact)  # passages come again and again
        found: dict[tuple[str, ...], Material] = {}
        left_out: dict[str, list[str]] = defaultdict(list)
        for number, each in enumerate(curated):
            progress(number, len(curated), "Redacting")
            material = assess(each, library, kind, redact)
            if isinstance(material, str):
                left_out[material].append(each.review.reply)
            elif found.setdefault(_content(material, kind), material) is not material:
                left_out[REPEATED].append(material.reply)
        held = held_out([material.keys for material in found.values()], seed=seed)
        chosen = apart(list(found.values()), held)
        sides = [[m for m, out in zip(chosen, held, strict=True) if out == side] for side in (False, True)]
        train, back = (compose(side, kind, self.prompts, seed=seed) for side in sides)
        facts = {"unanswerable_share_wanted": round(UNANSWERABLE, 2)} if kind == "sft" else {}
        return Collected(
            kind=kind,
            train=train,
            held_out=back,
            left_out=left_out,
            approved_by={material.approved_by for material in chosen},
            facts={"origin": "curated replies", "seed": seed, "prompt": self.prompts.get(GROUNDED).label, **facts},
        )

    def _read(self, file: Path, seed: int, progress: Progress) -> Collected:
        redact = functools.cache(self.redactor.redact)
        found: dict[str, DataRow] = {}
        left_out: dict[str, list[str]] = defaultdict(list)
        rows = read_any(file, self.prompts)
        for number, (where, row) in enumerate(rows):
            progress(number, len(rows), "Redacting")
            clean = _redacted(row, redact)
            content = json.dumps(clean, sort_keys=True)
            if content in found:
                left_out[REPEATED].append(where)
            else:
                found[content] = _data_row(clean)
        chosen = list(found.values())
        held = held_out([_keys(each) for each in chosen], seed=seed)
        return Collected(
            kind="sft",
            train=[row for row, out in zip(chosen, held, strict=True) if not out],
            held_out=[row for row, out in zip(chosen, held, strict=True) if out],
            left_out=left_out,
            facts={"origin": file.name, "seed": seed},
        )

    async def _keep(self, domain: str, collected: Collected, *, by: str) -> DatasetVersion:
        kind, sources = collected.kind, collected.sources
        if not collected.train:
            reasons = "; ".join(f"{len(them)} {reason}" for reason, them in collected.left_out.items())
            raise InputError(
                f"no reviewed reply of {domain} makes a row of kind {kind} ({reasons or 'none is reviewed'}); "
                "`pointsman feedback queue` shows what waits for a review"
            )
        files = {TRAIN: _lines(collected.train), HELD_OUT: _lines(collected.held_out)}
        report = measure(collected.train, collected.held_out, collected.left_out) | dict(collected.facts)
        draft = DatasetVersion(
            domain=domain,
            version="",
            kind=kind,
            rows=len(collected.train) + len(collected.held_out),
            hash=_hash(files[TRAIN], files[HELD_OUT]),
            approved_by=tuple(sorted(collected.approved_by)),
            documents=tuple(sorted({source.document for source in sources} - {""})),
            report=report,
        )
        plot = await in_thread(lambda _: self.plot(report), silent)
        return await self.datasets.add(draft, sources, partial(self._write, draft, files, plot), by=by)

    def _write(self, draft: DatasetVersion, files: Mapping[str, bytes], plot: bytes | None, version: str) -> None:
        made = replace(draft, version=version)
        about = version_row(made) | {"report": dict(made.report)}
        with whole(self.directory / made.folder) as part:
            part.mkdir()
            for name, content in files.items():
                (part / name).write_bytes(content)
            (part / "report.json").write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")
            (part / "report.html").write_text(page(made, plot), encoding="utf-8")


def rows_to_train(version: DatasetVersion, directory: Path) -> Path:
    """
    The file of a version's training rows, below the storage *directory*.

    Raises: StoreError if its files are not what was built.
    """
    folder = directory / version.folder
    try:
        found = _hash((folder / TRAIN).read_bytes(), (folder / HELD_OUT).read_bytes())
    except OSError as exc:
        raise StoreError(f"{folder} cannot be read ({exc.strerror}); build dataset {version.label} again") from exc
    if found != version.hash:
        raise StoreError(f"{folder} was changed since dataset {version.label} was built; build it again")
    return folder / TRAIN


def version_row(version: DatasetVersion) -> Row:
    """A version as the contract has it in lists."""
    return {
        "domain": version.domain,
        "version": version.version,
        "kind": version.kind,
        "rows": version.rows,
        "hash": version.hash,
    }


def _content(material: Material, kind: DatasetKind) -> tuple[str, ...]:
    """What makes two rows the same; people may judge one answer differently."""
    said = (str(material.votes > 0),) if kind == "kto" else (material.target or "",)
    texts = (material.question, *said, material.given or "", *(p.text for p in material.passages))
    return tuple(normal(text) for text in texts)


def _lines(rows: Sequence[DataRow]) -> bytes:
    text = "".join(json.dumps(each.row, ensure_ascii=False) + "\n" for each in rows)
    return text.encode("utf-8", "backslashreplace")  # what a lone surrogate is in JSON


def _hash(train: bytes, held_out: bytes) -> str:
    parts = (hashlib.sha256(part).digest() for part in (train, held_out))
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def _redacted(value: Any, redact: Redact) -> Any:
    """A row with every text in it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [_redacted(part, redact) for part in value]
    if isinstance(value, dict):
        return {name: part if name == "role" else _redacted(part, redact) for name, part in value.items()}
    return value


def _data_row(row: Row) -> DataRow:
    turns = row.get("messages", ())
    question = row["question"] if not turns else next((t["content"] for t in turns if t["role"] == "user"), "")
    answer = row["answer"] if not turns else turns[-1]["content"]
    known = None if answer is None or answer.strip() == REFUSAL else answer
    return DataRow(row=row, question=question, answer=known, label="unanswerable" if known is None else "answerable")


def _keys(row: DataRow) -> set[str]:
    """Rows with the same first question or a passage in common stay together."""
    return {f"question {normal(row.question)}", *(f"passage {normal(text)}" for text in row.row.get("passages", ()))}
