"""`pointsman advise`: three ways measured on held-out questions, with what they cost."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from fakes import REPLY, HashedWordsEncoder
from tiny_model import write_numbers
from typer.testing import CliRunner

from bot.app import open_installation
from bot.cli import app
from bot.jobs.advising import HeldOut, advise_row, held_out, measured
from bot.learning.advice import Circumstances
from bot.learning.router import RouteTeacher
from bot.messages import Reply
from bot.ports import silent
from bot.rows import write_rows
from bot.settings import load_settings

ROWS = [HeldOut(question="When?", answer="On Monday"), HeldOut(question="Who?", answer=None)]
FACTS = Circumstances(examples=3, documents=2, changes_per_week=0.5, questions_per_week=7.0, training_hours=0.0)


async def knows_mondays(question: str, route: str, adapter: str) -> Reply:
    known = question == "When?"
    text = f"On Monday, says {adapter} [1]." if known else "I don't know."
    return replace(REPLY, text=text, abstained=not known, prompt_tokens=300, completion_tokens=8, seconds=1.8)


async def test_answer_is_scored_by_its_words_and_an_unanswerable_question_by_abstaining() -> None:
    found = await measured("retrieve", "shop", "none", ROWS, knows_mondays, silent)

    assert found.scores == pytest.approx((2 * 2 / (4 + 2), 1.0))
    assert (found.prompt_tokens, found.seconds) == ((300, 300), (1.8, 1.8))


async def test_cost_follows_from_the_seconds_and_the_price_of_an_hour() -> None:
    way = await measured("retrieve", "shop", "none", ROWS, knows_mondays, silent)

    (row,) = advise_row("shop", [way, replace(way, way="prompt")], FACTS, 2.0)["ways"][:1]

    assert (row["hours_per_1000"], row["cost_per_1000"]) == (0.5, 1.0)
    assert advise_row("shop", [way, replace(way, way="prompt")], FACTS, None)["ways"][0]["cost_per_1000"] is None


@pytest.fixture
def config(tmp_path: Path, tiny_folder: Path) -> Path:
    """An installation with a dataset of thirty rows."""
    RouteTeacher(HashedWordsEncoder(), None, tmp_path / "var" / "router").tasks()  # type: ignore[arg-type]  # no evidence is measured
    file = tmp_path / "pointsman.toml"
    file.write_text(f'[model]\nbase = "{tiny_folder}"\n[[domains]]\nname = "shop"\ndescription = "Hats"\n')
    rows = [
        {"question": f"Where is hat {n}?", "passages": [f"Hat {n} is on shelf {n}."], "answer": f"On shelf {n}"}
        for n in range(30)
    ]
    write_rows(tmp_path / "rows.jsonl", rows)
    assert call(file, "dataset", "import", tmp_path / "rows.jsonl", "--domain", "shop").exit_code == 0
    return file


def call(config: Path, *arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--config", str(config)])


def data(config: Path, *arguments: object) -> Any:
    result = call(config, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_too_few_held_out_questions_lead_to_the_advice_to_collect(config: Path) -> None:
    found = data(config, "advise", "--domain", "shop", "--hourly", "0.5")

    assert found["recommendation"] == "collect" and found["reasons"][0].startswith("only 6 held-out questions")
    assert [(way["way"], way["rows"]) for way in found["ways"]] == [("prompt", 6), ("retrieve", 6)]
    assert all(way["cost_per_1000"] is not None for way in found["ways"])


def test_domain_without_a_dataset_gets_the_advice_too(config: Path) -> None:
    config.write_text(config.read_text().replace('"shop"', '"depot"'))

    result = call(config, "advise", "--domain", "depot")

    assert result.exit_code == 0 and "Collect more data first." in result.output


def test_unknown_domain_is_refused_with_the_names_that_exist(config: Path) -> None:
    result = call(config, "advise", "--domain", "hotel")

    assert result.exit_code == 1 and "domains there: shop" in result.output


def test_questions_that_the_adapter_was_trained_on_are_not_asked(config: Path, tiny_folder: Path) -> None:
    async def asked() -> set[str]:
        async with open_installation(load_settings(config)) as here:
            return {row.question for row in await held_out(here, "shop")}

    folder = config.parent / "var" / "datasets" / "shop" / "1"
    before = asyncio.run(asked())
    (folder / "train.jsonl").write_text((folder / "held_out.jsonl").read_text())
    learnt = {"base_model": tiny_folder.name, "created": "2026-01-01T00:00:00+00:00", "dataset": "shop@1"}
    write_numbers(config.parent / "var" / "adapters" / "shop" / "1", **learnt)

    assert len(before) == 6 and asyncio.run(asked()) == set()
