"""JSON in and out: rows of the batch commands, and replies as scripts read them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bot.errors import InputError
from bot.files import whole
from bot.messages import GENERAL, Citation, Feedback, Passage, Reply, RouteChoice

Row = dict[str, Any]

NOT_TEXTS = "passages is a list of texts"


def read_rows(path: Path) -> list[Row]:
    """
    The objects of a JSONL file.

    Raises: InputError naming the file, and the line that is no object.
    """
    return [row for _, row in rows_in(read_data(path), path)]


def read_data(path: Path) -> bytes:
    """
    What a file holds.

    Raises: InputError naming the file.
    """
    try:
        return path.read_bytes()
    except OSError as exc:
        raise InputError(f"{path}: cannot be read ({exc.strerror})") from exc


def rows_in(data: bytes, path: Path) -> Iterator[tuple[str, Row]]:
    """
    The objects in the *data* of the JSONL file *path*, each with its place: "questions.jsonl, line 3".

    Raises: InputError naming the place of a line that is no object.
    """
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            where = f"{path}, line {number}"
            yield where, _parsed(line, where)


def _parsed(line: bytes, where: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise InputError(f"{where}: not JSON ({exc}); each line holds one object") from exc
    if not isinstance(row, dict):
        raise InputError(f"{where}: not an object; each line holds one object")
    return row


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """
    Write a JSONL file; it appears under its name only when it is whole.

    Raises: StoreError if it cannot be written.
    """
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with whole(path) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace")  # what a lone surrogate is in JSON


def required_text(row: Row, field: str, *, where: str, shape: str) -> str:
    """
    The text in a *field* that the row has to have.

    Raises: InputError naming the place and the field, and saying what a row is: its *shape*.
    """
    text = row.get(field)
    if not isinstance(text, str) or not text.strip():
        raise InputError(f'{where}: "{field}" {"is missing" if text is None else "holds no text"}; {shape}')
    return text


def text_of(row: Row) -> str:
    """The question of a row; empty where there is none, which is answered with a reason."""
    text = row.get("text")
    return text if isinstance(text, str) else ""


def passages_of(row: Row) -> tuple[str, ...] | None:
    """
    The passages given with a question, empty ones left out; None where they are to be retrieved.

    Raises: InputError if they are not a list of texts.
    """
    passages = row.get("passages")
    if passages is None:
        return None
    if not are_texts(passages):
        raise InputError(f"{NOT_TEXTS}; leave it out to have the documents searched")
    return tuple(text for text in passages if text.strip())


def are_texts(passages: object) -> bool:
    """Whether *passages* is what the field of that name has to hold."""
    return isinstance(passages, list) and all(isinstance(text, str) for text in passages)


def reply_row(reply: Reply) -> Row:
    """A reply as the contract has it."""
    return {
        "id": reply.id,
        "text": reply.text,
        "route": reply.route,
        "probability": round(reply.probability, 4),
        "domain_probability": round(reply.domain_probability, 4),
        "decision": reply.decision,
        "abstained": reply.abstained,
        "citations": [citation_row(citation) for citation in reply.citations],
        "adapter": reply.adapter,
        "prompt": reply.prompt,
        "model": reply.model,
        "grounding": round(reply.grounding, 4),
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "seconds_to_first_token": reply.seconds_to_first_token,
        "seconds": reply.seconds,
    }


def failed_row(reason: str) -> Row:
    """A row that could not be served, with the same fields as any other."""
    nothing = Reply(
        id="", route=GENERAL, probability=0.0, domain_probability=0.0, adapter="none", prompt="none", model="none"
    )
    return {**reply_row(nothing), "text": reason, "abstained": True}


def citation_row(citation: Citation) -> Row:
    """A citation; `path` is the document's id where it has no address."""
    return asdict(citation) | {"path": citation.document}


def choice_row(choice: RouteChoice) -> Row:
    """A route decision as the contract has it."""
    return {
        "route": choice.route,
        "probability": round(choice.probability, 4),
        "domain_probability": round(choice.domain_probability, 4),
        "decision": choice.decision,
    }


def passage_rows(passages: Sequence[Passage]) -> list[Row]:
    """Passages as the contract has them, best first."""
    return [{"document": p.document, "chunk": p.chunk, "score": round(p.score, 4), "text": p.text} for p in passages]


def feedback_row(feedback: Feedback) -> Row:
    """A vote as the contract has it."""
    return asdict(feedback) | {"at": feedback.at.isoformat()}
