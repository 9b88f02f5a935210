"""Documents to chunks: headings in front, short enough for the encoder, nothing lost."""

import re
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.messages import Chunk, Document
from knowledge.chunking import MAX_TOKENS, split
from knowledge.encoder import MiniLmEncoder

LONG = "one two three four five. " * 30  # 150 words: sections of that length stay alone


def words(text: str) -> int:
    """A token counter that takes each word for a token."""
    return len(text.split())


def quarters(text: str) -> int:
    """A token counter for which long words have many tokens."""
    return -(-len(text) // 4)


def cut(text: str, title: str = "Guide") -> list[Chunk]:
    return split(Document(id="guide.md", title=title, text=text, url="https://docs.test/guide"), words)


def test_chunk_knows_its_document_and_place() -> None:
    first, second = cut(f"# One\n\n{LONG}\n\n# Two\n\n{LONG}")

    assert (first.document, first.title, first.url) == ("guide.md", "Guide", "https://docs.test/guide")
    assert (first.index, second.index) == (0, 1)


def test_paragraph_of_pictures_alone_is_left_out() -> None:
    text = "# One\n\nRefunds take 14 days.\n\n![A form](a.png)\n![Two](b.png)\n\n# Two\n\n![Three](c.png)\n"

    assert [chunk.text for chunk in cut(text)] == ["Guide > One\nRefunds take 14 days."]


@pytest.mark.parametrize("body", ["Press ![plus](p.png) here.", "```\n![A form](a.png)\n```"])
def test_picture_within_a_sentence_or_code_stays(body: str) -> None:
    assert cut(f"# One\n\n{body}")[0].body == body


def test_headings_from_the_title_down_are_in_front_of_the_text() -> None:
    text = f"Intro {LONG}\n\n# Install\n\n{LONG}\n\n## On *Linux*\n\n{LONG}\n\n# Use `run`\n\n{LONG}"

    chunks = cut(text)

    headings = ["Guide", "Guide > Install", "Guide > Install > On Linux", "Guide > Use run"]
    assert [chunk.heading for chunk in chunks] == headings
    assert all(chunk.text.startswith(f"{chunk.heading}\n") for chunk in chunks)
    assert chunks[2].body == LONG.strip()


def test_title_that_is_the_first_heading_is_not_repeated() -> None:
    (chunk,) = cut("# GUIDE\n\n## Install\n\nRun it.")

    assert chunk.heading == "GUIDE > Install"


@pytest.mark.parametrize(
    ("line", "heading"),
    [
        ('# [csv](#module-csv "csv: Write (and read) files") — tables', "csv — tables"),
        ("## Using C#", "Using C#"),
        ("## Closed ##", "Closed"),
        ("## Linked¶", "Linked"),
        ("## Linked #¶", "Linked"),
        ("## `**kwargs`", "kwargs"),
        ("Underlined\n---", "Underlined"),
        ("Over two\nlines\n===", "Over two lines"),
    ],
)
def test_heading_is_plain_text(line: str, heading: str) -> None:
    (chunk,) = cut(f"{line}\n\nText.")

    assert chunk.heading == f"Guide > {heading}"


@pytest.mark.parametrize(
    "block",
    [
        "```sh\n# not a heading\nrun\n```",
        "~~~\n# not a heading\n~~~",
        "    # not a heading",
        "> # not a heading",
        "- # not a heading",
        "#not a heading",
        "<!--\n# not a heading\n-->",
    ],
)
def test_hash_line_in_code_lists_and_quotes_is_no_heading(block: str) -> None:
    (chunk,) = cut(f"# Install\n\nDo this:\n\n{block}\n\nDone.")

    assert chunk.heading == "Guide > Install"
    assert "not a heading" in chunk.body


def test_paragraph_with_a_line_below_it_is_no_heading() -> None:
    chunks = cut(f"{LONG.strip()}\n---\n\nText.")

    assert {chunk.heading for chunk in chunks} == {"Guide"}
    assert words(" ".join(chunk.body for chunk in chunks)) == words(LONG) + words("--- Text.")


def test_short_sections_stay_apart_so_that_each_keeps_its_heading() -> None:
    chunks = cut("# Top\n\n## One\n\nFirst.\n\n## Two\n\nSecond.")

    assert [chunk.heading.rpartition(" > ")[2] for chunk in chunks] == ["One", "Two"]


def test_heading_without_text_is_no_chunk_of_its_own() -> None:
    chunks = cut(f"# Empty\n\n# Full\n\n{LONG}")

    assert [chunk.heading for chunk in chunks] == ["Guide > Full"]


def test_document_of_headings_only_is_kept() -> None:
    (chunk,) = cut("# When is it paid?\n\n# How is it paid?")

    assert chunk.text == "Guide\n# When is it paid?\n\n# How is it paid?"


def test_empty_document_has_no_chunks() -> None:
    assert cut("") == []


def test_outermost_headings_are_left_out_where_all_are_too_long() -> None:
    (chunk,) = cut(f"# {'outer ' * 50}\n\n## {'inner ' * 20}\n\nText.")

    assert chunk.heading == ("inner " * 20).strip()


def test_endless_title_leaves_room_for_the_text() -> None:
    chunks = cut(LONG, title="title " * 1000)

    assert all(words(chunk.text) <= MAX_TOKENS for chunk in chunks)
    assert chunks[0].title == "title " * 1000


@pytest.mark.parametrize("text", ["x" * 5_000, "x" * 5_000 + " y " + "z" * 1_500, "a,b;c/" * 700])
def test_long_words_are_cut(text: str) -> None:
    chunks = split(Document(id="a", title="Guide", text=text), quarters)

    assert all(quarters(chunk.text) <= MAX_TOKENS for chunk in chunks)
    assert "".join("".join(chunk.body.split()) for chunk in chunks) == "".join(text.split())


def test_no_chunk_is_longer_than_the_encoder_reads() -> None:
    encoder = MiniLmEncoder()
    odd = "漢字 🙂 naïve café https://docs.test/a/b?c=d 0x7f3a E=mc² ... " * 80
    text = f"# Ünïcode\n\n{odd}\n\n## Code\n\n```py\n# a comment\n{'x = foo(bar[1:], *args)' * 100}\n```\n"

    chunks = split(Document(id="a", title="Guide", text=text), encoder.count_tokens)

    assert len(chunks) > 5
    assert max(encoder.count_tokens(chunk.text) for chunk in chunks) <= MAX_TOKENS


LINES = st.lists(st.sampled_from(["heading", "text", "long", "code", "list", "quote", "table", "break"]), max_size=12)


def document_of(kinds: list[str]) -> str:
    """A document of such blocks, each word in it different."""
    number = count()

    def some(n: int) -> str:
        return " ".join(f"w{next(number)}" for _ in range(n))

    blocks = {
        "heading": lambda: f"{'#' * (1 + next(number) % 4)} {some(3)}\n\n{some(2)}",
        "text": lambda: some(20),
        "long": lambda: "\n".join(some(30) + "." for _ in range(20)),
        "code": lambda: f"```\n# {some(3)}\n{some(3)}\n```",
        "list": lambda: f"- {some(4)}\n  1. {some(4)}",
        "quote": lambda: f"> {some(4)}",
        "table": lambda: f"| {some(1)} | {some(1)} |\n|---|---|\n| {some(1)} | {some(1)} |",
        "break": lambda: "---",
    }
    return "\n\n".join(blocks[kind]() for kind in kinds)


@given(LINES)
@settings(max_examples=60, deadline=None)
def test_every_word_is_in_a_chunk_and_in_its_order(kinds: list[str]) -> None:
    text = document_of(kinds)

    chunks = cut(text)

    assert all(words(chunk.text) <= MAX_TOKENS for chunk in chunks)
    kept = dict.fromkeys(re.findall(r"w\d+", "\n".join(chunk.text for chunk in chunks)))
    assert list(kept) == re.findall(r"w\d+", text)


@given(st.text(max_size=400), st.text(max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_text_can_be_cut(text: str, title: str) -> None:
    chunks = cut(text, title)

    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert all(chunk.body and words(chunk.text) <= MAX_TOKENS for chunk in chunks)
