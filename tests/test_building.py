"""Dataset versions: from reviewed replies and from files, with what must hold for all their rows."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fakes_learning import EVERYONE, FEES, LIBRARY, REFUNDS, SHIPPING, Workshop

from adapters.datasets import material
from adapters.datasets.building import rows_to_train
from adapters.datasets.composing import UNANSWERABLE
from adapters.datasets.rows import read_dataset
from bot.errors import StoreError
from bot.messages import DatasetSource, Passage
from bot.prompts import PromptLibrary


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(folder=tmp_path)


async def test_training_reads_the_rows_and_knows_which_are_answerable(shop: Workshop) -> None:
    await shop.approved("a", thread="T1")
    await shop.approved("b", abstained=True, thread="T1")

    version = await shop.build()

    examples = read_dataset(rows_to_train(version, shop.folder), PromptLibrary()).examples
    assert [example.answerable for example in examples] == [True, False]


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


async def test_training_reads_corrections_as_pairs(shop: Workshop) -> None:
    await shop.answer("a", text="Never [1].")
    await shop.review("a", "corrected", answer="Within 14 days.")

    version = await shop.build("dpo")

    found = read_dataset(rows_to_train(version, shop.folder), PromptLibrary())
    assert [(pair.chosen, pair.rejected) for pair in found.pairs] == [("Within 14 days.", "Never.")]
    assert REFUNDS.text in found.pairs[0].turns[-1].content


async def test_training_reads_votes_with_their_weights(shop: Workshop) -> None:
    for name, state, ratings in (("a", "approved", (1, 1)), ("b", "rejected", (-1,))):
        await shop.answer(name, question=f"When is {name} paid?", thread="T1")
        await shop.review(name, state)
        for number, rating in enumerate(ratings):
            await shop.vote(name, rating, f"slack:U{name}{number}")

    version = await shop.build("kto")

    found = read_dataset(rows_to_train(version, shop.folder), PromptLibrary())
    assert [(vote.liked, vote.weight) for vote in found.votes] == [(True, 2.0), (False, 1.0)]


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
