"""The commands as scripts use them: exit codes, what is printed where, and files in and out."""

import asyncio
import json
import logging
import os
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import Result
from fakes import MESSAGE, REPLY
from tiny_model import ROOT
from typer.testing import CliRunner

from bot import wording
from bot.app import open_stores
from bot.cli import app
from bot.messages import Feedback
from bot.settings import load_settings

VOTE = Feedback(reply=REPLY.id, user="slack:U1", platform="slack", rating=-1, correction="Ask jane.doe@example.com")


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
    """The settings file of a new installation."""
    file = tmp_path / "pointsman.toml"
    file.write_text('[storage]\ndirectory = "var"\n[[domains]]\nname = "billing"\ndescription = "Invoices"\n')
    return file


@pytest.fixture
def voted(config: Path) -> Path:
    """An installation where somebody voted, and somebody else took their vote back."""

    async def vote() -> None:
        async with open_stores(load_settings(config)) as stores:
            asked = replace(MESSAGE, text="I am jane.doe@example.com, when is my refund?")
            await stores.exchanges.begin(asked, REPLY)
            await stores.feedback.save(VOTE)
            for rating in (1, 0):
                await stores.feedback.save(replace(VOTE, user="slack:U2", rating=rating))  # type: ignore[arg-type]  # one of the ratings

    asyncio.run(vote())
    return config


def call(config: Path | None, *arguments: object) -> Result:
    given = [str(argument) for argument in arguments]
    return CliRunner().invoke(app, given + (["--config", str(config)] if config else []))


def data(config: Path, *arguments: object) -> Any:
    """What a command prints under --json, which is all that stdout holds."""
    result = call(config, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def write_lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def pointsman(*arguments: object, **variables: str) -> "subprocess.CompletedProcess[str]":
    """The program itself, as a shell runs it."""
    command = [sys.executable, "-c", "from bot.cli import main; main()", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("ingest", "--domain --access --prune --json"),
        ("examples add", "--json"),
        ("examples list", "--json"),
        ("ask", "--domain --general --as --json"),
        ("chat", ""),
        ("route", "--input --output --json"),
        ("retrieve", "--domain --input --output --top-k --json"),
        ("answer", "--input --output --domain --general --adapter --json"),
        ("feedback list", "--json"),
        ("feedback export", "--json"),
        ("train", "--domain --dataset --max-steps --json"),
        ("adapters list", "--json"),
        ("adapters show", "--json"),
        ("prompts list", "--json"),
        ("prompts show", "--json"),
        ("prompts diff", "--json"),
        ("db upgrade", ""),
        ("db backup", ""),
        ("db restore", ""),
        ("doctor", "--json"),
    ],
)
def test_command_has_the_options_of_the_contract_and_an_example(command: str, options: str) -> None:
    result = call(None, *command.split(), "--help")

    assert result.exit_code == 0 and f"Example: pointsman {command}" in result.stdout
    assert [option for option in [*options.split(), "--config"] if option not in result.stdout] == []


