"""
The routes that reviewers decided, as example questions for the router.

They are joined from the stores whenever they are needed and never copied: what is deleted or taken back is not learnt
again. Nearly the same question counts once, with the newest decision on it; what was written by hand goes before.
"""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bot import admission
from bot.conversation import leans_on_the_last
from bot.learning.curation import ALIKE, WINDOW, question_of
from bot.messages import Exchange, LabelledQuestion, Review
from bot.ports import CurationStore, Encoder, ExampleStore, ExchangeStore, Progress, silent
from bot.privacy.redaction import Redactor
from bot.progress import in_thread

DELETED = "deleted: its asker was forgotten, or it is older than retention_days"
OPEN = "left to somebody else, so no route is decided"
NO_SUCH_ROUTE = "its route is no longer in pointsman.toml"
PRIVATE = "asked in a private place"
SHARED_FILE = "asked about a text that came with it"
FOLLOW_UP = "does not stand alone: it is a follow-up, or has two words at most"
NOT_SERVED = "not a question that the bot answers"
NOT_JUDGED = "nobody said which route is right: the bot asked back, the channel chose, or only the fault is named"
REPEATED = "asks nearly the same as another example"
OVERRULED = "another example says otherwise: a newer decision on nearly the same question, or one written by hand"

AT_A_TIME = 256  # texts that are embedded between two steps

Decided = tuple[Review, Exchange | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What the router may learn from."""

    examples: tuple[LabelledQuestion, ...] = ()  # those written by hand first; then those of reviews, oldest first
    left_out: Mapping[str, Sequence[str]]  # by reason the replies whose reviews teach nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDesk:
    """Collects the example questions, over the stores."""

    examples: ExampleStore
    exchanges: ExchangeStore
    reviews: CurationStore
    encoder: Encoder
    redactor: Redactor

    async def lessons(self, routes: Collection[str], progress: Progress = silent) -> Lessons:
        """Returns: every example question whose route is one of *routes*, and why other reviews teach nothing."""
        written = [example for example in await self.examples.all() if example.route in routes]
        reviews = [review for review in await self.reviews.all() if review.route]
        decided = [(review, await self.exchanges.find(review.reply)) for review in reviews]
        return await in_thread(partial(self._lessons, written, decided, routes), progress)

    def _lessons(
        self,
        written: Sequence[LabelledQuestion],
        decided: Sequence[Decided],
        routes: Collection[str],
        progress: Progress,
    ) -> Lessons:
        left_out: dict[str, list[str]] = defaultdict(list)
        usable: list[tuple[Exchange, LabelledQuestion]] = []
        for number, (review, exchange) in enumerate(decided):
            progress(number, len(decided), "Redacting")
            if reason := objection(review, exchange, routes):
                left_out[reason].append(review.reply)
            elif exchange and review.route:
                text = self.redactor.redact(admission.clean(question_of(exchange)))
                usable.append((exchange, LabelledQuestion(text=text, route=review.route, reply=review.reply)))
        kept = self._settled(written, usable, left_out, progress)
        return Lessons(examples=(*written, *shared_out(kept)), left_out=dict(left_out))

    def _settled(
        self,
        written: Sequence[LabelledQuestion],
        usable: Sequence[tuple[Exchange, LabelledQuestion]],
        left_out: dict[str, list[str]],
        progress: Progress,
    ) -> list[tuple[Exchange, LabelledQuestion]]:
        """Of *usable*, oldest first, those that neither repeat nor contradict what goes before them."""
        if not usable:
            return []
        rows = [*written, *(example for _, example in reversed(usable))]
        vectors = self._embedded([row.text for row in rows], progress)
        heads = list(range(len(written)))
        places = {normal(row.text): place for place, row in enumerate(written)}
        for place in range(len(written), len(rows)):
            head = places.setdefault(normal(rows[place].text), place)
            if head == place and heads:
                cosines = vectors[heads] @ vectors[place]
                head = heads[int(cosines.argmax())] if cosines.max() >= ALIKE else place
            if head == place:
                heads.append(place)
            else:
                reason = REPEATED if rows[head].route == rows[place].route else OVERRULED
                left_out[reason].append(rows[place].reply)
        kept = {rows[place].reply for place in heads}
        return [each for each in usable if each[1].reply in kept]

    def _embedded(self, texts: Sequence[str], progress: Progress) -> NDArray[np.float32]:
        parts = []
        for begin in range(0, len(texts), AT_A_TIME):
            progress(begin, len(texts), "Comparing the questions")
            parts.append(self.encoder.encode(texts[begin : begin + AT_A_TIME]))
        return np.vstack(parts)


def objection(review: Review, exchange: Exchange | None, routes: Collection[str]) -> str | None:
    """Why a decided route teaches the router nothing; None where it does."""
    if exchange is None:
        return DELETED
    message, question = exchange.message, question_of(exchange)
    reasons = (
        (review.state == "needs_person", OPEN),
        (review.route not in routes, NO_SUCH_ROUTE),
        (message.private, PRIVATE),
        (message.passages is not None, SHARED_FILE),
        (admission.objection(admission.clean(question)), NOT_SERVED),
        (not _stands_alone(exchange), FOLLOW_UP),
        (not _judged(review, exchange), NOT_JUDGED),
    )
    return next((reason for holds, reason in reasons if holds), None)


def shared_out(kept: Sequence[tuple[Exchange, LabelledQuestion]]) -> list[LabelledQuestion]:
    """The examples, each with one over the root of how many its asker gave less than WINDOW before or after."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for exchange, _ in kept:
        times[_asker(exchange)].append(exchange.message.at.timestamp())
    found = []
    for exchange, example in kept:
        own, at = times[_asker(exchange)], exchange.message.at.timestamp()
        own.sort()
        near = bisect_left(own, at + WINDOW.total_seconds()) - bisect_right(own, at - WINDOW.total_seconds())
        found.append(replace(example, weight=float(near**-0.5)))
    return found


def _asker(exchange: Exchange) -> tuple[str, str]:
    return exchange.message.user, exchange.message.workspace


def _stands_alone(exchange: Exchange) -> bool:
    """Whether the question was not put together from several messages, and can be understood by itself."""
    asked, question = admission.clean(exchange.message.text), admission.clean(question_of(exchange))
    ends_alike = asked.split()[-1:] == question.split()[-1:]  # a follow-up ends a question that begins with another
    return (asked.endswith(question) or not ends_alike) and not leans_on_the_last(question)


def _judged(review: Review, exchange: Exchange) -> bool:
    """Whether the reviewer meant the route: the one that was taken is filled in where none was named."""
    message, reply = exchange.message, exchange.reply
    if review.route != reply.route:
        return True
    if review.fault == "route":
        return False
    asked_back = reply.decision == "ask_back" and review.state == "approved"
    by_the_channel = reply.abstained and bool(message.route or message.bound) and review.state != "rejected"
    return not asked_back and not by_the_channel


def normal(text: str) -> str:
    """*text* without what does not matter for saying the same: case, punctuation, spaces."""
    return " ".join(re.findall(r"\w+", text.casefold()))
