"""Datasets from reviewed replies: which rows they have, and which they must not have."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from fakes_learning import FEES, REFUNDS, SHIPPING, Office

from adapters import material
from adapters.building import DatasetBuilder, rows_to_train
from adapters.composing import UNANSWERABLE
from adapters.dataset import read_dataset
from adapters.material import Library
from bot.errors import InputError, StoreError
from bot.messages import DatasetSource, DatasetVersion, Passage
from bot.privacy import Redactor
from bot.prompts import REFUSAL, PromptLibrary

REDACTOR = Redactor()
EVERYONE = frozenset({"everyone"})
LIBRARY = Library(
    domain="billing",
    documents={"refunds.md": EVERYONE, "fees.md": EVERYONE, "shipping.md": EVERYONE, "salaries.md": frozenset({"hr"})},
    readers=EVERYONE,
)
SALARIES = Passage(document="salaries.md", chunk=0, text="Salaries\nSalaries are paid within 14 days.")


@dataclass
class Workshop(Office):
    """An office where datasets are made."""

    folder: Path = field(default_factory=Path)

    @property
    def builder(self) -> DatasetBuilder:
        return DatasetBuilder(
            exchanges=self.exchanges,
            votes=self.votes,
            reviews=self.reviews,
            datasets=self.datasets,
            prompts=PromptLibrary(),
            redactor=REDACTOR,
            directory=self.folder,
            plot=lambda _: None,  # takes a second; test_data_report.py has it drawn
        )

    async def build(self, kind: str = "sft", **more: Any) -> DatasetVersion:
        return await self.builder.build(more.pop("library", LIBRARY), kind=kind, by="ada", **more)  # type: ignore[arg-type]

    async def approved(self, *replies: str, **more: Any) -> None:
        for reply in replies:
            await self.answer(reply, **more)
            await self.review(reply, "approved")

    def rows(self, version: DatasetVersion, *names: str) -> list[dict[str, Any]]:
        folder = self.folder / version.folder
        texts = ((folder / f"{name}.jsonl").read_text() for name in names or ("train", "held_out"))
        return [json.loads(line) for text in texts for line in text.splitlines()]


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

    assert shop.rows(version) == [
        {
            "question": "When is my refund paid?",
            "passages": [REFUNDS.text],
            "answer": "Refunds are paid within 14 days.",
        }
    ]
    assert (version.label, version.rows, version.approved_by, version.documents) == (
        "billing@1",
        1,
        ("ada",),
        ("refunds.md",),
    )


async def test_corrected_answer_takes_the_place_of_the_bots(shop: Workshop) -> None:
    await shop.answer("a", text="Never [1].")
    await shop.review("a", "corrected", answer=" Within 14 days. ")

    assert [row["answer"] for row in shop.rows(await shop.build())] == ["Within 14 days."]


@pytest.mark.parametrize("abstained", [True, False])
async def test_right_refusal_becomes_a_row_without_an_answer(shop: Workshop, abstained: bool) -> None:
    await shop.answer("a", abstained=abstained)
    await shop.review("a", "approved" if abstained else "corrected", answer=None if abstained else "i don’t know")

    (row,) = shop.rows(await shop.build())

    assert row["answer"] is None and row["passages"] == [REFUNDS.text]


async def test_training_reads_the_rows_and_knows_which_are_answerable(shop: Workshop) -> None:
    await shop.approved("a", thread="T1")
    await shop.approved("b", abstained=True, thread="T1")

    version = await shop.build()

    examples = read_dataset(rows_to_train(version, shop.folder), PromptLibrary()).examples
    assert [example.answerable for example in examples] == [True, False]


async def test_only_what_was_reviewed_becomes_a_row(shop: Workshop) -> None:
    for reply in ("new", "waiting", "undone"):
        await shop.answer(reply)
        await shop.vote(reply, 1)
    await shop.review("waiting", "needs_person")
    await shop.review("undone", "approved")
    await shop.reviews.undo(["undone"], by="ada")

    with pytest.raises(InputError, match=r"no reviewed reply of billing makes a row of a sft dataset \(none is"):
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


async def test_same_row_is_kept_once(shop: Workshop) -> None:
    await shop.approved("a", "b", question="When is my refund paid?")

    version = await shop.build()

    assert version.rows == 1 and version.report["left_out"] == {material.REPEATED: ["b"]}


async def test_everything_that_is_written_is_redacted(shop: Workshop) -> None:
    mail = Passage(document="fees.md", chunk=0, text="Fees\nAsk jane.doe@example.com about fees.")
    await shop.approved(
        "a",
        question="I am bob@example.org, whom do I ask?",
        passages=(mail,),
        text="Ask jane.doe@example.com about fees.",
    )

    version = await shop.build()

    (row,) = shop.rows(version)
    assert row["question"].startswith("I am <EMAIL>,") and row["answer"] == "Ask <EMAIL> about fees."
    assert version.report["redactions"] == {"EMAIL": 3}
    assert all(b"@example" not in path.read_bytes() for path in (shop.folder / version.folder).iterdir())


async def test_questions_come_again_with_passages_of_other_documents_by_the_stated_share(shop: Workshop) -> None:
    for n in range(50):
        passage = Passage(document=f"{n}.md", chunk=0, text=f"Rule {n}\nThe fee of tariff {n} is {n + 100} euros.")
        await shop.approved(
            str(n), question=f"How high is fee {n}?", passages=(passage,), text=f"It is {n + 100} euros."
        )
    library = replace(LIBRARY, documents={f"{n}.md": EVERYONE for n in range(50)})

    rows = shop.rows(await shop.build(library=library), "train")

    refused = [row for row in rows if row["answer"] is None]
    assert len(refused) / len(rows) == pytest.approx(UNANSWERABLE, abs=0.01)
    own = {row["question"]: row["passages"] for row in rows if row["answer"]}
    assert all(not set(row["passages"]) & set(own[row["question"]]) for row in refused)


async def test_right_refusals_count_towards_the_share_of_unanswerable_rows(shop: Workshop) -> None:
    for n, passage in enumerate((REFUNDS, FEES, SHIPPING)):
        await shop.approved(str(n), passages=(passage,), text=passage.text.partition("\n")[2], abstained=n > 0)

    rows = shop.rows(await shop.build())

    assert sorted(row["answer"] is None for row in rows) == [False, True, True]


async def test_documents_and_threads_are_on_one_side_only(shop: Workshop) -> None:
    documents = [
        Passage(document=f"{n}.md", chunk=0, text=f"The fee of tariff {n} is {n + 100} euros.") for n in range(20)
    ]
    for n, own in enumerate(documents):
        near = (documents[n - 1], own, documents[n - 2])
        await shop.approved(str(n), passages=near, text=own.text, thread=f"T{n // 2}")
    library = replace(LIBRARY, documents={passage.document: EVERYONE for passage in documents})

    version = await shop.build(library=library)

    train, held = (
        {text for row in shop.rows(version, side) for text in row["passages"]} for side in ("train", "held_out")
    )
    assert train and held and not train & held
    pairs = {int(row["question"].split()[3]) // 2 for row in shop.rows(version, "held_out")}
    assert not pairs & {int(row["question"].split()[3]) // 2 for row in shop.rows(version, "train")}


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


async def test_asker_voters_and_documents_of_every_row_are_on_record(shop: Workshop) -> None:
    await shop.approved("a", workspace="slack:T1")
    await shop.vote("a", 1, "slack:U9")

    version = await shop.build("kto")

    assert list(shop.datasets.sources[version.label]) == [
        DatasetSource(reply="a", user="slack:U1", workspace="slack:T1", document="refunds.md"),
        DatasetSource(reply="a", user="slack:U9", workspace="slack:T1"),
    ]


async def test_same_replies_and_seed_make_the_same_version(shop: Workshop) -> None:
    await shop.approved("a", "b", "c")

    first, again = await shop.build(), await shop.build()
    await shop.approved("d")
    later = await shop.build()

    assert again == first and later.version == "2"
    assert (first.hash == later.hash) is False


async def test_version_is_a_folder_with_rows_and_reports(shop: Workshop) -> None:
    await shop.approved("a", "b")

    version = await shop.build()

    folder = shop.folder / "datasets" / "billing" / "1"
    assert {path.name for path in folder.iterdir()} == {"train.jsonl", "held_out.jsonl", "report.json", "report.html"}
    report = json.loads((folder / "report.json").read_text())
    assert (report["domain"], report["version"], report["hash"]) == ("billing", "1", version.hash)
    assert report["report"] == version.report


async def test_rows_that_were_changed_since_are_not_trained_on(shop: Workshop) -> None:
    await shop.approved("a")
    version = await shop.build()
    file = rows_to_train(version, shop.folder)

    file.write_text(file.read_text().replace("14", "15"))

    with pytest.raises(StoreError, match="was changed since dataset billing@1 was built"):
        rows_to_train(version, shop.folder)


async def test_rows_of_a_kind_that_training_does_not_read_are_refused(shop: Workshop) -> None:
    await shop.answer("a", text="Never [1].")
    await shop.review("a", "corrected", answer="Within 14 days.")

    with pytest.raises(InputError, match="billing@1 is of kind dpo; training takes kind sft so far"):
        rows_to_train(await shop.build("dpo"), shop.folder)


async def test_file_is_imported_redacted_without_repetitions_and_with_a_held_out_part(shop: Workshop) -> None:
    rows = [{"instruction": f"Mail user{n}@example.com about {n}.", "output": f"Done {n}."} for n in range(10)]
    file = shop.folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0]]))

    version = await shop.builder.import_file(file, "billing", by="ada")

    assert (version.kind, version.rows) == ("sft", 10)
    assert [len(shop.rows(version, side)) for side in ("train", "held_out")] == [8, 2]
    assert "@example" not in json.dumps(shop.rows(version))
    assert version.report["left_out"] == {material.REPEATED: [f"{file}, line 11"]}


async def test_imported_rows_with_a_passage_in_common_are_on_one_side(shop: Workshop) -> None:
    rows = [{"question": f"Q{n}?", "passages": [f"Page {n // 5}."], "answer": None} for n in range(20)]
    file = shop.folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    version = await shop.builder.import_file(file, "billing", by="ada")

    train, held = ({row["passages"][0] for row in shop.rows(version, side)} for side in ("train", "held_out"))
    assert held and not train & held
