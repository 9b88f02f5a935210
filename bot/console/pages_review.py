"""Review: the answers that wait for a person, one of them with its whole lineage, and what to decide about it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime
from typing import Any, cast, get_args
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from bot.console.differences import differences
from bot.console.export import Line, download
from bot.console.ports import Redact
from bot.console.routes import Routes, refusal
from bot.console.visits import Visit, local
from bot.desks.accounts import ListedAnswer, Outcome, Rerun, ReviewFilter, Vote
from bot.errors import DecidedMeanwhile, InputError, NotFound
from bot.learning.curation import weight
from bot.messages import GENERAL, Exchange, Fault, Review, ReviewState, Seen, Turn

N_ = str  # marks text for the catalogue that is said later
NONE = "none"  # in place of an adapter: the base model alone
THREAD = 20  # exchanges of a conversation that are shown
EXPORTED_AT_ONCE = 100  # redacting takes time, and the first lines are to come soon
AT_ONCE = 200  # answers that are decided on together, at most
ACTIONS: Mapping[str, ReviewState] = {
    "approve": "approved",
    "correct": "corrected",
    "reject": "rejected",
    "reroute": "rejected",
    "pass": "needs_person",
}
SAID_OF: Mapping[str, str] = {
    "new": N_("waits"),
    "approved": N_("approved"),
    "corrected": N_("corrected"),
    "rejected": N_("rejected"),
    "needs_person": N_("passed on"),
}
STATES = ("new", "approved", "corrected", "rejected", "needs_person", "any")
FAULTS: tuple[Fault, ...] = get_args(Fault)
VOTES: tuple[Vote, ...] = get_args(Vote)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

routes = Routes(title=N_("Review"), home="/review", need="viewer")


@routes.get("/review", need="viewer")
async def show(visit: Visit) -> web.StreamResponse:
    """Show the list, most useful first, a page at a time."""
    wanted = _wanted(visit)
    after, before = visit.field("after") or None, visit.field("before") or None
    answers = visit.parts.answers
    page, choices = await asyncio.gather(answers.page(wanted, after=after, before=before), answers.choices())
    return visit.page(
        "review.html",
        page=page,
        wanted=wanted,
        choices=choices,
        query=_query(wanted),
        filtered=wanted != ReviewFilter(),
        states=STATES,
        kinds=VOTES,
        targets=_targets(visit),
        faults=FAULTS,
        decided=await _own(visit, visit.request.query.getall("decided", [])[:AT_ONCE]),
        did=visit.field("did"),
    )


@routes.get("/review.{format:csv|jsonl}", need="viewer")
async def export(visit: Visit) -> web.StreamResponse:
    """Write what the filter lets through to a file, in the order of the list, redacted and without private places."""
    wanted, answers = _wanted(visit), visit.parts.answers

    async def lines() -> AsyncIterator[Line]:
        after: str | None = None
        while True:
            page = await answers.page(wanted, after=after, limit=EXPORTED_AT_ONCE)
            shown = [row for row in page.rows if not row.private]
            for line in await asyncio.to_thread(_lines, shown, visit.parts.redact):
                yield line
            if not page.later:
                return
            after = page.later

    return await download(visit, "review", visit.request.match_info["format"], lines())


@routes.get("/review/count", need="viewer")
async def count(visit: Visit) -> web.StreamResponse:
    """Say how many answers the filter lets through: a number that the page can do without at first."""
    return visit.data({"count": await visit.parts.answers.count(_wanted(visit))})


@routes.get("/review/hints", need="viewer")
async def hints(visit: Visit) -> web.StreamResponse:
    """Say which lines ask nearly the same, and which may hold personal data: a model looks at them."""
    replies = visit.request.query.getall("reply", [])[:AT_ONCE]
    found = await visit.parts.curator.hints(replies)
    return visit.data({reply: {"group": group, "personal": list(kinds)} for reply, (group, kinds) in found.items()})


@routes.get("/review/{reply}", need="viewer")
async def show_one(visit: Visit) -> web.StreamResponse:
    """Show one answer with its whole lineage; for the script, without the frame around it."""
    exchange = await _exchange(visit)
    template = "answer.html" if visit.field("part") else "answer_page.html"
    return visit.page(template, **await _lineage(visit, exchange), back=local(visit.field("back"), "/review"))


@routes.post("/review/decide", need="curator")
async def decide(visit: Visit) -> web.StreamResponse:
    """Keep a decision on one answer or on several, all of them or none."""
    replies, action = visit.fields("reply")[:AT_ONCE], visit.field("action")
    if not replies or action not in ACTIONS:
        raise InputError(visit.say("Choose at least one answer, and what is to become of it."))
    if action == "correct" and len(replies) > 1:
        raise InputError(visit.say("A correction is for one answer; choose one."))
    decision = Review(reply="", state=ACTIONS[action], by=visit.account.name, **_details(visit, action))
    decisions = [replace(decision, reply=reply) for reply in dict.fromkeys(replies)]
    try:
        standing = await visit.parts.curator.decide(decisions, seen=_seen(visit, replies))
    except DecidedMeanwhile as exc:
        return _overtaken(visit, exc)
    return _after(visit, replies, standing)


@routes.post("/review/undo", need="curator")
async def undo(visit: Visit) -> web.StreamResponse:
    """Take back the latest decision on one answer or on several."""
    replies = visit.fields("reply")[:AT_ONCE]
    if not replies:
        raise InputError(visit.say("Choose at least one answer, and what is to become of it."))
    try:
        standing = await visit.parts.curator.undo(replies, by=visit.account.name, seen=_seen(visit, replies))
    except DecidedMeanwhile as exc:
        return _overtaken(visit, exc)
    return _after(visit, replies, standing, did="undone")


@routes.post("/review/{reply}/again", need="curator")
async def again(visit: Visit) -> web.StreamResponse:
    """Answer the same question in another way, and show what changed; nothing of it is stored."""
    exchange = await _exchange(visit)
    given = visit.field("passages")
    chosen = [exchange.reply.passages[number].text for number in _numbers(visit, len(exchange.reply.passages))]
    own, adapter, prompt = visit.field("own").strip(), visit.field("adapter"), visit.field("prompt")
    if adapter not in ("", NONE, *await asyncio.to_thread(visit.parts.adapters)):
        raise NotFound(visit.say("There is no adapter “%(name)s” any more; choose another.", name=adapter))
    if prompt:
        visit.parts.prompts.get(prompt)
    rerun = Rerun(
        adapter=adapter or None,
        prompt=prompt or None,
        passages=(*chosen, *([own] if own else [])) if given == "these" else None,
        search=given == "search",
    )
    reply = await visit.parts.again(exchange, rerun)
    return visit.page(
        "again.html" if visit.field("part") else "again_page.html",
        exchange=exchange,
        reply=reply,
        changed=differences(exchange.reply.text, reply.text),
        settings=[
            (name, before, now)
            for name, before, now in (
                (visit.say("Route"), exchange.reply.route, reply.route),
                (visit.say("Adapter"), exchange.reply.adapter, reply.adapter),
                (visit.say("Prompt"), exchange.reply.prompt, reply.prompt),
                (visit.say("Passages"), str(len(exchange.reply.passages)), str(len(reply.passages))),
                (visit.say("Supported"), f"{exchange.reply.grounding:.0%}", f"{reply.grounding:.0%}"),
            )
        ],
    )


async def _exchange(visit: Visit) -> Exchange:
    found = await visit.parts.exchanges.find(visit.request.match_info["reply"])
    if found is None:
        raise NotFound(visit.say("This answer is gone; it may be older than the time for which answers are kept."))
    return found


async def _own(visit: Visit, replies: Sequence[str]) -> dict[str, str]:
    """Those of *replies* that nobody else decided on meanwhile, with the time of that decision."""
    latest = [(await visit.parts.reviews.history(reply))[-1:] for reply in replies]
    return {each.reply: each.at.isoformat() for found in latest for each in found if each.by == visit.account.name}


async def _lineage(visit: Visit, exchange: Exchange) -> dict[str, Any]:
    """Everything that is known about an answer."""
    parts, reply = visit.parts, exchange.reply.id
    votes, decisions, thread, adapters = await asyncio.gather(
        parts.answers.votes(reply),
        parts.reviews.history(reply),
        parts.exchanges.thread(exchange.message.thread, last=THREAD),
        asyncio.to_thread(parts.adapters),
    )
    near = await parts.answers.near(votes)
    turns, lost = _prompt(visit, exchange)
    proposed = [vote.correction for vote in votes if vote.correction]
    correction = decisions[-1].answer if decisions and decisions[-1].state == "corrected" else None
    return {
        "exchange": exchange,
        "votes": [(vote, count, weight(count)) for vote, count in zip(votes, near, strict=True)],
        "decisions": decisions,
        "state": decisions[-1].state if decisions else "new",
        "thread": thread,
        "turns": turns,
        "lost": lost,
        "correction": correction,
        "proposal": correction or (proposed[-1] if proposed else exchange.reply.text),
        "seen": decisions[-1].at.isoformat() if decisions else "",
        "targets": _targets(visit),
        "faults": FAULTS,
        "adapters": (NONE, *adapters),
        "prompts": [template.label for template in parts.prompts.all()],
    }


def _prompt(visit: Visit, exchange: Exchange) -> tuple[tuple[Turn, ...], str]:
    """The prompt as it was sent, as far as it can be put together again, or why it cannot."""
    try:
        return tuple(visit.parts.prompt_of(exchange)), ""
    except InputError as exc:
        return (), str(exc)


def _details(visit: Visit, action: str) -> dict[str, Any]:
    """What a decision says beside its state."""
    answer, route, fault = visit.field("answer").strip(), visit.field("route"), visit.field("fault")
    if route and route not in _targets(visit):
        raise InputError(visit.say("There is no route “%(route)s”.", route=route))
    if fault and fault not in FAULTS:
        raise InputError(visit.say("There is no fault “%(fault)s”.", fault=fault))
    if action == "reroute" and not route:
        raise InputError(visit.say("Choose the route that would have been right."))
    return {
        "answer": answer if action == "correct" else None,
        "route": route or None,
        "fault": fault or ("route" if action == "reroute" else None),
    }


def _seen(visit: Visit, replies: Sequence[str]) -> Seen:
    """What the page showed of *replies* that was filled in; nothing of those about which the form does not say."""
    said = {reply: visit.form[f"seen.{reply}"] for reply in replies if f"seen.{reply}" in visit.form}
    try:
        return {reply: datetime.fromisoformat(str(at)) if at else None for reply, at in said.items()}
    except ValueError as exc:
        raise InputError(visit.say("This form is out of date; load the page anew and try again.")) from exc


def _overtaken(visit: Visit, exc: DecidedMeanwhile) -> web.Response:
    """Who decided what meanwhile, in place of a decision."""
    said = dict.fromkeys(f"{by}: {visit.say(SAID_OF[state])}" for by, state in exc.latest.values())
    reason = visit.say(
        "Nothing was changed, because others decided meanwhile (%(decisions)s). Load the page anew and look again.",
        decisions=", ".join(said),
    )
    return refusal(visit, 409, reason)


def _after(visit: Visit, replies: list[str], standing: Sequence[Review], *, did: str = "") -> web.Response:
    state = standing[0].state
    if not visit.wants_page:
        seen = {review.reply: review.at.isoformat() for review in standing}
        return visit.data({"replies": replies, "state": state, "seen": seen})
    path, _, query = local(visit.field("back"), "/review").partition("?")
    kept = [(name, value) for name, value in parse_qsl(query) if name not in ("did", "decided")]
    named = [] if did else [("decided", reply) for reply in replies]
    return visit.see(f"{path}?{urlencode([*kept, ('did', did or state), *named])}")


def _wanted(visit: Visit) -> ReviewFilter:
    """The filter in the address."""
    field = visit.field
    state, vote, outcome = field("state") or "new", field("vote"), field("outcome")
    if state not in STATES or vote not in VOTES or outcome not in OUTCOMES:
        raise InputError(visit.say("This filter does not exist; open the list anew."))
    return ReviewFilter(
        state=cast(Any, state),
        route=field("route"),
        vote=vote,
        adapter=field("adapter"),
        prompt=field("prompt"),
        platform=field("platform"),
        outcome=outcome,
        since=_day(visit, "since"),
        until=_day(visit, "until"),
        text=field("text").strip()[:200],
    )


def _query(wanted: ReviewFilter) -> dict[str, str]:
    """*wanted* as the fields of an address, without those that say nothing."""
    return {name: str(value) for name, value in asdict(wanted).items() if value and (name, value) != ("state", "new")}


def _day(visit: Visit, name: str) -> date | None:
    if not (text := visit.field(name)):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as exc:
        raise InputError(visit.say("“%(text)s” is no date; write it like 2026-03-31.", text=text)) from exc


def _lines(rows: Sequence[ListedAnswer], redact: Redact) -> list[Line]:
    """Rows of the list for a file."""
    return [
        {
            "reply": row.reply,
            "at": row.at.isoformat(),
            "state": row.state,
            "question": redact(row.question),
            "answer": redact(row.answer),
            "route": row.route,
            "probability": row.probability,
            "outcome": _outcome(row),
            "up": row.up,
            "down": row.down,
            "correction_proposed": row.corrected,
            "adapter": row.adapter,
            "prompt": row.prompt,
            "platform": row.platform,
        }
        for row in rows
    ]


def _outcome(row: ListedAnswer) -> Outcome:
    return "asked_back" if row.decision == "ask_back" else "unknown" if row.abstained else "answered"


def _numbers(visit: Visit, count: int) -> list[int]:
    """The passages that were ticked."""
    return [int(text) for text in visit.fields("passage") if text.isdecimal() and int(text) < count]


def _targets(visit: Visit) -> tuple[str, ...]:
    return (GENERAL, *visit.parts.domains)
