"""A stored question, answered once more in another way: what changes, as work for the owner of the index."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any
from uuid import uuid4

from bot.app import Installation
from bot.desks.accounts import Rerun
from bot.errors import InputError, PointsmanError
from bot.jobs.examinee import Unkept
from bot.learning.answers import NoAnswers
from bot.messages import GENERAL, Citation, Exchange, Message, Passage, Reply
from bot.ports import Progress
from bot.prompts import Template, parse_template
from bot.rows import Row


def work_of(exchange: Exchange, rerun: Rerun) -> Row:
    """What the owner of the index needs to know, as JSON holds it."""
    reply, labels = exchange.reply, exchange.message.labels
    given = None if rerun.search or reply.route == GENERAL else rerun.passages
    if given is None and not rerun.search and reply.route != GENERAL:
        given = tuple(passage.text for passage in reply.passages)
    return {
        "text": reply.question or exchange.message.text,
        "route": reply.route,
        "adapter": rerun.adapter or (reply.adapter if reply.adapter != "none" else None),
        "prompt": rerun.prompt,
        "passages": None if given is None else list(given),
        "labels": None if labels is None else sorted(labels),
    }


async def answer_again(here: Installation, payload: Mapping[str, Any], progress: Progress) -> Row:
    """The reply to a question that was asked before; nothing of it is kept."""
    progress(0, 1, "Answering")
    return await _answered(here, payload, payload["prompt"])


async def preview(here: Installation, payload: Mapping[str, Any], progress: Progress) -> list[Row]:
    """
    The replies to some questions by a prompt that is not saved yet, each beside the one that people got.

    Answers that are kept are named by their reply only: what is deleted there is not shown here either.
    """
    draft = parse_template(payload["name"], payload["version"], payload["text"])
    rows: list[Row] = []
    for number, question in enumerate(payload["questions"]):
        progress(number, len(payload["questions"]), "Answering")
        row: Row = {"reply": question.get("reply", ""), "question": question.get("text", ""), "error": ""}
        try:
            row |= await _beside(here, question, payload["based_on"], draft)
        except PointsmanError as exc:
            row |= {"old": None, "new": None, "error": str(exc)}
        rows.append(row)
    return rows


async def _beside(here: Installation, question: Mapping[str, Any], before: str, draft: Template) -> Row:
    if reply := question.get("reply"):
        exchange = await here.stores.exchanges.find(reply)
        if exchange is None:
            raise InputError("this answer was deleted meanwhile")
        return {"old": None, "new": await _answered(here, work_of(exchange, Rerun()), draft)}
    work = {name: question[name] for name in ("text", "route", "labels")} | {"adapter": None, "passages": None}
    return {"old": await _answered(here, work, before), "new": await _answered(here, work, draft)}


async def _answered(here: Installation, payload: Mapping[str, Any], prompt: str | Template | None) -> Row:
    assistant = replace(here.assistant_with(payload["adapter"]), exchanges=Unkept(), reviewed=NoAnswers())
    if prompt:
        assistant = replace(assistant, prompts=assistant.prompts.only(prompt))
    labels, passages = payload["labels"], payload["passages"]
    reply = await assistant.reply_to(
        Message(
            id=f"again-{uuid4().hex}",
            text=payload["text"],
            route=payload["route"],
            labels=None if labels is None else frozenset(labels),
            passages=None if passages is None else tuple(passages),
        )
    )
    return asdict(reply)


def reply_of(row: Mapping[str, Any]) -> Reply:
    """The reply in what the owner of the index answered."""
    citations = tuple(Citation(**each) for each in row["citations"])
    return Reply(**{**row, "citations": citations, "passages": tuple(Passage(**each) for each in row["passages"])})
