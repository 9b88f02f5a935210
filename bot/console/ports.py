"""What the console needs from the outside."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from bot.desks.accounts import Account, AuditEntry, Choices, Rerun, ReviewFilter, ReviewPage, Role, Session
from bot.desks.holdings import (
    Chunks,
    DocumentFilter,
    DocumentPage,
    Gap,
    GapFilter,
    Holding,
    Labels,
    ListedDocument,
    Rests,
    Tried,
    Upload,
    Work,
)
from bot.desks.trials import Draft, PastQuestion, Preview, TypedQuestion
from bot.learning.comparison import Comparison, Tally
from bot.learning.course import Course
from bot.learning.exhibits import Domain, Router, Undertaking
from bot.learning.quality import Overview, OverviewFilter
from bot.messages import DatasetVersion, Exchange, Feedback, Reply, Review, Seen, Turn
from bot.prompt_choices import Choice
from bot.prompts import PromptLibrary, Template

Again = Callable[[Exchange, Rerun], Awaitable[Reply]]
"""Answers a stored question in another way; nothing of it is stored. Raises: PointsmanError."""

PromptOf = Callable[[Exchange], Sequence[Turn]]
"""Returns: the prompt of an exchange, put together from its parts. Raises: InputError if a part is gone."""

Redact = Callable[[str], str]
"""Returns: a text without personal data and secrets, as it may leave in a file. It takes its time."""


class Accounts(Protocol):
    """Keeps who may sign in. Every change is in the audit log; *by* is who makes it."""

    async def add(self, account: Account, *, by: str) -> None:
        """Raises: Conflict if the name is taken."""
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

        Raises: NotFound if there is no such account, Conflict if no admin would be left.
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


class Knowledge(Protocol):
    """
    The documents of the domains, what is missing among them, and work on them: see librarian.Librarian.

    *labels* is what the one who asks may read; None: everything. Those that name a domain raise SettingsError for
    one that there is not.
    """

    @property
    def kinds(self) -> Sequence[str]:
        """The endings of the files that can be read."""
        ...

    @property
    def labels(self) -> Sequence[str]:
        """Every access label that there is."""
        ...

    async def holdings(self, labels: Labels) -> Sequence[Holding]: ...

    async def page(self, domain: str, wanted: DocumentFilter, labels: Labels) -> DocumentPage: ...

    async def find(self, domain: str, document: str, labels: Labels) -> ListedDocument | None: ...

    async def open_to_all(self, rests: Sequence[Rests]) -> Sequence[bool]:
        """Returns: for each of *rests* whether everyone may read all of it."""
        ...

    async def chunks(self, domain: str, document: str, *, first: int, limit: int) -> Chunks: ...

    async def search(self, text: str, domain: str, labels: Labels) -> Tried:
        """Returns: where a question would go, and what *domain* (empty: the likeliest) has for it."""
        ...

    async def upload(self, domain: str, files: Sequence[Upload], access: Collection[str], *, by: str) -> int:
        """Returns: the job that reads *files* in; those that cannot be read are named in how it ended."""
        ...

    async def remove(self, domain: str, documents: Sequence[str], *, by: str) -> int:
        """Returns: the job that takes *documents* out. Raises: Conflict if that is being done."""
        ...

    async def works(self) -> Sequence[Work]:
        """Returns: the latest work on documents, newest first."""
        ...

    async def stop(self, job: int, *, by: str) -> None:
        """Have the reading of documents end; those that are read stay. Raises: NotFound, Conflict."""
        ...

    async def dismiss(self, job: int) -> None:
        """Forget work that has ended."""
        ...

    async def gaps(self, wanted: GapFilter) -> Sequence[Gap]:
        """Returns: what people asked in vain, most asked first."""
        ...


class Prompts(Protocol):
    """
    Where prompts are changed: see prompt_desk.PromptDesk. *seen* is what answered when the page was shown.

    Raises: InputError with what is wrong, Conflict where somebody else changed it meanwhile.
    """

    @property
    def library(self) -> PromptLibrary: ...

    async def save(self, name: str, text: str, *, based_on: str, by: str) -> Template:
        """Keep *text* as the next version; what is in use stays in use."""
        ...

    async def use(self, name: str, version: int, *, seen: Choice, by: str) -> None: ...

    async def try_out(self, name: str, version: int, share: float, *, seen: Choice, by: str) -> None:
        """Have *version* answer a *share* of the conversations."""
        ...

    async def end_trial(self, name: str, *, seen: Choice, by: str) -> None: ...

    async def tallies(self, name: str, since: str = "") -> Mapping[str, Tally]:
        """Returns: the votes by version, all of them or those on answers since a moment in ISO format."""
        ...

    async def asked(self, name: str) -> Sequence[PastQuestion]:
        """Returns: questions to try a new version on."""
        ...

    async def preview(
        self, draft: Draft, replies: Sequence[str], typed: TypedQuestion | None, *, based_on: str, by: str
    ) -> int:
        """Returns: the job that answers past questions, and one that was *typed*, with a draft."""
        ...

    async def previewed(self, job: int) -> Preview: ...


class AuditLog(Protocol):
    """Who changed what."""

    async def record(self, who: str, what: str, before: object = None, after: object = None) -> None: ...

    async def page(
        self, *, who: str = "", what: str = "", before: int | None = None, limit: int = 100
    ) -> Sequence[AuditEntry]:
        """Returns: entries newest first, those with an id below *before*; *who* and *what* are parts of the words."""
        ...


class Workbench(Protocol):
    """What the learn page shows, and has done by whoever owns the index."""

    async def domain(self, name: str) -> Domain:
        """Raises: NotFound if there is no such domain."""
        ...

    async def dataset(self, domain: str, version: str) -> DatasetVersion:
        """Raises: NotFound if there is none."""
        ...

    async def compared(self, domain: str, first: str, second: str) -> Comparison:
        """Returns: how two adapters are voted on, by their answers in one domain."""
        ...

    async def router(self) -> Router: ...

    async def undertakings(self) -> Sequence[Undertaking]:
        """Returns: what runs, and what ended and was not put away, oldest first."""
        ...

    async def courses(self) -> Mapping[str, Course]:
        """Returns: by domain the newest training, running or not."""
        ...

    async def find(self, job: int) -> Undertaking:
        """Raises: NotFound if somebody has put it away."""
        ...

    async def begin(self, kind: str, payload: Mapping[str, object], *, by: str) -> None:
        """Raises: Conflict if the same is being done, or another training runs."""
        ...

    async def stop(self, job: int, *, by: str) -> None: ...

    async def again(self, job: int, *, by: str) -> None:
        """Begin work once more that failed or was stopped. Raises: Conflict if that cannot end well."""
        ...

    async def repeatable(self, work: Undertaking) -> bool:
        """Returns: whether work that failed or was stopped may end well once it is begun again."""
        ...

    async def put_away(self, job: int) -> None: ...


class ReviewList(Protocol):
    """The answers, most useful for a reviewer first."""

    async def page(
        self, wanted: ReviewFilter, *, after: str | None = None, before: str | None = None, limit: int = 50
    ) -> ReviewPage:
        """Returns: the page after one cursor, or before another. Raises: InputError for a cursor that is none."""
        ...

    async def count(self, wanted: ReviewFilter) -> int: ...

    async def choices(self) -> Choices: ...

    async def rests(self, replies: Sequence[str]) -> Mapping[str, Sequence[Rests]]:
        """Returns: by reply what its answer rests on: its passages, and the answers that its model was reminded of."""
        ...

    async def own_words(self, replies: Sequence[str]) -> Mapping[str, str]:
        """Returns: those of *replies* that are sentences of the bot's own and quote nothing, each with its route."""
        ...

    async def votes(self, reply: str) -> Sequence[Feedback]:
        """Returns: the votes on a reply, oldest first, those taken back left out."""
        ...

    async def near(self, votes: Sequence[Feedback]) -> Sequence[int]:
        """Returns: for each of *votes*, how many its user cast at about the same time, this one included."""
        ...


class OverviewFigures(Protocol):
    """How well the bot does."""

    async def figures(self, wanted: OverviewFilter) -> Overview:
        """Returns: every figure of the answers that *wanted* lets through."""
        ...


class Reviewer(Protocol):
    """The reviewer's desk: see learning.curation.Curator."""

    async def decide(self, decisions: Sequence[Review], *, seen: Seen | None = None) -> Sequence[Review]:
        """Returns: what counts now. Raises: DecidedMeanwhile where the latest decision is not the one in *seen*."""
        ...

    async def undo(self, replies: Sequence[str], *, by: str, seen: Seen | None = None) -> Sequence[Review]: ...

    async def hints(self, replies: Sequence[str]) -> Mapping[str, tuple[str, tuple[str, ...]]]:
        """Returns: per reply the first one in the list that asks nearly the same, and kinds of personal data."""
        ...
