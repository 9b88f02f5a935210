"""
Answers that reviewers approved or wrote, given again to those who ask the same: long before the next training.

The newest decision about a question counts, whatever it says. An answer from documents is given only to those who may
read them, and as long as they hold the same text; to those who may know less than the first asker, only if every word
of it is in them. One from general knowledge, which no document bears out, stays in its workspace. What was asked in
private or about a shared file is given to nobody. In doubt the model answers: a wrong answer that "a person has
checked" is worse than none.
"""

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bot.answering import unknown
from bot.conversation import leans_on_the_last
from bot.grounding import Release, Verdict, support, without_markers
from bot.learning.standing import Decisions, Standing, StandingDecisions
from bot.messages import GENERAL, Asking, Exchange, Message, Passage, ReviewedAnswer
from bot.ports import Encoder, ExchangeStore, Retriever, discard
from bot.privacy.redaction import Redactor
from bot.prompts import REFUSAL

LOOK_AT = 3  # passages in which the words of a reviewer are looked for


class PassageReader(Protocol):
    """Passages that were found before, as the documents have them now."""

    async def reread(
        self, domain: str, passages: Sequence[Passage], *, labels: frozenset[str] | None
    ) -> Sequence[Passage] | None:
        """Returns: the same passages; None where the text of one is no longer there, or the reader may not read it."""
        ...

    async def changed(self, domain: str) -> datetime | None:
        """Returns: when a document of *domain* last came, went or changed; None where that is not known."""
        ...


class NearestAnswers:
    """Reviewed answers by the likeness of their questions; a decision counts from the next question on."""

    def __init__(
        self,
        *,
        decisions: Decisions,
        exchanges: ExchangeStore,
        retriever: Retriever,
        documents: PassageReader,
        encoder: Encoder,
        redactor: Redactor,
    ) -> None:
        self._standing = StandingDecisions(decisions, encoder)
        self._exchanges = exchanges
        self._retriever = retriever
        self._documents = documents
        self._redactor = redactor

    async def warm_up(self) -> None:
        """Load what the first reviewed answer would wait for, where there is one."""
        await self._standing.catch_up()
        if self._standing.shelf.decisions:
            await asyncio.to_thread(self._redactor.find, "")  # its word lists take seconds

    async def find(self, asking: Asking) -> ReviewedAnswer | None:
        """The answer that a person has checked, if there is one that the asker may have and that still holds."""
        if leans_on_the_last(asking.query.text):
            return None
        for standing in await self._standing.about(asking.query):
            if exchange := await self._exchanges.find(standing.review.reply):
                approved = self._standing.shelf.approves(standing)
                return await self._again(standing, exchange, asking) if approved else None
            self._standing.forget(standing.review.reply)  # deleted, and with it what was decided
        return None

    async def _again(self, standing: Standing, exchange: Exchange, asking: Asking) -> ReviewedAnswer | None:
        review, reply = standing.review, exchange.reply
        route = review.route or reply.route
        # A reviewer who named another route than the one taken spoke of the very questions that still take it.
        if asking.choice.route != route and (asking.explicit or asking.choice.route != reply.route):
            return None
        if exchange.message.private:
            return None
        text = without_markers(review.answer or reply.text)
        if route == GENERAL:
            return await self._from_nothing(text, standing, exchange, asking)
        if route not in asking.found:
            return None
        if _says_nothing(text) or (reply.abstained and review.answer is None):
            return _refusal(route, standing, exchange, asking)
        return await self._from_documents(text, route, standing, exchange, asking)

    async def _from_nothing(
        self, text: str, standing: Standing, exchange: Exchange, asking: Asking
    ) -> ReviewedAnswer | None:
        """An answer to a general question."""
        elsewhere = exchange.message.workspace != asking.message.workspace
        abstained = exchange.reply.abstained and standing.review.answer is None
        if elsewhere or abstained or await self._tells_on(text, asking.query.text):
            return None
        return _answer(standing, GENERAL, text, abstained=_says_nothing(text))

    async def _from_documents(
        self, text: str, route: str, standing: Standing, exchange: Exchange, asking: Asking
    ) -> ReviewedAnswer | None:
        """An answer whose every sentence stands in passages that the asker may read."""
        kept = exchange.reply.passages if exchange.reply.route == route else ()
        if resting := await _resting_on(text, standing.question, kept):
            passages = await self._unchanged(resting, kept, route, asking)
        else:
            passages = await self._looked_for(text, route, standing, asking)
        verdict = await _cited(text, standing.question, passages or ())
        if not passages or not verdict:
            return None
        held = "\n".join(passage.text for passage in passages)
        if _may_know_less(asking.message, exchange.message) and support(text, held) < 1.0:
            return None
        if await self._tells_on(text, asking.query.text, held):
            return None
        return _answer(standing, route, verdict.text, passages=tuple(passages), verdict=verdict)

    async def _unchanged(
        self, resting: Sequence[Passage], kept: Sequence[Passage], route: str, asking: Asking
    ) -> Sequence[Passage] | None:
        """The passages that an answer rests on; None where they changed, or the search puts a new one before all."""
        first = next((passage.text for passage in asking.found[route].passages), None)
        if first not in {passage.text for passage in kept}:
            return None
        return await self._documents.reread(route, resting, labels=asking.message.labels)

    async def _looked_for(self, text: str, route: str, standing: Standing, asking: Asking) -> Sequence[Passage] | None:
        """
        The passages that hold an answer which those it was given from do not: the route or the retrieval was at fault.

        What the documents said when it was reviewed is known only while none has changed since.
        """
        changed = await self._documents.changed(route)
        if changed is None or changed > standing.review.at:
            return None
        query = await self._retriever.embed(text)
        found = await self._retriever.retrieve(query, labels=asking.message.labels, top_k=LOOK_AT)
        return await _resting_on(text, standing.question, found[route].passages) if route in found else None

    async def _tells_on(self, text: str, *others: str) -> bool:
        """Whether *text* holds personal data that is neither in the question nor in the documents."""
        known = "\n".join(others).casefold()
        personal = await asyncio.to_thread(self._redactor.find, text)
        return any(text[found.start : found.end].casefold() not in known for found in personal)


