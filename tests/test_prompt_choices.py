"""Which version of a prompt answers: chosen in a file, taken up while questions are answered, two with a share each."""

from dataclasses import replace
from pathlib import Path

import pytest
from fakes import EchoGenerator
from test_assistant import BILLING, SUPPORTED, ask, make_assistant
from test_prompts import template, write

from bot.errors import StoreError
from bot.prompt_choices import Choice, Trial, read_choices, write_choices
from bot.prompts import GROUNDED, PLAIN, PromptLibrary, open_prompts
from bot.settings import Settings, StorageSettings

MINE = template("[user]\nMine: {{ question }} {{ passages }}\n")
TALKS = [f"T{number}" for number in range(2000)]


@pytest.fixture
def library(tmp_path: Path) -> PromptLibrary:
    return PromptLibrary(tmp_path / "own", tmp_path / "prompts.json", must_exist=False)


def choose(folder: Path, version: int, trial: Trial | None = None, name: str = GROUNDED) -> None:
    write_choices(folder / "prompts.json", {name: Choice(version=version, trial=trial)})


def test_file_that_is_saved_while_we_run_is_there_at_once(library: PromptLibrary, tmp_path: Path) -> None:
    assert library.get(GROUNDED).version == 1

    write(tmp_path / "own", MINE)

    assert (library.get(GROUNDED).version, [t.version for t in library.all() if t.name == GROUNDED]) == (2, [1, 2])


def test_chosen_version_is_in_use_whatever_newer_ones_there_are(library: PromptLibrary, tmp_path: Path) -> None:
    write(tmp_path / "own", MINE)

    choose(tmp_path, 1)

    assert library.get(GROUNDED).version == 1 and library.get(f"{GROUNDED}@2").version == 2
    assert {each.label for each in library.used()} >= {"domain/answer@1", "general/answer@1"}


def test_trial_answers_its_share_and_a_conversation_keeps_its_version(library: PromptLibrary, tmp_path: Path) -> None:
    write(tmp_path / "own", MINE)
    choose(tmp_path, 1, Trial(version=2, share=0.3))

    found = [library.answering(GROUNDED, talk).version for talk in TALKS]

    assert found == [library.answering(GROUNDED, talk).version for talk in TALKS]
    assert 0.26 < found.count(2) / len(TALKS) < 0.34
    assert library.get(GROUNDED).version == 1


def test_general_questions_take_part_in_a_trial_too(library: PromptLibrary, tmp_path: Path) -> None:
    write(tmp_path / "own", template("[user]\nx {{ question }}\n"), "general/answer.v2.md")
    choose(tmp_path, 1, Trial(version=2, share=0.5), name=PLAIN)

    assert {library.for_kind("no-such-kind", talk).version for talk in TALKS} == {1, 2}
    assert library.for_kind("translation", "T1").name == "general/rewrite"


@pytest.mark.parametrize("choice", [Choice(version=7), Choice(version=1, trial=Trial(version=7, share=0.5))])
def test_version_whose_file_is_gone_answers_nothing(library: PromptLibrary, tmp_path: Path, choice: Choice) -> None:
    choose(tmp_path, choice.version, choice.trial)

    assert {library.answering(GROUNDED, talk).version for talk in TALKS} == {1}


def test_file_that_breaks_while_we_run_is_left_out_and_the_others_answer(
    library: PromptLibrary, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "own", "no prompt")

    assert library.get(GROUNDED).version == 1
    assert "a prompt file is left out" in capsys.readouterr().out


def test_damaged_choices_mean_the_newest_version_and_a_line_in_the_log(
    library: PromptLibrary, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prompts.json").write_text('{"domain/answer": 5}')

    assert library.get(GROUNDED).version == 1
    assert "the newest prompts answer" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"x": {}}',
        '{"x": {"version": "1", "trial": null}}',
        '{"x": {"version": true, "trial": null}}',
        '{"x": {"version": 1, "trial": {"version": 2, "share": 1, "since": ""}}}',
    ],
)
def test_choices_that_make_no_sense_are_named_with_the_remedy(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prompts.json"
    file.write_text(text)

    with pytest.raises(StoreError, match=r"prompts\.json is damaged .* or delete it: then the newest versions answer"):
        read_choices(file)


def test_choices_are_read_as_they_were_written(tmp_path: Path) -> None:
    chosen = {GROUNDED: Choice(version=2, trial=Trial(version=3, share=0.25, since="2026-03-02T09:00:00+00:00"))}

    write_choices(tmp_path / "prompts.json", chosen)

    assert read_choices(tmp_path / "prompts.json") == chosen
    assert read_choices(tmp_path / "other.json") == {}


async def test_conversation_is_answered_by_one_version_from_its_first_question_to_its_last(
    library: PromptLibrary, tmp_path: Path
) -> None:
    write(tmp_path / "own", MINE)
    choose(tmp_path, 1, Trial(version=2, share=0.5))
    assistant = replace(make_assistant(BILLING, generator=EchoGenerator(SUPPORTED)), prompts=library)

    asked = [await ask(assistant, "When is my refund paid?", thread=talk) for talk in TALKS[:20] * 2]

    labels = [reply.prompt for reply in asked]
    assert labels[:20] == labels[20:] and set(labels) == {"domain/answer@1", "domain/answer@2"}


async def test_chosen_version_answers_from_the_next_question_on(library: PromptLibrary, tmp_path: Path) -> None:
    write(tmp_path / "own", MINE)
    choose(tmp_path, 1)
    assistant = replace(make_assistant(BILLING, generator=EchoGenerator(SUPPORTED)), prompts=library)
    before = await ask(assistant, "When is my refund paid?")

    choose(tmp_path, 2)

    after = await ask(assistant, "When is my refund paid?")
    assert (before.prompt, after.prompt) == ("domain/answer@1", "domain/answer@2")


def test_prompts_that_are_saved_in_the_console_are_found_by_every_command(tmp_path: Path) -> None:
    settings = Settings(storage=StorageSettings(directory=tmp_path))
    write(tmp_path / "prompts", MINE)
    choose(tmp_path, 1)

    found = open_prompts(settings)

    assert (found.get(GROUNDED).version, found.get(f"{GROUNDED}@2").version) == (1, 2)
