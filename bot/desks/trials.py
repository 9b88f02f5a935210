"""What the page of prompts shows: values shared by console and store."""

from dataclasses import dataclass
from typing import Literal

from bot.desks.holdings import Labels
from bot.messages import Reply

MOST = 5  # questions of a preview: each takes the model some seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class PastQuestion:
    """A question that a prompt has answered."""

    reply: str
    question: str
    prompt: str  # name@version
    route: str
    up: int  # votes
    down: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedQuestion:
    """A question that somebody wants a preview of."""

    text: str
    route: str
    labels: Labels  # what who types it may read


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The text of a prompt that is not saved yet."""

    name: str
    version: int  # that it would get
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One question with the answers by two prompts."""

    question: str
    old: Reply | None  # None: gone meanwhile
    new: Reply | None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A draft's answers beside those that people got, as far as they are there."""

    id: int
    draft: Draft
    state: Literal["waiting", "running", "done", "failed"]
    done: int
    total: int
    compared: tuple[Compared, ...]
    error: str
