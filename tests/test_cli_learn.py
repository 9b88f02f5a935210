"""The learning loop as scripts use it: review replies, make datasets of them, train on a version."""

import asyncio
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import Result
from fakes import MESSAGE, REPLY
from typer.testing import CliRunner

from bot.app import open_stores
from bot.cli import app
from bot.desks.accounts import AuditEntry
from bot.messages import Feedback, Passage
from bot.settings import load_settings
from bot.store.audit import SqlAudit

UNDO = Passage(
    document="feedback.md",
    chunk=4,
    heading="Feedback > Take a vote back",
    text="Feedback > Take a vote back\nTo take a vote back, type `/undo` after the answer.",
)
DATASET = {"domain", "version", "kind", "rows", "hash"}


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Commands set up logs and warnings for their whole process; here the process goes on."""
    handlers = logging.getLogger().handlers[:]
    with warnings.catch_warnings():
        yield
    logging.getLogger().handlers[:] = handlers
    structlog.reset_defaults()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The settings file of an installation with two answers, one of them voted down and corrected."""
    file = tmp_path / "pointsman.toml"
    file.write_text('[storage]\ndirectory = "var"\n[[domains]]\nname = "billing"\ndescription = "Invoices"\n')
    answer(file, "reply-1", "When is my refund paid?")
    answer(file, "reply-2", "How high is the fee?")
    vote = Feedback(reply="reply-1", user="slack:U1", platform="slack", rating=-1, correction="After 30 days.")
    with_stores(file, lambda stores: stores.feedback.save(vote))
    return file


def with_stores(config: Path, work: Any) -> Any:
    async def do() -> Any:
        async with open_stores(load_settings(config)) as stores:
            return await work(stores)

    return asyncio.run(do())


def answer(config: Path, reply: str, question: str, **more: Any) -> None:
    done = replace(REPLY, id=reply, question=question, **more)

    async def do(stores: Any) -> None:
        await stores.exchanges.begin(replace(MESSAGE, id=f"event of {reply}", text=question), done)
        await stores.exchanges.complete(done)

    with_stores(config, do)


def audited(config: Path) -> list[AuditEntry]:
    return list(with_stores(config, lambda stores: SqlAudit(stores.database).all()))


def call(config: Path, *arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--config", str(config)])


def data(config: Path, *arguments: object) -> Any:
    """What a command prints under --json, which is all that stdout holds."""
    result = call(config, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def write_lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_queue_lists_what_waits_with_votes_and_reason(config: Path) -> None:
    first, second = data(config, "feedback", "queue")

    assert (first["reply"], first["reason"], first["question"]) == ("reply-1", "correction", "When is my refund paid?")
    assert (first["votes"][0]["correction"], first["votes"][0]["weight"], first["score"]) == (
        "After 30 days.",
        1.0,
        -1.0,
    )
    assert (second["reply"], second["reason"], second["votes"]) == ("reply-2", "no vote", [])


def test_queue_is_a_table_for_people(config: Path) -> None:
    line, _ = call(config, "feedback", "queue").stdout.splitlines()

    assert line.split("\t")[:3] == ["reply-1", "correction", "1 (-1.00)"]
    assert line.endswith("When is my refund paid?\tWithin 14 days [1].\tAfter 30 days.")


def test_corrected_reply_leaves_the_queue_with_its_right_answer(config: Path) -> None:
    (row,) = data(config, "feedback", "curate", "reply-1", "--correct", "After 30 days.", "--by", "ada")

    assert (row["state"], row["answer"], row["route"], row["by"]) == ("corrected", "After 30 days.", "billing", "ada")
    assert [item["reply"] for item in data(config, "feedback", "queue")] == ["reply-2"]
    assert [item["reply"] for item in data(config, "feedback", "queue", "--state", "corrected")] == ["reply-1"]


def test_several_replies_are_decided_at_once_and_taken_back(config: Path) -> None:
    call(config, "feedback", "curate", "reply-1", "reply-2", "--reject", "--fault", "wording")

    result = call(config, "feedback", "curate", "reply-1", "reply-2", "--undo", "--by", "eve")

    assert result.stdout == "reply-1 is new now\nreply-2 is new now\n"
    assert len(data(config, "feedback", "queue")) == 2
    assert [(entry.who, entry.what.split()[0]) for entry in audited(config)] == [
        ("operator", "curation.set"),
        ("operator", "curation.set"),
        ("eve", "curation.undo"),
        ("eve", "curation.undo"),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        "feedback curate reply-1",
        "feedback curate --approve",
        "feedback curate reply-1 --approve --reject",
        "feedback curate reply-1 --undo --route general",
        "feedback curate reply-1 --approve --fault wording",
        "feedback curate reply-1 --reject --fault weather",
        "feedback queue --state odd",
        "dataset build",
        "dataset build --domain billing --kind ppo",
    ],
)
def test_wrong_usage_exits_with_2(config: Path, arguments: str) -> None:
    result = call(config, *arguments.split())

    assert result.exit_code == 2 and result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("feedback curate nobody --approve", "reply 'nobody' is not known; `pointsman feedback queue` shows"),
        ("feedback curate reply-1 --undo", "nothing is decided about reply 'reply-1'"),
        ("feedback curate reply-1 --reject --route music", "domain 'music' is not in pointsman.toml"),
        ("dataset build --domain music", "domain 'music' is not in pointsman.toml"),
        ("dataset import nowhere.jsonl --domain billing", "nowhere.jsonl: cannot be read (No such file"),
        ("dataset show billing@9", "dataset 'billing@9' does not exist; `pointsman dataset list` shows"),
        ("train --domain billing --dataset 9", "billing has no dataset 9; `pointsman dataset list` shows"),
        ("train --domain billing --dataset nowhere.jsonl", "nowhere.jsonl: cannot be read (No such file"),
    ],
)
def test_failure_exits_with_1_and_one_line_that_names_it(config: Path, arguments: str, reason: str) -> None:
    result = call(config, *arguments.split())

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"pointsman: {reason}") and result.stderr.count("\n") == 1


