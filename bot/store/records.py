"""Messages and replies as rows and plain dicts, and back."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal, cast

from bot.messages import Citation, Decision, Exchange, Feedback, Message, Passage, Reply
from bot.store.models import ExchangeRow, VoteRow


def message_columns(message: Message) -> dict[str, Any]:
    """The columns of an exchange that hold its question."""
    return {
        "message": message.id,
        "asked": message.text,
        "user": message.user,
        "platform": message.platform,
        "workspace": message.workspace,
        "thread": message.thread,
        "chosen_route": message.route,
        "bound": message.bound,
        "labels": _listed(message.labels),
        "given": None if message.passages is None else list(message.passages),
        "source": message.source,
        "private": message.private,
        "at": message.at,
    }


def reply_columns(reply: Reply) -> dict[str, Any]:
    """The columns of an exchange that hold its reply, without the id."""
    columns = asdict(reply)
    del columns["id"]
    return columns


def exchange(row: ExchangeRow) -> Exchange:
    return Exchange(message=_message(row), reply=_reply(row), complete=row.complete)


def message_to_dict(message: Message) -> dict[str, Any]:
    """*message* as JSON can hold it."""
    return asdict(message) | {"labels": _listed(message.labels), "at": message.at.isoformat()}


def message_from_dict(record: Mapping[str, Any]) -> Message:
    changed = {
        "labels": _labels(record["labels"]),
        "passages": _given(record.get("passages")),
        "at": datetime.fromisoformat(record["at"]),
    }
    return Message(**{**record, **changed})


def _message(row: ExchangeRow) -> Message:
    return Message(
        id=row.message,
        text=row.asked,
        user=row.user,
        platform=row.platform,
        workspace=row.workspace,
        thread=row.thread,
        route=row.chosen_route,
        bound=row.bound,
        labels=_labels(row.labels),
        passages=_given(row.given),
        source=row.source,
        private=row.private,
        at=row.at,
    )


def _reply(row: ExchangeRow) -> Reply:
    return Reply(
        id=row.reply,
        text=row.text,
        route=row.route,
        probability=row.probability,
        domain_probability=row.domain_probability,
        decision=cast(Decision, row.decision),
        abstained=row.abstained,
        citations=tuple(Citation(**citation) for citation in row.citations),
        adapter=row.adapter,
        prompt=row.prompt,
        model=row.model,
        grounding=row.grounding,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        seconds_to_first_token=row.seconds_to_first_token,
        seconds=row.seconds,
        question=row.question,
        passages=tuple(Passage(**passage) for passage in row.passages),
    )


def _listed(labels: frozenset[str] | None) -> list[str] | None:
    return None if labels is None else sorted(labels)


def _labels(labels: list[str] | None) -> frozenset[str] | None:
    return None if labels is None else frozenset(labels)


def _given(passages: Any) -> tuple[str, ...] | None:
    return None if passages is None else tuple(passages)


def feedback_of(row: VoteRow) -> Feedback:
    """*row* as a vote."""
    return Feedback(
        reply=row.reply,
        user=row.user,
        platform=row.platform,
        rating=cast(Literal[1, -1, 0], row.rating),
        reason=row.reason,
        correction=row.correction,
        wrong_route=row.wrong_route,
        at=row.at,
    )
