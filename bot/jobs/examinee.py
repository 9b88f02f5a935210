"""The assistant as it sits an exam: it answers with one adapter whatever the domain, and nothing is kept."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from bot.assistant import Assistant
from bot.messages import GENERAL, Completion, Exchange, Message, Prompt, Reply
from bot.prompts import fit

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Examinee:
    """Answers what an evaluation asks, through the same parts that answer users."""

    assistant_with: Callable[[str], Assistant]  # by an adapter's label; raises AdapterNotFound, AdapterUnusable
    expect: Surprise

    async def answer(self, question: str, passages: tuple[str, ...], adapter: str) -> Reply:
        """The reply of the main path to a question with given passages."""
        assistant = replace(self.assistant_with(adapter), exchanges=Unkept())
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
