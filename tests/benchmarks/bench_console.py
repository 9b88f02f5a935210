"""How long the console's pages take with 50,000 exchanges stored, from request to last byte."""

import asyncio
import random
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from console_site import Site, open_site
from fakes import MESSAGE, REPLY
from sqlalchemy import delete, insert, text

from bot.messages import Passage, now
from bot.store.database import Database, open_database
from bot.store.migrations.versions.version_0006_overview import FILL
from bot.store.migrations.versions.version_0007_alike import compare
from bot.store.models import ExchangeRow, ListedRow, ReviewRow, VoteRow
from bot.store.records import message_columns, reply_columns

EXCHANGES = 50_000
TIMES = 11
WORDS = ("refund", "invoice", "parcel", "account", "password", "holiday", "printer", "budget", "travel", "hotel")
PAGES = {
    "review, first page": "/review",
    "review, filtered": "/review?route=billing&vote=down&since=2020-01-01",
    "review, search for a common word": "/review?text=invoice",
    "review, search for one answer of all": "/review?text=number+31234%3F",
    "review, how many": "/review/count",
    "review, those that were not known": "/review?state=any&outcome=unknown",
    "one answer": "/review/reply40000",
    "overview, 30 days": "/overview",
    "overview, all 50,000": "/overview?days=all",
    "overview, all of a domain": "/overview?days=all&route=billing",
    "overview, its days as a file": "/overview/days.csv?days=all",
    "people": "/people",
    "audit log": "/audit",
}


def run() -> list[dict[str, object]]:
    """A row per page: the median and the slowest of some visits after the first, and the processor time of one."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> list[dict[str, object]]:
    async with open_database(f"sqlite:///{folder / 'console.db'}") as database:
        await _fill(database)
    async with open_site(folder) as site:
        await site.sign_in("admin")
        return [await _row(site, name, path) for name, path in PAGES.items()]


async def _row(site: Site, name: str, path: str) -> dict[str, object]:
    seconds, work = [], []
    for _ in range(TIMES + 1):
        begin, before = time.perf_counter(), time.process_time()
        await site.read(path)
        seconds.append(time.perf_counter() - begin)
        work.append(time.process_time() - before)
    return {
        "page": name,
        "first": seconds[0],
        "median": statistics.median(seconds[1:]),
        "slowest": max(seconds[1:]),
        "processor": statistics.median(work[1:]),
    }


async def _fill(database: Database) -> None:
    draw = random.Random(17)
    for start in range(0, EXCHANGES, 1000):
        numbers = range(start, start + 1000)
        votes = [_vote(draw, n) for n in numbers if draw.random() < 0.4]
        decisions = [_decision(n) for n in numbers if draw.random() < 0.1]
        async with database.writing() as session:
            await session.execute(insert(ExchangeRow), [_exchange(draw, n) for n in numbers])
            await session.execute(insert(VoteRow), votes)
            await session.execute(insert(ReviewRow), decisions)
    async with database.writing() as session:
        await session.execute(delete(ListedRow))
        await session.execute(text(FILL))
        await (await session.connection()).run_sync(compare)


def _exchange(draw: random.Random, number: int) -> dict[str, object]:
    question = f"How do I get a {draw.choice(WORDS)} for my {draw.choice(WORDS)}, number {number}?"
    passage = Passage(document="a.md", chunk=0, text=" ".join(draw.choices(WORDS, k=120)), score=0.9)
    at = now() - timedelta(minutes=5 * (EXCHANGES - number))
    reply = reply_columns(REPLY) | {"text": " ".join(draw.choices(WORDS, k=60)), "question": question}
    asked = {"message": f"event{number}", "asked": question, "thread": f"thread{number // 3}", "at": at}
    passages = [{field: getattr(passage, field) for field in passage.__slots__}] * 3
    more = {"reply": f"reply{number}", "complete": True, "route": draw.choice(("billing", "travel", "general"))}
    ended = {"abstained": draw.random() < 0.1, "decision": "ask_back" if draw.random() < 0.05 else "answer"}
    by = {"adapter": f"billing@{number // 5000}", "platform": draw.choice(("slack", "discord"))}
    took = {"seconds_to_first_token": draw.lognormvariate(0.5, 0.6)}
    return message_columns(MESSAGE) | reply | asked | more | ended | by | took | {"passages": passages}


def _vote(draw: random.Random, number: int) -> dict[str, object]:
    bad = draw.random() < 0.35
    correction = "Ask the front office." if bad and draw.random() < 0.1 else None
    details = {"reason": None, "correction": correction, "wrong_route": None, "at": now()}
    return {"reply": f"reply{number}", "user": "U1", "platform": "slack", "rating": -1 if bad else 1} | details


def _decision(number: int) -> dict[str, object]:
    rest = {"target_route": None, "fault": None, "undo": False, "by": "ada", "at": now()}
    return {"reply": f"reply{number}", "state": "approved"} | rest


if __name__ == "__main__":
    from tables import show

    show("Console with 50,000 exchanges (seconds)", run())
