"""What the main path needs from the outside: small Protocols, owned by the caller, named by role."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bot.messages import (
    Asking,
    ChannelSetting,
    Completion,
    DatasetSource,
    DatasetVersion,
    Exchange,
    Feedback,
    Job,
    JobStatus,
    LabelledQuestion,
    ListedJob,
    Message,
    Passage,
    Pending,
    Prompt,
    Query,
    Reply,
    Retrieval,
    Review,
    ReviewedAnswer,
    RouteChoice,
    Seen,
    Stored,
    Turn,
)

OnText = Callable[[str], Awaitable[None]]
"""Called with each piece of an answer as it may be shown."""

MessageHandler = Callable[[Message, OnText], Awaitable[Reply]]
"""How a connector hands a question over."""

FeedbackHandler = Callable[[Feedback], Awaitable[None]]
"""How a connector hands a vote over."""

FileReader = Callable[[str, bytes], Awaitable[Sequence[str]]]
"""Returns: the passages of a shared file, given its name and bytes. Raises: InputError with the reason."""

Openers = Callable[[str], Awaitable[Sequence[str]]]
"""Returns: questions to begin with that a domain, by its name, has answers to; for everybody to read."""

Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all (0: not known) and what is being done."""


async def discard(text: str) -> None:
    """An OnText for callers that want the whole answer only."""


def silent(done: int, total: int, doing: str) -> None:
    """A Progress for callers that show none."""


class Connector(Protocol):
    """A way in and out: a chat platform."""

    @property
    def name(self) -> str: ...

    @property
    def ready(self) -> asyncio.Event:
        """Set once questions arrive."""
        ...

    async def run(self, on_message: MessageHandler, on_feedback: FeedbackHandler) -> None: ...


class Encoder(Protocol):
    """Texts to vectors."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns: (len(texts), dimension) array, rows of unit L2 norm."""
        ...


class Retriever(Protocol):
    """Questions to passages that the reader may read."""

    async def embed(self, text: str, *, earlier: str = "") -> Query:
        """Returns: the query for *text*, which may lean on the question before it."""
        ...

    async def compare(self, query: Query, texts: Sequence[str]) -> Sequence[Passage]:
        """Returns: *texts* as passages for this question, in their order."""
        ...

    async def retrieve(self, query: Query, *, labels: frozenset[str] | None, top_k: int) -> Mapping[str, Retrieval]:
        """Returns: per domain its best passages and the router's evidence. *labels* None: read everything."""
        ...


class ReviewedAnswers(Protocol):
    """Answers that reviewers approved or wrote, for those who ask the same again."""

    async def find(self, asking: Asking) -> ReviewedAnswer | None:
        """Returns: the answer to a standalone question, where there is one that the asker may have and that holds."""
        ...


class EvidenceSource(Protocol):
    """What the domains' indexes say to questions, for teaching the router."""

    def made_questions(self, domain: str) -> Sequence[tuple[str, tuple[str, int] | None]]:
        """Returns: stand-ins for questions with the chunk (document, position) to leave out."""
        ...

    def measure(
        self, domain: str, queries: Sequence[Query], without: Sequence[tuple[str, int] | None]
    ) -> Sequence[tuple[float, ...]]:
        """Returns: the evidence of *domain* per query, as if the chunk in *without* were not there."""
        ...


class Router(Protocol):
    """Questions to routes."""

    def choose(self, query: Query, found: Mapping[str, Retrieval], *, explicit: str | None) -> RouteChoice: ...

    def nearest_domain(self, query: Query) -> str | None:
        """Returns: the domain a question is most like where it is known not to be a general one."""
        ...


class TokenCounter(Protocol):
    """How long a prompt is for the model."""

    def count_tokens(self, turns: Sequence[Turn]) -> int: ...

    @property
    def context_tokens(self) -> int:
        """What the model reads and writes in one go, at most."""
        ...


