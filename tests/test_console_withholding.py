"""What viewers do not read: documents that are not for everyone, and all that rests on them."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from console_site import PASSAGE, Site, librarian, open_site

from bot.desks.holdings import ListedDocument
from bot.messages import SHARED, DatasetVersion, Review
from bot.settings import DomainSettings
from bot.store.database import open_database

PAY = replace(PASSAGE, document="pay.md", title="Salaries", text="Ada earns 4000.")
SECRETS = ("Ada earns", "Salaries", "pay.md", "She gets 4000", "It is 4000", "Wrong, 5000", "Told by 4000")
LISTED = ListedDocument(
    id="refunds.md", title="Refunds", chunks=1, whole=True, access=("everyone",), source="", changed=None
)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A console that knows a document for everyone and one that is not."""
    async with open_database(f"sqlite:///{tmp_path / 'console.db'}") as database:
        keeper = librarian(database, tmp_path)
        keeper.catalogue.write("billing", [LISTED, replace(LISTED, id="pay.md", access=("finance",))])
        async with open_site(tmp_path, knowledge=keeper) as site:
            await site.sign_in("viewer")
            yield site


async def ask(site: Site, *passages: Any, number: int = 1, text: str = "She gets 4000 [1].", **message: Any) -> str:
    """An answer that rests on *passages*, in the store. Returns: its reply's id."""
    reply = await site.answer(number, text=text, message=message)
    found = await site.parts.exchanges.find(reply)
    assert found
    await site.parts.exchanges.complete(replace(found.reply, passages=passages))
    return reply


async def everything(site: Site, reply: str) -> str:
    """All that the console says of an answer."""
    exported = [await (await site.get(f"/review.{kind}?state=any")).text() for kind in ("csv", "jsonl")]
    return "".join([await site.read("/review?state=any"), await site.read(f"/review/{reply}"), *exported])


async def test_viewer_reads_nothing_of_what_rests_on_a_restricted_document(site: Site) -> None:
    reply = await ask(site, PAY)
    await site.vote(reply, rating=-1, correction="It is 4000.", reason="Wrong, 5000")
    await site.parts.curator.decide([Review(reply=reply, state="corrected", by="ada", answer="Told by 4000.")])

    shown = await everything(site, reply)

    assert [secret for secret in SECRETS if secret in shown] == []
    assert "restricted document" in shown and "Question 1?" in shown and "&lt;b&gt;Question" not in shown


@pytest.mark.parametrize("role", ["curator", "admin"])
async def test_those_who_curate_read_all_of_it(site: Site, role: str) -> None:
    reply = await ask(site, PAY)
    await site.sign_in(role)

    shown = await everything(site, reply)

    assert shown.count("She gets 4000") >= 4 and "Ada earns 4000." in shown and "restricted document" not in shown


async def test_viewer_reads_what_rests_on_documents_for_everyone(site: Site) -> None:
    reply = await ask(site, PASSAGE)

    shown = await everything(site, reply)

    assert shown.count("She gets 4000") >= 4 and PASSAGE.text in shown and "restricted" not in shown


async def test_passage_for_everyone_is_shown_beside_a_restricted_one(site: Site) -> None:
    page = await site.read(f"/review/{await ask(site, PASSAGE, PAY)}")

    assert PASSAGE.text in page and "Ada earns" not in page and "She gets 4000" not in page


@pytest.mark.parametrize(
    ("document", "labels", "reads"),
    [
        ("gone.md", frozenset({"everyone"}), True),
        ("gone.md", frozenset({"everyone", "finance"}), False),
        ("gone.md", None, False),
        (f"{SHARED}plan.pdf", frozenset({"everyone"}), False),
    ],
)
async def test_document_that_is_not_in_the_list_counts_as_its_asker_could_read_it(
    site: Site, document: str, labels: frozenset[str] | None, reads: bool
) -> None:
    reply = await ask(site, replace(PAY, document=document), labels=labels)

    assert ("She gets 4000" in await everything(site, reply)) == reads


async def test_nothing_of_a_domain_that_is_not_for_everyone_is_read(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'console.db'}") as database:
        keeper = librarian(database, tmp_path)
        closed = DomainSettings(name="billing", description="Invoices", access=("finance",))
        keeper = replace(keeper, settings=keeper.settings.model_copy(update={"domains": (closed,)}))
        async with open_site(tmp_path, knowledge=keeper) as site:
            await site.sign_in("viewer")
            reply = await ask(site, PASSAGE)

            assert "She gets 4000" not in await everything(site, reply)


