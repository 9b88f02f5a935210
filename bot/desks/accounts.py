"""Who may use the console, what they may do there, and what they looked for: values shared by console and store."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from bot.errors import InputError
from bot.messages import ReviewState, now

Role = Literal["viewer", "curator", "admin"]
Vote = Literal["", "up", "down", "both", "corrected", "none"]
Outcome = Literal["", "answered", "asked_back", "unknown"]

ROLES: tuple[Role, ...] = ("viewer", "curator", "admin")  # each may do what those before it may
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1000  # hashing reads all of it, so a limit keeps it from being a lever
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who may sign in."""

    name: str  # lower case
    role: Role
    password: str | None = None  # its argon2 hash; None: signs in with the company's account only
    subject: str | None = None  # issuer and subject of that account, from the first such sign-in on
    disabled: bool = False
    created: datetime = field(default_factory=now)

    def may(self, role: Role) -> bool:
        """Whether this account may do what *role* may."""
        return not self.disabled and ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One browser that is signed in."""

    key: str  # a hash of the cookie: who reads the database cannot sign in with it
    account: Account
    csrf: str
    began: datetime
    seen: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change by one person."""

    who: str
    what: str  # "adapter.promote billing"
    before: object  # as JSON holds it; None: nothing was there
    after: object  # as JSON holds it; None: nothing is left
    at: datetime
    id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewFilter:
    """Which answers a reviewer wants to see; empty fields take all."""

    state: ReviewState | Literal["any"] = "new"
    route: str = ""  # "general", a domain, or "domains" for any of them
    vote: Vote = ""
    adapter: str = ""
    prompt: str = ""
    platform: str = ""
    outcome: Outcome = ""
    since: date | None = None
    until: date | None = None  # that day included
    text: str = ""  # in the question or the answer
    answers: bool = True  # False: the text is looked for in questions only


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAnswer:
    """A line of the review list."""

    id: int
    reply: str
    question: str
    answer: str
    route: str
    probability: float
    adapter: str
    prompt: str
    platform: str
    private: bool
    abstained: bool
    decision: str
    at: datetime
    up: int  # votes
    down: int
    corrected: bool  # somebody proposed a correction
    reason: str  # why it is worth a look, one of learning.curation.REASONS
    state: ReviewState
    decided: datetime | None  # when it got that state; None: nobody has decided yet
    cursor: str  # where this line stands, for the page that begins after it


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPage:
    """A page of the review list."""

    rows: tuple[ListedAnswer, ...]
    earlier: str | None  # the cursor before which the page before this one ends; None: this is the first
    later: str | None  # the cursor after which the next page begins; None: this is the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What answers can be filtered by: what occurs in the store."""

    routes: tuple[str, ...]
    adapters: tuple[str, ...]
    prompts: tuple[str, ...]
    platforms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """A question to be answered once more, in another way; what is None stays as it was."""

    adapter: str | None = None  # "name@version" or "none"
    prompt: str | None = None  # "name@version"
    passages: tuple[str, ...] | None = None
    search: bool = False  # look for passages anew, instead of those that the answer had


def account_name(text: str) -> str:
    """
    *text* as the name of an account.

    Raises: InputError if it cannot be one.
    """
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise InputError(f"{text!r} cannot be a name; use letters, digits and . _ @ + - (an e-mail address will do)")
    return name


def require_password(password: str, name: str) -> None:
    """Raises: InputError if *password* is too easy to guess."""
    if len(password) < SHORTEST_PASSWORD:
        raise InputError(f"the password is too short; use at least {SHORTEST_PASSWORD} characters")
    if len(password) > LONGEST_PASSWORD:
        raise InputError(f"the password is too long; use at most {LONGEST_PASSWORD} characters")
    if (name and name in password.lower()) or len(set(password)) < 5:
        raise InputError("the password is too easy to guess; use several words, and not the name")


def noted(account: Account) -> Mapping[str, object]:
    """*account* for the audit log: no hash, but whether there is a password."""
    return {"role": account.role, "disabled": account.disabled, "password": account.password is not None}