class Generator(TokenCounter, Protocol):
    """Prompts to completions."""

    @property
    def model(self) -> str:
        """The base model's name."""
        ...

    async def generate(self, prompt: Prompt, *, adapter: str, on_text: OnText = discard) -> Completion:
        """
        Complete *prompt* with *adapter* ("name@version" or "none"); pieces go to *on_text* as they come.

        Raises: AdapterNotFound, AdapterUnusable, PromptTooLong, GenerationError.
        Cancelling the task stops the model.
        """
        ...


class AdapterChooser(Protocol):
    """Which adapter answers for a domain now."""

    def current(self, domain: str, thread: str) -> str:
        """Returns: "name@version", or "none"; while nothing is promoted, always the same for the same conversation."""
        ...


class ExchangeStore(Protocol):
    """Keeps every exchange with its lineage."""

    async def begin(self, message: Message, reply: Reply) -> None:
        """
        Store what is known before the first character is shown.

        Raises: StoreError if the reply was begun before.
        """
        ...

    async def complete(self, reply: Reply) -> None:
        """Raises: StoreError if the reply was never begun."""
        ...

    async def thread(self, thread: str, *, last: int) -> Sequence[Exchange]:
        """Returns: the *last* complete exchanges of a thread, oldest first; the empty thread has none."""
        ...

    async def find(self, reply: str) -> Exchange | None:
        """Returns: the exchange of a reply id, complete or not."""
        ...

    async def show(self, reply: str, places: Sequence[str]) -> None:
        """Keep where a reply is read: the platform's ids of its messages, each with platform and workspace."""
        ...

    async def places(self, reply: str) -> Sequence[str]:
        """Returns: where a reply is read, in the order in which it was kept."""
        ...

    async def shown_at(self, place: str) -> str | None:
        """Returns: the id of the reply that is read at *place*."""
        ...

    async def delete_older_than(self, moment: datetime) -> int:
        """Returns: how many exchanges were asked before *moment* and are now gone, with their feedback."""
        ...


class FeedbackStore(Protocol):
    """Keeps votes; the latest of a user on a reply counts."""

    async def save(self, feedback: Feedback) -> None:
        """
        Store a vote in place of the user's earlier one; the same rating again keeps what it leaves out.

        Raises: StoreError if the reply is not known.
        """
        ...

    async def find(self, reply: str, user: str) -> Feedback | None:
        """Returns: the vote of *user* on *reply*, also one that was taken back."""
        ...

    async def all(self) -> Sequence[Feedback]:
        """Returns: one row per user and reply, oldest first, votes taken back left out."""
        ...


class CurationStore(Protocol):
    """
    Keeps what reviewers decided, every decision: the newest on a reply counts, and each can be taken back.

    Changes return what counts now. They change nothing and raise NotFound for a reply that is not known, Conflict where
    there is nothing to take back, DecidedMeanwhile where the latest decision on a reply in *seen* is another one.
    """

    async def add(self, reviews: Sequence[Review], *, seen: Seen | None = None) -> Sequence[Review]: ...

    async def undo(self, replies: Sequence[str], *, by: str, seen: Seen | None = None) -> Sequence[Review]:
        """Take back the latest decision on each reply, by adding the one before it once more."""
        ...

    async def history(self, reply: str) -> Sequence[Review]:
        """Returns: every decision on a reply, oldest first."""
        ...

    async def all(self) -> Sequence[Review]:
        """
        Returns: the decision that counts on each reply, oldest first, undecided ones left out.

        They outlive their exchange, but not the answers in them.
        """
        ...

    async def undecided(self, *, unvoted: int) -> Sequence[Exchange]:
        """Returns: complete exchanges that wait for a decision, oldest first; the newest *unvoted* without a vote."""
        ...


WriteVersion = Callable[[str], None]
"""Called with the number of a new dataset version, to write its files."""


