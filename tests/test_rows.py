"""JSON in and out, as scripts read and write it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakes import REPLY
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import InputError, StoreError
from bot.messages import Citation, Feedback, Passage, RouteChoice
from bot.rows import (
    choice_row,
    citation_row,
    failed_row,
    feedback_row,
    passage_rows,
    passages_of,
    read_rows,
    reply_row,
    required_text,
    text_of,
    write_rows,
)

LINEAGE = [
    "id",
    "text",
    "route",
    "probability",
    "domain_probability",
    "decision",
    "abstained",
    "citations",
    "adapter",
    "prompt",
    "model",
    "grounding",
    "prompt_tokens",
    "completion_tokens",
    "seconds_to_first_token",
    "seconds",
]


@pytest.mark.parametrize(
    "data",
    [
        b'{"id": 1, "text": "caf\xc3\xa9"}\n{"id": 2}\n',
        b'{"id": 1, "text": "caf\xc3\xa9"}\r\n\r\n  \n{"id": 2}',
        b'\xef\xbb\xbf{"id": 1, "text": "caf\\u00e9"}\n{"id": 2}',
    ],
)
def test_each_line_is_a_row_and_empty_lines_are_none(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(data)

    assert read_rows(tmp_path / "in.jsonl") == [{"id": 1, "text": "café"}, {"id": 2}]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON"),
        (b"plain words", "not JSON"),
        (b'{"text": "caf\xe9"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"n": ' + b"1" * 5_000 + b"}", "not JSON"),
        (b"[1, 2]", "not an object"),
        (b'"text"', "not an object"),
        (b"null", "not an object"),
    ],
)
def test_line_that_is_no_object_is_named(line: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b'{"id": 1}\n\n' + line + b"\n")

    with pytest.raises(InputError, match=rf"in\.jsonl, line 3: {reason}"):
        read_rows(tmp_path / "in.jsonl")


@pytest.mark.parametrize("name", ["nowhere.jsonl", "."])
def test_file_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read \((No such file|Is a directory)"):
        read_rows(tmp_path / name)


def test_rows_are_written_one_a_line_as_people_read_them(tmp_path: Path) -> None:
    write_rows(tmp_path / "out.jsonl", [{"text": "café\nzwei"}, {"text": None}])

    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == '{"text": "café\\nzwei"}\n{"text": null}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


@given(st.lists(st.dictionaries(st.text(), st.text(st.characters()), max_size=3), max_size=3))
def test_rows_that_were_written_are_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "rows.jsonl"

    write_rows(path, rows)

    assert read_rows(path) == rows


def test_lone_surrogate_of_an_input_row_is_written_as_it_came(tmp_path: Path) -> None:
    write_rows(tmp_path / "out.jsonl", [{"id": "\ud800"}])

    assert (tmp_path / "out.jsonl").read_bytes() == b'{"id": "\\ud800"}\n'
    assert read_rows(tmp_path / "out.jsonl") == [{"id": "\ud800"}]


def test_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")

    with pytest.raises(StoreError, match=r"taken/out\.jsonl cannot be written .* correct the permissions"):
        write_rows(tmp_path / "taken" / "out.jsonl", [])


def test_old_output_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old")

    with pytest.raises(TypeError):
        write_rows(path, [{"id": 1}, {"id": object()}])

    assert path.read_text() == "old"


@pytest.mark.parametrize(
    ("row", "text"),
    [({"text": "When?"}, "When?"), ({}, ""), ({"text": None}, ""), ({"text": 5}, ""), ({"text": ["a"]}, "")],
)
def test_row_without_a_question_has_an_empty_one(row: dict[str, Any], text: str) -> None:
    assert text_of(row) == text


@pytest.mark.parametrize(
    ("row", "passages"),
    [
        ({}, None),
        ({"passages": None}, None),
        ({"passages": []}, ()),
        ({"passages": ["a", " ", "c"]}, ("a", "c")),
    ],
)
def test_passages_are_those_that_say_something(row: dict[str, Any], passages: tuple[str, ...] | None) -> None:
    assert passages_of(row) == passages


@pytest.mark.parametrize("passages", ["text", 5, {"text": "a"}, ["a", 5], [None], [{"text": "a"}]])
def test_passages_that_are_no_list_of_texts_are_refused(passages: object) -> None:
    with pytest.raises(InputError, match="passages is a list of texts; leave it out"):
        passages_of({"passages": passages})


@pytest.mark.parametrize(
    ("row", "wrong"), [({"id": 1}, "is missing"), ({"text": None}, "is missing"), ({"text": " "}, "holds no text")]
)
def test_field_that_a_row_lacks_is_named_with_its_place(row: dict[str, Any], wrong: str) -> None:
    with pytest.raises(InputError) as caught:
        required_text(row, "text", where="a.jsonl, line 3", shape='a row is {"text"}')

    assert str(caught.value) == f'a.jsonl, line 3: "text" {wrong}; a row is {{"text"}}'


def test_reply_row_has_the_fields_of_the_contract() -> None:
    row = reply_row(REPLY)

    assert list(row) == LINEAGE
    assert (row["id"], row["route"], row["probability"], row["prompt"]) == (
        "reply-1",
        "billing",
        0.9,
        "domain/answer@1",
    )
    assert json.loads(json.dumps(row)) == row


def test_row_that_could_not_be_served_says_why_in_the_same_fields() -> None:
    row = failed_row("No question.")

    assert list(row) == LINEAGE
    assert (row["text"], row["abstained"], row["adapter"]) == ("No question.", True, "none")


@pytest.mark.parametrize("url", ["https://docs.test/a", None])
def test_citation_has_title_place_and_quote(url: str | None) -> None:
    row = citation_row(Citation(number=1, document="a.md", chunk=2, title="A", url=url, quote="Within 14 days."))

    assert row == {
        "number": 1,
        "document": "a.md",
        "chunk": 2,
        "title": "A",
        "url": url,
        "quote": "Within 14 days.",
        "path": "a.md",
    }


def test_choice_and_passages_have_the_fields_of_the_contract() -> None:
    choice = RouteChoice(route="billing", probability=0.123456, domain_probability=0.9, runner_up="hr")
    passage = Passage(document="a.md", chunk=2, text="x", score=0.98765)

    assert choice_row(choice) == {
        "route": "billing",
        "probability": 0.1235,
        "domain_probability": 0.9,
        "decision": "answer",
    }
    assert passage_rows([passage]) == [{"document": "a.md", "chunk": 2, "score": 0.9877, "text": "x"}]


def test_vote_has_the_fields_of_the_contract() -> None:
    vote = Feedback(reply="r", user="u", platform="cli", rating=-1, at=datetime(2026, 1, 2, tzinfo=UTC))

    assert feedback_row(vote) == {
        "reply": "r",
        "user": "u",
        "platform": "cli",
        "rating": -1,
        "reason": None,
        "correction": None,
        "wrong_route": None,
        "at": "2026-01-02T00:00:00+00:00",
    }
