"""Training rows of other programs: our own, chats, Alpaca and ShareGPT, told apart row by row."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters.datasets.rows import example
from bot.errors import InputError
from bot.prompts import PromptLibrary
from bot.rows import Row, read_data, required_text, rows_in

_SHAPES = (
    'a row is {"question", "passages", "answer"}, {"messages"}, {"instruction", "input", "output"} or {"conversations"}'
)
_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}


def read_any(path: Path, prompts: PromptLibrary) -> list[tuple[str, Row]]:
    """
    The rows of a JSONL file as training reads them, each with its place; fields of other uses are left out.

    Raises: InputError naming the file, the line and what is wrong with it.
    """
    found = [(where, _ours(row, where, prompts)) for where, row in rows_in(read_data(path), path)]
    if not found:
        raise InputError(f"{path}: holds no rows; {_SHAPES}")
    return found


def _ours(row: Row, where: str, prompts: PromptLibrary) -> Row:
    if "conversations" in row:
        row = _from_sharegpt(row, where)
    elif "instruction" in row:
        row = _from_alpaca(row, where)
    elif not row.keys() & {"messages", "question"}:
        raise InputError(f"{where}: of no known form; {_SHAPES}")
    example(row, where, prompts)
    if "messages" in row:
        return {"messages": [{"role": each["role"], "content": each["content"]} for each in row["messages"]]}
    return {"question": row["question"], "passages": row.get("passages", []), "answer": row["answer"]}


def _from_alpaca(row: Row, where: str) -> Row:
    asked, answer = (required_text(row, field, where=where, shape=_SHAPES) for field in ("instruction", "output"))
    more = row.get("input") or ""
    if not isinstance(more, str):
        raise InputError(f'{where}: "input" holds no text; {_SHAPES}')
    asked = f"{asked}\n\n{more}" if more.strip() else asked
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]}


def _from_sharegpt(row: Row, where: str) -> Row:
    said = row["conversations"]
    if not isinstance(said, list):
        raise InputError(f'{where}: "conversations" is a list of {{"from", "value"}}')
    system = row.get("system")
    first = [{"role": "system", "content": system}] if isinstance(system, str) and system.strip() else []
    return {"messages": first + [_turn(each, where) for each in said]}


def _turn(said: object, where: str) -> dict[str, Any]:
    who, text = (said.get("from"), said.get("value")) if isinstance(said, Mapping) else (None, None)
    role = _ROLES.get(who) if isinstance(who, str) else None
    if role is None or not isinstance(text, str):
        raise InputError(f'{where}: each of "conversations" is {{"from": "human|gpt|system", "value": TEXT}}')
    return {"role": role, "content": text}