class DatasetStore(Protocol):
    """Knows every version of every dataset, and what it was made from."""

    async def add(
        self, draft: DatasetVersion, sources: Sequence[DatasetSource], write: WriteVersion, *, by: str
    ) -> DatasetVersion:
        """
        Make *draft* the next version of its domain; kept only if *write* did its work.

        Returns: the version; where one of its kind holds the same rows already, that one, and nothing is written.
        """
        ...

    async def find(self, domain: str, version: str) -> DatasetVersion | None: ...

    async def all(self) -> Sequence[DatasetVersion]:
        """Returns: every version, oldest first."""
        ...

    async def using(
        self,
        *,
        reply: str | None = None,
        user: str | None = None,
        workspace: str | None = None,
        document: str | None = None,
    ) -> Sequence[DatasetVersion]:
        """Returns: the versions that hold something of one source that is all of this, oldest first."""
        ...


class AuditLog(Protocol):
    """Who changed what; it is only ever added to."""

    async def record(self, who: str, what: str, before: object = None, after: object = None) -> None:
        """Add an entry with the current time; *before* and *after* as JSON holds them."""
        ...


class ExampleStore(Protocol):
    """Example questions for the router."""

    async def add(self, examples: Sequence[LabelledQuestion]) -> int:
        """Returns: how many were new; a known text gets the new route."""
        ...

    async def all(self) -> Sequence[LabelledQuestion]:
        """Returns: every example, oldest first."""
        ...


class Inbox(Protocol):
    """Events that were accepted and are not yet answered; survives a kill."""

    async def accept(self, message: Message, address: Mapping[str, str] | None = None) -> bool:
        """Returns: whether this event is new, now or ever. Stored before it is acknowledged."""
        ...

    async def begin(self, message_id: str, shown: str) -> None:
        """Store the platform's id of the reply as soon as it is known."""
        ...

    async def done(self, message_id: str) -> None: ...

    async def unfinished(self) -> Sequence[Pending]:
        """Returns: the events not yet answered, oldest first."""
        ...

    async def takes_part(self, thread: str) -> bool:
        """Returns: whether a question of this thread was ever accepted."""
        ...

    async def delete_older_than(self, moment: datetime) -> int:
        """Returns: how many answered events from before *moment* are now forgotten altogether."""
        ...


class ChannelStore(Protocol):
    """What moderators have set for channels; *by* is who changes it."""

    async def bind(self, workspace: str, channel: int, domain: str | None, *, by: str) -> None: ...

    async def answer_automatically(self, workspace: str, channel: int, on: bool, *, by: str) -> None: ...

    async def find(self, channel: int) -> ChannelSetting | None: ...

    async def all(self, workspace: str) -> Sequence[ChannelSetting]: ...


class People(Protocol):
    """What is kept of a person in a workspace, or (None) in all of them, and its deletion."""

    async def stored(self, user: str, workspace: str | None) -> Stored: ...

    async def forget(self, user: str, workspace: str | None, *, by: str = "") -> Stored:
        """
        Returns: what was deleted: the person's questions with their answers, and votes.

        *by*: who wished it, for the audit log; the person, by default.
        """
        ...


class JobQueue(Protocol):
    """Work for the process that owns the index. Those that name a job raise StoreError if there is none."""

    async def submit(self, kind: str, payload: Mapping[str, Any], *, sole: str | None = None) -> int:
        """Returns: the new job's id. Raises: Conflict while another with the same *sole* has not ended."""
        ...

    async def take(self) -> Job | None:
        """Returns: the oldest waiting job, now marked as running; no two takers get the same one."""
        ...

    async def report(self, job: int, *, done: int, total: int, doing: str) -> None: ...

    async def finish(self, job: int, *, result: Any = None, error: str | None = None) -> None: ...

    async def status(self, job: int) -> JobStatus: ...

    async def forget(self, job: int) -> None:
        """Remove a job whose result was fetched."""
        ...

    async def stop(self, job: int) -> None:
        """Have a job end before its time; one that has not begun fails at once, one that has ended stays as it is."""

    async def listed(self, kinds: Collection[str]) -> Sequence[ListedJob]:
        """Returns: the newest jobs of these kinds, oldest first."""
        ...

    async def requeue_running(self) -> int:
        """Returns: how many jobs of an owner that died wait again. The next owner calls it at its start."""
        ...
