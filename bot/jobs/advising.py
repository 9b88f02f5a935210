"""The three ways to answer a domain's questions, measured on its own held-out ones: what `pointsman advise` does."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from adapters.datasets.building import HELD_OUT, TRAIN
from adapters.datasets.material import normal
from adapters.gate.scoring import token_f1
from adapters.registry import NONE, AdapterVersion
from bot.app import Installation
from bot.jobs.examinee import Unkept
from bot.learning.advice import Circumstances, Measured, Way, advise
from bot.learning.schedule import approved_since
from bot.messages import GENERAL, Message, Reply, now
from bot.ports import Progress
from bot.rows import Row, read_rows
from bot.store.usage import SqlUsage

LOOK_BACK = timedelta(weeks=4)
MOST_ROWS = 40  # with three ways some minutes on two cores

Ask = Callable[[str, str, str], Awaitable[Reply]]
"""Called with question, route and adapter label. Returns: the reply, which nobody keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """A question that no adapter was trained on, with the answer that a reviewer approved."""

    question: str
    answer: str | None  # None: the documents do not hold it


async def advise_domain(here: Installation, payload: Mapping[str, Any], progress: Progress) -> Row:
    """The advice for a domain as a row, see `advise_row`."""
    domain = here.settings.domain(payload["domain"])
    rows = await held_out(here, domain.name)
    label = here.registry.current(domain.name, "")
    plans: list[tuple[Way, str, str]] = [("prompt", GENERAL, NONE), ("retrieve", domain.name, NONE)]
    if label != NONE:
        plans.append(("fine-tune", domain.name, label))
    ways = []
    for number, (way, route, adapter) in enumerate(plans):
        ways.append(await measured(way, route, adapter, rows, _asking(here), _part(progress, number, len(plans))))
    facts = await circumstances(here, domain.name)
    return advise_row(domain.name, ways, facts, payload.get("hourly"))


async def measured(
    way: Way, route: str, adapter: str, rows: Sequence[HeldOut], ask: Ask, progress: Progress
) -> Measured:
    """How one way answers the held-out questions."""
    scores, replies = [], []
    for number, row in enumerate(rows):
        progress(number, len(rows), f"Asking {len(rows)} held-out questions ({way})")
        reply = await ask(row.question, route, adapter)
        replies.append(reply)
        if row.answer is None or reply.abstained:
            scores.append(float(row.answer is None and reply.abstained))
        else:
            scores.append(token_f1(reply.text, row.answer))
    return Measured(
        way=way,
        adapter=adapter,
        scores=tuple(scores),
        prompt_tokens=tuple(reply.prompt_tokens for reply in replies),
        completion_tokens=tuple(reply.completion_tokens for reply in replies),
        seconds=tuple(reply.seconds for reply in replies),
    )


async def held_out(here: Installation, domain: str) -> list[HeldOut]:
    """Held-out questions of the domain's newest dataset of answers that its adapters were not trained on."""
    versions = [v for v in await here.stores.datasets.all() if v.domain == domain and v.kind == "sft"]
    if not versions:
        return []
    storage = here.settings.storage.directory
    used = {version.dataset for version in own_versions(here, domain)}
    seen = {
        normal(row["question"])
        for version in versions
        if version.label in used
        for row in read_rows(storage / version.folder / TRAIN)
        if "question" in row
    }
    rows = [row for row in read_rows(storage / versions[-1].folder / HELD_OUT) if "question" in row]
    fresh = [row for row in rows if normal(row["question"]) not in seen]
    return [HeldOut(question=row["question"], answer=row["answer"]) for row in fresh[:MOST_ROWS]]


async def circumstances(here: Installation, domain: str) -> Circumstances:
    """What is known about the life of *domain*."""
    usage = SqlUsage(here.stores.database)
    since = now() - LOOK_BACK
    first = await usage.first_question()
    weeks = min(LOOK_BACK, now() - first).total_seconds() / timedelta(weeks=1).total_seconds() if first else 0.0
    weeks = max(weeks, 1.0)  # a busy first day is no busy week
    return Circumstances(
        examples=approved_since(await here.stores.reviews.all(), domain, None),
        documents=len(here.library(domain).documents),
        changes_per_week=await usage.document_changes(domain, since) / (LOOK_BACK / timedelta(weeks=1)),
        questions_per_week=(await usage.questions(since)).get(domain, 0) / weeks,
        training_hours=_hours(own_versions(here, domain)),
    )


def _asking(here: Installation) -> Ask:
    """Asks as a user would, through the whole main path."""

    async def ask(question: str, route: str, adapter: str) -> Reply:
        assistant = replace(here.assistant_with(adapter), exchanges=Unkept())
        return await assistant.reply_to(Message(id=uuid4().hex, text=question, route=route, labels=None))

    return ask


def own_versions(here: Installation, domain: str) -> list[AdapterVersion]:
    """The versions of *domain*'s own adapter, oldest first."""
    return [version for version in here.registry.all() if version.domain == domain]


def advise_row(domain: str, ways: Sequence[Measured], facts: Circumstances, hourly: float | None) -> Row:
    """What was measured and what follows; *hourly*: what an hour of the machine costs, in the operator's currency."""
    advice = advise(ways, facts)
    return {
        "domain": domain,
        "recommendation": advice.recommendation,
        "reasons": list(advice.reasons),
        "ways": [_way_row(way, hourly) for way in ways],
        "examples": facts.examples,
        "documents": facts.documents,
        "document_changes_per_week": round(facts.changes_per_week, 2),
        "questions_per_week": round(facts.questions_per_week, 1),
    }


def _way_row(way: Measured, hourly: float | None) -> Row:
    low, high = way.interval
    hours = _mean(way.seconds) * 1000 / 3600
    return {
        "way": way.way,
        "adapter": way.adapter,
        "rows": len(way.scores),
        "quality": round(way.quality, 3),
        "low": round(low, 3),
        "high": round(high, 3),
        "prompt_tokens": round(_mean(way.prompt_tokens), 1),
        "completion_tokens": round(_mean(way.completion_tokens), 1),
        "seconds": round(_mean(way.seconds), 2),
        "hours_per_1000": round(hours, 2),
        "cost_per_1000": None if hourly is None else round(hours * hourly, 2),
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _hours(versions: Sequence[AdapterVersion]) -> float:
    """What the newest training took; 0 where there was none."""
    if not versions:
        return 0.0
    numbers: dict[str, Any] = json.loads((versions[-1].folder / "training.json").read_text(encoding="utf-8"))
    return float(numbers.get("seconds", 0.0)) / 3600


def _part(progress: Progress, number: int, of: int) -> Progress:
    """Progress of one of several equal parts."""

    def report(done: int, total: int, doing: str) -> None:
        progress(number * total + done, of * total, doing)

    return report
