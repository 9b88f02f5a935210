"""Review: the answers that wait for a person, one of them with its whole lineage, and what to decide about it."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, cast, get_args

from aiohttp import web

from bot.console.differences import differences
from bot.console.export import Line, download
from bot.console.ports import Redact
from bot.console.routes import Routes, status_of
from bot.console.visits import LONGEST_TEXT, Visit, local
from bot.console.withholding import closed_passages, resting, sees_all, withheld
from bot.desks.accounts import ListedAnswer, Outcome, Rerun, ReviewFilter, Vote
from bot.errors import InputError, NotFound, PointsmanError
from bot.learning.curation import weight
from bot.messages import GENERAL, Exchange, Fault, Reply, Turn

N_ = str  # marks text for the catalogue that is said later
NONE = "none"  # in place of an adapter: the base model alone
THREAD = 20  # exchanges of a conversation that are shown
EXPORTED_AT_ONCE = 100  # redacting takes time, and the first lines are to come soon
LONGEST_PASSAGE = 4_000  # characters that somebody types: some times the longest passage of a document
AT_ONCE = 200  # answers that are decided on together, at most
STATES = ("new", "approved", "corrected", "rejected", "needs_person", "any")
FAULTS: tuple[Fault, ...] = get_args(Fault)
VOTES: tuple[Vote, ...] = get_args(Vote)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

routes = Routes(title=N_("Review"), home="/review", need="viewer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What somebody filled in on an answer's page that could not be done, and why."""

    status: int = 200
    reason: str = ""  # why nothing was decided
    answer: str | None = None  # None: nothing was typed
    route: str = ""
    fault: str = ""
    again: str = ""  # why the question was not asked again
    own: str = ""  # the passage in their own words


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
        withheld=await withheld(visit, [row.reply for row in page.rows]),
        sees_all=sees_all(visit),
        wanted=wanted,
        choices=choices,
        query=_query(wanted),
        filtered=wanted != ReviewFilter(answers=wanted.answers),
        states=STATES,
        kinds=VOTES,
        targets=targets(visit),
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
            hidden = await withheld(visit, [row.reply for row in shown])
            for line in await asyncio.to_thread(_lines, shown, hidden, visit.parts.redact):
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
    return await answer_page(visit, exchange)


async def answer_page(visit: Visit, exchange: Exchange, typed: Typed | None = None) -> web.Response:
    """One answer; with what somebody *typed* there that could not be done."""
    template = "answer.html" if visit.field("part") else "answer_page.html"
    back, typed = local(visit.field("back"), "/review"), typed or Typed()
    return visit.page(template, status=typed.status, typed=typed, back=back, **await _lineage(visit, exchange))


@routes.post("/review/{reply}/again", need="curator")
async def again(visit: Visit) -> web.StreamResponse:
    """Answer the same question in another way, and show what changed; nothing of it is stored."""
    exchange = await _exchange(visit)
    try:
        rerun = await _rerun(visit, exchange)
        reply = await visit.parts.again(exchange, rerun)
    except PointsmanError as exc:
        if visit.field("part") or not visit.wants_page:
            raise
        typed = Typed(status=status_of(exc), again=visit.language.told(str(exc)), own=visit.field("own"))
        return await answer_page(visit, exchange, typed)
    return _beside(visit, exchange, reply)


async def _rerun(visit: Visit, exchange: Exchange) -> Rerun:
    """The other way that the form asks for. Raises: NotFound."""
    given = visit.field("passages")
    chosen = [exchange.reply.passages[number].text for number in _numbers(visit, len(exchange.reply.passages))]
    own, adapter, prompt = visit.field("own").strip(), visit.field("adapter"), visit.field("prompt")
    if len(own) > LONGEST_PASSAGE:
        raise InputError(
            visit.say(
                "Your passage has %(n)s characters; at most %(most)s fit. Keep the part that holds the answer.",
                n=len(own),
                most=LONGEST_PASSAGE,
            )
        )
    if adapter not in ("", NONE, *await asyncio.to_thread(visit.parts.adapters)):
        raise NotFound(visit.say("There is no adapter “%(name)s” any more; choose another.", name=adapter))
    if prompt:
        visit.parts.prompts.get(prompt)
    return Rerun(
        adapter=adapter or None,
        prompt=prompt or None,
        passages=(*chosen, *([own] if own else [])) if given == "these" else None,
        search=given == "search",
    )


def _beside(visit: Visit, exchange: Exchange, reply: Reply) -> web.Response:
    """The new answer beside the old one."""
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
    hidden = await withheld(visit, [reply, *(each.reply.id for each in thread)])
    about = bool(await resting(visit, [reply]))
    proposed = [vote.correction for vote in votes if vote.correction]
    correction = decisions[-1].answer if decisions and decisions[-1].state == "corrected" else None
    return {
        "exchange": exchange,
        "votes": [(vote, count, weight(count)) for vote, count in zip(votes, near, strict=True)],
        "decisions": decisions,
        "state": decisions[-1].state if decisions else "new",
        "thread": thread,
        "hidden": hidden,
        "about": about,
        "closed": await closed_passages(visit, exchange),
        "turns": () if about else turns,
        "lost": lost,
        "correction": correction,
        "proposal": correction or (proposed[-1] if proposed else exchange.reply.text),
        "seen": decisions[-1].at.isoformat() if decisions else "",
        "targets": targets(visit),
        "faults": FAULTS,
        "longest_passage": LONGEST_PASSAGE,
        "adapters": (NONE, *adapters),
        "prompts": [template.label for template in parts.prompts.all()],
    }


def _prompt(visit: Visit, exchange: Exchange) -> tuple[tuple[Turn, ...], str]:
    """The prompt as it was sent, as far as it can be put together again, or why it cannot."""
    try:
        return tuple(visit.parts.prompt_of(exchange)), ""
    except InputError as exc:
        return (), str(exc)


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
        text=visit.short("text", LONGEST_TEXT),
        answers=sees_all(visit),  # or else one could find out by searching what one may not read
    )


def _query(wanted: ReviewFilter) -> dict[str, str]:
    """*wanted* as the fields of an address, without those that say nothing."""
    found = asdict(wanted)
    del found["answers"]  # that is up to who looks, not to the address
    return {name: str(value) for name, value in found.items() if value and (name, value) != ("state", "new")}


def _day(visit: Visit, name: str) -> date | None:
    if not (text := visit.field(name)):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as exc:
        raise InputError(visit.say("“%(text)s” is no date; write it like 2026-03-31.", text=text)) from exc


def _lines(rows: Sequence[ListedAnswer], hidden: Collection[str], redact: Redact) -> list[Line]:
    """Rows of the list for a file, without the answers that are *hidden*."""
    return [
        {
            "reply": row.reply,
            "at": row.at.isoformat(),
            "state": row.state,
            "question": redact(row.question),
            "answer": "" if row.reply in hidden else redact(row.answer),
            "withheld": row.reply in hidden,
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


def targets(visit: Visit) -> tuple[str, ...]:
    return (GENERAL, *visit.parts.domains)
