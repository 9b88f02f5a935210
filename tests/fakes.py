"""Stand-ins for the ports, and sample values; a contract test runs each beside the real one."""

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bot.errors import PointsmanError, StoreError
from bot.messages import (
    GENERAL,
    Completion,
    Exchange,
    Feedback,
    Job,
    LabelledQuestion,
    Message,
    Passage,
    Prompt,
    Query,
    Reply,
    Retrieval,
    RouteChoice,
    Turn,
)
from bot.ports import JobStatus, OnText, Progress, discard, silent

# The store: ExchangeStore, FeedbackStore, ExampleStore, Inbox, JobQueue

MESSAGE = Message(id="event-1", text="When is my refund?", user="slack:U1", platform="slack", thread="T1")
REPLY = Reply(
    id="reply-1",
    text="Within 14 days [1].",
    route="billing",
    probability=0.9,
    domain_probability=0.95,
    decision="answer",
    abstained=False,
    citations=(),
    adapter="billing@3",
    prompt="domain/answer@1",
    model="SmolLM2-135M-Instruct",
    grounding=1.0,
    prompt_tokens=200,
    completion_tokens=12,
    seconds_to_first_token=0.5,
    seconds=1.5,
)


@dataclass(slots=True)
class InMemoryExchangeStore:
    exchanges: dict[str, Exchange] = field(default_factory=dict)  # by reply id, in the order they were begun

    async def begin(self, message: Message, reply: Reply) -> None:
        if reply.id in self.exchanges:
            raise StoreError(f"reply {reply.id!r} was begun before")
        self.exchanges[reply.id] = Exchange(message=message, reply=reply, complete=False)

    async def complete(self, reply: Reply) -> None:
        if reply.id not in self.exchanges:
            raise StoreError(f"reply {reply.id!r} is not known")
        self.exchanges[reply.id] = replace(self.exchanges[reply.id], reply=reply, complete=True)

    async def thread(self, thread: str, *, last: int) -> Sequence[Exchange]:
        found = [each for each in self.exchanges.values() if each.complete and each.message.thread == thread]
        return tuple(found[len(found) - last :] if len(found) > last else found) if thread else ()

    async def find(self, reply: str) -> Exchange | None:
        return self.exchanges.get(reply)

    async def delete_older_than(self, moment: datetime) -> int:
        old = [reply for reply, exchange in self.exchanges.items() if exchange.message.at < moment]
        for reply in old:
            del self.exchanges[reply]
        return len(old)


@dataclass(slots=True)
class InMemoryFeedbackStore:
    exchanges: InMemoryExchangeStore
    votes: dict[tuple[str, str], Feedback] = field(default_factory=dict)  # by reply and user

    async def save(self, feedback: Feedback) -> None:
        if feedback.reply not in self.exchanges.exchanges:
            raise StoreError(f"reply {feedback.reply!r} is not known")
        key = (feedback.reply, feedback.user)
        self.votes[key] = self._merged(self.votes.get(key), feedback)

    async def all(self) -> Sequence[Feedback]:
        kept = [vote for vote in self.votes.values() if vote.rating and vote.reply in self.exchanges.exchanges]
        return tuple(sorted(kept, key=lambda vote: vote.at))

    def _merged(self, earlier: Feedback | None, later: Feedback) -> Feedback:
        if earlier is None or earlier.rating != later.rating:
            return later
        return replace(
            later,
            reason=earlier.reason if later.reason is None else later.reason,
            correction=earlier.correction if later.correction is None else later.correction,
            wrong_route=earlier.wrong_route if later.wrong_route is None else later.wrong_route,
        )


@dataclass(slots=True)
class InMemoryExampleStore:
    routes: dict[str, str] = field(default_factory=dict)  # by text

    async def add(self, examples: Sequence[LabelledQuestion]) -> int:
        before = len(self.routes)
        self.routes.update({example.text: example.route for example in examples})
        return len(self.routes) - before

    async def all(self) -> Sequence[LabelledQuestion]:
        return tuple(LabelledQuestion(text=text, route=route) for text, route in self.routes.items())


@dataclass(slots=True)
class InMemoryInbox:
    messages: dict[str, Message | None] = field(default_factory=dict)  # by event id; None: answered

    async def accept(self, message: Message) -> bool:
        if message.id in self.messages:
            return False
        self.messages[message.id] = message
        return True

    async def done(self, message_id: str) -> None:
        if message_id in self.messages:
            self.messages[message_id] = None

    async def unfinished(self) -> Sequence[Message]:
        return tuple(message for message in self.messages.values() if message is not None)


