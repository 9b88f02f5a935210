"""The assistant as it sits an exam: it answers with one adapter whatever the domain, and nothing is kept."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from bot.assistant import Assistant
from bot.messages import GENERAL, Completion, Exchange, Message, Passage, Prompt, Query, Reply, Retrieval
from bot.ports import Retriever
from bot.prompts import fit

LONGEST_TITLE = 60  # characters
ROUTE = "probe"  # no domain: its own wishes, such as a language or a schema, would change every answer

Surprise = Callable[[Sequence[tuple[Prompt, str]], str], Awaitable[Sequence[float]]]
"""Called with prompts and answers and a label. Returns: mean negative log-likelihood per token of each answer."""


class Unkept:
    """An ExchangeStore that keeps nothing."""

    async def begin(self, message: Message, reply: Reply) -> None: ...

    async def complete(self, reply: Reply) -> None: ...

    async def thread(self, thread: str, *, last: int) -> Sequence[Exchange]:
        return ()

    async def find(self, reply: str) -> Exchange | None:
        return None

    async def show(self, reply: str, places: Sequence[str]) -> None: ...

    async def places(self, reply: str) -> Sequence[str]:
        return ()

    async def shown_at(self, place: str) -> str | None:
        return None

    async def delete_older_than(self, moment: datetime) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Headed:
    """A Retriever that knows the headings in front of given texts, so that a report quotes what stands below them."""

    retriever: Retriever

    async def embed(self, text: str, *, earlier: str = "") -> Query:
        return await self.retriever.embed(text, earlier=earlier)

    async def compare(self, query: Query, texts: Sequence[str]) -> Sequence[Passage]:
        found = await self.retriever.compare(query, texts)
        return [replace(each, heading=_heading(each.text)) for each in found]

    async def retrieve(self, query: Query, *, labels: frozenset[str] | None, top_k: int) -> Mapping[str, Retrieval]:
        return await self.retriever.retrieve(query, labels=labels, top_k=top_k)


def _heading(text: str) -> str:
    """The first line where it is no sentence: chunks begin with their headings."""
    first, _, body = text.partition("\n")
    short = " > " in first or len(first) <= LONGEST_TITLE
    return first if short and body.strip() and not first.rstrip().endswith((".", "!", "?", ":", ";", ",")) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examinee:
    """Answers what an evaluation asks, through the same parts that answer users."""

    assistant_with: Callable[[str], Assistant]  # by an adapter's label; raises AdapterNotFound, AdapterUnusable
    expect: Surprise

    async def answer(self, question: str, passages: tuple[str, ...], adapter: str) -> Reply:
        """The reply of the main path to a question with given passages."""
        assistant = self.assistant_with(adapter)
        assistant = replace(assistant, exchanges=Unkept(), retriever=Headed(assistant.retriever))
        return await assistant.reply_to(Message(id=uuid4().hex, text=question, route=ROUTE, passages=passages))

    async def complete(self, question: str, adapter: str) -> Completion:
        """What the general template makes of a question with the adapter switched on, as after a wrong turn."""
        assistant = self.assistant_with(adapter)
        return await assistant.generator.generate(await _general(assistant, question), adapter=adapter)

    async def surprise(self, pairs: Sequence[tuple[str, str]], adapter: str) -> Sequence[float]:
        """How little it expects good answers to general questions: mean negative log-likelihood per token."""
        assistant = self.assistant_with(adapter)
        return await self.expect([(await _general(assistant, asked), good) for asked, good in pairs], adapter)


async def _general(assistant: Assistant, question: str) -> Prompt:
    choice = assistant.router.choose(await assistant.retriever.embed(question), {}, explicit=GENERAL)
    return fit(assistant.prompts.for_kind(choice.task), tokens=assistant.generator, question=question, history=())
