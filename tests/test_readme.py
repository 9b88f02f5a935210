"""README's conversation held again: routes, cited documents and abstentions are the same; wording may differ."""

import asyncio
import re
import shutil
from dataclasses import dataclass

import pytest
from tiny_model import ROOT

from bot import wording
from bot.app import open_installation
from bot.messages import Message, Reply
from bot.settings import Settings, load_settings
from bot.work import run

pytestmark = pytest.mark.model

TRANSCRIPT = re.search(r"## What it looks like.*?```text\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)


@dataclass(frozen=True)
class Shown:
    """One question of the transcript and what README shows of its answer."""

    question: str
    answer: str

    @property
    def documents(self) -> list[str]:
        return re.findall(r"^  \[\d+\] .*? \(([^()]+\.md)\): “", self.answer, re.MULTILINE)

    @property
    def abstained(self) -> bool:
        return self.answer.startswith("I don't know")

    @property
    def general(self) -> bool:
        return wording.GENERAL_NOTICE in self.answer


def transcript() -> list[Shown]:
    assert TRANSCRIPT, "README.md has no conversation"
    parts = re.split(r"^> (.*)\n", TRANSCRIPT[1], flags=re.MULTILINE)[1:]
    return [Shown(question, answer) for question, answer in zip(parts[::2], parts[1::2], strict=True)]


@pytest.fixture(scope="module")
def replies(tmp_path_factory: pytest.TempPathFactory) -> list[Reply]:
    """The same questions in one thread, put to an installation made as `make chat` makes it."""
    folder = tmp_path_factory.mktemp("readme")
    file = folder / "pointsman.toml"
    demo = (ROOT / "pointsman.toml").read_text("utf-8").replace("knowledge/handbook", f"{ROOT}/knowledge/handbook")
    file.write_text(demo.replace("[storage]\n", f'[storage]\nmodels = "{ROOT}/var/models"\n'), encoding="utf-8")
    if (ROOT / "var" / "tests").is_dir():  # the general set's vectors, kept between runs
        shutil.copytree(ROOT / "var" / "tests", folder / "var" / "router")
    return asyncio.run(_converse(load_settings(file)))


async def _converse(settings: Settings) -> list[Reply]:
    (domain,) = settings.domains
    paths = [str(path) for path in domain.documents]
    await run(settings, "ingest", {"domain": domain.name, "paths": paths, "access": ["everyone"], "prune": False})
    async with open_installation(settings) as here:
        return [
            await here.on_message(Message(id=str(number), text=shown.question, thread="readme", labels=None))
            for number, shown in enumerate(transcript())
        ]


def test_transcript_shows_a_cited_an_abstained_and_a_general_answer() -> None:
    shown = transcript()

    assert len(shown) >= 5
    assert any(each.documents for each in shown)
    assert any(each.abstained for each in shown)
    assert any(each.general for each in shown)


def test_questions_take_the_routes_that_readme_shows(replies: list[Reply]) -> None:
    assert [reply.route == "general" for reply in replies] == [shown.general for shown in transcript()]


def test_answers_cite_the_documents_that_readme_shows(replies: list[Reply]) -> None:
    cited = [[citation.document for citation in reply.citations] for reply in replies]

    assert cited == [shown.documents for shown in transcript()]


def test_what_readme_shows_as_unknown_is_unknown(replies: list[Reply]) -> None:
    assert [reply.abstained for reply in replies] == [shown.abstained for shown in transcript()]


def test_demo_settings_name_documents_that_exist() -> None:
    settings = load_settings(ROOT / "pointsman.toml")

    assert [domain.name for domain in settings.domains] == ["handbook"]
    assert all(path.exists() for domain in settings.domains for path in domain.documents)
