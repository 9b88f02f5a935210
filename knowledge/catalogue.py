"""
The list of a domain's documents, as a file beside the index.

To list what Chroma holds one has to read all of it, which only the owner of the index may do. So each change of the
index writes this list, and whoever wants to see it reads a file: 10,000 documents in some hundredths of a second.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.desks.holdings import PAGE, DocumentFilter, DocumentPage, Labels, ListedDocument
from bot.errors import RetrievalError
from bot.files import whole

LONG_AGO = datetime.fromtimestamp(0, UTC)
ORDERS: Mapping[str, Callable[[ListedDocument], Any]] = {
    "name": lambda document: (document.id.casefold(), document.id),
    "newest": lambda document: (-(document.changed or LONG_AGO).timestamp(), document.id),
    "oldest": lambda document: ((document.changed or LONG_AGO).timestamp(), document.id),
    "longest": lambda document: (-document.chunks, document.id),
}


class Catalogue:
    """The lists of all domains, in one folder; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, tuple[tuple[int, int], tuple[ListedDocument, ...]]] = {}
        self._lock = threading.Lock()

    def write(self, domain: str, documents: Sequence[ListedDocument]) -> None:
        """Make *documents* the list of *domain*. Raises: StoreError."""
        with whole(self._file(domain)) as part:
            part.write_text(json.dumps([_row(each) for each in documents]), encoding="utf-8")

    def all(self, domain: str) -> tuple[ListedDocument, ...] | None:
        """
        The documents of *domain* by name; None where nobody has listed them yet.

        Raises: RetrievalError naming the file and the remedy if it is damaged.
        """
        file = self._file(domain)
        try:
            stat = file.stat()
            written = (stat.st_ino, stat.st_mtime_ns)
            with self._lock:
                if (known := self._read.get(domain)) and known[0] == written:
                    return known[1]
            found = tuple(_document(row) for row in json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise RetrievalError(
                f"{file} is damaged ({exc}); delete it, and the list of documents is made anew"
            ) from exc
        found = tuple(sorted(found, key=ORDERS["name"]))
        with self._lock:
            self._read[domain] = (written, found)
        return found

    def page(self, domain: str, wanted: DocumentFilter, labels: Labels) -> DocumentPage:
        """A page of what somebody with *labels* may see of *domain*."""
        text = wanted.text.casefold()
        found = [
            each
            for each in self.all(domain) or ()
            if each.readable(labels)
            and (not text or text in each.id.casefold() or text in each.title.casefold())
            and (not wanted.access or wanted.access in each.access)
            and (not wanted.source or (wanted.source == "uploads") == bool(each.uploaded))
        ]
        if wanted.order != "name":
            found.sort(key=ORDERS[wanted.order])
        pages = max(1, -(-len(found) // PAGE))
        page = min(max(1, wanted.page), pages)
        return DocumentPage(
            rows=tuple(found[(page - 1) * PAGE : page * PAGE]), found=len(found), page=page, pages=pages
        )

    def _file(self, domain: str) -> Path:
        return self._folder / f"{domain}.json"


def _row(document: ListedDocument) -> list[Any]:
    changed = document.changed.isoformat() if document.changed else ""
    more = [list(document.access), document.source, changed, document.url]
    return [document.id, document.title, document.chunks, document.whole, *more]


def _document(row: Sequence[Any]) -> ListedDocument:
    name, title, chunks, complete, access, source, changed, url = row
    return ListedDocument(
        id=name,
        title=title,
        chunks=chunks,
        whole=complete,
        access=tuple(access),
        source=source,
        changed=datetime.fromisoformat(changed) if changed else None,
        url=url,
    )