async def test_answer_whose_model_was_reminded_of_a_restricted_one_is_withheld_too(site: Site) -> None:
    first = await ask(site, PAY, thread="T1")
    reply = await site.answer(2, route="general", text="It is 4000, as I said.", message={"thread": "T1"})
    found = await site.parts.exchanges.find(reply)
    assert found
    await site.parts.exchanges.complete(replace(found.reply, passages=()))

    shown = await everything(site, reply) + await site.read(f"/review/{first}")

    assert "4000" not in shown


@pytest.mark.parametrize(
    "own",
    [
        {"text": "Is this about billing or travel?", "decision": "ask_back", "passages": (PAY,)},
        {"text": "I can only work in English so far.", "route": "general", "abstained": True},
    ],
)
async def test_sentence_of_the_bots_own_is_read_but_not_what_people_wrote_about_it(site: Site, own: Any) -> None:
    await ask(site, PAY, thread="T1")
    reply = await site.answer(2, prompt="none", message={"thread": "T1"})
    found = await site.parts.exchanges.find(reply)
    assert found
    await site.parts.exchanges.complete(replace(found.reply, **({"passages": ()} | own)))
    await site.vote(reply, rating=-1, correction="It is 4000.", reason="Wrong, 5000")

    shown = await everything(site, reply)

    assert shown.count(own["text"]) >= 4 and not [secret for secret in SECRETS if secret in shown]


async def test_quotes_of_a_restricted_document_are_withheld_though_no_model_wrote_them(site: Site) -> None:
    reply = await ask(site, PAY, text="I don't know. The nearest places are: “She gets 4000”")
    found = await site.parts.exchanges.find(reply)
    assert found
    await site.parts.exchanges.complete(replace(found.reply, prompt="none", abstained=True))

    assert "She gets 4000" not in await everything(site, reply)


async def test_answer_after_a_question_back_is_read(site: Site) -> None:
    back = await ask(site, PAY, thread="T1", text="Is this about billing or travel?")
    found = await site.parts.exchanges.find(back)
    assert found
    await site.parts.exchanges.complete(replace(found.reply, prompt="none", decision="ask_back"))
    reply = await site.answer(2, route="general", text="Hello there.", message={"thread": "T1"})
    await site.parts.exchanges.complete(
        replace(found.reply, id=reply, route="general", text="Hello there.", passages=())
    )

    assert "Hello there." in await site.read(f"/review/{reply}")


async def test_searching_finds_nothing_in_answers_that_one_may_not_read(site: Site) -> None:
    await ask(site, PAY)
    counts = []
    for role in ("viewer", "curator"):
        await site.sign_in(role)
        counts += [(await (await site.get(f"/review/count?text={text}")).json())["count"] for text in ("4000", "Ques")]

    assert counts == [0, 1, 1, 1]


async def test_file_says_which_answers_are_withheld(site: Site) -> None:
    await ask(site, PAY)
    await ask(site, PASSAGE, number=2)

    text = await (await site.get("/review.jsonl")).text()

    rows = {row["reply"]: (row["withheld"], bool(row["answer"])) for row in map(json.loads, text.splitlines())}
    assert rows == {"reply1": (True, False), "reply2": (False, True)}


@pytest.mark.parametrize(("role", "named"), [("viewer", False), ("curator", True)])
async def test_dataset_names_a_restricted_document_to_those_who_curate_only(site: Site, role: str, named: bool) -> None:
    empty: dict[str, Any] = {name: {} for name in ("languages", "redactions", "left_out", "histogram")}
    report = empty | {"train": 1, "held_out": 0, "labels": {"train": {}, "held_out": {}}, "repeated_questions": 0}
    facts = {"kind": "sft", "rows": 1, "hash": "0", "approved_by": (), "documents": ("pay.md", "refunds.md")}
    draft = DatasetVersion(domain="billing", version="", report=report, **facts)  # type: ignore[arg-type]  # of every type
    await site.parts.learn.stores.datasets.add(draft, [], lambda version: None, by="ada")  # type: ignore[attr-defined]  # a workbench's
    await site.sign_in(role)

    page = await site.read("/learn/domain/billing/dataset/1")

    assert ("pay.md" in page, "refunds.md" in page, "and 1 that only curators see" in page) == (named, True, not named)
