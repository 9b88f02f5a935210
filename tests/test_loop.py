"""
The whole loop, small: thumbs and corrections become a dataset, an adapter that passes the gate, and better answers.

Everything is the product's but the language model, which has random weights and so knows nothing before it is taught.
"""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from fakes import HashedWordsEncoder

from adapters.training.recipe import Recipe
from bot.app import Installation, curator, dataset_builder, open_installation, train_adapter, training_rows
from bot.learning.router import RouteTeacher
from bot.messages import Feedback, Message, Reply, Review
from bot.ports import silent
from bot.prompts import PromptLibrary
from bot.rows import write_rows
from bot.settings import Settings, load_settings
from bot.work import WORKERS

pytest.importorskip("trl", reason="training is an extra: pip install pointsman[training]")

CITIES = (
    *("Oslo", "Bergen", "Paris", "Lyon", "Rome", "Milan", "Berlin", "Bonn", "Madrid", "Seville", "Lisbon", "Porto"),
    *("Vienna", "Graz", "Prague", "Brno", "Warsaw", "Gdansk", "Dublin", "Cork", "Athens", "Patras", "Zagreb", "Split"),
    *("Riga", "Vilnius", "Tallinn", "Tartu"),
)
GOLDEN = [
    f"{city} {side}"
    for city in (
        "Delhi",
        "Cairo",
        "Lima",
        "Quito",
        "Dakar",
        "Accra",
        "Hanoi",
        "Tunis",
        "Perth",
        "Osaka",
        "Busan",
        "Davos",
    )
    for side in ("North", "South", "East", "West")
]
QUESTIONS = (("When does the {} office open?", "at nine"), ("How often is the {} office open?", "every day"))
TINY = Recipe(rank=8, learning_rate=0.01, max_steps=75)


def asked(number: int, city: str) -> tuple[str, str]:
    """A question about the office of a *city*, with its answer."""
    question, answer = QUESTIONS[number % 2]
    return question.format(city), answer


def page(city: str, *, tells: bool = True) -> str:
    return f"The {city} office opens at nine every day." if tells else f"The {city} office is painted green."


@pytest.fixture
def settings(tmp_path: Path, tiny_folder: Path) -> Settings:
    RouteTeacher(HashedWordsEncoder(), None, tmp_path / "var" / "router").tasks()  # type: ignore[arg-type]  # no model for it
    for template in PromptLibrary().all():
        short = re.sub(r"max_new_tokens: \d+", "max_new_tokens: 8", template.text)  # what is random never ends
        own = tmp_path / "prompts" / f"{template.name}.v{template.version + 1}.md"
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(short)
    file = tmp_path / "pointsman.toml"
    file.write_text(
        f'[model]\nbase = "{tiny_folder}"\n[prompts]\ndirectory = "prompts"\n'
        '[[domains]]\nname = "offices"\ndescription = "When they open"\n'
    )
    return load_settings(file)


async def job(here: Installation, work: str, **payload: object) -> Any:
    return await WORKERS[work](here, {"domain": "offices", "by": "ada", **payload}, silent)


async def ask(here: Installation, question: str) -> Reply:
    message = Message(
        id=question, text=question, user="ada", thread=question, route="offices", platform="slack", workspace="T1"
    )
    return await here.assistant.reply_to(message)


async def begin(here: Installation, folder: Path) -> None:
    """Documents, and rows for the gate that nothing learns."""
    documents = folder / "offices.jsonl"
    write_rows(documents, [{"id": city, "title": city, "text": page(city)} for city in (*CITIES, "Kyiv")])
    await job(here, "ingest", paths=[str(documents)], access=["everyone"], prune=True)
    rows = []
    for number, city in enumerate(GOLDEN):
        (question, answer), tells = asked(number, city), number % 4 > 0
        rows.append({"question": question, "passages": [page(city, tells=tells)], "answer": answer if tells else None})
    golden = folder / "golden.jsonl"
    write_rows(golden, rows)
    await dataset_builder(here.settings, here.stores).import_file(golden, "offices", by="ada")


async def teach(here: Installation) -> str:
    """Questions, votes, reviews, a dataset and a training. Returns: the candidate's version."""
    decided = []
    for number, city in enumerate(CITIES):
        question, answer = asked(number, city)
        reply = (await ask(here, question)).id
        vote = Feedback(reply=reply, user="ada", platform="slack", rating=-1, correction=answer)
        await here.stores.feedback.save(vote)
        decided.append(Review(reply=reply, state="corrected", by="ada", answer=answer))
    await curator(here.stores).decide(decided)
    dataset = await job(here, "dataset", kind="sft", seed=17)
    rows = await training_rows(here.settings, "offices", dataset["version"])
    made = await asyncio.to_thread(train_adapter, here.settings, "offices", rows, TINY)
    return made.label.partition("@")[2]


async def test_thumbs_become_a_better_adapter_and_can_be_taken_back(settings: Settings, tmp_path: Path) -> None:
    async with open_installation(settings) as here:
        await begin(here, tmp_path)
        before = await ask(here, "When does the Kyiv office open?")
        version = await teach(here)

        verdict = await job(here, "promote", version=version)
        assert verdict["promoted"], verdict["reasons"]
        after = await ask(here, "When does the Kyiv office open?")
        await job(here, "rollback")
        back = await ask(here, "When does the Kyiv office open?")

    domain = verdict["checks"][0]
    assert (domain["name"], domain["passed"]) == ("domain score", True) and domain["low"] > 0
    assert [reply.adapter for reply in (before, after, back)] == ["none", "offices@1", "none"]
