"""Stand-ins for questions, made from a domain's own text."""

import pytest

from bot.messages import Chunk
from knowledge.questions import MAX_OF_EACH, SMALL, made_questions


def chunk(number: int, heading: str, body: str = "Too short.") -> Chunk:
    return Chunk(document="a.md", index=number, text=f"{heading}\n{body}", heading=heading, title="Guide")


def many(count: int, body: str = "Too short.") -> list[Chunk]:
    return [chunk(number, f"Guide > Use part {number}", body) for number in range(count)]


def test_innermost_heading_and_a_sentence_of_each_chunk_are_taken() -> None:
    chunks = [*many(SMALL - 2), chunk(SMALL - 2, "Guide > Refunds", "Refunds are paid within\n14 days. Always.")]

    made = made_questions(chunks)

    assert ("Refunds are paid within 14 days.", ("a.md", SMALL - 2)) in made
    assert sorted(text for text, _ in made)[1:] == sorted(f"Use part {number}" for number in range(SMALL - 2))


@pytest.mark.parametrize(("chunks", "left_out"), [(SMALL - 1, False), (SMALL, True)])
def test_chunk_of_a_heading_is_left_out_but_in_a_small_domain(chunks: int, left_out: bool) -> None:
    made = dict(made_questions(many(chunks)))

    assert made["Use part 7"] == (("a.md", 7) if left_out else None)


@pytest.mark.parametrize("chunks", [SMALL - 1, SMALL])
def test_chunk_of_a_sentence_is_always_left_out(chunks: int) -> None:
    made = made_questions([*many(chunks - 1), chunk(99, "Guide", "Refunds are paid within 14 days.")])

    assert ("Refunds are paid within 14 days.", ("a.md", 99)) in made


@pytest.mark.parametrize("body", ["Too short.", "word " * 26 + ".", "", "One. Two. Three."])
def test_sentence_has_a_question_s_length(body: str) -> None:
    assert made_questions([chunk(0, "Guide", body)]) == []


@pytest.mark.parametrize("heading", ["Guide", "Guide > Install", ""])
def test_heading_of_one_word_is_no_question(heading: str) -> None:
    assert made_questions([chunk(0, heading)]) == []


def test_heading_of_several_chunks_is_asked_once_for_the_first() -> None:
    chunks = [*many(SMALL), chunk(SMALL, "Guide > Use part 0"), chunk(SMALL + 1, "Other > Use part 0")]

    made = made_questions(chunks)

    assert [place for text, place in made if text == "Use part 0"] == [("a.md", 0)]


def test_large_domain_gives_a_sample_that_is_the_same_each_time() -> None:
    chunks = [chunk(n, f"Guide > Use part {n}", f"Part {n} does a thing.") for n in range(MAX_OF_EACH + 50)]

    made = made_questions(chunks)

    assert len(made) == 2 * MAX_OF_EACH
    assert made == made_questions(chunks)
    assert made != made_questions(chunks, seed=1)


def test_domain_without_text_has_no_questions() -> None:
    assert made_questions([]) == []
