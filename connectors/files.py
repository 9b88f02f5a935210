"""Files that people share with a question: they serve that conversation only."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import aiohttp

from bot.errors import InputError
from bot.messages import Message
from bot.ports import ExchangeStore, FileReader

MEGABYTE = 1_000_000
LARGEST = 10 * MEGABYTE
MOST = 60  # passages of all files of a question
MEMORY = 6  # exchanges of a thread in which an earlier file is looked for

Fetch = Callable[[Mapping[str, Any]], Awaitable[bytes]]
"""Returns: the bytes of a file. Raises: InputError with the reason."""

TOO_LARGE = f"it has more than {LARGEST // MEGABYTE} MB; please share the part that matters"


async def shared_files(
    message: Message, address: Mapping[str, str], *, fetch: Fetch, read: FileReader, exchanges: ExchangeStore
) -> tuple[str, tuple[str, ...] | None]:
    """
    The files of this question, else those of its thread: their names and passages; None where there are none.

    Raises: InputError with what to tell the asker.
    """
    files = json.loads(address.get("files") or "[]")
    if not files:
        past = await exchanges.thread(message.thread, last=MEMORY)
        given = [each.message for each in past if each.message.passages]
        return (given[-1].source, given[-1].passages) if given else ("", None)
    passages: list[str] = []
    for file in files:
        passages += await _read(file, fetch, read)
    if len(passages) > MOST:
        raise InputError("These files are too long together; please share fewer, or the parts that matter.")
    return ", ".join(file["name"] for file in files), tuple(passages)


async def _read(file: Mapping[str, Any], fetch: Fetch, read: FileReader) -> Sequence[str]:
    name = PurePath(file["name"]).name
    try:
        if file["size"] > LARGEST:
            raise InputError(TOO_LARGE)
        return await read(name, await fetch(file))
    except InputError as exc:
        raise InputError(f"I cannot read {name}: {exc}") from exc


async def at_most(content: aiohttp.StreamReader) -> bytes:
    """The bytes of a file as they come. Raises: InputError where there are too many."""
    data = bytearray()
    async for piece in content.iter_chunked(65_536):
        data += piece
        if len(data) > LARGEST:
            raise InputError(TOO_LARGE)
    return bytes(data)
