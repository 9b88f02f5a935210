"""Files, folders and JSONL rows to documents in Markdown."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from bot import admission
from bot.desks.holdings import UPLOADS
from bot.errors import InputError
from bot.messages import Document
from knowledge.conversion import CONVERTED, Beat, convert, decode, idle

PLAIN = {".md", ".markdown", ".txt"}
ROWS = {".jsonl"}
_ROW = 'a row is {"id" or "_id", "title", "text", "url"?}'
NO_TEXT = "it holds no text (a scan needs text recognition first)"
KINDS = ", ".join(sorted(PLAIN | CONVERTED | ROWS))

# What Sphinx puts beside its pages: their sources once more, and what the pages show.
_BESIDE_PAGES = {"_sources", "_static", "_images", "_downloads"}
_BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a document will be read from; its id is known before it is read."""

    id: str
    path: Path
    row: dict[str, Any] | None = None  # a JSONL row, already parsed

    def read(self, beat: Beat = idle) -> Document:
        """
        The document as Markdown.

        Raises: InputError with the reason, if the file is broken, empty or unreadable; what *beat* raises.
        """
        document = _from_row(self.id, self.row) if self.row is not None else _from_file(self.id, self.path, beat)
        if not document.text.strip():
            raise InputError(NO_TEXT)
        return document


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A source that failed before it had an id of its own."""

    id: str
    reason: str


def find_sources(paths: Sequence[Path]) -> Iterator[Source | Unreadable]:
    """
    Every document below *paths*, in a stable order; other kinds of file are passed over.

    Raises: InputError for a path that does not exist, or a single file of a kind we do not read.
    """
    for path in paths:
        if path.is_dir():
            for file in sorted(p for p in path.rglob("*") if p.is_file() and not _passed_over(p, path)):
                if file.suffix.lower() in PLAIN | CONVERTED | ROWS:
                    yield from _of_file(file, file.relative_to(path).as_posix())
        elif not path.exists():
            raise InputError(f"{path} does not exist")
        elif path.suffix.lower() not in PLAIN | CONVERTED | ROWS:
            raise InputError(f"{path}: files of this kind are not read; these are: {KINDS}")
        else:
            yield from _of_file(path, path.name)


def _passed_over(file: Path, top: Path) -> bool:
    """Hidden files, what lies beside a manual's pages, and links to a page under its own name (one a language)."""
    hidden = any(part.startswith(".") or part in _BESIDE_PAGES for part in file.relative_to(top).parts)
    return hidden or (file.is_symlink() and file.resolve().is_relative_to(top.resolve()))


def _of_file(file: Path, name: str) -> Iterator[Source | Unreadable]:
    if file.suffix.lower() not in ROWS:
        yield Source(name, file)
        return
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as exc:
        yield Unreadable(name, f"cannot be read: {exc}")
        return
    home = f"{UPLOADS}/" if name.startswith(f"{UPLOADS}/") else ""
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _of_line(line, file, f"{name}, line {number}", home)


def _of_line(line: str, file: Path, where: str, home: str) -> Source | Unreadable:
    """*home*: what the ids of its rows begin with, so that no upload takes the place of another document."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as exc:
        return Unreadable(where, f"not JSON: {exc}")
    if not isinstance(row, dict):
        return Unreadable(where, f"not an object; {_ROW}")
    key = row.get("id", row.get("_id"))
    if not isinstance(key, str | int) or key == "":
        return Unreadable(where, f'no usable "id"; {_ROW}')
    if not isinstance(row.get("text"), str):
        return Unreadable(where, f'no usable "text"; {_ROW}')
    return Source(str(key) if str(key).startswith(home) else f"{home}{key}", file, row)


def _from_row(key: str, row: dict[str, Any]) -> Document:
    title, url = row.get("title"), row.get("url")
    return Document(
        id=key,
        title=_clean(title) if isinstance(title, str) else "",
        text=_clean(row["text"]),
        url=url if isinstance(url, str) and url.startswith(("http://", "https://")) else None,
    )


def _from_file(key: str, path: Path, beat: Beat) -> Document:
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise InputError(f"cannot be read: {exc.strerror}") from exc
    return _from_bytes(key, path.name, data, beat)


def _from_bytes(key: str, name: str, data: bytes, beat: Beat = idle) -> Document:
    suffix = PurePath(name).suffix.lower()
    text, title = convert(data, suffix, beat) if suffix in CONVERTED else (decode(data), None)
    return Document(id=key, title=_clean(title or "") or PurePath(name).stem, text=_clean(text))


def document_of(name: str, data: bytes) -> Document:
    """
    A file that is not on the disk, as a document.

    Raises: InputError with the reason, if its kind is not read, or it is broken or empty.
    """
    if PurePath(name).suffix.lower() not in PLAIN | CONVERTED:
        raise InputError(f"files of this kind are not read; these are: {', '.join(sorted(PLAIN | CONVERTED))}")
    document = _from_bytes(name, name, data)
    if not document.text.strip():
        raise InputError(NO_TEXT)
    return document


def _clean(text: str) -> str:
    """Without control characters and lone surrogates, which neither index nor model can use."""
    return _BLANK_LINES.sub("\n\n", admission.clean(text))
