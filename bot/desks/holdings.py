"""What the domains hold and what they lack, as people see it: values shared by console, index and store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import BinaryIO, Literal, NamedTuple

from bot.messages import EVERYONE, Passage

UPLOADS = "uploads"  # the folder for what comes in by the console, and the first part of such a document's name
UPLOADED = "upload: "  # in front of a document's source where it came in by the console; a file's name follows
PAGE = 50

Labels = frozenset[str] | None
"""What somebody may read; None: everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDocument:
    """One document of a domain."""

    id: str
    title: str
    chunks: int
    whole: bool  # no ingest was cut off in the middle of it
    access: tuple[str, ...]  # a reader needs one of these labels
    source: str  # where it was read from; empty: not known
    changed: datetime | None  # when its present text came in; None: not known
    url: str = ""

    @property
    def uploaded(self) -> str:
        """The file by which it came in, if that was by the console; else empty."""
        return self.source.removeprefix(UPLOADED) if self.source.startswith(UPLOADED) else ""

    def readable(self, labels: Labels) -> bool:
        """Whether somebody with *labels* may read it."""
        return labels is None or not labels.isdisjoint(self.access)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFilter:
    """Which documents of a domain somebody wants to see, and in which order."""

    text: str = ""  # in id or title
    access: str = ""
    source: Literal["", "uploads", "folders"] = ""
    order: Literal["name", "newest", "oldest", "longest"] = "name"
    page: int = 1  # from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPage:
    """A page of the list of documents."""

    rows: tuple[ListedDocument, ...]
    found: int  # that the filter lets through
    page: int
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a domain holds, for somebody with certain labels."""

    domain: str
    description: str
    access: tuple[str, ...]  # the labels of which an asker needs one
    documents: int
    chunks: int
    hidden: int  # documents that the reader may not see
    newest: datetime | None  # when a document last came in or changed
    oldest: datetime | None  # when the one came in that has stood longest
    listed: bool = True  # False: the list is still to be made


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunks:
    """Some chunks of a document, as the retriever sees them."""

    texts: tuple[str, ...]
    first: int  # the position of the first one in its document, from 0
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedRoute:
    """Where the router would send a question, and how sure it is."""

    route: str
    probability: float
    domain_probability: float
    decision: str
    runner_up: str | None = None
    objection: str = ""  # why the question would not be answered at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a search found."""

    choice: TriedRoute
    domain: str  # whose passages these are
    passages: tuple[Passage, ...]
    weak: bool  # the bot would say that it does not know


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that somebody sends."""

    name: str
    data: BinaryIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Work on the documents: how far it is, or how it ended."""

    id: int
    kind: str
    domain: str
    by: str
    names: tuple[str, ...]  # of the files or documents that it is about
    state: Literal["waiting", "running", "stopping", "stopped", "done", "failed"]
    done: int
    total: int
    doing: str
    chunks: tuple[int, int] | None  # of a long document that is being read: embedded ones, and all
    counts: Mapping[str, int]  # of documents: added, updated, removed; empty while it is not done
    failed: tuple[tuple[str, str], ...]  # what could not be read, with the reason
    error: str  # why all of it failed

    @property
    def ended(self) -> bool:
        """Well or not."""
        return self.state in ("stopped", "done", "failed")

    @property
    def stoppable(self) -> bool:
        """Whether it can end before its time without leaving anything half done."""
        return self.kind in ("upload", "ingest") and self.state in ("waiting", "running")

    @property
    def place(self) -> float:
        """How far it is on the way to `total`, parts of a long document included."""
        return self.done + (self.chunks[0] / self.chunks[1] if self.chunks else 0.0)


class Rests(NamedTuple):
    """What an answer rests on."""

    domain: str  # or "general"
    documents: tuple[str, ...]
    labels: Labels  # what the asker could read when it was written


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """A question that the documents held no answer to."""

    reply: str
    question: str
    user: str
    route: str
    asked_back: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GapFilter:
    """Which questions that were asked in vain somebody wants to see; empty fields take all."""

    since: date | None = None
    domain: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Questions that ask about the same, and that no document answers."""

    questions: tuple[Unanswered, ...]  # newest first
    compared: bool = True  # with the others, by what they mean; else by their words only

    @property
    def question(self) -> str:
        """The one that stands for all of them."""
        return self.questions[0].question

    @property
    def people(self) -> int:
        """How many different people asked."""
        return len({each.user for each in self.questions})

    @property
    def route(self) -> str:
        """Where most of them went."""
        routes = [each.route for each in self.questions]
        return max(dict.fromkeys(routes), key=routes.count)

    @property
    def asked_back(self) -> int:
        """How many of them were asked back."""
        return sum(each.asked_back for each in self.questions)


def may_see(access: Sequence[str], labels: Labels) -> bool:
    """Whether somebody with *labels* may read what is for those with one of *access*."""
    return labels is None or not labels.isdisjoint(access)


PUBLIC: Labels = frozenset({EVERYONE})
"""What those may read who are not trusted with everything."""
