"""Stand-ins for the ports, and sample values; a contract test runs each beside the real one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from bot.errors import StoreError
from bot.messages import Exchange, Feedback, Job, LabelledQuestion, Message, Reply
from bot.ports import JobStatus

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

    async def requeue_running(self) -> int:
        running = [job for job, status in self.states.items() if status.state == "running"]
        for job in running:
            self.states[job] = JobStatus("waiting", 0, 0, "", None, None)
        return len(running)
