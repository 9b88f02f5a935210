"""Stand-ins for the ports, and sample values; a contract test runs each beside the real one."""

import asyncio
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bot.errors import ConnectorBusy, ConnectorError, PointsmanError, StoreError
from bot.messages import (
    GENERAL,
    Completion,
    Exchange,
    Feedback,
    LabelledQuestion,
    Message,
    Passage,
    Pending,
    Prompt,
    Query,
    Reply,
    Retrieval,
    RouteChoice,
    Turn,
)
from bot.ports import OnText, Progress, discard, silent

# The store: ExchangeStore, FeedbackStore, ExampleStore, Inbox

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
    shown: dict[str, str] = field(default_factory=dict)  # where it is read -> reply id

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

    async def show(self, reply: str, places: Sequence[str]) -> None:
        self.shown.update(dict.fromkeys(places, reply))

    async def places(self, reply: str) -> Sequence[str]:
        return tuple(place for place, shown in self.shown.items() if shown == reply)

    async def shown_at(self, place: str) -> str | None:
        return self.shown.get(place)

    async def delete_older_than(self, moment: datetime) -> int:
        old = [reply for reply, exchange in self.exchanges.items() if exchange.message.at < moment]
        for reply in old:
            del self.exchanges[reply]
        self.shown = {place: reply for place, reply in self.shown.items() if reply not in old}
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

    async def find(self, reply: str, user: str) -> Feedback | None:
        return self.votes.get((reply, user))

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
    pending: dict[str, Pending | None] = field(default_factory=dict)  # by event id; None: answered
    threads: dict[str, str] = field(default_factory=dict)  # by event id
    accepted_at: dict[str, datetime] = field(default_factory=dict)

    async def accept(self, message: Message, address: Mapping[str, str] | None = None) -> bool:
        if message.id in self.pending:
            return False
        self.pending[message.id] = Pending(message=message, address=address or {})
        self.threads[message.id] = message.thread
        self.accepted_at[message.id] = message.at
        return True

    async def begin(self, message_id: str, shown: str) -> None:
        if waiting := self.pending.get(message_id):
            self.pending[message_id] = replace(waiting, begun=shown)

    async def done(self, message_id: str) -> None:
        if message_id in self.pending:
            self.pending[message_id] = None

    async def unfinished(self) -> Sequence[Pending]:
        return tuple(replace(pending, resumed=True) for pending in self.pending.values() if pending is not None)

    async def takes_part(self, thread: str) -> bool:
        return thread in self.threads.values()

    async def delete_older_than(self, moment: datetime) -> int:
        old = [event for event, at in self.accepted_at.items() if at < moment and self.pending[event] is None]
        for event in old:
            del self.pending[event], self.threads[event], self.accepted_at[event]
        return len(old)


# The desk: Platform, Screen


@dataclass(slots=True)
class ScriptedScreen:
    """Keeps what a reader saw, and raises what its platform is told to."""

    pending: Pending
    begun: OnText
    platform: "ScriptedPlatform"
    seen: list[str]

    async def waiting(self) -> None:
        await self.platform.signs.wait()
        if self.platform.refuses_signs:
            raise ConnectorError("no signs here")
        self.seen.append("waiting")

    async def show(self, piece: str) -> None:
        if not self.seen or self.seen == ["waiting"]:
            await self.begun(f"place of {self.pending.message.id}")
        self.seen.append(piece)

    async def finish(self, reply: Reply) -> list[str]:
        self.platform.deliver()
        self.seen.append(f"answer: {reply.text}")
        return [f"place of {self.pending.message.id}"]

    async def say(self, text: str) -> None:
        self.platform.deliver()
        self.seen.append(f"said: {text}")

    async def stopped(self) -> None:
        try:
            async with asyncio.timeout(0.01):
                await self.platform.stops.wait()
        except TimeoutError as exc:
            raise ConnectorBusy("no answer in time") from exc
        self.seen.append("stopped")


def _open() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


@dataclass(slots=True)
class ScriptedPlatform:
    """A chat platform that fails as it is told to; each gate holds something up while it is closed."""

    failures: list[Exception] = field(default_factory=list)  # of the next deliveries, one each
    incomplete: list[Exception] = field(default_factory=list)  # of the next completions of a message, one each
    refuses_signs: bool = False
    signs: asyncio.Event = field(default_factory=_open)
    stops: asyncio.Event = field(default_factory=_open)
    pending: list[Pending] = field(default_factory=list)  # for which there was a screen, in order
    seen: dict[str, list[str]] = field(default_factory=dict)  # what was read, by message id
    name: str = "slack"

    def screen(self, pending: Pending, begun: OnText) -> ScriptedScreen:
        self.pending.append(pending)
        return ScriptedScreen(pending, begun, self, self.seen.setdefault(pending.message.id, []))

    async def refused(self, message: Message, address: Mapping[str, str], reason: str) -> None:
        """Slack's way: there is no other."""

    async def complete(self, message: Message, address: Mapping[str, str]) -> Message:
        if self.incomplete:
            raise self.incomplete.pop(0)
        return replace(message, labels=frozenset(address.get("labels", "").split()))

    def deliver(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


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
            progress(number + 1, len(texts), "Embedding")
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

    def current(self, domain: str, thread: str) -> str:
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
