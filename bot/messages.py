"""The values that travel along the main path: frozen, keyword-only, free of any vendor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

GENERAL = "general"
EVERYONE = "everyone"
SHARED = "shared file: "  # in front of a passage's document where it came with the question
REVIEWED = "reviewed"  # in place of a prompt's name where a reviewed answer was given again
STOPPED = "it was stopped"  # why a job failed that somebody stopped
BEING_DONE = "this is being done already; wait for its end, or stop it"  # why a job is not taken on

Decision = Literal["answer", "ask_back"]
ReviewState = Literal["new", "approved", "corrected", "rejected", "needs_person"]
Fault = Literal["route", "retrieval", "wording"]
DatasetKind = Literal["sft", "dpo", "kto"]


def now() -> datetime:
    """The current time, always in UTC and always aware of it."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What somebody asked, whatever the platform."""

    id: str  # the platform's own event id; a second message with the same id is the same message
    text: str
    user: str = "operator"  # "slack:user:U123", "discord:user:42", or "operator" at the command line
    platform: str = "cli"
    workspace: str = ""  # "slack:T123", "discord:guild:42"; what belongs to two of them never meets
    thread: str = ""  # messages of one conversation share it; empty: no memory
    route: str | None = None  # chosen by a flag, instead of the router
    bound: str | None = None  # the domain of the channel; a flag or a prefix in the text goes before it
    labels: frozenset[str] | None = frozenset({EVERYONE})  # what the reader may read; None: everything
    passages: tuple[str, ...] | None = None  # given with the question or its thread: nothing is retrieved then
    source: str = ""  # what the given passages are called: the name of a shared file
    private: bool = False  # from a place whose rows never train an adapter others use
    at: datetime = field(default_factory=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A standalone question with its embedding, computed once and shared by router and retriever."""

    text: str
    vector: NDArray[np.float32]  # (384,), unit L2 norm


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A source file or row, before it is cut into chunks."""

    id: str  # the row's id, or the path inside the ingested folder
    title: str
    text: str  # Markdown
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of a document, as it is stored and searched."""

    document: str
    index: int  # position in its document, from 0
    text: str  # headings in front, then the body
    heading: str  # "Title > Section > Subsection"
    title: str
    url: str | None = None

    @property
    def body(self) -> str:
        """The text without the headings in front."""
        return self.text[len(self.heading) :].lstrip("\n") if self.text.startswith(self.heading) else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A chunk that was retrieved for a question."""

    document: str
    chunk: int
    text: str
    heading: str = ""
    title: str = ""
    url: str | None = None
    score: float = 0.0  # fused, in [0, 1] within one retrieval
    dense: float = 0.0  # cosine of question and chunk, in [-1, 1]
    words: float = 0.0  # BM25


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """What one domain's index has for a question: its best passages, and the evidence the router reads."""

    passages: tuple[Passage, ...] = ()  # best first
    evidence: tuple[float, ...] = ()  # see knowledge/evidence.py; empty where the domain has no index


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteChoice:
    """Where a question goes, and how sure that is."""

    route: str  # "general" or a domain's name
    probability: float  # calibrated chance that this route is the right one, in [0, 1]
    domain_probability: float  # calibrated chance that any domain owns the question, in [0, 1]
    decision: Decision = "answer"
    runner_up: str | None = None  # the second best route
    task: str | None = None  # the kind of general question that it resembles most


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A standalone question on its way, with where it goes and what was found for it."""

    message: Message
    query: Query
    choice: RouteChoice
    found: Mapping[str, Retrieval]  # per domain that the asker may read
    explicit: bool  # the asker said where it goes


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of a chat prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A filled template, ready for a generator."""

    name: str  # "domain/answer"
    version: int
    turns: tuple[Turn, ...]
    passages: tuple[Passage, ...] = ()  # those that fitted the token budget; [1] is the first
    max_new_tokens: int = 256
    repetition_penalty: float = 1.0  # above 1: the model avoids words that it has used
    hidden_reasoning: bool = False  # the text before "Answer:" is not shown to the user
    refusal: str = ""  # the words by which the model says that the passages do not hold the answer
    refuse_above: float = 1.0  # it may say them only where their first token is more probable than this
    schema: str = ""  # a JSON Schema that the answer cannot leave, unless it refuses

    @property
    def label(self) -> str:
        """`name@version`, as replies and exports give it."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What the model wrote."""

    text: str
    model: str
    adapter: str  # "name@version" or "none"
    prompt_tokens: int
    completion_tokens: int
    refusal: float = 0.0  # probability of the refusal's first token, in [0, 1]
    finish: Literal["stop", "length", "deadline"] = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A passage that supports an answer."""

    number: int  # the [n] in the text
    document: str
    chunk: int
    title: str
    url: str | None  # None: the document's path says where it is
    quote: str  # the words of the passage that support the answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer and its lineage: the record that feedback points at."""

    id: str
    route: str
    probability: float
    domain_probability: float
    adapter: str  # "name@version" or "none"
    prompt: str  # "name@version" or "none"
    model: str
    text: str = ""  # what the user reads, markers such as [1] included
    decision: Decision = "answer"
    abstained: bool = False
    citations: tuple[Citation, ...] = ()
    grounding: float = 0.0  # share of the answer that the passages support, in [0, 1]; 0 for general answers
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds_to_first_token: float = 0.0
    seconds: float = 0.0
    question: str = ""  # the standalone question that was routed and retrieved for
    passages: tuple[Passage, ...] = ()

    @property
    def reused(self) -> str:
        """The reviewed reply that was given again; empty for an answer of its own."""
        name, _, reply = self.prompt.partition("@")
        return reply if name == REVIEWED else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """A user's vote on a reply; the latest vote of a user on a reply counts."""

    reply: str
    user: str
    platform: str
    rating: Literal[1, -1, 0]  # 0: taken back
    reason: str | None = None
    correction: str | None = None
    wrong_route: str | None = None  # "general", a domain, or "unknown"
    at: datetime = field(default_factory=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What a reviewer decided about a reply; the newest decision counts."""

    reply: str
    state: ReviewState
    by: str
    answer: str | None = None  # the right answer, where the bot's was corrected
    route: str | None = None  # the right route, "general" or a domain; None: not known
    fault: Fault | None = None  # what went wrong
    undo: bool = False  # the decision that stood before the latest one, once more
    at: datetime = field(default_factory=now)


Seen = Mapping[str, datetime | None]
"""By reply the time of the latest decision that somebody saw before deciding; None: there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedAnswer:
    """An answer that a reviewer approved or wrote, as it may be given to somebody who asks the same."""

    reply: str  # the reply that was reviewed
    route: str
    text: str  # markers included
    written: bool  # by the reviewer
    at: datetime  # of the review
    abstained: bool = False  # the right answer is that the documents do not hold it
    passages: tuple[Passage, ...] = ()  # those it rests on, as the index holds them now
    citations: tuple[Citation, ...] = ()
    grounding: float = 0.0

    @property
    def label(self) -> str:
        """What its replies name in place of a prompt."""
        return f"{REVIEWED}@{self.reply}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """One version of a domain's training data; it never changes."""

    domain: str
    version: str  # "1", "2", ... within its domain; empty while it is not kept yet
    kind: DatasetKind
    rows: int  # held-out ones included
    hash: str  # of the rows
    approved_by: tuple[str, ...]  # the reviewers
    documents: tuple[str, ...]  # whose text is in the passages
    report: Mapping[str, Any]  # as JSON holds it, see adapters/data_report.py
    created: datetime = field(default_factory=now)

    @property
    def label(self) -> str:
        """`domain@version`."""
        return f"{self.domain}@{self.version}"

    @property
    def folder(self) -> str:
        """Where its files lie, below the storage directory."""
        return f"datasets/{self.domain}/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSource:
    """Something that a dataset was made from: a reply, a person behind it, a document in its passages."""

    reply: str
    user: str
    workspace: str = ""
    document: str = ""  # empty: none


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A question that was accepted and is not yet answered."""

    message: Message
    address: Mapping[str, str]  # where the answer goes, in the platform's own words
    begun: str = ""  # the platform's id of the reply, from the moment it is known
    resumed: bool = False  # an earlier process accepted it, and may have begun a reply that it could not note


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSetting:
    """What moderators have set for a channel in the chat itself."""

    channel: int
    domain: str | None  # from which its questions are answered
    automatic: bool  # whether its threads and posts are answered without a mention


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """How much is kept of one person."""

    questions: int
    votes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One question and its reply as the store keeps them."""

    message: Message
    reply: Reply
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A reviewer's decision among all of them."""

    number: int  # grows with every decision
    review: Review
    exchange: Exchange | None  # None: deleted since


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledQuestion:
    """A question whose route is known: written by an admin, or curated from feedback."""

    text: str
    route: str
    reply: str = ""  # whose review says the route; empty: it was written by hand
    weight: float = 1.0  # in (0, 1]: less where one person asked many at about the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work that a command handed to the process that owns the index."""

    id: int
    kind: str
    payload: Mapping[str, object]


class JobStatus(NamedTuple):
    """How far a job is."""

    state: Literal["waiting", "running", "stopping", "done", "failed"]
    done: int  # steps
    total: int  # 0: not known
    doing: str
    result: Any  # as JSON holds it
    error: str | None  # why it failed


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedJob:
    """A job with how far it is."""

    job: Job
    status: JobStatus
    ended: datetime | None = None  # when, well or not


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What an ingest changed; `failed` names each document that could not be read, with the reason."""

    documents: int = 0
    chunks: int = 0
    added: int = 0
    updated: int = 0
    removed: int = 0
    failed: Sequence[Mapping[str, str]] = ()
