"""What the console needs from the outside."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from bot.accounts import Account, AuditEntry, Choices, Rerun, ReviewFilter, ReviewPage, Role, Session
from bot.messages import Exchange, Feedback, Reply, Review, Turn

Again = Callable[[Exchange, Rerun], Awaitable[Reply]]
"""Answers a stored question in another way; nothing of it is stored. Raises: PointsmanError."""

PromptOf = Callable[[Exchange], Sequence[Turn]]
"""Returns: the prompt of an exchange, put together from its parts. Raises: InputError if a part is gone."""


class Accounts(Protocol):
    """Keeps who may sign in. Every change is in the audit log; *by* is who makes it."""

    async def add(self, account: Account, *, by: str) -> None:
        """Raises: StoreError if the name is taken."""
        ...

    async def change(
        self,
        name: str,
        *,
        by: str,
        role: Role | None = None,
        disabled: bool | None = None,
        password: str | None = None,
        subject: str | None = None,
    ) -> Account:
        """
        Change what is not None. A new password and a disabled account end the sessions of the account.

        Raises: StoreError if there is no such account, or no admin would be left.
        """
        ...

    async def find(self, name: str) -> Account | None: ...

    async def by_subject(self, subject: str) -> Account | None: ...

    async def all(self) -> Sequence[Account]:
        """Returns: every account, by name."""
        ...


class Sessions(Protocol):
    """Keeps which browsers are signed in."""

    async def begin(self, key: str, account: str, csrf: str) -> None: ...

    async def find(self, key: str, *, began_after: datetime, seen_after: datetime) -> Session | None:
        """Returns: the session, unless it has expired or its account may no longer sign in."""
        ...

    async def touch(self, key: str) -> None:
        """Note that the session is in use."""
        ...

    async def end(self, key: str) -> None: ...

    async def delete_older_than(self, moment: datetime) -> int:
        """Returns: how many sessions were last seen before *moment* and are now gone."""
        ...


class AuditLog(Protocol):
    """Who changed what."""

    async def record(self, who: str, what: str, before: object = None, after: object = None) -> None: ...

    async def page(
        self, *, who: str = "", what: str = "", before: int | None = None, limit: int = 100
    ) -> Sequence[AuditEntry]:
        """Returns: entries newest first, those with an id below *before*; *who* and *what* are parts of the words."""
        ...


class ReviewList(Protocol):
    """The answers, most useful for a reviewer first."""

    async def page(
        self, wanted: ReviewFilter, *, after: str | None = None, before: str | None = None, limit: int = 50
    ) -> ReviewPage:
        """Returns: the page after one cursor, or before another. Raises: InputError for a cursor that is none."""
        ...

    async def count(self, wanted: ReviewFilter) -> int: ...

    async def choices(self) -> Choices: ...

    async def votes(self, reply: str) -> Sequence[Feedback]:
        """Returns: the votes on a reply, oldest first, those taken back left out."""
        ...


class Reviewer(Protocol):
    """The reviewer's desk: see learning.curation.Curator."""

    async def decide(self, decisions: Sequence[Review]) -> Sequence[Review]: ...

    async def undo(self, replies: Sequence[str], *, by: str) -> Sequence[Review]: ...

    async def hints(self, replies: Sequence[str]) -> Mapping[str, tuple[str, tuple[str, ...]]]:
        """Returns: per reply the first one in the list that asks nearly the same, and kinds of personal data."""
        ...
