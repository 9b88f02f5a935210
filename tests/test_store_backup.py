"""Copies of the database, out and back."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import MESSAGE

from bot.errors import StoreError
from bot.store.backup import backup, restore
from bot.store.database import open_database
from bot.store.inbox import SqlInbox

POSTGRES = "postgresql://bot:secret@localhost/pointsman"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pointsman.db"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy.db"


def url_of(file: Path) -> str:
    return f"sqlite:///{file}"


async def accept(file: Path, *events: str) -> None:
    async with open_database(url_of(file)) as database:
        for event in events:
            await SqlInbox(database).accept(replace(MESSAGE, id=event))


async def events_of(file: Path) -> list[str]:
    async with open_database(url_of(file)) as database:
        return [pending.message.id for pending in await SqlInbox(database).unfinished()]


async def test_a_backup_brings_back_what_was_there_and_keeps_what_it_replaced(file: Path, copy: Path) -> None:
    await accept(file, "1", "2")
    await backup(url_of(file), copy)
    await accept(file, "3")

    kept = await restore(url_of(file), copy)

    assert await events_of(file) == ["1", "2"]
    assert kept is not None and kept.name.startswith("pointsman.db.before-restore-2")
    assert await events_of(kept) == ["1", "2", "3"]
    assert set(file.parent.iterdir()) == {file, copy, kept}


async def test_a_backup_while_others_write_holds_all_that_was_acknowledged(file: Path, copy: Path) -> None:
    async with open_database(url_of(file)) as database:
        await SqlInbox(database).accept(MESSAGE)
        async with database.writing():
            await backup(url_of(file), copy)

    assert await events_of(copy) == [MESSAGE.id]


async def test_a_backup_is_one_self_contained_file(file: Path, copy: Path) -> None:
    await accept(file, "1")

    await backup(url_of(file), copy)

    assert copy.read_bytes()[18:20] == b"\x01\x01"  # needs no log: https://www.sqlite.org/fileformat.html
    with closing(sqlite3.connect(f"file:{copy}?immutable=1", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT event FROM inbox").fetchall() == [("1",)]


async def test_a_backup_never_overwrites_a_file(file: Path, copy: Path) -> None:
    await accept(file, "1")
    copy.write_text("precious")

    with pytest.raises(StoreError, match=r"copy.db exists; name a new file"):
        await backup(url_of(file), copy)

    assert copy.read_text() == "precious"


async def test_a_backup_of_a_damaged_database_fails_and_leaves_no_file(file: Path, copy: Path) -> None:
    await accept(file, "1")
    damage(file)

    with pytest.raises(StoreError, match=r"pointsman.db is corrupt"):
        await backup(url_of(file), copy)

    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("content", [None, b"no database at all" * 500])
async def test_only_an_existing_database_is_restored(file: Path, copy: Path, content: bytes | None) -> None:
    await accept(file, "1")
    if content is not None:
        copy.write_bytes(content)

    with pytest.raises(StoreError, match=r"copy.db (does not exist|is corrupt)"):
        await restore(url_of(file), copy)

    assert await events_of(file) == ["1"]


async def test_a_damaged_source_is_refused(file: Path, copy: Path) -> None:
    await accept(copy, "1")
    damage(copy)

    with pytest.raises(StoreError, match=r"copy.db is corrupt"):
        await restore(url_of(file), copy)

    assert not file.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "copy.db has schema 9999, which is newer"),
        ("DROP TABLE alembic_version", "copy.db is not a Pointsman database"),
    ],
)
async def test_a_source_of_unknown_schema_is_refused(file: Path, copy: Path, change: str, words: str) -> None:
    await accept(copy, "1")
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute(change)

    with pytest.raises(StoreError, match=words):
        await restore(url_of(file), copy)

    assert list(file.parent.iterdir()) == [copy]


async def test_a_corrupt_database_is_replaced_and_kept(file: Path, copy: Path) -> None:
    await accept(copy, "1")
    file.write_bytes(b"garbage" * 1000)

    kept = await restore(url_of(file), copy)

    assert await events_of(file) == ["1"]
    assert kept is not None and kept.read_bytes() == b"garbage" * 1000


async def test_a_log_without_its_database_is_not_replayed_into_the_restored_one(file: Path, copy: Path) -> None:
    await accept(copy, "1")
    async with open_database(url_of(file)) as database:
        await SqlInbox(database).accept(MESSAGE)
        log = Path(f"{file}-wal").read_bytes()
    file.unlink()
    Path(f"{file}-wal").write_bytes(log)

    kept = await restore(url_of(file), copy)

    assert kept is None
    assert await events_of(file) == ["1"]


async def test_a_database_in_use_is_not_replaced(file: Path, copy: Path) -> None:
    await accept(copy, "1")

    async with open_database(url_of(file)) as database:
        await SqlInbox(database).accept(MESSAGE)
        with pytest.raises(StoreError, match=r"pointsman.db is locked"):
            await restore(url_of(file), copy)

    assert await events_of(file) == [MESSAGE.id]


async def test_postgresql_is_left_to_its_own_tools(copy: Path) -> None:
    with pytest.raises(StoreError, match="pg_dump") as refused:
        await backup(POSTGRES, copy)
    with pytest.raises(StoreError, match="pg_dump"):
        await restore(POSTGRES, copy)

    assert "secret" not in str(refused.value)


def damage(file: Path) -> None:
    """Overwrite everything but the first page, which holds the schema."""
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
