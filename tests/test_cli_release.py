"""The commands that release adapters, as scripts use them."""

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
from fakes import MESSAGE, REPLY, HashedWordsEncoder
from scripted_exam import sit_exam
from tiny_model import write_adapter, write_numbers
from typer.testing import CliRunner

from adapters.stages import Stages, write_stages
from bot.app import open_installation, open_stores
from bot.cli import app
from bot.learning.router import RouteTeacher
from bot.messages import DatasetSource, DatasetVersion, Feedback
from bot.settings import load_settings

LIST_FIELDS = {"name", "version", "domain", "status", "base_model", "created", "scores"}
SHARES = {"none": 0.0, "shop@1": 0.5, "shop@2": 0.1}


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Commands set up logs and warnings for their whole process; here the process goes on."""
    handlers = logging.getLogger().handlers[:]
    with warnings.catch_warnings():
        yield
    logging.getLogger().handlers[:] = handlers
    structlog.reset_defaults()


@pytest.fixture
def config(tmp_path: Path, tiny_folder: Path) -> Path:
    """The settings file of an installation with two candidates."""
    RouteTeacher(HashedWordsEncoder(), None, tmp_path / "var" / "router").tasks()  # type: ignore[arg-type]  # no model for it
    file = tmp_path / "pointsman.toml"
    file.write_text(
        f'[model]\nbase = "{tiny_folder}"\n[[domains]]\nname = "shop"\ndescription = "Hats"\n'
        '[[domains]]\nname = "depot"\ndescription = "Boxes"\n'
    )
    for number in (1, 2):
        write_adapter(tiny_folder, tmp_path / "var" / "adapters" / "shop" / str(number), seed=number)
    return file


@pytest.fixture
def examined(config: Path) -> Path:
    """The same, after the candidates sat the exam: the first is better than the base model, the second no better."""

    async def sit() -> None:
        async with open_installation(load_settings(config)) as here:
            await sit_exam(here, SHARES)

    asyncio.run(sit())
    return config


def call(config: Path, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["adapters", *map(str, arguments), "--config", str(config)])


def data(config: Path, *arguments: object, exit_code: int = 0) -> Any:
    """What a command prints under --json, which is all that stdout holds."""
    result = call(config, *arguments, "--json")
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def statuses(config: Path) -> dict[str, str]:
    return {f"{row['name']}@{row['version']}": row["status"] for row in data(config, "list")}


def test_promotion_and_rollback_show_in_the_list(examined: Path) -> None:
    seen = [statuses(examined)["shop@1"]]
    for command in (("promote", "shop", 1, "--canary", 0.2), ("promote", "shop"), ("rollback", "shop")):
        assert call(examined, *command).exit_code == 0
        seen.append(statuses(examined)["shop@1"])

    assert seen == ["candidate", "canary", "production", "retired"]


def test_promotion_says_what_answers_now(examined: Path) -> None:
    canary, final = call(examined, "promote", "shop", 1, "--canary", 0.25), call(examined, "promote", "shop")
    back = call(examined, "rollback", "shop")

    assert canary.stdout.endswith("The base model alone answers shop now, and shop@1 25% of the conversations.\n")
    assert final.stdout.endswith("shop@1 answers shop now.\n") and "ok    domain score: " in final.stdout
    assert back.stdout == "The base model alone answers shop now.\n"


def test_refusal_exits_with_1_and_prints_the_reasons(examined: Path) -> None:
    call(examined, "promote", "shop", 1)

    result = call(examined, "promote", "shop", 2)

    (line,) = result.stderr.strip().splitlines()
    assert result.exit_code == 1 and line.startswith("pointsman: shop@2 is refused: Domain score ")
    assert "against" in line and line.endswith("gate.html")
    assert "FAIL  domain score: " in result.stdout and statuses(examined)["shop@2"] == "candidate"


def test_refusal_under_json_is_data_with_reasons(examined: Path) -> None:
    call(examined, "promote", "shop", 1)

    row = data(examined, "promote", "shop", 2, exit_code=1)

    assert (row["promoted"], row["passed"], row["version"], row["against"]) == (False, False, "2", "shop@1")
    assert row["reasons"] and Path(row["report"]).is_file()


def test_scores_of_the_gate_show_in_the_list(examined: Path) -> None:
    call(examined, "promote", "shop", 1)

    scores = {f"{row['name']}@{row['version']}": row["scores"] for row in data(examined, "list")}

    assert scores["shop@1"]["abstention"] == 1.0 and 0 < scores["shop@1"]["f1"] < 1 and scores["shop@2"] == {}


def test_scores_are_printed_by_evaluate(examined: Path) -> None:
    row, text = data(examined, "evaluate", "shop@1"), call(examined, "evaluate", "shop@1").stdout

    assert row["adapter"] == "shop@1" and row["scores"]["safety"] == 1.0
    assert f"f1               {row['scores']['f1']:.3f}\n" in text


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("promote depot", "depot has no candidate; `pointsman train --domain depot` makes one"),
        ("promote shop 9", "adapter 'shop@9' does not exist; `pointsman adapters list` shows those that do"),
        ("promote nowhere", "domain 'nowhere' is not in pointsman.toml; domains there: shop, depot"),
        ("rollback shop", "nothing was in production for shop before"),
        ("rollback shop 2", "shop@2 was never released; `pointsman adapters promote shop 2` judges it first"),
        ("evaluate shop@9", "adapter 'shop@9' does not exist"),
        ("compare shop@1 shop@9", "adapter 'shop@9' does not exist"),
        ("compare shop@1 depot@1", "shop@1 and depot@1 answer different domains"),
    ],
)
def test_failure_is_one_line_with_the_remedy(config: Path, command: str, reason: str) -> None:
    write_numbers(config.parent / "var" / "adapters" / "depot" / "1", base_model="other", created="2030")
    if command == "promote depot":
        (config.parent / "var" / "adapters" / "depot" / "1" / "training.json").unlink()

    result = call(config, *command.split())

    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith("pointsman: ") and reason in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("share", ["0", "1", "-0.5", "20", "nan"])
def test_share_that_is_none_is_wrong_usage(config: Path, share: str) -> None:
    result = call(config, "promote", "shop", "--canary", share)

    assert result.exit_code == 2 and "give a share between 0 and 1, such as 0.1" in result.stderr


def test_damaged_stages_are_named_with_the_remedy(config: Path) -> None:
    (config.parent / "var" / "adapters" / "shop" / "stages.json").write_text("{")

    result = call(config, "list")

    assert (
        result.exit_code == 1
        and "stages.json is damaged" in result.stderr
        and "restore it from a backup" in result.stderr
    )


def test_doctor_names_the_canary_with_its_share(config: Path) -> None:
    write_stages(config.parent / "var" / "adapters" / "shop", Stages().with_canary("1", 0.25))

    result = CliRunner().invoke(app, ["doctor", "--config", str(config)])

    assert "adapters: shop answers with none (75%) and shop@1 (25%), depot answers with none" in result.stdout


def vote(config: Path, votes: dict[str, tuple[int, int]]) -> None:
    """Have people vote, up and down, on one answer each of some adapters."""

    async def do() -> None:
        async with open_stores(load_settings(config)) as stores:
            for adapter, (up, down) in votes.items():
                for number, rating in enumerate([1] * up + [-1] * down):
                    reply = replace(REPLY, id=f"{adapter} {number}", adapter=adapter, route="shop")
                    await stores.exchanges.begin(replace(MESSAGE, id=reply.id), reply)
                    await stores.exchanges.complete(reply)
                    cast = Feedback(reply=reply.id, user=f"U{number}", platform="slack", rating=rating)  # type: ignore[arg-type]  # one of the ratings
                    await stores.feedback.save(cast)

    asyncio.run(do())


def test_votes_of_two_versions_are_compared(config: Path) -> None:
    vote(config, {"shop@1": (3, 7), "shop@2": (9, 1)})

    row = data(config, "compare", "shop@1", "shop@2")

    first, second = row["versions"]
    assert (first["adapter"], first["answers"], first["votes"], first["up"], first["down"], first["rate"]) == (
        "shop@1", 10, 10, 3, 7, 0.3,
    )  # fmt: skip
    assert second["interval"] == pytest.approx([0.5958, 0.9821], abs=1e-3)
    assert (row["domain"], row["difference"], row["more_than_chance"]) == ("shop", 0.6, True)
    assert row["interval"] == pytest.approx([0.1705, 0.8090], abs=1e-3)


def test_comparison_ends_with_a_plain_sentence(config: Path) -> None:
    vote(config, {"shop@1": (3, 2)})

    alone, with_base = call(config, "compare", "shop@1", "shop@2"), call(config, "compare", "none", "shop@1")

    assert alone.stdout.splitlines()[0].split("\t") == ["shop@1", "5", "5", "5", "3", "2", "60%", "23% to 88%"]
    assert alone.stdout.endswith("Nobody has voted on shop@2 yet, so nothing can be said.\n")
    assert with_base.stdout.endswith("Nobody has voted on the base model alone yet, so nothing can be said.\n")


@pytest.fixture
def traced(config: Path) -> Path:
    """One version learnt of Bob and of hats, another by way of it; a third from a file, a fourth from imported rows."""
    draft = DatasetVersion(
        domain="shop", version="", kind="sft", rows=2, hash="1", approved_by=("ada",), documents=("hats.md",), report={}
    )
    bob = DatasetSource(reply="r1", user="slack:bob", workspace="slack:T1", document="hats.md")

    async def keep() -> None:
        async with open_stores(load_settings(config)) as stores:
            await stores.datasets.add(draft, [bob], lambda _: None, by="ada")
            await stores.datasets.add(replace(draft, hash="2", approved_by=()), [], lambda _: None, by="ada")

    asyncio.run(keep())
    for number, dataset, start in (
        (3, "shop@1", "none"),
        (4, "shop@1", "shop@3"),
        (5, "rows.jsonl", "none"),
        (6, "shop@2", "none"),
    ):
        folder = config.parent / "var" / "adapters" / "shop" / str(number)
        write_numbers(folder, base_model="tiny", created=f"2030-0{number}", dataset=dataset, start=start)
    for number in (1, 2):
        write_numbers(
            config.parent / "var" / "adapters" / "shop" / str(number),
            base_model="tiny",
            created="2029",
            dataset="shop@1",
        )
    return config


@pytest.mark.parametrize(("option", "value"), [("--user", "slack:bob"), ("--document", "hats.md")])
def test_versions_that_learnt_from_a_person_or_a_document_are_found(traced: Path, option: str, value: str) -> None:
    result = call(traced, "list", option, value, "--json")

    rows = json.loads(result.stdout)
    assert [row["version"] for row in rows] == ["1", "2", "3", "4"] and all(row.keys() == LIST_FIELDS for row in rows)
    assert result.stderr.splitlines() == [
        "not known of shop@5: it was trained on rows.jsonl, which does not say whose rows it holds",
        "not known of shop@6: it was trained on shop@2, which does not say whose rows it holds",
    ]


def test_nobody_learnt_from_a_stranger(traced: Path) -> None:
    assert data(traced, "list", "--user", "slack:eve") == []