class NoAnswers:
    """Reviewed answers where none is wanted: the words of a certain adapter are to be seen."""

    async def find(self, asking: Asking) -> ReviewedAnswer | None:
        """None, ever."""
        return None


def _may_know_less(now: Message, then: Message) -> bool:
    """Whether who asks now belongs elsewhere, or may not read all that the first asker, and so the answer, could."""
    narrower = now.labels is not None and (then.labels is None or not then.labels <= now.labels)
    return narrower or now.workspace != then.workspace


def _says_nothing(text: str) -> bool:
    """Whether *text* is nothing but "I don't know"."""
    return re.findall(r"\w+", text.casefold()) == re.findall(r"\w+", REFUSAL.casefold())


def _refusal(route: str, standing: Standing, exchange: Exchange, asking: Asking) -> ReviewedAnswer | None:
    """ "I don't know" with the nearest places, as long as the search finds what it found then."""
    passages = asking.found[route].passages
    if exchange.reply.route != route or {p.text for p in passages} != {p.text for p in exchange.reply.passages}:
        return None
    text = unknown(route, asking.query.text, passages).text
    return _answer(standing, route, text, passages=passages, abstained=True) if passages else None


async def _resting_on(text: str, question: str, passages: Sequence[Passage]) -> list[Passage] | None:
    """Those of *passages* that *text* rests on; None where a sentence of it has no support."""
    verdict = await _cited(text, question, passages)
    return [passages[citation.number - 1] for citation in verdict.citations] if verdict else None


async def _cited(text: str, question: str, passages: Sequence[Passage]) -> Verdict | None:
    """*text* with its citations; None where a sentence of it has no support."""
    release = Release(question=question, passages=passages, on_text=discard)
    await release(text)
    verdict = await release.verdict()
    return verdict if verdict.grounding == 1.0 else None


def _answer(
    standing: Standing,
    route: str,
    text: str,
    *,
    abstained: bool = False,
    passages: tuple[Passage, ...] = (),
    verdict: Verdict | None = None,
) -> ReviewedAnswer:
    return ReviewedAnswer(
        reply=standing.review.reply,
        route=route,
        text=text,
        written=standing.review.answer is not None,
        at=standing.review.at,
        abstained=abstained,
        passages=passages,
        citations=verdict.citations if verdict else (),
        grounding=verdict.grounding if verdict else 0.0,
    )