@dataclass(slots=True)
class InMemoryJobQueue:
    jobs: list[Job] = field(default_factory=list)  # the first has id 1
    states: dict[int, JobStatus] = field(default_factory=dict)

    async def submit(self, kind: str, payload: Mapping[str, Any]) -> int:
        job = Job(id=len(self.jobs) + 1, kind=kind, payload=dict(payload))
        self.jobs.append(job)
        self.states[job.id] = JobStatus("waiting", 0, 0, "", None, None)
        return job.id

    async def take(self) -> Job | None:
        for job in self.jobs:
            if self.states[job.id].state == "waiting":
                self.states[job.id] = self.states[job.id]._replace(state="running")
                return job
        return None

    async def report(self, job: int, *, done: int, total: int, doing: str) -> None:
        self.states[job] = (await self.status(job))._replace(done=done, total=total, doing=doing)

    async def finish(self, job: int, *, result: Any = None, error: str | None = None) -> None:
        status = (await self.status(job))._replace(result=result, error=error)
        self.states[job] = status._replace(state="done" if error is None else "failed")

    async def status(self, job: int) -> JobStatus:
        if job not in self.states:
            raise StoreError(f"job {job} does not exist")
        return self.states[job]

    async def forget(self, job: int) -> None:
        self.jobs = [each for each in self.jobs if each.id != job]
        self.states.pop(job, None)

    async def requeue_running(self) -> int:
        running = [job for job, status in self.states.items() if status.state == "running"]
        for job in running:
            self.states[job] = JobStatus("waiting", 0, 0, "", None, None)
        return len(running)


# The main path: Encoder, Retriever, Router, AdapterChooser, Generator

DIMENSION = 384


@dataclass(slots=True)
class HashedWordsEncoder:
    """Each word counts in one of 384 places, so texts with words in common are near each other."""

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> NDArray[np.float32]:
        found = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        for number, text in enumerate(texts):
            for word in re.findall(r"\w+", text.casefold()) or [""]:
                found[number, zlib.crc32(word.encode()) % DIMENSION] += 1
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)

    def count_tokens(self, text: str) -> int:
        return len(re.findall(r"\w+|[^\w\s]", text))


@dataclass(slots=True)
class FixedRetriever:
    """Finds the same for every question, but only where the reader has the domain's label."""

    found: Mapping[str, Sequence[Passage]] = field(default_factory=dict)  # per domain
    access: Mapping[str, str] = field(default_factory=dict)  # per domain a label; none: for everyone
    near: float = 0.9  # cosine of any question and any text that was given with it
    retrieved: list[str] = field(default_factory=list)  # the questions, in order

    async def embed(self, text: str, *, earlier: str = "") -> Query:
        whole = f"{earlier} {text}".strip()
        return Query(text=whole, vector=HashedWordsEncoder().encode([whole])[0])

    async def compare(self, query: Query, texts: Sequence[str]) -> Sequence[Passage]:
        return [
            Passage(document=f"passage {n}", chunk=0, text=text, dense=self.near) for n, text in enumerate(texts, 1)
        ]

    async def retrieve(self, query: Query, *, labels: frozenset[str] | None, top_k: int) -> Mapping[str, Retrieval]:
        self.retrieved.append(query.text)
        return {
            domain: Retrieval(passages=tuple(passages[:top_k]))
            for domain, passages in self.found.items()
            if labels is None or self.access.get(domain) in (None, *labels)
        }


@dataclass(slots=True)
class FixedRouter:
    """Makes the same choice for every question."""

    choice: RouteChoice
    nearest: str | None = None

    def choose(self, query: Query, found: Mapping[str, Retrieval], *, explicit: str | None) -> RouteChoice:
        if explicit is None:
            return self.choice
        chance = float(explicit != GENERAL)
        return RouteChoice(route=explicit, probability=1.0, domain_probability=chance, task=self.choice.task)

    def nearest_domain(self, query: Query) -> str | None:
        return self.nearest


@dataclass(slots=True)
class FixedAdapters:
    labels: Mapping[str, str] = field(default_factory=dict)  # per domain

    def current(self, domain: str) -> str:
        return self.labels.get(domain, "none")


@dataclass(slots=True)
class EchoGenerator:
    """Says which adapter and which prompt ran, or what it was told to say, a few characters at a time."""

    answer: str | None = None
    finish: Literal["stop", "length", "deadline"] = "stop"
    breaks: PointsmanError | None = None  # raised after the first piece
    model: str = "echo"
    context_tokens: int = 2048
    piece: int = 5  # characters
    prompts: list[Prompt] = field(default_factory=list)  # in the order they came

    def count_tokens(self, turns: Sequence[Turn]) -> int:
        return sum(len(turn.content.split()) for turn in turns)

    async def generate(self, prompt: Prompt, *, adapter: str, on_text: OnText = discard) -> Completion:
        self.prompts.append(prompt)
        text = f"{adapter}|{prompt.label}" if self.answer is None else self.answer
        for begin in range(0, len(text), self.piece):
            await on_text(text[begin : begin + self.piece])
            if self.breaks:
                raise self.breaks
        return Completion(
            text=text,
            model=self.model,
            adapter=adapter,
            prompt_tokens=self.count_tokens(prompt.turns),
            completion_tokens=len(text.split()),
            finish=self.finish,
        )
