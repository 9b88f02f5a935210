"""A stored question, answered once more in another way: what changes, as work for the owner of the index."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import uuid4

from bot.app import Installation
from bot.desks.accounts import Rerun
from bot.errors import InputError, PointsmanError
from bot.jobs.examinee import Unkept
from bot.learning.answers import NoAnswers
from bot.messages import GENERAL, Citation, Exchange, Message, Passage, Query, Reply, Retrieval
from bot.ports import Progress, Retriever
from bot.prompts import Template, parse_template
from bot.rows import Row


def work_of(exchange: Exchange, rerun: Rerun) -> Row:
    """What the owner of the index needs to know, as JSON holds it. Raises: InputError if no passage is left."""
    reply, labels = exchange.reply, exchange.message.labels
    searched = rerun.search or reply.route == GENERAL
    if not searched and rerun.passages == ():
        raise InputError("no passage is chosen; tick one, write one in your own words, or search anew")
    given = reply.passages if rerun.passages is None else _known(rerun.passages, reply.passages)
    return {
        "text": reply.question or exchange.message.text,
        "route": reply.route,
        "adapter": rerun.adapter or (reply.adapter if reply.adapter != "none" else None),
        "prompt": rerun.prompt,
        "passages": None if searched else [asdict(passage) for passage in given],
        "labels": None if labels is None else sorted(labels),
    }


def _known(texts: Sequence[str], held: Sequence[Passage]) -> list[Passage]:
    """*texts* as the passages that the answer had; one that it had not was typed, and has no document."""
    left, found = list(held), []
    for text in texts:
        passage = next((each for each in left if each.text == text), None)
        if passage:
            left.remove(passage)
        found.append(passage or Passage(document="", chunk=0, text=text))
    return found


@dataclass(frozen=True, slots=True)
class Given:
    """A Retriever that finds the same passages for every question; they keep titles, addresses and scores."""

    retriever: Retriever
    domain: str
    passages: Sequence[Passage]  # those without a document were typed

    async def embed(self, text: str, *, earlier: str = "") -> Query:
        return await self.retriever.embed(text, earlier=earlier)

    async def compare(self, query: Query, texts: Sequence[str]) -> Sequence[Passage]:
        return await self.retriever.compare(query, texts)

    async def retrieve(self, query: Query, *, labels: frozenset[str] | None, top_k: int) -> Mapping[str, Retrieval]:
        typed = iter(await self.compare(query, [each.text for each in self.passages if not each.document]))
        found = [
            each if each.document else replace(next(typed), document=f"passage {number}")
            for number, each in enumerate(self.passages, 1)
        ]
        return {self.domain: Retrieval(passages=tuple(found))}


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
    labels = payload["labels"]
    if payload["passages"] is not None:
        passages = [Passage(**each) for each in payload["passages"]]
        assistant = replace(assistant, retriever=Given(assistant.retriever, payload["route"], passages))
    reply = await assistant.reply_to(
        Message(
            id=f"again-{uuid4().hex}",
            text=payload["text"],
            route=payload["route"],
            labels=None if labels is None else frozenset(labels),
        )
    )
    return asdict(reply)


def reply_of(row: Mapping[str, Any]) -> Reply:
    """The reply in what the owner of the index answered."""
    citations = tuple(Citation(**each) for each in row["citations"])
    return Reply(**{**row, "citations": citations, "passages": tuple(Passage(**each) for each in row["passages"])})
