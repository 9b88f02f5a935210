"""Which reviewed replies become rows of which kind, and why the others do not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes_learning import FEES, LIBRARY, REFUNDS, SALARIES, SHIPPING, Workshop

from adapters.datasets import material
from adapters.datasets.material import Library
from bot.errors import InputError
from bot.prompts import REFUSAL


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(folder=tmp_path)


async def left_out(shop: Workshop, kind: str = "sft", library: Library = LIBRARY) -> dict[str, list[str]]:
    """Why replies were left out of a dataset that has one good row at least."""
    await shop.answer(
        "good", question="What is the yearly fee?", passages=(FEES,), text="The yearly fee is 30 euros [1]."
    )
    await shop.vote("good", -1 if kind == "dpo" else 1)
    how = {"state": "corrected", "answer": "It is 30 euros."} if kind == "dpo" else {"state": "approved"}
    await shop.review("good", **how)
    version = await shop.build(kind, library=library)
    return dict(version.report["left_out"])


async def test_approved_answer_becomes_a_row_without_its_markers(shop: Workshop) -> None:
    await shop.approved("a", question="When is my refund paid?", text="Refunds are paid within 14 days [1].")

    version = await shop.build()

    asked, answer = "When is my refund paid?", "Refunds are paid within 14 days."
    assert shop.rows(version) == [{"question": asked, "passages": [REFUNDS.text], "answer": answer}]
    assert (version.label, version.rows) == ("billing@1", 1)
    assert (version.approved_by, version.documents) == (("ada",), ("refunds.md",))


async def test_corrected_answer_takes_the_place_of_the_bots(shop: Workshop) -> None:
    await shop.answer("a", text="Never [1].")
    await shop.review("a", "corrected", answer=" Within 14 days. ")

    assert [row["answer"] for row in shop.rows(await shop.build())] == ["Within 14 days."]


async def test_pair_of_an_answer_that_was_given_again_holds_no_mark(shop: Workshop) -> None:
    text = "Never. [1]\n\n✓ A person has checked this answer (3 May 2026)."
    await shop.answer("a", question="When is my refund paid?", text=text, prompt="reviewed@b")
    await shop.review("a", "corrected", answer="Within 14 days.")

    (row,) = shop.rows(await shop.build("dpo"))

    assert (row["chosen"][-1]["content"], row["rejected"][-1]["content"]) == ("Within 14 days.", "Never.")


@pytest.mark.parametrize("abstained", [True, False])
async def test_right_refusal_becomes_a_row_without_an_answer(shop: Workshop, abstained: bool) -> None:
    await shop.answer("a", abstained=abstained)
    await shop.review("a", "approved" if abstained else "corrected", answer=None if abstained else "i don’t know")

    (row,) = shop.rows(await shop.build())

    assert row["answer"] is None and row["passages"] == [REFUNDS.text]


async def test_only_what_was_reviewed_becomes_a_row(shop: Workshop) -> None:
    for reply in ("new", "waiting", "undone"):
        await shop.answer(reply)
        await shop.vote(reply, 1)
    await shop.review("waiting", "needs_person")
    await shop.review("undone", "approved")
    await shop.reviews.undo(["undone"], by="ada")

    with pytest.raises(InputError, match=r"no reviewed reply of billing makes a row of kind sft \(none is"):
        await shop.build()


async def test_rows_of_other_domains_are_not_ours(shop: Workshop) -> None:
    await shop.answer("a")
    await shop.review("a", "approved", route="travel")

    assert await left_out(shop) == {}


@pytest.mark.parametrize(
    ("reply", "review", "reason"),
    [
        ({"private": True}, {}, material.PRIVATE),
        ({"given": ("Within 14 days.",)}, {}, material.SHARED_FILE),
        ({"decision": "ask_back"}, {}, material.ASKED_BACK),
        ({"prompt": "reviewed@b"}, {}, material.REUSED),
        ({"prompt": "reviewed@b"}, {"state": "rejected"}, material.REUSED),
        ({"route": "general"}, {}, material.ELSEWHERE),
        ({"passages": ()}, {}, material.NO_PASSAGES),
        ({}, {"fault": "retrieval"}, material.NOT_WORDING),
        ({}, {"state": "rejected"}, material.REJECTED),
        ({"text": "Refunds are paid within 14 …"}, {}, material.CUT),
        ({}, {"state": "corrected", "answer": "After 30 days."}, material.UNSUPPORTED),
        ({"passages": (replace(REFUNDS, document="old.md"),)}, {}, material.DOCUMENT_GONE),
        ({"passages": (SALARIES,)}, {}, material.RESTRICTED),
    ],
)
async def test_reply_that_must_not_be_learned_from_is_left_out_with_the_reason(
    shop: Workshop, reply: dict[str, Any], review: dict[str, Any], reason: str
) -> None:
    given = reply.pop("given", None)
    await shop.answer("a", **reply)
    if given:
        exchange = shop.exchanges.exchanges["a"]
        shop.exchanges.exchanges["a"] = replace(exchange, message=replace(exchange.message, passages=given))
    await shop.review("a", **{"state": "approved"} | review)

    assert await left_out(shop) == {reason: ["a"]}


async def test_reply_of_a_forgotten_person_is_left_out_and_counted(shop: Workshop) -> None:
    await shop.approved("a")
    del shop.exchanges.exchanges["a"]

    assert await left_out(shop) == {material.DELETED: ["a"]}


async def test_document_that_every_reader_of_the_domain_may_read_is_not_restricted(shop: Workshop) -> None:
    await shop.approved("a", passages=(SALARIES,), text="Salaries are paid within 14 days.")

    assert await left_out(shop, library=replace(LIBRARY, readers=frozenset({"hr"}))) == {}


async def test_passages_that_are_gone_or_restricted_are_left_out_of_rows_that_do_not_need_them(shop: Workshop) -> None:
    gone = replace(SHIPPING, document="old.md")
    await shop.approved("a", passages=(gone, REFUNDS, SALARIES))

    (row,) = shop.rows(await shop.build())

    assert row["passages"] == [REFUNDS.text]


async def test_pair_holds_the_correction_over_what_the_bot_said(shop: Workshop) -> None:
    await shop.answer("a", question="When is my refund paid?", text="Never [1].")
    await shop.review("a", "corrected", answer="Within 14 days.")

    (row,) = shop.rows(await shop.build("dpo"))

    assert row["chosen"] == [{"role": "assistant", "content": "Within 14 days."}]
    assert row["rejected"] == [{"role": "assistant", "content": "Never."}]
    assert [turn["role"] for turn in row["prompt"]] == ["system", "user"]
    assert REFUNDS.text in row["prompt"][1]["content"]


@pytest.mark.parametrize(
    ("said", "review", "reason"),
    [
        ({}, {"state": "approved"}, material.NO_PAIR),
        ({}, {"state": "corrected", "answer": "within 14 DAYS"}, material.SAME),
        ({"abstained": True}, {"state": "corrected", "answer": REFUSAL}, material.SAME),
        ({}, {"state": "rejected"}, material.REJECTED),
    ],
)
async def test_reply_that_makes_no_pair_is_left_out_with_the_reason(
    shop: Workshop, said: dict[str, Any], review: dict[str, Any], reason: str
) -> None:
    await shop.answer("a", **said)
    await shop.review("a", **review)

    assert await left_out(shop, "dpo") == {reason: ["a"]}


async def test_votes_become_labels_with_their_weight(shop: Workshop) -> None:
    await shop.approved("a", text="Within 14 days [1].")
    await shop.vote("a", 1)
    await shop.answer("b", text="Never [1].")
    await shop.review("b", "rejected")
    for user in ("slack:U3", "slack:U4"):
        await shop.vote("b", -1, user)

    rows = shop.rows(await shop.build("kto"))

    found = [(row["completion"][0]["content"], row["label"], row["weight"]) for row in rows]
    assert sorted(found) == [("Never.", False, 2.0), ("Within 14 days.", True, 1.0)]


@pytest.mark.parametrize(
    ("ratings", "state", "reason"),
    [
        ([], "approved", material.NO_VOTES),
        ([1, -1], "approved", material.NO_VOTES),
        ([-1], "approved", material.AGAINST),
        ([1], "rejected", material.AGAINST),
    ],
)
async def test_reply_whose_votes_say_nothing_sure_is_left_out_with_the_reason(
    shop: Workshop, ratings: list[int], state: str, reason: str
) -> None:
    await shop.answer("a")
    await shop.review("a", state)
    for n, rating in enumerate(ratings):
        await shop.vote("a", rating, f"slack:V{n}")

    assert await left_out(shop, "kto") == {reason: ["a"]}
