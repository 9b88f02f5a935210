"""What is kept of a person, and its deletion."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from fakes import MESSAGE, REPLY

from bot.messages import Feedback, Stored
from bot.store.audit import SqlAudit
from bot.store.database import Database, open_database
from bot.store.exchanges import SqlExchangeStore
from bot.store.feedback import SqlFeedbackStore
from bot.store.inbox import SqlInbox
from bot.store.people import SqlPeople

HERE, ELSEWHERE = "slack:T1", "slack:T2"
NOTHING = Stored(questions=0, votes=0)


@dataclass
class Office:
    """People who ask and vote."""

    database: Database

    @property
    def people(self) -> SqlPeople:
        return SqlPeople(self.database)

    async def ask(self, user: str, *, workspace: str = HERE, reply: str) -> None:
        message = replace(MESSAGE, id=f"event of {reply}", user=user, workspace=workspace)
        await SqlInbox(self.database).accept(message)
        await SqlExchangeStore(self.database).begin(message, replace(REPLY, id=reply))

    async def vote(self, user: str, reply: str, rating: int = 1) -> None:
        vote = Feedback(reply=reply, user=user, platform="slack", rating=rating)  # type: ignore[arg-type]  # one of the ratings
        await SqlFeedbackStore(self.database).save(vote)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with open_database(f"sqlite:///{tmp_path / 'pointsman.db'}") as database:
        yield Office(database)


async def test_nothing_is_kept_of_somebody_who_never_asked(office: Office) -> None:
    await office.ask("ada", reply="1")

    assert await office.people.stored("bob", HERE) == NOTHING


async def test_questions_and_votes_of_one_person_in_one_workspace_are_counted(office: Office) -> None:
    await office.ask("ada", reply="1")
    await office.ask("ada", reply="2")
    await office.ask("bob", reply="3")
    await office.ask("ada", reply="4", workspace=ELSEWHERE)
    for reply in ("1", "3", "4"):
        await office.vote("ada", reply)

    assert await office.people.stored("ada", HERE) == Stored(questions=2, votes=2)
    assert await office.people.stored("ada", ELSEWHERE) == Stored(questions=1, votes=1)


async def test_vote_that_was_taken_back_is_not_counted(office: Office) -> None:
    await office.ask("ada", reply="1")
    await office.vote("ada", "1", rating=0)

    assert await office.people.stored("ada", HERE) == Stored(questions=1, votes=0)


async def test_questions_and_votes_of_a_forgotten_person_are_gone(office: Office) -> None:
    await office.ask("ada", reply="1")
    await office.ask("bob", reply="2")
    for user, reply in (("ada", "1"), ("ada", "2"), ("bob", "1"), ("bob", "2")):
        await office.vote(user, reply)

    gone = await office.people.forget("ada", HERE)

    assert gone == Stored(questions=1, votes=2)
    assert await office.people.stored("ada", HERE) == NOTHING
    assert await SqlExchangeStore(office.database).find("1") is None
    assert [(vote.user, vote.reply) for vote in await SqlFeedbackStore(office.database).all()] == [("bob", "2")]


async def test_what_the_person_did_in_another_workspace_stays(office: Office) -> None:
    await office.ask("ada", reply="1")
    await office.ask("ada", reply="2", workspace=ELSEWHERE)
    await office.vote("ada", "2")

    await office.people.forget("ada", HERE)

    assert await office.people.stored("ada", ELSEWHERE) == Stored(questions=1, votes=1)


async def test_person_can_be_counted_and_forgotten_wherever_they_asked(office: Office) -> None:
    await office.ask("ada", reply="1")
    await office.ask("ada", reply="2", workspace=ELSEWHERE)
    await office.ask("bob", reply="3", workspace=ELSEWHERE)
    await office.vote("ada", "3")
    everything = Stored(questions=2, votes=1)

    assert await office.people.stored("ada", None) == everything
    assert await office.people.forget("ada", None) == everything

    assert await office.people.stored("ada", None) == NOTHING
    assert await office.people.stored("bob", ELSEWHERE) == Stored(questions=1, votes=0)


async def test_question_that_is_being_answered_is_answered_all_the_same(office: Office) -> None:
    await office.ask("ada", reply="1")
    await office.ask("ada", reply="2")
    await SqlInbox(office.database).done("event of 1")

    await office.people.forget("ada", HERE)

    assert [each.message.id for each in await SqlInbox(office.database).unfinished()] == ["event of 2"]


async def test_audit_log_says_that_something_was_deleted_and_not_what(office: Office) -> None:
    await office.ask("ada", reply="1")

    await office.people.forget("ada", HERE)

    (entry,) = await SqlAudit(office.database).all()
    assert (entry.who, entry.what, entry.before, entry.after) == (
        "ada",
        "people.forget",
        None,
        {"user": "ada", "questions": 1},
    )