def test_imported_rows_become_a_version_that_is_listed_and_shown(config: Path) -> None:
    rows = [{"instruction": f"What is rule {n}?", "output": f"It is {n}."} for n in range(10)]
    file = write_lines(config.parent / "rows.jsonl", *rows)

    made = data(config, "dataset", "import", file, "--domain", "billing", "--by", "ada")

    (listed,) = data(config, "dataset", "list")
    assert listed == {name: made[name] for name in DATASET} and listed["version"] == "1"
    assert data(config, "dataset", "show", "billing@1") == made
    assert (made["report"]["train"], made["report"]["held_out"]) == (8, 2)
    assert [(entry.who, entry.what) for entry in audited(config)] == [("ada", "dataset.add billing@1")]


def test_row_that_cannot_be_imported_is_named_and_nothing_is_made(config: Path) -> None:
    file = write_lines(config.parent / "rows.jsonl", {"instruction": "Why?", "output": "So."}, {"text": "Why?"})

    result = call(config, "dataset", "import", file, "--domain", "billing")

    assert result.exit_code == 1 and "rows.jsonl, line 2: of no known form" in result.stderr
    assert data(config, "dataset", "list") == []


def test_training_takes_a_version_and_says_what_is_wrong_with_its_rows(config: Path) -> None:
    file = write_lines(config.parent / "rows.jsonl", {"question": "Why?", "passages": ["So."], "answer": "So."})
    call(config, "dataset", "import", file, "--domain", "billing")

    result = call(config, "train", "--domain", "billing", "--dataset", "1")

    assert result.exit_code == 1
    assert result.stderr == "pointsman: 1 rows are too few to learn from; bring at least 20\n"


def test_reviewed_replies_become_a_dataset_of_what_the_index_holds(handbook: Path) -> None:
    for n in range(2):
        gone = replace(UNDO, document="gone.md" if n else UNDO.document)
        said = {"text": "Type `/undo` after the answer [1].", "route": "handbook", "passages": (gone,)}
        answer(handbook, f"learn-{n}", f"How do I take vote {n} back?", **said)
    call(handbook, "feedback", "curate", "learn-0", "learn-1", "--approve", "--by", "ada")

    made = data(handbook, "dataset", "build", "--domain", "handbook")
    shown = call(handbook, "dataset", "show", "handbook@1").stdout

    assert (made["rows"], made["documents"], made["approved_by"]) == (1, ["feedback.md"], ["ada"])
    assert json.loads((Path(made["folder"]) / "train.jsonl").read_text())["answer"] == "Type `/undo` after the answer."
    assert "left out, 1: its document is no longer in the index" in shown and "report.html" in shown
    assert data(handbook, "dataset", "list", "--document", "feedback.md") == data(handbook, "dataset", "list")
    assert data(handbook, "dataset", "list", "--user", "slack:U7") == []
