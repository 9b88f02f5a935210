"""An older database becomes ours and loses nothing."""

import json
from collections import Counter
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from fakes import MESSAGE, REPLY
from sqlalchemy import column, create_engine, func, select, table, text

from bot.errors import StoreError
from bot.messages import now
from bot.store.database import open_database
from bot.store.exchanges import SqlExchangeStore
from bot.store.feedback import SqlFeedbackStore
from bot.store.inbox import SqlInbox
from bot.store.jobs import SqlJobQueue
from bot.store.schema import newest, upgrade

MIGRATIONS = Path(__file__).parent.parent / "bot" / "store" / "migrations"
AT = "2026-03-01 12:00:00.000000"
EXCHANGE = {
    "id": 7,
    "reply": "reply-1",
    "complete": True,
    "message": "event-1",
    "asked": "When is my refund?",
    "user": "operator",
    "platform": "cli",
    "thread": "T1",
    "chosen_route": "billing",
    "labels": '["everyone"]',
    "given": None,
    "private": False,
    "at": AT,
    "text": "Within 14 days [1].",
    "route": "billing",
    "probability": 0.9,
    "domain_probability": 0.95,
    "decision": "answer",
    "abstained": False,
    "citations": "[]",
    "adapter": "billing@3",
    "prompt": "domain/answer@1",
    "model": "m",
    "grounding": 1.0,
    "prompt_tokens": 200,
    "completion_tokens": 12,
    "seconds_to_first_token": 0.5,
    "seconds": 1.5,
    "question": "When is my refund?",
    "passages": "[]",
}
VOTE = {"reply": "reply-1", "user": "operator", "platform": "cli", "rating": -1, "reason": "old", "at": AT}
WAITING = {
    "id": "event-2",
    "text": "And then?",
    "user": "operator",
    "platform": "cli",
    "thread": "T1",
    "route": None,
    "labels": None,
    "passages": None,
    "private": False,
    "at": "2026-03-01T12:00:00+00:00",
}
ROWS = (
    ("exchanges", EXCHANGE),
    ("votes", VOTE),
    ("examples", {"text": "refund?", "route": "billing"}),
    ("inbox", {"event": "event-1", "message": None, "done": True}),
    ("inbox", {"event": "event-2", "message": json.dumps(WAITING), "done": False}),
    ("jobs", {"kind": "ingest", "payload": "{}", "state": "waiting", "done": 0, "total": 0, "doing": ""}),
    ("audit", {"who": "ada", "what": "db.backup", "at": AT}),
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database of version 0001 with a row in each table."""
    file = tmp_path / "pointsman.db"
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for name, row in ROWS:
            connection.execute(table(name, *map(column, row)).insert().values(row))
    engine.dispose()
    return f"sqlite:///{file}"


async def test_database_of_the_first_version_has_to_be_upgraded(url: str) -> None:
    with pytest.raises(StoreError, match=f"has schema 0001, not {newest()}; run `pointsman db upgrade`"):
        async with open_database(url):
            pass


async def test_no_row_is_lost_by_the_upgrade(url: str) -> None:
    await upgrade(url)

    async with open_database(url) as database, database.reading() as session:
        kept = {name: await session.scalar(select(func.count()).select_from(table(name))) for name in dict(ROWS)}
        broken = (await session.execute(text("PRAGMA foreign_key_check"))).all()
    assert kept == Counter(name for name, _ in ROWS)
    assert broken == []


async def test_exchange_and_vote_are_read_as_they_were_stored(url: str) -> None:
    await upgrade(url)

    async with open_database(url) as database:
        found = await SqlExchangeStore(database).find("reply-1")
        votes = await SqlFeedbackStore(database).all()

    assert found and found.complete and (found.message.text, found.reply.text) == (MESSAGE.text, REPLY.text)
    assert (found.message.workspace, found.message.source, found.message.bound) == ("", "", None)
    assert [(vote.rating, vote.reason) for vote in votes] == [(-1, "old")]


async def test_thread_goes_on_after_the_upgrade(url: str) -> None:
    await upgrade(url)

    async with open_database(url) as database:
        await SqlExchangeStore(database).show("reply-1", ["place"])
        past = await SqlExchangeStore(database).thread("T1", last=6)
        shown = await SqlExchangeStore(database).shown_at("place")

    assert [exchange.reply.id for exchange in past] == [shown] == ["reply-1"]


async def test_event_that_waits_is_still_answered_and_a_duplicate_still_known(url: str) -> None:
    await upgrade(url)

    async with open_database(url) as database:
        inbox = SqlInbox(database)
        (waiting,) = await inbox.unfinished()
        known = [await inbox.accept(message) for message in (MESSAGE, waiting.message)]

    assert (waiting.message.text, waiting.message.labels, waiting.address) == ("And then?", None, {})
    assert known == [False, False]


async def test_answered_events_of_the_first_version_count_as_old(url: str) -> None:
    await upgrade(url)

    async with open_database(url) as database:
        await SqlInbox(database).delete_older_than(now())

        assert await SqlInbox(database).accept(MESSAGE)
        assert len(await SqlInbox(database).unfinished()) == 2


async def test_job_that_waits_is_still_taken_and_votes_still_go_with_their_exchange(url: str) -> None:
    await upgrade(url)

    async with open_database(url) as database:
        job = await SqlJobQueue(database).take()
        await SqlExchangeStore(database).delete_older_than(now())

        assert job and job.kind == "ingest"
        assert await SqlFeedbackStore(database).all() == ()
