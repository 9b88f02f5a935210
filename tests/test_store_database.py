"""Opening, upgrading and failing: what the SQL database does beyond the contracts."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from fakes import MESSAGE, REPLY
from sqlalchemy import Connection, text

from bot.errors import StoreError
from bot.messages import LabelledQuestion
from bot.store.audit import SqlAudit
from bot.store.database import Database, open_database
from bot.store.examples import SqlExampleStore
from bot.store.exchanges import SqlExchangeStore
from bot.store.inbox import SqlInbox
from bot.store.models import Base
from bot.store.schema import newest, upgrade

PAGE = 4096  # bytes; SQLite's default


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pointsman.db"


@pytest.fixture
async def database(file: Path) -> AsyncIterator[Database]:
    async with open_database(url_of(file), busy_seconds=0.05) as database:
        yield database


def url_of(file: Path) -> str:
    return f"sqlite:///{file}"


def run(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


async def test_the_migrated_schema_is_the_one_of_the_models(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))

    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_commits_are_durable_and_keys_are_checked(database: Database) -> None:
    names = ("journal_mode", "synchronous", "foreign_keys")

    async with database.reading() as session:
        found = [await session.scalar(text(f"PRAGMA {name}")) for name in names]

    assert found == ["wal", 2, 1]  # 2 is FULL


async def test_an_empty_file_becomes_a_database_and_keeps_what_is_stored(file: Path) -> None:
    file.touch()

    for _ in range(2):
        async with open_database(url_of(file)) as database:
            await SqlAudit(database).record("ada", "open")

    async with open_database(url_of(file)) as database:
        assert len(await SqlAudit(database).all()) == 2


async def test_a_database_without_our_schema_is_refused_until_it_is_upgraded(file: Path) -> None:
    run(file, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    with pytest.raises(StoreError, match=f"has schema none, not {newest()}; run `pointsman db upgrade`"):
        async with open_database(url_of(file)):
            pass

    await upgrade(url_of(file))

    async with open_database(url_of(file)) as database:
        assert await SqlAudit(database).all() == ()


async def test_a_database_of_a_newer_program_is_refused(file: Path) -> None:
    await upgrade(url_of(file))
    run(file, "UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(StoreError, match=r"schema 9999, which is newer .* `pointsman db upgrade`"):
        async with open_database(url_of(file)):
            pass
    with pytest.raises(StoreError, match="schema 9999, which is newer"):
        await upgrade(url_of(file))


async def test_an_upgrade_that_fails_leaves_nothing_behind(file: Path) -> None:
    run(file, "CREATE TABLE jobs (id INTEGER)")  # in the way of the fifth table

    with pytest.raises(StoreError, match="table jobs already exists"):
        await upgrade(url_of(file))

    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("jobs",)]


async def test_a_locked_database_names_the_file_and_the_remedy(database: Database, file: Path) -> None:
    with (
        locked(file),
        pytest.raises(StoreError, match=r"another process is writing; try again, or stop it") as e,
    ):
        await SqlInbox(database).accept(MESSAGE)

    assert str(file) in str(e.value)
    assert await SqlInbox(database).accept(MESSAGE)


async def test_a_locked_database_can_still_be_read_and_opened(database: Database, file: Path) -> None:
    await SqlExchangeStore(database).begin(MESSAGE, REPLY)

    with locked(file):
        async with open_database(url_of(file), busy_seconds=0.05) as second:
            assert await SqlExchangeStore(second).find(REPLY.id) is not None


async def test_the_event_loop_runs_on_while_a_write_waits_for_another_process(file: Path) -> None:
    async with open_database(url_of(file), busy_seconds=5) as database:
        with locked(file):
            write = asyncio.create_task(SqlInbox(database).accept(MESSAGE))
            await asyncio.sleep(0.1)
            assert not write.done()

        assert await write


async def test_a_cancelled_write_leaves_the_database_usable(file: Path) -> None:
    async with open_database(url_of(file), busy_seconds=0.3) as database:
        with locked(file):
            write = asyncio.create_task(SqlInbox(database).accept(MESSAGE))
            await asyncio.sleep(0.1)
            write.cancel()
            await asyncio.wait([write])

        assert write.cancelled()
        assert await SqlInbox(database).accept(replace(MESSAGE, id="next"))


async def test_many_writers_at_once_all_get_their_turn(database: Database) -> None:
    inbox = SqlInbox(database)

    accepted = await asyncio.gather(*(inbox.accept(replace(MESSAGE, id=str(n % 50))) for n in range(100)))

    assert sum(accepted) == 50
    assert len(await inbox.unfinished()) == 50


async def test_a_block_that_raises_stores_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.writing() as session:
            await session.execute(text("INSERT INTO examples (text, route) VALUES ('a', 'b')"))
            raise ZeroDivisionError

    assert await SqlExampleStore(database).all() == ()


async def test_a_file_that_is_no_database_is_called_corrupt(file: Path) -> None:
    file.write_bytes(b"not a database, but long enough to be taken for one" * 100)

    with pytest.raises(StoreError, match=r"pointsman.db is corrupt .*`pointsman db restore FILE`"):
        async with open_database(url_of(file)):
            pass


async def test_a_damaged_page_is_called_corrupt(file: Path) -> None:
    async with open_database(url_of(file)) as database:
        await SqlExchangeStore(database).begin(MESSAGE, REPLY)
    whole = file.read_bytes()
    file.write_bytes(whole[:PAGE] + b"\xff" * (len(whole) - PAGE))

    with pytest.raises(StoreError, match=r"pointsman.db is corrupt; .*`pointsman db restore FILE`"):
        async with open_database(url_of(file)) as database:
            await SqlExchangeStore(database).find(REPLY.id)


async def test_a_full_disk_is_named_and_loses_nothing_stored_before(database: Database) -> None:
    await SqlExchangeStore(database).begin(MESSAGE, REPLY)
    async with database.reading() as session:
        await session.execute(text("PRAGMA max_page_count=1"))  # SQLite takes the present size instead

    with pytest.raises(StoreError, match=r"pointsman.db cannot grow: the disk is full; free some space"):
        await SqlExchangeStore(database).begin(MESSAGE, replace(REPLY, id="big", text="x" * 1_000_000))

    assert await SqlExchangeStore(database).find(REPLY.id) is not None
    assert await SqlExchangeStore(database).find("big") is None


async def test_a_read_only_database_is_named(database: Database) -> None:
    async with database.reading() as session:
        await session.execute(text("PRAGMA query_only=ON"))

    with pytest.raises(StoreError, match=r"pointsman.db cannot be opened or written; give .* permission"):
        await SqlInbox(database).accept(MESSAGE)


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"its folder is missing; create .*/nowhere$"):
        async with open_database(url_of(tmp_path / "nowhere" / "pointsman.db")):
            pass


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "database URL cannot be read"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite+pysqlite:///pointsman.db", "unusable driver"),
        ("oracel://localhost/pointsman", "unusable driver"),
    ],
)
async def test_a_url_that_names_no_database_is_refused(url: str, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        async with open_database(url):
            pass


async def test_text_that_databases_refuse_is_stored_with_the_odd_characters_replaced(
    database: Database,
) -> None:
    odd = LabelledQuestion(text="a\ud800b\x00c", route="general")

    added = [await SqlExampleStore(database).add([odd]) for _ in range(2)]

    assert added == [1, 0]
    assert [example.text for example in await SqlExampleStore(database).all()] == ["a?b\ufffdc"]


async def test_the_audit_log_keeps_who_changed_what_oldest_first(database: Database) -> None:
    audit = SqlAudit(database)

    await audit.record("ada", "adapter.promote billing", before="3", after={"version": "4"})
    await audit.record("bob", "person.remove")

    first, second = await audit.all()
    assert (first.who, first.what, first.before, first.after) == (
        "ada",
        "adapter.promote billing",
        "3",
        {"version": "4"},
    )
    assert (second.before, second.after) == (None, None)
    assert first.at <= second.at and first.at.tzinfo is not None


async def test_the_content_of_an_answered_event_is_forgotten(database: Database) -> None:
    await SqlInbox(database).accept(MESSAGE)

    await SqlInbox(database).done(MESSAGE.id)

    async with database.reading() as session:
        rows = (await session.execute(text("SELECT event, message FROM inbox"))).all()
    assert rows == [(MESSAGE.id, None)]
