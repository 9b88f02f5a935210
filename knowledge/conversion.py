"""
Web pages, PDF and Word files to Markdown; large ones in a process of its own, which can be ended at any moment.

Nothing is parsed before it is known how large it will be: a Word file of half a megabyte may unpack to a gigabyte.
"""

import io
import json
import multiprocessing
import signal
import zipfile
from collections.abc import Callable
from functools import lru_cache
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from bot.errors import InputError
from bot.progress import end_with_parent

if TYPE_CHECKING:
    from markitdown import MarkItDown

CONVERTED = {".html", ".htm", ".pdf", ".docx"}
TEXT_BYTES = 30_000_000  # unpacked, of a Word file; some 1,500 pages, which take a minute or two and a gigabyte
ALL_BYTES = 200_000_000  # unpacked, pictures included
PICTURE = 2  # how many times smaller than it is a picture can be packed, at most
APART_BYTES = 1_000_000  # smaller files are read before another process has begun
LOOK_SECONDS = 0.2  # how often the wait for the other process is interrupted
BROKEN = "it is broken or protected; open it in its own program and save it anew, without a password"

# Menus and scripts are on every page and answer nothing.
_NOT_CONTENT = (
    "script, style, nav, footer, noscript, [role=navigation], .sphinxsidebar, .headerlink, .navheader, .navfooter"
)

Beat = Callable[[], None]
"""Called now and then while a file is read; what it raises ends the reading."""


def idle() -> None:
    """A Beat for callers who wait to the end."""


def convert(data: bytes, suffix: str, beat: Beat = idle) -> tuple[str, str | None]:
    """
    The text of a file in Markdown, and its own title where it has one.

    Raises: InputError with the reason if it is broken, protected or too large; what *beat* raises.
    """
    size = _unpacked(data) if suffix == ".docx" else len(data)
    return _apart(data, suffix, beat) if size > APART_BYTES else _markdown(data, suffix)


def decode(data: bytes) -> str:
    """The text in the bytes of a text file. Raises: InputError if it is none."""
    if b"\0" in data:
        raise InputError("it is a binary file under a text file's name")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # The usual encoding of old Western files; it can decode anything.
        return data.decode("cp1252", errors="replace")


def _unpacked(data: bytes) -> int:
    """How many bytes a Word file has once it is unpacked. Raises: InputError if they are too many."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            parts = packed.infolist()  # no part is unpacked further than it says here
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as exc:
        raise InputError(BROKEN) from exc
    whole = sum(part.file_size for part in parts)
    text = sum(part.file_size for part in parts if _is_text(part))
    if text > TEXT_BYTES:
        raise InputError(f"its text unpacks to {_mb(text)}, and at most {_mb(TEXT_BYTES)} are read; split the file")
    if whole > ALL_BYTES:
        raise InputError(f"it unpacks to {_mb(whole)}, and at most {_mb(ALL_BYTES)} are read; split the file")
    return whole


def _is_text(part: zipfile.ZipInfo) -> bool:
    """Whether a part may be parsed: names can be made up, but pictures cannot be packed small."""
    return part.filename.lower().endswith((".xml", ".rels")) or part.file_size > PICTURE * part.compress_size


def _mb(size: int) -> str:
    return f"{size / 1_000_000:,.0f} MB"


def _apart(data: bytes, suffix: str, beat: Beat) -> tuple[str, str | None]:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    arguments = (data, suffix, sender)
    process = multiprocessing.get_context("spawn").Process(target=_tell, args=arguments, daemon=True)
    process.start()
    sender.close()
    try:
        while not receiver.poll(LOOK_SECONDS):
            beat()
        text, title, reason = json.loads(receiver.recv_bytes())
    except EOFError as exc:
        raise InputError("reading it took more memory than there is; split the file") from exc
    finally:
        process.kill()
        process.join()
        receiver.close()
    if reason:
        raise InputError(reason)
    return text, title


def _tell(data: bytes, suffix: str, sender: Connection) -> None:
    """The other process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits, which ends this one
    end_with_parent()
    try:
        outcome = (*_markdown(data, suffix), "")
    except InputError as exc:
        outcome = ("", None, str(exc))
    sender.send_bytes(json.dumps(outcome).encode())


def _markdown(data: bytes, suffix: str) -> tuple[str, str | None]:
    if suffix in (".html", ".htm"):
        data = _content_of(data)
    try:
        result = _converter().convert_stream(
            io.BytesIO(data), file_extension=suffix.replace("htm", "html", suffix == ".htm")
        )
    # Broken files raise whatever the parsers below markitdown happen to raise.
    except Exception as exc:
        raise InputError(BROKEN) from exc
    return result.markdown, result.title


@lru_cache(maxsize=1)
def _converter() -> "MarkItDown":
    """A converter without its plain-text fallback, which would index a broken PDF as text."""
    from markitdown import MarkItDown
    from markitdown.converters import DocxConverter, HtmlConverter, PdfConverter

    converter = MarkItDown(enable_builtins=False, enable_plugins=False)
    for one in (HtmlConverter(), PdfConverter(), DocxConverter()):  # type: ignore[no-untyped-call]
        converter.register_converter(one)
    return converter


def _content_of(html: bytes) -> bytes:
    from bs4 import BeautifulSoup
    from bs4.dammit import EncodingDetector

    # Where a page does not name its encoding, Beautiful Soup would guess among all there are.
    named = EncodingDetector.find_declared_encoding(html, is_html=True) or b"\0" in html
    page = BeautifulSoup(html if named else decode(html), "html.parser")
    for element in page.select(_NOT_CONTENT):
        element.decompose()
    return str(page).encode()
