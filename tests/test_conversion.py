"""
Files that have to be parsed: what is too large is refused before, and what takes its time can be ended.

Run as a program, this file reads one, and says so.
"""

import io
import multiprocessing
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from fakes import HashedWordsEncoder
from test_loading import docx

from bot.errors import InputError
from knowledge.chroma import ChromaIndex
from knowledge.conversion import APART_BYTES, BROKEN, TEXT_BYTES, convert
from knowledge.sync import Sync

WORDS = "Refunds are paid within 14 days. "
LONG = docx("Refunds", WORDS * (2 * APART_BYTES // len(WORDS)))  # parsed in a process of its own


PATHS = {"PYTHONPATH": str(Path(__file__).parent.parent)}


class Stopped(Exception):
    pass


def beside(name: str, content: bytes, claimed: int | None = None) -> bytes:
    """A DOCX with one more part, whose size in the list of parts can be *claimed*."""
    held = io.BytesIO(docx("Refunds", "Paid."))
    with zipfile.ZipFile(held, "a", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(name, content)
    data = held.getvalue()
    if claimed is None:
        return data
    place = data.rindex(b"PK\x01\x02") + 20  # packed and unpacked size: APPNOTE.TXT 4.3.12
    return data[:place] + 2 * claimed.to_bytes(4, "little") + data[place + 8 :]


@pytest.mark.parametrize("name", ["word/document2.xml", "word/media/picture.png"])
def test_small_file_that_unpacks_to_a_huge_text_is_refused_before_it_is_parsed(name: str) -> None:
    bomb = beside(name, b"<" * (TEXT_BYTES + 1_000_000))

    with pytest.raises(InputError, match="its text unpacks to 31 MB, and at most 30 MB are read; split the file"):
        convert(bomb, ".docx")

    assert len(bomb) < 100_000


def test_file_that_unpacks_to_more_than_fits_is_refused_whatever_it_holds() -> None:
    with pytest.raises(InputError, match="it unpacks to 250 MB, and at most 200 MB are read"):
        convert(beside("word/media/film.png", b"\x89PNG", claimed=250_000_000), ".docx")


def test_pictures_do_not_count_as_text() -> None:
    text, _ = convert(beside("word/media/film.png", b"\x89PNG", claimed=2 * TEXT_BYTES), ".docx")

    assert text == "# Refunds\n\nPaid."


def test_large_file_is_read_in_a_process_of_its_own_with_the_same_result() -> None:
    beats: list[float] = []

    text, title = convert(LONG, ".docx", lambda: beats.append(time.monotonic()))

    assert text.startswith(f"# Refunds\n\n{WORDS}") and len(text) > APART_BYTES and title is None
    assert beats and multiprocessing.active_children() == []


def test_large_file_that_is_broken_says_so_too() -> None:
    with pytest.raises(InputError, match=BROKEN):
        convert(b"%PDF-1.4\nbroken" + b"x" * APART_BYTES, ".pdf")


def test_reading_is_ended_at_once_and_leaves_no_process_behind() -> None:
    begun = time.monotonic()

    def beat() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        convert(LONG, ".docx", beat)

    assert time.monotonic() - begun < 5 and multiprocessing.active_children() == []


def test_reading_ends_with_the_process_that_wanted_it(tmp_path: Path) -> None:
    slow = tmp_path / "slow.docx"
    slow.write_bytes(docx("Refunds", "</w:t></w:r></w:p><w:p><w:r><w:t>".join([WORDS] * 150_000)))  # takes a minute
    asker = subprocess.Popen([sys.executable, __file__, str(slow)], stdout=subprocess.PIPE, env=os.environ | PATHS)
    assert asker.stdout is not None and asker.stdout.readline() == b"reading\n"

    asker.kill()

    asker.communicate(timeout=10)  # until nobody is left who could write there


def test_ingest_can_be_stopped_while_a_document_is_being_parsed(tmp_path: Path) -> None:
    (tmp_path / "long.docx").write_bytes(LONG)
    sync = Sync(ChromaIndex(tmp_path / "chroma"), HashedWordsEncoder(), tmp_path / "knowledge")  # type: ignore[arg-type]  # a fake encoder
    said: list[str] = []

    def progress(done: int, total: int, doing: str) -> None:
        said.append(doing)
        if said.count("Ingesting long.docx") == 2:
            raise Stopped

    with pytest.raises(Stopped):
        sync.ingest("shop", [tmp_path / "long.docx"], access=["everyone"], progress=progress)

    assert said[-2:] == ["Ingesting long.docx"] * 2


def tell() -> None:
    """A Beat that says that the other process reads."""
    print("reading", flush=True)


if __name__ == "__main__":
    convert(Path(sys.argv[1]).read_bytes(), ".docx", tell)
