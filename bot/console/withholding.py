"""What viewers do not read: text from documents that not everyone may read, and the answers that rest on it."""

from collections.abc import Collection, Sequence

from bot.console.visits import Visit
from bot.desks.holdings import PUBLIC, Rests
from bot.messages import Exchange


def sees_all(visit: Visit) -> bool:
    """Whether who asks reads every answer: who curates has to."""
    return visit.may("curator")


async def withheld(visit: Visit, replies: Sequence[str]) -> frozenset[str]:
    """Those of *replies* whose answers are not for who asks: a sentence of the bot's own says nothing of documents."""
    found = await resting(visit, replies)
    own = await visit.parts.answers.own_words(list(found)) if found else {}
    verdicts = await visit.parts.knowledge.open_to_all([Rests(route, (), PUBLIC) for route in own.values()])
    return found - {reply for reply, is_open in zip(own, verdicts, strict=True) if is_open}


async def resting(visit: Visit, replies: Sequence[str]) -> frozenset[str]:
    """Those of *replies* about which people may have written what is not for who asks, whatever was answered."""
    if sees_all(visit) or not replies:
        return frozenset()
    known = await visit.parts.answers.rests(replies)
    found = [(reply, rests) for reply, several in known.items() for rests in several]
    verdicts = await visit.parts.knowledge.open_to_all([rests for _, rests in found])
    return frozenset(reply for (reply, _), is_open in zip(found, verdicts, strict=True) if not is_open)


async def closed_passages(visit: Visit, exchange: Exchange) -> frozenset[int]:
    """The places, from 0, of the passages of an answer that are not for who asks."""
    if sees_all(visit):
        return frozenset()
    route, labels = exchange.reply.route, exchange.message.labels
    each = [Rests(route, (passage.document,), labels) for passage in exchange.reply.passages]
    verdicts = await visit.parts.knowledge.open_to_all(each)
    return frozenset(number for number, is_open in enumerate(verdicts) if not is_open)


async def readable(visit: Visit, domain: str, documents: Collection[str]) -> list[str]:
    """Those of *documents* of a domain whose names are for who asks."""
    if sees_all(visit):
        return list(documents)
    verdicts = await visit.parts.knowledge.open_to_all([Rests(domain, (each,), PUBLIC) for each in documents])
    return [document for document, is_open in zip(documents, verdicts, strict=True) if is_open]


async def closed(visit: Visit, domain: str) -> bool:
    """Whether nothing that rests on documents of *domain* is for who asks."""
    return not sees_all(visit) and not all(await visit.parts.knowledge.open_to_all([Rests(domain, (), PUBLIC)]))
