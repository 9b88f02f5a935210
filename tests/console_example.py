"""An example for pictures of the console: three months of a small company's questions, the same each time."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from fakes import MESSAGE, REPLY
from sqlalchemy import delete, insert, text

from bot.console.parts import Parts
from bot.desks.accounts import Account
from bot.messages import Citation, Feedback, Message, Passage, Reply, Review, now
from bot.store.database import Database
from bot.store.migrations.versions.version_0006_overview import FILL
from bot.store.migrations.versions.version_0007_alike import compare
from bot.store.models import ExchangeRow, ListedRow, VoteRow
from bot.store.records import message_columns, reply_columns

DAYS = 84
ANSWERED = (
    ("billing", "refunds.md", "When is a refund paid?", "A refund is paid within 14 days to the same account [1]."),
    ("billing", "refunds.md", "Do I get shipping costs back?", "Shipping costs are refunded with a full return [1]."),
    ("billing", "invoices.md", "Where do I find my invoice?", "Invoices are under Account > Invoices [1]."),
    ("billing", "invoices.md", "Can an invoice be sent to another address?", "Yes, until it is paid [1]."),
    ("billing", "fees.md", "How much is the yearly fee?", "The yearly fee is 30 euros [1]."),
    ("travel", "expenses.md", "How long may I wait with my expense report?", "Hand it in within 30 days [1]."),
    ("travel", "trains.md", "May I travel first class by train?", "First class is paid from four hours on [1]."),
    ("travel", "hotels.md", "What may a hotel cost?", "Up to 120 euros a night, breakfast included [1]."),
    ("general", "", "How do I write a friendly reminder?", "Begin with thanks, name the date, and offer help."),
    ("general", "", "Summarise this in one sentence: we meet on Monday.", "The meeting is on Monday."),
)
UNKNOWN = (
    ("billing", "Can I pay by direct debit?"),
    ("billing", "can I pay with direct debit"),
    ("billing", "Is there a discount for schools?"),
    ("travel", "Who pays for a visa?"),
    ("travel", "Who pays for the visa?"),
    ("travel", "Can I take my dog on a business trip?"),
)
BODY = {
    "refunds.md": "Refunds are paid within 14 days to the account from which the invoice was paid. With a full return, "
    "shipping costs are refunded too.",
    "invoices.md": "Every invoice is under Account > Invoices. Until it is paid, its address can be changed there.",
    "fees.md": "The yearly fee is 30 euros. It is due on the day on which the account was opened.",
    "expenses.md": "Expense reports are handed in within 30 days, with receipts.",
    "trains.md": "Train tickets are second class. First class is paid for journeys of four hours and more.",
    "hotels.md": "A hotel may cost up to 120 euros a night, breakfast included.",
}


async def fill(database: Database, parts: Parts) -> None:
    """Put the example into an empty database."""
    draw = random.Random(7)
    exchanges = [_exchange(draw, number, day) for number, day in enumerate(_days(draw))]
    votes = [vote for message, reply in exchanges for vote in _votes(draw, message, reply)]
    rows = [message_columns(message) | _reply(reply) | {"complete": True} for message, reply in exchanges]
    async with database.writing() as session:
        await session.execute(insert(ExchangeRow), rows)
        await session.execute(insert(VoteRow), [_vote(vote) for vote in votes])
        await session.execute(delete(ListedRow))
        await session.execute(text(FILL))
        await (await session.connection()).run_sync(compare)
    await parts.accounts.add(Account(name="ada@example.com", role="admin", subject="example 1"), by="operator")
    await parts.accounts.add(Account(name="ben@example.com", role="curator", subject="example 2"), by="ada@example.com")
    await parts.accounts.change("ben@example.com", by="ada@example.com", role="admin")
    good = [reply.id for _, reply in exchanges if not reply.abstained][:40]
    reviews = [Review(reply=reply, state="approved", by="ben@example.com") for reply in good]
    await parts.reviews.add([*reviews[:-1], replace(reviews[-1], state="rejected", fault="retrieval")])


def _days(draw: random.Random) -> Iterator[int]:
    """For each question, how many days ago it was asked: more of late, few at weekends."""
    today = now().date()
    for ago in range(DAYS, -1, -1):
        busy = 0.3 if (today - timedelta(days=ago)).weekday() > 4 else 1.0
        yield from [ago] * round(busy * (4 + 10 * (DAYS - ago) / DAYS) * draw.uniform(0.6, 1.4))


def _exchange(draw: random.Random, number: int, ago: int) -> tuple[Message, Reply]:
    newer = ago < DAYS / 2
    platform = draw.choices(("slack", "discord", "terminal"), (6, 3, 1))[0]
    at = now() - timedelta(days=ago, minutes=draw.uniform(1, 600))
    message = replace(
        MESSAGE,
        id=f"event{number}",
        platform=platform,
        user=f"{platform}:user:U{number % 37}",
        thread=f"T{number // 2}",
        at=at,
    )
    reply = replace(
        REPLY,
        id=f"{draw.getrandbits(128):032x}",
        seconds_to_first_token=draw.lognormvariate(0.4 if newer else 0.7, 0.5),
    )
    if draw.random() < (0.07 if newer else 0.14):
        route, question = draw.choice(UNKNOWN)
        said = "I don't know: the documents about it do not say."
        dunno = replace(reply, text=said, route=route, abstained=True, question=question, grounding=0.0)
        return _asked(message, question), replace(dunno, prompt="none", adapter="none")
    route, document, question, answer = draw.choice(ANSWERED)
    if draw.random() < 0.05:
        said = "Is your question about billing or about travel?"
        again = replace(reply, text=said, route=route, decision="ask_back", question=question)
        return _asked(message, question), replace(again, prompt="none", adapter="none", grounding=0.0)
    if not document:
        plain = replace(reply, text=answer, route=route, question=question, grounding=0.0)
        return _asked(message, question), replace(plain, adapter="none", prompt="general/answer@1")
    passage = Passage(document=document, chunk=0, text=BODY[document], heading=document[:-3].title(), score=0.93)
    cited = Citation(number=1, document=document, chunk=0, title=passage.heading, url=None, quote=BODY[document][:60])
    adapter = f"{route}@{2 if newer else 1}"
    told = replace(reply, text=answer, route=route, question=question, adapter=adapter, citations=(cited,))
    prompt = "domain/answer@2" if newer else "domain/answer@1"
    return _asked(message, question), replace(told, passages=(replace(passage, dense=0.71, words=8.2),), prompt=prompt)


def _asked(message: Message, question: str) -> Message:
    return replace(message, text=question)


def _votes(draw: random.Random, message: Message, reply: Reply) -> Iterator[Feedback]:
    if draw.random() < 0.35:
        liked = draw.random() < (0.2 if reply.abstained else 0.88 if reply.adapter.endswith("@2") else 0.7)
        corrected = not liked and reply.passages and draw.random() < 0.3
        yield Feedback(
            reply=reply.id,
            user=message.user,
            platform=message.platform,
            rating=1 if liked else -1,
            correction=f"{reply.passages[0].text} [1]" if corrected else None,
            at=message.at + timedelta(minutes=2),
        )


def _reply(reply: Reply) -> dict[str, object]:
    return {"reply": reply.id, **reply_columns(reply)}


def _vote(vote: Feedback) -> dict[str, object]:
    return {name: getattr(vote, name) for name in vote.__slots__}
