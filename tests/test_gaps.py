"""Gaps: which questions count as unanswered, and which of them belong together."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes import MESSAGE, REPLY, HashedWordsEncoder

from bot.desks.holdings import Unanswered
from bot.learning.gaps import AT_ONCE, GapFinder
from bot.store.database import Database, open_database
from bot.store.exchanges import SqlExchangeStore
from bot.store.unanswered import SqlUnanswered

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PARKING = "Where can I park my car"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite:///{tmp_path / 'gaps.db'}") as database:
        yield database


async def ask(
    database: Database, name: str, *, complete: bool = True, platform: str = "slack", **reply: object
) -> None:
    exchanges = SqlExchangeStore(database)
    asked = replace(MESSAGE, id=name, platform=platform, at=NOON + timedelta(minutes=len(name)))
    answer = replace(REPLY, id=name, question=f"{name}?", **({"abstained": True} | reply))  # type: ignore[arg-type]  # of every type
    await exchanges.begin(asked, answer)
    if complete:
        await exchanges.complete(answer)


async def found(database: Database, **wanted: object) -> list[str]:
    questions = await SqlUnanswered(database).since(NOON, **wanted)  # type: ignore[arg-type]  # of every type
    return [question.reply for question in questions]


async def test_unanswered_is_what_ended_in_not_knowing_or_in_a_question_back(database: Database) -> None:
    await ask(database, "unknown")
    await ask(database, "asked-back", abstained=False, decision="ask_back")
    await ask(database, "answered", abstained=False)
    await ask(database, "unserved", probability=0.0)
    await ask(database, "unfinished", complete=False)
    await ask(database, "tried-by-operator", platform="cli")

    assert await found(database) == ["asked-back", "unknown"]


async def test_questions_of_a_domain_are_its_own_and_those_that_no_domain_took(database: Database) -> None:
    for name, route in (("b", "billing"), ("tt", "travel"), ("ggg", "general")):
        await ask(database, name, route=route)

    assert await found(database, domain="billing") == ["ggg", "b"]


async def test_newest_come_first_and_older_ones_than_asked_for_not_at_all(database: Database) -> None:
    for name in ("1", "22", "333"):
        await ask(database, name)

    assert await found(database, limit=2) == ["333", "22"]
    assert await SqlUnanswered(database).since(NOON + timedelta(minutes=3)) != ()
    assert await SqlUnanswered(database).since(NOON + timedelta(minutes=4)) == ()


def question(text: str, user: str, minute: int = 0, **more: object) -> Unanswered:
    values = {"reply": f"{text}{user}", "route": "billing", "asked_back": False, "at": NOON + timedelta(minutes=minute)}
    return Unanswered(question=text, user=user, **(values | more))  # type: ignore[arg-type]  # of every type


def test_questions_that_are_alike_are_one_gap_and_those_of_most_people_come_first() -> None:
    finder = GapFinder(HashedWordsEncoder())
    often = [question("Are dogs allowed?", "U1", minute) for minute in range(5)]
    many = [question(PARKING, f"U{number}", number) for number in range(3)]

    first, second = finder.find([*often, *many, question(f"{PARKING} today", "U1", 9, route="travel")])

    assert (first.question, first.people, len(first.questions), first.route) == (f"{PARKING} today", 3, 4, "billing")
    assert (second.question, second.people, len(second.questions)) == ("Are dogs allowed?", 1, 5)


class CountingEncoder(HashedWordsEncoder):
    texts = 0

    def encode(self, texts, *more):  # type: ignore[no-untyped-def]  # any arguments
        self.texts += len(texts)
        return super().encode(texts, *more)


def test_question_is_encoded_once_however_often_one_looks() -> None:
    encoder = CountingEncoder()
    finder = GapFinder(encoder)

    for _ in range(3):
        finder.find([question(PARKING, "U1"), question(f" {PARKING}\n", "U2"), question("Dogs?", "U3")])

    assert encoder.texts == 2  # what has the same words is one


def test_each_look_compares_some_more_those_of_most_people_first() -> None:
    encoder = CountingEncoder()
    finder = GapFinder(encoder)
    asked = [question(f"What is thing{number}", "U1") for number in range(AT_ONCE + 20)]
    asked += [question("What is rare", "U1"), question("What is rare", "U2")]

    first, second = finder.find(asked), finder.find(asked)

    assert (first[0].question, first[0].compared) == ("What is rare", True)
    assert (sum(not gap.compared for gap in first), sum(not gap.compared for gap in second)) == (21, 0)
    assert encoder.texts == AT_ONCE + 21


def test_nothing_asked_is_no_gap() -> None:
    assert GapFinder(HashedWordsEncoder()).find([]) == []
