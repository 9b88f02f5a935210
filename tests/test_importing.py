"""Rows of other programs: what they become, and how those that are wrong are named."""

import json
from pathlib import Path

import pytest

from adapters.datasets.importing import read_any
from bot.errors import InputError
from bot.prompts import PromptLibrary
from bot.rows import Row

OWN = {"question": "When?", "passages": ["In 14 days."], "answer": "In 14 days."}
ASKED, ANSWERED = {"role": "user", "content": "When?"}, {"role": "assistant", "content": "In 14 days."}


def read(path: Path, *rows: object) -> list[Row]:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return [row for _, row in read_any(path, PromptLibrary())]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rows.jsonl"


@pytest.mark.parametrize(
    ("row", "ours"),
    [
        (OWN | {"id": 7}, OWN),
        ({"question": "When?", "answer": None}, {"question": "When?", "passages": [], "answer": None}),
        ({"messages": [ASKED | {"name": "u"}, ANSWERED], "source": "x"}, {"messages": [ASKED, ANSWERED]}),
        ({"instruction": "When?", "input": "", "output": "In 14 days."}, {"messages": [ASKED, ANSWERED]}),
        ({"instruction": "When?", "output": "In 14 days."}, {"messages": [ASKED, ANSWERED]}),
        (
            {"instruction": "Translate.", "input": "Hallo", "output": "Hello"},
            {
                "messages": [
                    {"role": "user", "content": "Translate.\n\nHallo"},
                    {"role": "assistant", "content": "Hello"},
                ]
            },
        ),
        (
            {"conversations": [{"from": "human", "value": "When?"}, {"from": "gpt", "value": "In 14 days."}]},
            {"messages": [ASKED, ANSWERED]},
        ),
        (
            {
                "system": "Be brief.",
                "conversations": [{"from": "user", "value": "When?"}, {"from": "assistant", "value": "In 14 days."}],
            },
            {"messages": [{"role": "system", "content": "Be brief."}, ASKED, ANSWERED]},
        ),
    ],
)
def test_row_of_a_known_form_becomes_one_that_training_reads(file: Path, row: Row, ours: Row) -> None:
    assert read(file, row) == [ours]


def test_rows_of_several_forms_may_stand_in_one_file(file: Path) -> None:
    rows = read(file, OWN, {"instruction": "When?", "output": "In 14 days."})

    assert [sorted(row) for row in rows] == [["answer", "passages", "question"], ["messages"]]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": "When?"}, "of no known form; a row is"),
        ([1], "not an object"),
        ({"question": "When?", "answer": 7}, '"answer" is a text, or null'),
        ({"question": "When?", "passages": "x", "answer": "y"}, "passages is a list of texts"),
        ({"instruction": "When?"}, '"output" is missing'),
        ({"instruction": " ", "output": "x"}, '"instruction" holds no text'),
        ({"instruction": "When?", "input": 7, "output": "x"}, '"input" holds no text'),
        ({"conversations": "x"}, '"conversations" is a list of'),
        ({"conversations": []}, '"messages" is a list of at least a question and an answer'),
        ({"conversations": [{"from": "tool", "value": "x"}]}, 'each of "conversations" is'),
        ({"conversations": [{"from": "human", "value": None}]}, 'each of "conversations" is'),
        ({"conversations": ["x", "y"]}, 'each of "conversations" is'),
        (
            {"conversations": [{"from": "gpt", "value": "x"}, {"from": "human", "value": "y"}]},
            "the last message has to be the assistant's answer",
        ),
        ({"messages": [ASKED]}, '"messages" is a list of at least'),
    ],
)
def test_row_that_cannot_be_used_is_named_by_file_and_line(file: Path, row: object, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        read(file, OWN, row, OWN)

    assert str(caught.value).startswith(f"{file}, line 2: {reason}")


def test_file_without_rows_is_named_with_what_a_row_is(file: Path) -> None:
    with pytest.raises(InputError, match="holds no rows; a row is"):
        read(file)
