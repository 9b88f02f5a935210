"""Training rows: read, checked, and turned into the very prompt that will be used at answer time."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bot.errors import InputError
from bot.messages import DatasetKind, Passage, Turn
from bot.prompts import GROUNDED, REFUSAL, PromptLibrary
from bot.rows import NOT_TEXTS, Row, are_texts, read_data, required_text, rows_in

_SHAPES = 'a row is {"messages": [...]} or {"question", "passages", "answer"}'
_PAIR = 'a row to train with dpo is {"prompt": [...], "chosen", "rejected"} or {"question", "passages", "chosen", ...}'
_VOTE = 'a row to train with kto is {"prompt": [...], "completion", "label": true|false, "weight"?}'
_KINDS: dict[DatasetKind, str] = {"sft": "answers", "dpo": "pairs of answers", "kto": "votes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingExample:
    """A prompt and the answer the adapter shall learn."""

    turns: tuple[Turn, ...]
    answer: str
    answerable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PairExample:
    """A prompt, the answer the adapter shall prefer, and the one it shall turn from."""

    turns: tuple[Turn, ...]
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteExample:
    """A prompt, an answer to it, and whether people liked that."""

    turns: tuple[Turn, ...]
    answer: str
    liked: bool
    weight: float = 1.0  # above 0: how much the votes count


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsFile:
    """A file of training rows and what it is called."""

    path: Path
    label: str  # domain@version, or the file's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Training examples of one kind and what tells this set from any other; the other two kinds are empty."""

    hash: str  # of the file's bytes
    path: Path
    label: str  # domain@version, or the file's name
    kind: DatasetKind = "sft"
    examples: tuple[TrainingExample, ...] = ()
    pairs: tuple[PairExample, ...] = ()
    votes: tuple[VoteExample, ...] = ()


def read_dataset(file: Path | RowsFile, prompts: PromptLibrary, *, method: DatasetKind | None = None) -> Dataset:
    """
    Read a JSONL file of training rows; their kind is that of the first one.

    Raises: InputError naming the file, the line and what is wrong with it, or that *method* takes other rows.
    """
    path, label = (file, file.name) if isinstance(file, Path) else (file.path, file.label)
    data = read_data(path)
    rows = list(rows_in(data, path))
    if not rows:
        raise InputError(f"{path}: holds no rows; {_SHAPES}")
    kind = _kind(rows[0][1])
    if method not in (None, kind):
        raise InputError(
            f"{label} holds {_KINDS[kind]}, on which --method {kind} trains; for --method {method} bring rows that "
            f"`pointsman dataset build --kind {method}` makes"
        )
    return Dataset(
        hash=hashlib.sha256(data).hexdigest()[:16],
        path=path,
        label=label,
        kind=kind,
        examples=tuple(example(row, where, prompts) for where, row in rows) if kind == "sft" else (),
        pairs=tuple(_pair(row, where, prompts) for where, row in rows) if kind == "dpo" else (),
        votes=tuple(_vote(row, where, prompts) for where, row in rows) if kind == "kto" else (),
    )


def _kind(row: Row) -> DatasetKind:
    if "messages" in row or "answer" in row:
        return "sft"
    if "chosen" in row or "rejected" in row:
        return "dpo"
    return "kto" if "completion" in row else "sft"


def example(row: Row, where: str, prompts: PromptLibrary) -> TrainingExample:
    """What the *row* at a place teaches. Raises: InputError naming the place and what is wrong with the row."""
    if "messages" in row:
        return _from_messages(row["messages"], where)
    turns = _asked(row, where, prompts, _SHAPES)
    answer = row.get("answer", "")
    if not (answer is None or (isinstance(answer, str) and answer.strip())):
        raise InputError(f'{where}: "answer" is a text, or null where the passages do not hold it')
    return _teaching(turns, REFUSAL if answer is None else answer)


def _pair(row: Row, where: str, prompts: PromptLibrary) -> PairExample:
    return PairExample(
        turns=_prompt(row, where, prompts, _PAIR),
        chosen=_said(row, "chosen", where, _PAIR),
        rejected=_said(row, "rejected", where, _PAIR),
    )


def _vote(row: Row, where: str, prompts: PromptLibrary) -> VoteExample:
    liked, weight = row.get("label"), row.get("weight", 1.0)
    if not isinstance(liked, bool):
        raise InputError(f'{where}: "label" is true for a thumb up and false for a thumb down; {_VOTE}')
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
        raise InputError(f'{where}: "weight" is a number above 0; {_VOTE}')
    turns, answer = _prompt(row, where, prompts, _VOTE), _said(row, "completion", where, _VOTE)
    return VoteExample(turns=turns, answer=answer, liked=liked, weight=float(weight))


def _prompt(row: Row, where: str, prompts: PromptLibrary, shape: str) -> tuple[Turn, ...]:
    if "prompt" not in row:
        return _asked(row, where, prompts, shape)
    messages = row["prompt"]
    if not isinstance(messages, list) or not messages:
        raise InputError(f'{where}: "prompt" is a list of messages; {shape}')
    turns = _turns(messages, where)
    if turns[-1].role != "user":
        raise InputError(f"{where}: the last message of the prompt has to be the user's")
    return turns


def _said(row: Row, field: str, where: str, shape: str) -> str:
    """The answer in a *field*: a text, null for the refusal, or the assistant's message in a list."""
    said = row.get(field, "")
    if isinstance(said, list) and len(said) == 1 and isinstance(said[0], Mapping):
        said = said[0].get("content") if said[0].get("role") == "assistant" else ""
        said = "" if said is None else said
    if said is None:
        return REFUSAL
    if not isinstance(said, str) or not said.strip():
        raise InputError(f'{where}: "{field}" is an answer: a text, or a list with the assistant\'s message; {shape}')
    return said


def _asked(row: Row, where: str, prompts: PromptLibrary, shape: str) -> tuple[Turn, ...]:
    """The prompt of answer time for the row's question and passages."""
    question, passages = required_text(row, "question", where=where, shape=shape), row.get("passages", [])
    if not are_texts(passages):
        raise InputError(f"{where}: {NOT_TEXTS}; {shape}")
    found = [Passage(document=f"row-{number}", chunk=0, text=text) for number, text in enumerate(passages)]
    return prompts.get(GROUNDED).fill(question=question, earlier="", passages=found, constraints="")


def _from_messages(messages: object, where: str) -> TrainingExample:
    if not isinstance(messages, list) or len(messages) < 2:
        raise InputError(f'{where}: "messages" is a list of at least a question and an answer')
    turns = _turns(messages, where)
    if turns[-1].role != "assistant":
        raise InputError(f"{where}: the last message has to be the assistant's answer")
    return _teaching(turns[:-1], turns[-1].content)


def _turns(messages: list[object], where: str) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    for message in messages:
        role, content = _role_and_content(message)
        if role not in ("system", "user", "assistant") or not isinstance(content, str) or not content.strip():
            raise InputError(f'{where}: each message is {{"role": "system|user|assistant", "content": TEXT}}')
        turns.append(Turn(role=cast(Any, role), content=content))
    return tuple(turns)


def _teaching(turns: tuple[Turn, ...], answer: str) -> TrainingExample:
    return TrainingExample(turns=turns, answer=answer, answerable=answer.strip() != REFUSAL)


def _role_and_content(message: object) -> tuple[object, object]:
    return (message.get("role"), message.get("content")) if isinstance(message, Mapping) else (None, None)
