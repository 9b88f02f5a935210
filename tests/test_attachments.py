"""A shared file as passages for its conversation."""

import pytest

from bot.errors import InputError
from knowledge.attachments import LONGEST, MOST, passages_of

SECTION = "word " * 200


def words(text: str) -> int:
    """A token counter that takes each word for a token."""
    return len(text.split())


def test_file_becomes_passages_with_their_headings() -> None:
    text = f"# Refunds\n\n{SECTION}\n\n# Invoices\n\n{SECTION}"

    refunds, invoices = passages_of("terms.md", text.encode(), words)

    assert refunds.startswith("terms > Refunds\nword ")
    assert invoices.startswith("terms > Invoices\nword ")


def test_web_page_is_called_by_its_title() -> None:
    page = b"<html><head><title>Terms</title></head><body><p>Paid soon.</p></body></html>"

    assert passages_of("a.html", page, words) == ["Terms\nPaid soon."]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.png", b"\x89PNG", "files of this kind are not read; these are: .docx"),
        ("rows.jsonl", b"{}", "files of this kind are not read"),
        ("README", b"words", "files of this kind are not read"),
        ("a.txt", b" \n", "it holds no text"),
        ("a.pdf", b"no pdf", "it is broken or protected"),
        ("a.txt", b"\x00\x01", "it is a binary file"),
        ("a.md", (f"# Part\n\n{SECTION}\n\n" * (MOST + 1)).encode(), "it is too long .* at most about 9,000 words"),
        ("a.txt", b"x" * (LONGEST + 1), "it is too long .* Share the part that matters"),
    ],
)
def test_file_that_cannot_be_used_is_refused_with_the_reason(name: str, data: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        passages_of(name, data, words)


def test_file_of_as_many_passages_as_are_read_is_not_too_long() -> None:
    text = f"# Part\n\n{SECTION}\n\n" * MOST

    assert len(passages_of("a.md", text.encode(), words)) == MOST
