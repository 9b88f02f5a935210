"""Milliseconds per stage of one question, and memory, with the handbook as the domain; medians of seven questions."""

import asyncio
import resource
import time
from pathlib import Path
from statistics import median

from tables import WORK, show, work_folder

from bot.app import Installation, open_installation
from bot.messages import Message
from bot.settings import DomainSettings, Settings, StorageSettings

QUESTIONS = (
    "How do I ingest my own documents?",
    "Where are the answers kept?",
    "How do I take a vote back?",
    "Which file formats can be read?",
    "How do I make a backup?",
    "What does the router learn from?",
    "How do I use a bigger model?",
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
        for number, question in enumerate(QUESTIONS):
            for stage, seconds in (await _one(here, question, number)).items():
                times.setdefault(stage, []).append(seconds * 1000)
        table: list[dict[str, object]] = [{"stage": stage, "ms": median(found)} for stage, found in times.items()]
        table.append({"stage": "open the installation", "ms": opened * 1000})
        table.append({"stage": "load the language model", "ms": model * 1000})
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


def run() -> list[dict[str, object]]:
    """One row per stage."""
    return asyncio.run(measure())


if __name__ == "__main__":
    show("Stages of one question, and memory", run())
