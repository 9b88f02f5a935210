"""What of an answer may be shown, and which words of which passage support it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, cycle, islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.grounding import (
    MAX_QUOTE,
    Release,
    Verdict,
    best_passage,
    cite,
    is_refusal,
    refuse_above,
    support,
    supporting,
    too_weak,
    without_markers,
)
from bot.messages import Passage

REFUNDS = Passage(
    document="refunds.md",
    chunk=2,
    heading="Refunds > When",
    title="Refunds",
    url="https://docs.test/refunds",
    text="Refunds > When\nRefunds are paid within 14 days. Call 5551234567 until 2026-03-31 for help.",
)
SHIPPING = Passage(document="shipping.md", chunk=0, text="Parcels leave the warehouse on Monday. Boxes are blue.")


async def check(
    *pieces: str, passages: Sequence[Passage] = (REFUNDS, SHIPPING), note: str = ""
) -> tuple[Verdict, list[str]]:
    shown: list[str] = []

    async def on_text(text: str) -> None:
        shown.append(text)

    release = Release(question="When is my refund paid?", passages=passages, on_text=on_text)
    for piece in pieces:
        await release(piece)
    return await release.verdict(note), shown


async def test_supported_answer_is_shown_with_the_number_of_its_passage() -> None:
    verdict, shown = await check("Refunds are paid within 14 days. Parcels leave on Monday.")

    assert shown == ["Refunds are paid within 14 days. [1] ", "Parcels leave on Monday. [2]"]
    assert verdict.text == "".join(shown)
    assert [citation.number for citation in verdict.citations] == [1, 2]
    assert verdict.grounding == 1.0


async def test_sentence_is_shown_before_the_next_one_is_written() -> None:
    shown: list[str] = []

    async def on_text(text: str) -> None:
        shown.append(text)

    release = Release(question="", passages=[REFUNDS], on_text=on_text)
    await release("Refunds are paid within 14 days. Ca")

    assert shown == ["Refunds are paid within 14 days. [1] "]


async def test_half_a_sentence_is_not_shown() -> None:
    shown: list[str] = []

    async def on_text(text: str) -> None:
        shown.append(text)

    release = Release(question="", passages=[REFUNDS], on_text=on_text)
    await release("Refunds are paid within")

    assert shown == []


async def test_nothing_is_shown_after_the_first_unsupported_sentence() -> None:
    verdict, shown = await check("Refunds are paid within 14 days. Elephants sing opera. Parcels leave on Monday.")

    assert shown == ["Refunds are paid within 14 days. [1] "]
    assert verdict.text == "Refunds are paid within 14 days. [1]"
    assert verdict.grounding == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        " \n ",
        "...",
        "Elephants sing opera.",
        "Refunds are paid within 15 days.",
        "I don't know.",
        "The passages do not say when refunds are paid.",
        "It is. Refunds are paid within 14 days.",
    ],
)
async def test_answer_without_a_supported_beginning_is_refused(answer: str) -> None:
    verdict, shown = await check(answer)

    assert verdict.refused
    assert (shown, verdict.citations, verdict.grounding) == ([], (), 0.0)


async def test_refusal_is_one_even_where_a_passage_holds_its_words() -> None:
    about_itself = Passage(document="bot.md", chunk=0, text="Where it cannot answer, the bot says: I don't know.")

    verdict, _ = await check("I don't know.", passages=[about_itself])

    assert verdict.refused


async def test_without_passages_nothing_is_shown() -> None:
    verdict, _ = await check("Refunds are paid within 14 days.", passages=[])

    assert verdict.refused


@pytest.mark.parametrize(
    "answer",
    ["Call 5551234568 for help.", "Call until 2026-03-30 for help.", "Call 555 for help.", "Refunds: 14.5 days."],
)
async def test_number_that_differs_in_one_digit_is_refused(answer: str) -> None:
    verdict, _ = await check(answer)

    assert verdict.refused


@pytest.mark.parametrize("answer", ["Call 5551234567 for help.", "Call until 2026-03-31.", "Refunds: 14 days."])
async def test_number_of_the_passage_is_shown(answer: str) -> None:
    verdict, _ = await check(answer)

    assert verdict.text == f"{answer} [1]"


@pytest.mark.parametrize(
    "answer",
    [
        "[1] Refunds are paid within 14 days.",
        "Refunds are paid within 14 days [2].",
        "Refunds are paid within 14 days. [7]",
        "Refunds are paid within 14 days.[1]",
    ],
)
async def test_marker_that_the_model_writes_itself_is_replaced_by_ours(answer: str) -> None:
    verdict, _ = await check(answer)

    assert verdict.text == "Refunds are paid within 14 days. [1]"


async def test_number_in_front_of_a_list_item_belongs_to_the_item() -> None:
    verdict, _ = await check("14. Refunds are paid.\n14. Parcels leave on Monday.")

    assert verdict.text == "14. Refunds are paid. [1]"


async def test_closing_quotation_mark_stays_with_its_sentence() -> None:
    verdict, _ = await check('"Refunds are paid." Boxes are blue.')

    assert verdict.text == '"Refunds are paid." [1] Boxes are blue. [2]'


async def test_lines_and_paragraphs_are_kept() -> None:
    verdict, _ = await check("Refunds are paid\n- Boxes are blue.\n\nParcels leave on Monday.")

    assert verdict.text == "Refunds are paid [1]\n- Boxes are blue. [2]\n\nParcels leave on Monday. [2]"


SENTENCES = st.sampled_from(
    ["Refunds are paid", "Boxes are blue", "Parcels leave [2]", '"Call 5551234567', "zebra", "1", "e.g", "[1]", ""]
)
GAPS = st.sampled_from([" ", ". ", ".  ", "!\n", "\n\n", '." ', ".) ", ".\n \n", "\t", ":"])
TEXT = st.lists(st.tuples(SENTENCES, GAPS), max_size=6).map(lambda pairs: "".join(map("".join, pairs)))


@given(TEXT, st.lists(st.integers(1, 6), min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
async def test_answer_in_pieces_is_treated_like_the_answer_in_one(text: str, sizes: list[int]) -> None:
    ends = [0, *accumulate(islice(cycle(sizes), len(text)))]
    pieces = [text[begin:end] for begin, end in pairwise(ends)]

    assert await check(*pieces) == await check(text)


@given(TEXT, st.sampled_from(["", " …"]))
@settings(max_examples=200, deadline=None)
async def test_verdict_is_what_was_shown(text: str, note: str) -> None:
    verdict, shown = await check(text, note=note)

    assert verdict.text == "".join(shown).strip()
    assert 0.0 <= verdict.grounding <= 1.0


async def test_half_a_sentence_that_says_too_little_does_not_count_against_the_answer() -> None:
    verdict, _ = await check("Refunds are paid within 14 days. On", note=" …")

    assert (verdict.text, verdict.grounding) == ("Refunds are paid within 14 days. [1] …", 1.0)


@pytest.mark.parametrize(
    ("sentence", "share"),
    [
        ("Refunds are paid within 14 days", 1.0),
        ("REFUND! Within 14 days?", 1.0),
        ("Refunded within days.", 1.0),
        ("Refunds within zebras.", 2 / 3),
        ("paid within", 1.0),
        ("within paid", 0.0),
        ("refunds zebras", 0.0),
        ("Refunds within 15 days", 0.0),
        ("It is what it is", 0.0),
        ("", 0.0),
    ],
)
def test_support_is_the_share_of_content_words_that_the_passage_holds(sentence: str, share: float) -> None:
    passage = "Refunds are paid within 14 days."

    assert support(sentence, passage) == pytest.approx(share)


def test_support_does_not_add_up_over_passages() -> None:
    number, share = best_passage("Refunds blue Monday warehouse.", [REFUNDS, SHIPPING])

    assert (number, share) == (2, 0.75)


def test_best_of_no_passages_is_none() -> None:
    assert best_passage("Refunds are paid", []) == (0, 0.0)


@pytest.mark.parametrize(("cosines", "weak"), [([0.1, 0.19], True), ([0.1, 0.2], False), ([0.9], False)])
def test_passages_are_too_weak_where_even_the_nearest_is_about_something_else(cosines: list[float], weak: bool) -> None:
    assert too_weak([replace(SHIPPING, dense=cosine) for cosine in cosines]) == weak


def test_refusal_is_believed_the_less_the_nearer_the_passages_are() -> None:
    needed = [refuse_above([SHIPPING, replace(REFUNDS, dense=cosine)]) for cosine in (0.0, 0.3, 0.6, 0.9)]

    assert needed == sorted(set(needed))
    assert needed[0] >= 0.0 and needed[-1] <= 1.0


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("I don't know.", True),
        ("I don’t know", True),
        ("I do not know when it is paid.", True),
        ("That is not mentioned in the text.", True),
        ("The passages do not say so.", True),
        ("The context does not contain it.", True),
        ("I cannot answer that.", True),
        ("There is no information about it.", True),
        ("Refunds are paid within 14 days.", False),
        ("Do not open the box.", False),
    ],
)
def test_refusal_is_told_from_an_answer(text: str, refusal: bool) -> None:
    assert is_refusal(text) == refusal


def test_citation_quotes_the_sentence_of_the_passage_that_is_nearest_to_the_answer() -> None:
    citation = cite(3, REFUNDS, "Paid within 14 days")

    assert citation.quote == "Refunds are paid within 14 days."
    assert (citation.number, citation.document, citation.chunk) == (3, "refunds.md", 2)
    assert (citation.title, citation.url) == ("Refunds > When", "https://docs.test/refunds")


@pytest.mark.parametrize(
    ("passage", "title"),
    [
        (Passage(document="a.md", chunk=0, text="x", heading="A > B", title="A"), "A > B"),
        (Passage(document="a.md", chunk=0, text="x", title="A"), "A"),
        (Passage(document="a.md", chunk=0, text="x"), "a.md"),
    ],
)
def test_citation_is_called_by_the_most_exact_name_it_has(passage: Passage, title: str) -> None:
    assert cite(1, passage, "x").title == title


def test_long_quote_ends_with_an_ellipsis() -> None:
    passage = Passage(document="a.md", chunk=0, text="word " * 200)

    quote = cite(1, passage, "word").quote

    assert len(quote) <= MAX_QUOTE
    assert quote.endswith("word…")


@given(st.text(max_size=300), st.text(max_size=50))
def test_quote_is_made_of_the_words_of_the_passage(text: str, words: str) -> None:
    quote = cite(1, Passage(document="a.md", chunk=0, text=text), words).quote

    assert quote.removesuffix("…") in text


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("Refunds are paid within 14 days.", {1}),
        ("Refunds are paid within 14 days. Parcels leave on Monday.", {1, 2}),
        ("within 14 days", {1}),
        ("Refunds are paid within 14 days. Penguins cannot fly at all.", None),
        ("Refunds are paid within 15 days.", None),
        ("", None),
        ("...", None),
    ],
)
def test_answer_rests_on_the_passages_that_support_its_sentences(answer: str, numbers: set[int] | None) -> None:
    assert supporting(answer, (REFUNDS, SHIPPING)) == numbers


def test_markers_are_taken_out_of_an_answer() -> None:
    assert without_markers("Within 14 days [1]. On Monday [2].") == "Within 14 days. On Monday."


def test_what_is_said_behind_a_reviewed_answer_is_taken_out_with_the_markers() -> None:
    assert without_markers("On Monday. [1]\n\n✓ A person has checked this answer (3 May 2026).") == "On Monday."
