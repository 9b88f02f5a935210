"""Training rows: read, checked, and turned into the very prompt that will be used at answer time."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bot.errors import InputError
from bot.messages import Passage, Turn
from bot.prompts import GROUNDED, REFUSAL, PromptLibrary
from bot.rows import NOT_TEXTS, Row, are_texts, read_data, required_text, rows_in

_SHAPES = 'a row is {"messages": [...]} or {"question", "passages", "answer"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingExample:
    """A prompt and the answer the adapter shall learn."""

    turns: tuple[Turn, ...]
    answer: str
    answerable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Training examples and what tells this set from any other."""

    examples: tuple[TrainingExample, ...]
    hash: str  # of the file's bytes
    path: Path


def read_dataset(path: Path, prompts: PromptLibrary) -> Dataset:
    """
    Read a JSONL file of training rows.

    Raises: InputError naming the file, the line and what is wrong with it.
    """
    data = read_data(path)
    examples = tuple(example(row, where, prompts) for where, row in rows_in(data, path))
    if not examples:
        raise InputError(f"{path}: holds no rows; {_SHAPES}")
    return Dataset(examples=examples, hash=hashlib.sha256(data).hexdigest()[:16], path=path)


def example(row: Row, where: str, prompts: PromptLibrary) -> TrainingExample:
    """What the *row* at a place teaches. Raises: InputError naming the place and what is wrong with the row."""
    if "messages" in row:
        return _from_messages(row["messages"], where)
    question = required_text(row, "question", where=where, shape=_SHAPES)
    answer, passages = row.get("answer", ""), row.get("passages", [])
    if not are_texts(passages):
        raise InputError(f"{where}: {NOT_TEXTS}; {_SHAPES}")
    if not (answer is None or (isinstance(answer, str) and answer.strip())):
        raise InputError(f'{where}: "answer" is a text, or null where the passages do not hold it')
    found = [Passage(document=f"row-{number}", chunk=0, text=text) for number, text in enumerate(passages)]
    turns = prompts.get(GROUNDED).fill(question=question, earlier="", passages=found, constraints="")
    return _teaching(turns, REFUSAL if answer is None else answer)


def _from_messages(messages: object, where: str) -> TrainingExample:
    if not isinstance(messages, list) or len(messages) < 2:
        raise InputError(f'{where}: "messages" is a list of at least a question and an answer')
    turns: list[Turn] = []
    for message in messages:
        role, content = _role_and_content(message)
        if role not in ("system", "user", "assistant") or not isinstance(content, str) or not content.strip():
            raise InputError(f'{where}: each message is {{"role": "system|user|assistant", "content": TEXT}}')
        turns.append(Turn(role=cast(Any, role), content=content))
    if turns[-1].role != "assistant":
        raise InputError(f"{where}: the last message has to be the assistant's answer")
    return _teaching(tuple(turns[:-1]), turns[-1].content)


def _teaching(turns: tuple[Turn, ...], answer: str) -> TrainingExample:
    return TrainingExample(turns=turns, answer=answer, answerable=answer.strip() != REFUSAL)


def _role_and_content(message: object) -> tuple[object, object]:
    return (message.get("role"), message.get("content")) if isinstance(message, Mapping) else (None, None)
