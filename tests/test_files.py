"""Files that people share with a question serve that conversation."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from fakes import MESSAGE, REPLY, InMemoryExchangeStore

from bot.errors import InputError
from bot.messages import Message
from connectors.files import LARGEST, MEMORY, MOST, shared_files

TERMS = {"name": "terms.md", "size": 20, "url": "https://cdn/terms.md"}
PRICES = {"name": "prices.csv", "size": 20, "url": "https://cdn/prices.csv"}

Shared = tuple[str, tuple[str, ...] | None]


async def fetch(file: Mapping[str, Any]) -> bytes:
    return f"text of {file['url']}".encode()


async def read(name: str, data: bytes) -> Sequence[str]:
    return [f"{name}: {data.decode()}"]


async def shared(
    *files: Mapping[str, Any], thread: str = "T1", before: Sequence[Message] = (), read: Any = read
) -> Shared:
    """What serves a question with *files*, after what was asked *before*."""
    exchanges = InMemoryExchangeStore()
    for number, message in enumerate(before):
        reply = replace(REPLY, id=f"reply-{number}")
        await exchanges.begin(message, reply)
        await exchanges.complete(reply)
    address = {"files": json.dumps(files)} if files else {}
    return await shared_files(replace(MESSAGE, thread=thread), address, fetch=fetch, read=read, exchanges=exchanges)


def asked(thread: str, *passages: str, source: str = "terms.md") -> Message:
    """A question from before, with the passages that served it."""
    return replace(MESSAGE, thread=thread, passages=passages or None, source=source if passages else "")


async def test_question_without_files_has_none() -> None:
    assert await shared() == ("", None)


async def test_files_are_read_in_their_order() -> None:
    names, passages = await shared(TERMS, PRICES)

    assert names == "terms.md, prices.csv"
    assert passages == ("terms.md: text of https://cdn/terms.md", "prices.csv: text of https://cdn/prices.csv")


async def test_file_serves_what_is_asked_later_in_its_thread() -> None:
    before = [asked("T1", "Five days."), asked("T1", "Six days.", source="new.md")]

    assert await shared(before=before) == ("new.md", ("Six days.",))


async def test_new_file_goes_before_an_earlier_one() -> None:
    names, _ = await shared(PRICES, before=[asked("T1", "Five days.")])

    assert names == "prices.csv"


@pytest.mark.parametrize("thread", ["T2", ""])
async def test_file_serves_no_other_conversation(thread: str) -> None:
    assert await shared(thread=thread, before=[asked("T1", "Five days."), asked("", "Six days.")]) == ("", None)


async def test_file_is_forgotten_in_a_long_thread() -> None:
    before = [asked("T1", "Five days."), *(asked("T1") for _ in range(MEMORY))]

    assert await shared(before=before) == ("", None)


async def test_file_is_called_by_its_name_alone() -> None:
    async def refuse(name: str, data: bytes) -> Sequence[str]:
        raise InputError("it holds no text")

    with pytest.raises(InputError, match=r"^I cannot read passwd: it holds no text$"):
        await shared({**TERMS, "name": "../../etc/passwd"}, read=refuse)


async def test_large_file_is_not_even_fetched() -> None:
    with pytest.raises(InputError, match=r"I cannot read terms.md: it has more than 10 MB; please share the part"):
        await shared({**TERMS, "size": LARGEST + 1, "url": None})


async def test_files_that_are_too_long_together_are_refused() -> None:
    async def much(name: str, data: bytes) -> Sequence[str]:
        return ["passage"] * (MOST // 2 + 1)

    assert len((await shared(TERMS, read=much))[1] or ()) == MOST // 2 + 1
    with pytest.raises(InputError, match="too long together"):
        await shared(TERMS, PRICES, read=much)
