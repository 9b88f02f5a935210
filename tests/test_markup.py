"""Texts made fit for chat platforms: no ping survives, no piece is too long, no code block is left open."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.markup import FENCE, JOINER, harmless, settled, split

MENTIONS = ("<!here>", "<@U12345678>", "<#C1|room>", "@everyone", "@here", "@Channel", "<https://a.test|b>", "<t:1>")
NOISE = st.lists(st.sampled_from([*MENTIONS, "<", "@", "!", " ", "x", "everyone", "mailto:", "\n", "é"])).map("".join)
PINGS = re.compile("<[!@#]|@everyone|@here|@channel", re.I)

WORD = st.text("abcäß.,", min_size=1, max_size=60)
PARAGRAPH = st.lists(WORD, min_size=1, max_size=40).map(" ".join)
MARKS = st.sampled_from(["```", "`````", "~~~", "```python", "~~~ text of a kind", "``` " + "x" * 60])
BLOCK = st.tuples(MARKS, st.lists(PARAGRAPH, max_size=8)).map(
    lambda made: "\n".join([made[0], *made[1], made[0][:3] * 2])
)
ANSWER = st.lists(st.one_of(PARAGRAPH, BLOCK), max_size=6).map("\n\n".join)
LIMIT = st.integers(100, 400)


def shown_in_pieces(text: str, size: int) -> str:
    """What a reader sees of a text that comes *size* characters at a time."""
    shown, held = "", ""
    for begin in range(0, len(text), size):
        held += text[begin : begin + size]
        ready = settled(held)
        shown, held = shown + harmless(held[:ready]), held[ready:]
    return shown + harmless(held)


def left_open(piece: str) -> str:
    """The fence of the code block that *piece* does not close, read as CommonMark does."""
    opened = ""
    for line in piece.split("\n"):
        if not opened and (fence := FENCE.match(line)):
            opened = fence[1]
        elif opened and re.fullmatch(rf" {{0,3}}{opened}{opened[0]}*\s*", line):
            opened = ""
    return opened


def content(text: str) -> str:
    """*text* without fences and white space."""
    return "".join("".join(line.split()) for line in text.split("\n") if not FENCE.match(line))


@given(NOISE)
def test_no_mention_survives_and_everything_else_does(text: str) -> None:
    safe = harmless(text)

    assert not PINGS.search(safe)
    assert safe.replace(JOINER, "") == text


@pytest.mark.parametrize("mention", [*MENTIONS, "</help:1>", "<slack://x>", "<MAILTO:a@b.test>", "<!subteam^S1>"])
def test_each_kind_of_mention_is_broken_behind_its_first_character(mention: str) -> None:
    safe = harmless(f"see {mention}!")

    assert safe.startswith(f"see {mention[0]}{JOINER}")


@pytest.mark.parametrize("text", ["a < b", "a <b> c", "ada@example.com", "x<-y", "List<String>", "if a<10:", "1 << 4"])
def test_what_is_no_mention_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


@given(NOISE, st.integers(1, 12))
def test_text_that_comes_in_pieces_is_made_harmless_as_the_whole_is(text: str, size: int) -> None:
    assert shown_in_pieces(text, size) == harmless(text)


@pytest.mark.parametrize("size", range(1, 16))
def test_mention_at_the_edge_of_what_is_settled_is_not_torn(size: int) -> None:
    shown = shown_in_pieces("<@U12345678> and <@everyone>", size)

    assert not PINGS.search(shown)


@pytest.mark.parametrize(
    ("text", "held"), [("Paid in 14 days.", ""), ("Ask @ever", "@ever"), ("Ask <@U", "<@U"), ("", "")]
)
def test_only_the_begin_of_a_possible_mention_waits_for_its_rest(text: str, held: str) -> None:
    assert text[settled(text) :] == held


@given(ANSWER, LIMIT)
def test_every_piece_is_short_enough_and_closes_its_code_blocks(text: str, limit: int) -> None:
    pieces = split(text, limit)

    assert all(0 < len(piece) <= limit for piece in pieces)
    assert not any(map(left_open, pieces))


@given(ANSWER, LIMIT)
def test_nothing_but_white_space_and_fences_is_lost_or_added(text: str, limit: int) -> None:
    pieces = split(text, limit)

    assert "".join(map(content, pieces)) == content(text)


def test_fence_is_not_cut_in_two() -> None:
    block = f"``` {'x' * 90}\ncode\n```"

    assert split(f"Look:\n\n{block}", 106) == ["Look:", block]


@given(st.text("`~ab. \n", max_size=600), st.integers(100, 150))
def test_any_mixture_of_marks_is_split_without_a_loss(text: str, limit: int) -> None:
    pieces = split(text, limit)

    left = iter("".join(pieces))
    assert all(character in left for character in "".join(text.split()))
    assert all(0 < len(piece) <= limit and not left_open(piece) for piece in pieces)


def test_text_that_fits_is_one_piece_as_it_is() -> None:
    text = "One.\n\n```python\nprint(1)\n```\nTwo."

    assert split(text, 100) == [text]
    assert split("  ", 100) == []


@pytest.mark.parametrize(
    ("mark", "rest"), [("\n\n", "b. b\n" * 20), ("\n", "b. b " * 20), (". ", "b b " * 20), (" ", "b" * 100)]
)
def test_cut_is_between_paragraphs_before_lines_before_sentences_before_words(mark: str, rest: str) -> None:
    first = "a" * 60

    pieces = split(first + mark + rest, 120)

    assert pieces[0] == first + mark.strip()


def test_code_block_that_is_cut_goes_on_as_one_with_its_language() -> None:
    lines = [f"print({number})" for number in range(20)]

    first, second, third = split("\n".join(["Like this:", "```python", *lines, "```"]), 121)

    assert first.startswith("Like this:\n```python\nprint(0)\n") and first.endswith(")\n```")
    assert second.startswith("```python\nprint(") and second.endswith(")\n```")
    assert third.startswith("```python\nprint(") and third.endswith("print(19)\n```")


def test_code_keeps_its_indentation_behind_a_cut() -> None:
    _, second = split("```\n" + "if ready:\n    go()\n" * 7 + "```", 115)

    assert second.startswith("```\n    go()\nif ready:")


def test_code_block_that_was_never_closed_is_closed() -> None:
    assert split("```python\nprint(1)", 100) == ["```python\nprint(1)\n```"]


@pytest.mark.parametrize("line", ["```" + "x" * 500, "`" * 500, "~" * 500, "~~~ " + "long " * 100])
def test_line_of_marks_that_is_longer_than_a_piece_is_split_all_the_same(line: str) -> None:
    pieces = split(f"{line}\nthe code\n{line}", 100)

    assert max(map(len, pieces)) <= 100
    assert "the code" in "".join(pieces)


def test_code_within_a_line_opens_no_block() -> None:
    assert split("```pip list```\nshows them", 100) == ["```pip list```\nshows them"]
