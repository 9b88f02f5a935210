"""Training rows: what they may look like, and how those that are wrong are named."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from adapters.datasets.rows import Dataset, RowsFile, read_dataset
from bot.errors import InputError
from bot.messages import DatasetKind, Passage, Turn
from bot.prompts import GROUNDED, REFUSAL, PromptLibrary

GOOD = {"question": "When is my refund?", "passages": ["Refunds take 14 days."], "answer": "14 days"}
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "When?"},
    {"role": "assistant", "content": "In 14 days."},
]


def read(path: Path, *rows: object) -> Dataset:
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"\n".join(lines))
    return read_dataset(path, PromptLibrary())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rows.jsonl"


def test_messages_end_with_the_answer_to_learn(file: Path) -> None:
    (example,) = read(file, {"messages": CHAT}).examples

    assert example.turns == (Turn(role="system", content="Be brief."), Turn(role="user", content="When?"))
    assert (example.answer, example.answerable) == ("In 14 days.", True)


def test_question_gets_the_prompt_of_answer_time(file: Path) -> None:
    (example,) = read(file, GOOD).examples

    passages = [Passage(document="row-0", chunk=0, text="Refunds take 14 days.")]
    assert example.turns == PromptLibrary().get(GROUNDED).fill(
        question="When is my refund?", earlier="", passages=passages, constraints=""
    )
    assert (example.answer, example.answerable) == ("14 days", True)


def test_passages_keep_their_order(file: Path) -> None:
    (example,) = read(file, GOOD | {"passages": ["First one.", "Second one."]}).examples

    text = "".join(turn.content for turn in example.turns)
    assert 0 < text.index("First one.") < text.index("Second one.")


@pytest.mark.parametrize("row", [GOOD | {"answer": None}, {"question": "When?", "answer": None}])
def test_null_answer_teaches_the_refusal(file: Path, row: object) -> None:
    (example,) = read(file, row).examples

    assert (example.answer, example.answerable) == (REFUSAL, False)


@pytest.mark.parametrize(
    "row", [GOOD | {"answer": REFUSAL}, {"messages": [*CHAT[:2], {"role": "assistant", "content": REFUSAL}]}]
)
def test_refusal_spelt_out_counts_as_one(file: Path, row: object) -> None:
    (example,) = read(file, row).examples

    assert (example.answer, example.answerable) == (REFUSAL, False)


def test_unknown_fields_and_empty_lines_are_passed_over(file: Path) -> None:
    dataset = read(file, b"", GOOD | {"id": 7}, b"  ", {"messages": CHAT, "source": "chat"}, b"")

    assert [example.answer for example in dataset.examples] == ["14 days", "In 14 days."]


def test_other_line_ends_and_a_mark_in_front_are_read(file: Path) -> None:
    row = json.dumps(GOOD).encode()

    assert len(read(file, b"\xef\xbb\xbf" + row + b"\r", row + b"\r").examples) == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"{", "not JSON"),
        (b'{"question": "caf\xe9"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        ([], "not an object"),
        ("text", "not an object"),
        (None, "not an object"),
        ({"id": 7}, '"question" is missing; a row is {"messages": [...]} or {"question", "passages", "answer"}'),
        ({"question": ""}, '"question" holds no text; a row is'),
        ({"question": " \n"}, '"question" holds no text; a row is'),
        ({"question": 7}, '"question" holds no text; a row is'),
        (GOOD | {"passages": "text"}, "passages is a list of texts; a row is"),
        (GOOD | {"passages": None}, "passages is a list of texts; a row is"),
        (GOOD | {"passages": ["text", None]}, "passages is a list of texts; a row is"),
        (GOOD | {"passages": [{"text": "text"}]}, "passages is a list of texts; a row is"),
        (GOOD | {"answer": ""}, '"answer" is a text, or null'),
        ({"question": "When?", "passages": []}, '"answer" is a text, or null'),
        (GOOD | {"answer": 14}, '"answer" is a text, or null'),
        ({"messages": "text"}, '"messages" is a list'),
        ({"messages": None}, '"messages" is a list'),
        ({"messages": CHAT[2:]}, '"messages" is a list'),
        ({"messages": CHAT[:2]}, "the last message has to be the assistant's"),
        ({"messages": ["When?", "In 14 days."]}, "each message is"),
        ({"messages": [{"role": "tool", "content": "x"}, CHAT[2]]}, "each message is"),
        ({"messages": [{"role": ["user"], "content": "x"}, CHAT[2]]}, "each message is"),
        ({"messages": [CHAT[1], {"role": "assistant", "content": " "}]}, "each message is"),
        ({"messages": [CHAT[1], {"role": "assistant", "content": None}]}, "each message is"),
        ({"messages": [CHAT[1], {"role": "assistant"}]}, "each message is"),
    ],
)
def test_malformed_row_is_named_by_file_and_line(file: Path, row: object, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        read(file, GOOD, b"", row, GOOD)

    assert str(caught.value).startswith(f"{file}, line 3: {reason}")


PAIR = {
    "prompt": CHAT[:2],
    "chosen": [{"role": "assistant", "content": "14 days"}],
    "rejected": [{"role": "assistant", "content": "Never."}],
}
VOTE = {"prompt": CHAT[:2], "completion": [{"role": "assistant", "content": "14 days"}], "label": True, "weight": 0.5}


def test_pair_holds_the_better_and_the_worse_answer(file: Path) -> None:
    dataset = read(file, PAIR)

    (pair,) = dataset.pairs
    assert (dataset.kind, dataset.examples, dataset.votes) == ("dpo", (), ())
    assert pair.turns == (Turn(role="system", content="Be brief."), Turn(role="user", content="When?"))
    assert (pair.chosen, pair.rejected) == ("14 days", "Never.")


def test_vote_holds_the_answer_what_was_thought_of_it_and_its_weight(file: Path) -> None:
    dataset = read(file, VOTE, {"question": "When?", "completion": None, "label": False})

    first, second = dataset.votes
    assert dataset.kind == "kto"
    assert (first.answer, first.liked, first.weight) == ("14 days", True, 0.5)
    assert (second.answer, second.liked, second.weight) == (REFUSAL, False, 1.0)


def test_pair_of_question_and_texts_gets_the_prompt_of_answer_time(file: Path) -> None:
    asked = {name: GOOD[name] for name in ("question", "passages")}

    (pair,) = read(file, asked | {"chosen": "14 days", "rejected": None}).pairs

    assert pair.turns == read(file, GOOD).examples[0].turns
    assert (pair.chosen, pair.rejected) == ("14 days", REFUSAL)


@pytest.mark.parametrize(
    ("first", "row", "reason"),
    [
        (PAIR, PAIR | {"chosen": ""}, '"chosen" is an answer'),
        (PAIR, PAIR | {"rejected": [{"role": "user", "content": "x"}]}, '"rejected" is an answer'),
        (PAIR, {name: PAIR[name] for name in ("prompt", "chosen")}, '"rejected" is an answer'),
        (PAIR, PAIR | {"prompt": []}, '"prompt" is a list of messages'),
        (PAIR, PAIR | {"prompt": CHAT}, "the last message of the prompt has to be the user's"),
        (PAIR, VOTE, '"chosen" is an answer'),
        (PAIR, GOOD, '"chosen" is an answer'),
        (VOTE, VOTE | {"label": 1}, '"label" is true for a thumb up'),
        (VOTE, VOTE | {"label": None}, '"label" is true for a thumb up'),
        (VOTE, VOTE | {"weight": 0}, '"weight" is a number above 0'),
        (VOTE, VOTE | {"weight": True}, '"weight" is a number above 0'),
        (VOTE, VOTE | {"weight": "1"}, '"weight" is a number above 0'),
        (VOTE, VOTE | {"completion": ["x"]}, '"completion" is an answer'),
        (VOTE, {"completion": "14 days", "label": True}, '"question" is missing'),
    ],
)
def test_malformed_pair_or_vote_is_named_by_file_and_line(file: Path, first: object, row: object, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        read(file, first, row)

    assert str(caught.value).startswith(f"{file}, line 2: {reason}")


def test_weight_that_is_no_finite_number_is_named(file: Path) -> None:
    with pytest.raises(InputError, match=r'line 2: "weight" is a number above 0'):
        read(file, VOTE, VOTE | {"weight": float("nan")})


@pytest.mark.parametrize(("row", "method"), [(GOOD, "dpo"), (PAIR, "kto"), (VOTE, "sft")])
def test_rows_for_another_method_are_refused_with_how_to_get_the_right_ones(
    file: Path, row: object, method: DatasetKind
) -> None:
    file.write_text(json.dumps(row))

    with pytest.raises(InputError, match=f"rows.jsonl holds .*`pointsman dataset build --kind {method}` makes"):
        read_dataset(file, PromptLibrary(), method=method)


def test_dataset_is_called_as_its_version_or_its_file(file: Path) -> None:
    file.write_text(json.dumps(GOOD))

    assert read_dataset(file, PromptLibrary(), method="sft").label == "rows.jsonl"
    assert read_dataset(RowsFile(path=file, label="billing@3"), PromptLibrary()).label == "billing@3"


@pytest.mark.parametrize("rows", [(), (b"", b" \r")])
def test_file_without_rows_is_named_with_what_a_row_is(file: Path, rows: tuple[bytes, ...]) -> None:
    with pytest.raises(InputError, match=re.escape(f"{file}: holds no rows; a row is ")):
        read(file, *rows)


@pytest.mark.parametrize(("name", "reason"), [("missing.jsonl", "No such file"), (".", "Is a directory")])
def test_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(InputError, match=rf"cannot be read \({reason}"):
        read_dataset(tmp_path / name, PromptLibrary())


def test_hash_is_that_of_the_bytes(file: Path, tmp_path: Path) -> None:
    dataset, same = read(file, GOOD, GOOD), read(tmp_path / "copy.jsonl", GOOD, GOOD)
    other = read(tmp_path / "other.jsonl", GOOD)

    assert hashlib.sha256(file.read_bytes()).hexdigest().startswith(dataset.hash)
    assert len(dataset.hash) == 16
    assert dataset.hash == same.hash != other.hash