@pytest.mark.parametrize(
    "arguments",
    [
        "dance",
        "ask",
        "ask Why? --nonsense",
        "ask Why? --domain billing --general",
        "ingest docs",
        "route --input a.jsonl",
        "retrieve --input a --output b",
        "retrieve --domain billing --input a --output b --top-k 0",
        "train --domain billing --dataset a --max-steps 0",
        "prompts diff domain/answer",
    ],
)
def test_wrong_usage_exits_with_2(config: Path, arguments: str) -> None:
    result = call(config, *arguments.split())

    assert result.exit_code == 2 and result.stdout == ""
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("ask Why? --domain music", "domain 'music' is not in pointsman.toml; domains there: billing"),
        ("ingest docs --domain music", "domain 'music' is not in pointsman.toml; domains there: billing"),
        ("ingest --domain billing", "domain 'billing' lists no documents; give a path, or set `documents`"),
        ("retrieve --domain music --input a --output b", "domain 'music' is not in pointsman.toml"),
        ("route --input nowhere.jsonl --output b", "nowhere.jsonl: cannot be read (No such file or directory)"),
        ("examples add nowhere.jsonl", "nowhere.jsonl: cannot be read (No such file or directory)"),
        ("prompts show music", "prompt 'music' does not exist; there are: domain/answer, general/answer"),
        ("prompts diff domain/answer domain/answer@9", "prompt 'domain/answer' has no version 9; it has: 1"),
        ("adapters show reading@99", "adapter 'reading@99' does not exist; `pointsman adapters list` shows"),
        ("db restore nowhere.db", "nowhere.db does not exist; give a file that `pointsman db backup` wrote"),
        ("train --domain music --dataset a", "domain 'music' is not in pointsman.toml"),
    ],
)
def test_failure_exits_with_1_and_one_line_that_names_it(config: Path, arguments: str, reason: str) -> None:
    result = call(config, *arguments.split())

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"pointsman: {reason}") and result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[storage\n", "cannot be read"),
        ("[storage]\nfolder = 'x'\n", "storage.folder: Extra inputs are not permitted"),
        ('[model]\nengine = "vllm"\n', "engine 'vllm' is not built yet"),
    ],
)
def test_settings_that_cannot_be_used_are_named(config: Path, content: str, reason: str) -> None:
    config.write_text(content)

    result = call(config, "prompts", "list")

    assert result.exit_code == 1 and reason in result.stderr and result.stderr.count("\n") == 1


def test_program_keeps_stdout_and_stderr_apart(config: Path) -> None:
    good = pointsman("prompts", "list", "--json", POINTSMAN_CONFIG=str(config))
    bad = pointsman("ask", "Why?", "--domain", "music", "--config", config)

    assert good.returncode == 0 and good.stderr == ""
    assert {"name", "version", "summary", "share"} == json.loads(good.stdout)[0].keys()
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr == "pointsman: domain 'music' is not in pointsman.toml; domains there: billing\n"


def test_program_shows_the_traceback_on_demand(config: Path) -> None:
    bad = pointsman("ask", "Why?", "--domain", "music", "--config", config, "--debug")

    assert bad.returncode == 1 and "Traceback" in bad.stderr


@pytest.mark.parametrize("command", ["route", "retrieve --domain billing", "answer", "examples add"])
@pytest.mark.parametrize(("line", "reason"), [("not json", "not JSON"), ("[1]", "not an object")])
def test_line_that_is_no_object_is_named(config: Path, command: str, line: str, reason: str) -> None:
    file = config.parent / "in.jsonl"
    file.write_text(f'{{"text": "Why?", "route": "general"}}\n\n{line}\n')
    output = config.parent / "out.jsonl"
    files = [file] if command == "examples add" else ["--input", file, "--output", output]

    result = call(config, *command.split(), *files)

    assert result.exit_code == 1 and f"in.jsonl, line 3: {reason}" in result.stderr
    assert not output.exists()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"id": 1}, 'in.jsonl, line 3: "text" is missing; a row is {"text", "route"}'),
        ({"text": "Why?"}, 'in.jsonl, line 3: "route" is missing; a row is {"text", "route"}'),
        ({"text": " ", "route": "general"}, 'in.jsonl, line 3: "text" holds no text; a row is'),
        ({"text": "Why?", "route": "music"}, "in.jsonl, line 3: domain 'music' is not in pointsman.toml"),
    ],
)
def test_example_that_cannot_be_used_is_named_and_none_is_kept(config: Path, row: object, reason: str) -> None:
    file = config.parent / "in.jsonl"
    file.write_text(f'{{"text": "Who?", "route": "billing"}}\n\n{json.dumps(row)}\n')

    result = call(config, "examples", "add", file)

    assert result.exit_code == 1 and reason in result.stderr
    assert data(config, "examples", "list") == []


