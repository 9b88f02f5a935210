"""Milliseconds per stage of one question, and memory, with the handbook as the domain; medians of seven questions."""

import asyncio
import resource
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from tables import WORK, show, work_folder

from bot.app import Installation, open_installation
from bot.jobs.examinee import Unkept
from bot.learning.standing import StandingDecisions
from bot.messages import Decided, Exchange, Message, Reply, Review
from bot.settings import DomainSettings, Settings, StorageSettings

MANY = 5_000  # reviewed answers
QUESTIONS = (
    "How do I ingest my own documents?",
    "Where are the answers kept?",
    "How do I take a vote back?",
    "Which file formats can be read?",
    "How do I make a backup?",
    "What does the router learn from?",
    "How do I use a bigger model?",
)
GENERAL = (
    "What is a palindrome?",
    "Write a haiku about rain.",
    "How do I boil an egg?",
    "Translate 'good morning' into French.",
    "Why is the sky blue?",
    "Suggest three names for a cat.",
    "What does HTTP stand for?",
)


def _megabytes() -> float:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(pages[1]) * resource.getpagesize() / 1e6


async def measure() -> list[dict[str, object]]:
    handbook = Path(__file__).parents[2] / "knowledge" / "handbook"
    settings = Settings(
        storage=StorageSettings(directory=work_folder("stages"), models=WORK.parent / "models"),
        domains=(DomainSettings(name="handbook", description="How to run Pointsman", documents=(handbook,)),),
    )
    before = _megabytes()
    begin = time.monotonic()
    async with open_installation(settings) as here:
        opened = time.monotonic() - begin
        await asyncio.to_thread(here.sync.ingest, "handbook", [handbook], access=["everyone"])
        here.retriever.refresh("handbook")
        await here.learn_routes()
        await here.retriever.embed("warm up")
        loaded = _megabytes()
        begin = time.monotonic()
        await here.generator.warm_up()
        model = time.monotonic() - begin
        times: dict[str, list[float]] = {}
        standing = StandingDecisions(ManyDecisions(), here.encoder)
        await standing.catch_up()
        for number, question in enumerate(QUESTIONS):
            stages = await _one(here, question, number) | await _reviewed(here, standing, question)
            for stage, seconds in stages.items():
                times.setdefault(stage, []).append(seconds * 1000)
        table: list[dict[str, object]] = [{"stage": stage, "ms": median(found)} for stage, found in times.items()]
        table.append({"stage": "open the installation", "ms": opened * 1000})
        table.append({"stage": "load the language model", "ms": model * 1000})
        table += await _together(here)
        table.append({"stage": "memory at start, MB", "ms": before})
        table.append({"stage": "memory with index and encoder, MB", "ms": loaded})
        table.append({"stage": "memory with everything, MB", "ms": _megabytes()})
        return table


async def _one(here: Installation, question: str, number: int) -> dict[str, float]:
    marks = [time.monotonic()]
    query = await here.retriever.embed(question)
    marks.append(time.monotonic())
    found = await here.retriever.retrieve(query, labels=None, top_k=3)
    marks.append(time.monotonic())
    here.router.choose(query, found, explicit=None)
    marks.append(time.monotonic())
    message = Message(id=str(number), text=question, route="handbook", labels=None)
    reply = await here.assistant.reply_to(message)
    names = ("embed", "retrieve", "route")
    stages = {name: after - before for name, before, after in zip(names, marks, marks[1:], strict=False)}
    return {**stages, "first token, in all": reply.seconds_to_first_token, "answer, in all": reply.seconds}


async def _together(here: Installation) -> list[dict[str, object]]:
    """What people wait in all who ask at the same moment, and what they would if each were answered alone."""
    assistant = replace(here.assistant, exchanges=Unkept())
    rows: list[dict[str, object]] = []
    for route, asked in (("general", GENERAL), ("handbook", QUESTIONS)):
        messages = [Message(id=f"{route}{n}", text=text, route=route, labels=None) for n, text in enumerate(asked)]
        begin = time.monotonic()
        for each in messages:
            await assistant.reply_to(each)
        middle = time.monotonic()
        await asyncio.gather(*map(assistant.reply_to, messages))
        end = time.monotonic()
        rows.append({"stage": f"{len(messages)} {route} questions, one by one", "ms": (middle - begin) * 1000})
        rows.append({"stage": f"{len(messages)} {route} questions, at once", "ms": (end - middle) * 1000})
    return rows


async def _reviewed(here: Installation, standing: StandingDecisions, question: str) -> dict[str, float]:
    """What a question costs where answers were reviewed, and none of them is its own."""
    query = await here.retriever.embed(question)
    marks = [time.monotonic()]
    await here.stores.reviews.count()
    marks.append(time.monotonic())
    await standing.about(query)
    marks.append(time.monotonic())
    return {"see whether reviews changed": marks[1] - marks[0], f"compare with {MANY:,} reviewed": marks[2] - marks[1]}


class ManyDecisions:
    """As many approved answers as a busy year brings."""

    async def count(self) -> int:
        return MANY

    async def since(self, number: int, *, limit: int) -> Sequence[Decided]:
        return [self._decided(n) for n in range(number + 1, min(number + limit, MANY) + 1)]

    def _decided(self, number: int) -> Decided:
        reply = Reply(
            id=str(number),
            route="handbook",
            probability=1.0,
            domain_probability=1.0,
            adapter="none",
            prompt="domain/answer@1",
            model="none",
            question=f"What is part number {number} good for?",
        )
        message = Message(id=f"event {number}", text=reply.question)
        review = Review(reply=reply.id, state="approved", by="bench")
        return Decided(number=number, review=review, exchange=Exchange(message=message, reply=reply, complete=True))


def run() -> list[dict[str, object]]:
    """One row per stage."""
    return asyncio.run(measure())


if __name__ == "__main__":
    show("Stages of one question, and memory", run())
