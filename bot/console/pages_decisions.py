"""Review: what becomes of a decision. Those that cannot be kept lose nothing of what was typed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from bot.console.pages_review import AT_ONCE, FAULTS, Typed, answer_page, targets
from bot.console.routes import Routes, refusal, status_of
from bot.console.visits import Visit, local
from bot.errors import DecidedMeanwhile, InputError
from bot.messages import Review, ReviewState, Seen

N_ = str  # marks text for the catalogue that is said later
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

routes = Routes()


@routes.post("/review/decide", need="curator")
async def decide(visit: Visit) -> web.StreamResponse:
    """Keep a decision on one answer or on several, all of them or none; what was typed is never lost."""
    replies = visit.fields("reply")[:AT_ONCE]
    try:
        standing = await _decided(visit, replies, visit.field("action"))
    except InputError as exc:
        return await _undecided(visit, replies, exc)
    return _after(visit, replies, standing)


async def _decided(visit: Visit, replies: Sequence[str], action: str) -> Sequence[Review]:
    """What counts now. Raises: InputError."""
    if not replies or action not in ACTIONS:
        raise InputError(visit.say("Choose at least one answer, and what is to become of it."))
    if action == "correct" and len(replies) > 1:
        raise InputError(visit.say("A correction is for one answer; choose one."))
    if action != "correct":
        _require_nothing_typed(visit)
    decision = Review(reply="", state=ACTIONS[action], by=visit.account.name, **_details(visit, action))
    decisions = [replace(decision, reply=reply) for reply in dict.fromkeys(replies)]
    return await visit.parts.curator.decide(decisions, seen=_seen(visit, replies))


@routes.post("/review/undo", need="curator")
async def undo(visit: Visit) -> web.StreamResponse:
    """Take back the latest decision on one answer or on several."""
    replies = visit.fields("reply")[:AT_ONCE]
    if not replies:
        raise InputError(visit.say("Choose at least one answer, and what is to become of it."))
    try:
        _require_nothing_typed(visit)
        standing = await visit.parts.curator.undo(replies, by=visit.account.name, seen=_seen(visit, replies))
    except InputError as exc:
        return await _undecided(visit, replies, exc)
    return _after(visit, replies, standing, did="undone")


def _details(visit: Visit, action: str) -> dict[str, Any]:
    """What a decision says beside its state."""
    answer, route, fault = visit.field("answer").strip(), visit.field("route"), visit.field("fault")
    if route and route not in targets(visit):
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


def _require_nothing_typed(visit: Visit) -> None:
    """Raises: InputError if the form holds a right answer that somebody typed and that this would not keep."""
    if "proposal" in visit.form and _plain(visit.field("answer")) != _plain(visit.field("proposal")):
        raise InputError(
            visit.say("You typed a right answer, which this would not keep. Keep it first, or drop it and then decide.")
        )


def _plain(text: str) -> str:
    """*text* without what a browser makes of the ends of its lines."""
    return text.replace("\r\n", "\n").strip()


async def _undecided(visit: Visit, replies: Sequence[str], exc: InputError) -> web.Response:
    """Why nothing was decided; on the answer's page with what was typed there, if that is where it was asked for."""
    reason = _overtaken(visit, exc) if isinstance(exc, DecidedMeanwhile) else visit.language.told(str(exc))
    exchange = await visit.parts.exchanges.find(replies[0]) if len(replies) == 1 else None
    if exchange is None or "answer" not in visit.form or not visit.wants_page:
        return refusal(visit, status_of(exc), reason)
    typed = Typed(
        status=status_of(exc),
        reason=reason,
        answer=_plain(visit.field("answer")),
        route=visit.field("route"),
        fault=visit.field("fault"),
    )
    return await answer_page(visit, exchange, typed)


def _overtaken(visit: Visit, exc: DecidedMeanwhile) -> str:
    """Who decided what meanwhile."""
    said = dict.fromkeys(f"{by}: {visit.say(SAID_OF[state])}" for by, state in exc.latest.values())
    return visit.say(
        "Nothing was changed, because others decided meanwhile (%(decisions)s). Load the page anew and look again.",
        decisions=", ".join(said),
    )


def _after(visit: Visit, replies: list[str], standing: Sequence[Review], *, did: str = "") -> web.Response:
    state = standing[0].state
    if not visit.wants_page:
        seen = {review.reply: review.at.isoformat() for review in standing}
        return visit.data({"replies": replies, "state": state, "seen": seen})
    path, _, query = local(visit.field("back"), "/review").partition("?")
    kept = [(name, value) for name, value in parse_qsl(query) if name not in ("did", "decided")]
    named = [] if did else [("decided", reply) for reply in replies]
    return visit.see(f"{path}?{urlencode([*kept, ('did', did or state), *named])}")