def test_votes_are_listed_as_the_contract_has_them(voted: Path) -> None:
    (row,) = data(voted, "feedback", "list")

    at = row.pop("at")
    assert row == {
        "reply": "reply-1",
        "user": "slack:U1",
        "platform": "slack",
        "rating": -1,
        "reason": None,
        "correction": "Ask jane.doe@example.com",
        "wrong_route": None,
    }
    assert at == VOTE.at.isoformat()


def test_votes_are_exported_without_personal_data(voted: Path) -> None:
    output = voted.parent / "votes.jsonl"

    result = call(voted, "feedback", "export", "--output", output)

    text = output.read_text()
    assert result.exit_code == 0 and "jane.doe" not in text and "slack:U1" not in text
    (row,) = rows_of(output)
    assert (row["rating"], row["route"], row["adapter"]) == (-1, "billing", "billing@3")
    assert row["question"].endswith("when is my refund?") and row["correction"].startswith("Ask ")


def test_votes_from_private_places_are_exported_only_where_asked_for(voted: Path) -> None:
    with sqlite3.connect(voted.parent / "var" / "pointsman.db") as database:
        database.execute("UPDATE exchanges SET private = 1")

    plain, asked_for = (call(voted, "feedback", "export", "--json", *more) for more in ([], ["--private"]))

    assert json.loads(plain.stdout) == [] and plain.stderr.startswith("left out: 1 from private places")
    assert len(json.loads(asked_for.stdout)) == 1


def test_nothing_yet_is_said_so(config: Path) -> None:
    assert call(config, "feedback", "list").stdout.startswith("No votes yet")
    assert call(config, "examples", "list").stdout.startswith("No examples yet")
    assert data(config, "feedback", "list") == data(config, "examples", "list") == []


def test_prompts_are_compared(config: Path) -> None:
    alike = call(config, "prompts", "diff", "domain/answer", "domain/answer@1")
    other = data(config, "prompts", "diff", "general/answer", "general/chat")

    assert alike.stdout == "They are alike.\n"
    assert other["diff"].startswith("--- general/answer@1\n+++ general/chat@1\n")
    assert (other["before"], other["after"]) == ("general/answer", "general/chat")


def test_adapters_are_listed_with_the_fields_of_the_contract(config: Path) -> None:
    rows = data(config, "adapters", "list")

    fields = {"name", "version", "domain", "status", "base_model", "created", "scores"}
    assert rows and all(row.keys() == fields for row in rows)
    assert (rows[0]["name"], rows[0]["domain"], type(rows[0]["version"])) == ("reading", None, str)


def test_database_that_was_copied_can_be_put_back(voted: Path) -> None:
    copy = voted.parent / "copy.db"
    assert data(voted, "db", "backup", copy) == {"backup": str(copy)}
    again = call(voted, "db", "backup", copy)
    (voted.parent / "var" / "pointsman.db").unlink()
    assert data(voted, "feedback", "list") == []

    restored = data(voted, "db", "restore", copy)

    assert again.exit_code == 1 and "copy.db" in again.stderr
    assert Path(restored["before"]).exists()
    assert len(data(voted, "feedback", "list")) == 1
    assert data(voted, "db", "upgrade") == {"upgraded": True}


def test_ingest_reports_what_changed_and_what_could_not_be_read(handbook: Path, tmp_path: Path) -> None:
    write_lines(tmp_path / "rows.jsonl", {"_id": "r1", "title": "Refunds", "text": "Refunds are paid within 14 days."})
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")

    result = call(handbook, "ingest", tmp_path, "--domain", "empty", "--json")
    removed = data(handbook, "ingest", write_lines(tmp_path / "none.jsonl"), "--domain", "empty", "--prune")

    report = json.loads(result.stdout)
    assert result.exit_code == 0 and [f["document"] for f in report.pop("failed")] == ["broken.pdf"]
    assert report == {"documents": 1, "chunks": 1, "added": 1, "updated": 0, "removed": 0}
    assert "not ingested: broken.pdf: it is broken or protected" in result.stderr
    assert (removed["documents"], removed["removed"]) == (0, 1)


QUESTIONS = (
    {"id": "a", "text": "How do I take a vote back?", "gold": "ignored"},
    {"id": 7},
    {"id": "c", "text": ["not", "a", "string"]},
    {"text": "Tell me about the French Revolution"},
)


def test_questions_are_routed_in_their_order(handbook: Path, tmp_path: Path) -> None:
    source, output = write_lines(tmp_path / "in.jsonl", *QUESTIONS), tmp_path / "out.jsonl"

    summary = data(handbook, "route", "--input", source, "--output", output)

    rows = rows_of(output)
    assert summary == {"rows": 4, "output": str(output)} and [row["id"] for row in rows] == ["a", 7, "c", None]
    assert rows[0].keys() == {"id", "route", "probability", "domain_probability", "decision"}
    assert (rows[0]["route"], rows[3]["route"]) == ("handbook", "general")
    assert rows[0]["domain_probability"] > 0.6 > rows[3]["domain_probability"]
    assert [(row.get("abstained"), row.get("text")) for row in rows[1:3]] == [(True, wording.EMPTY)] * 2


def test_passages_are_retrieved_in_the_order_of_the_questions(handbook: Path, tmp_path: Path) -> None:
    source, output = write_lines(tmp_path / "in.jsonl", *QUESTIONS), tmp_path / "new" / "out.jsonl"

    result = call(handbook, "retrieve", "--domain", "handbook", "--input", source, "--output", output, "--top-k", "2")

    rows = rows_of(output)
    assert result.exit_code == 0 and [row["id"] for row in rows] == ["a", 7, "c", None]
    first = rows[0]["passages"]
    assert len(first) == 2 and first[0].keys() == {"document", "chunk", "score", "text"}
    assert first[0]["document"] == "feedback.md" and "/undo" in first[0]["text"]
    assert rows[1] == {"id": 7, "passages": [], "abstained": True, "text": wording.EMPTY}


def test_examples_are_kept_and_teach_the_router(handbook: Path, tmp_path: Path) -> None:
    row = {"text": "Who paints the railway bridge?", "route": "handbook"}
    source, output = write_lines(tmp_path / "in.jsonl", row | {"more": 1}), tmp_path / "out.jsonl"
    call(handbook, "route", "--input", source, "--output", output)
    (before,) = rows_of(output)

    first, second = data(handbook, "examples", "add", source), data(handbook, "examples", "add", source)

    call(handbook, "route", "--input", source, "--output", output)
    assert (first, second) == ({"rows": 1, "added": 1}, {"rows": 1, "added": 0})
    assert row in data(handbook, "examples", "list")
    assert rows_of(output)[0]["domain_probability"] > before["domain_probability"]


def test_answers_that_need_no_model_are_given_in_order(handbook: Path, tmp_path: Path) -> None:
    source, output = write_lines(tmp_path / "in.jsonl", {"id": 1}, {"id": 2, "text": "?"}), tmp_path / "out.jsonl"

    result = call(handbook, "answer", "--input", source, "--output", output, "--adapter", "none")

    assert result.exit_code == 0
    assert [(r["id"], r["text"], r["abstained"]) for r in rows_of(output)] == [(n, wording.EMPTY, True) for n in (1, 2)]


def test_adapter_that_does_not_exist_is_named_before_anything_is_answered(handbook: Path, tmp_path: Path) -> None:
    source, output = write_lines(tmp_path / "in.jsonl", {"id": 1}), tmp_path / "out.jsonl"

    result = call(handbook, "answer", "--input", source, "--output", output, "--adapter", "nope@1")

    assert result.exit_code == 1 and "adapter 'nope@1' does not exist" in result.stderr
    assert not output.exists()
