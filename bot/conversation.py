"""Thread memory: a follow-up becomes a standalone question, an answer to "which one?" the first question again."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from bot import admission, wording
from bot.messages import GENERAL, SHARED, Exchange, Message, Passage, Turn

MEMORY = 6  # exchanges of a thread that are read

# A question that leans on the one before opens with a link, or is short and says "it" where a thing should be named.
_LINK = re.compile(
    r"^(and|or|but|so|then|also|really|what about|how about|what if|which one|why( not)?(?=\W*$))\b", re.I
)
_POINTS_BACK = re.compile(
    r"\b(it|its|they|them|their|theirs|he|she|his|her|ones?|same)\b|"
    r"\b(this|that|those|these)(\W*$| (is|was|are|were|do|does|did|mean|means|work|works|happen|happens)\b)",
    re.I,
)
_PREFIX = re.compile(r"^\s*(?P<route>[a-z0-9][a-z0-9_-]{0,62})\s*:(\s+(?P<text>\S.*)|\s*)$", re.S | re.I)
_MARKER = re.compile(r" \[\d+\]")  # as grounding writes it; list[0] is code
SHORT = 8  # words
MISTYPED = 0.85  # likeness of a name from which it counts as another one mistyped: "biling", "refund" for "refunds"
LONG_ENOUGH = 5  # characters of a name that may be mistyped: of shorter ones, "email" is like "mail"
LEANT_ON = 60  # words of the questions before that a follow-up keeps: the encoder reads about 190 in all


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a message means within its thread."""

    text: str  # the question as it is put to the model
    standalone: str  # the question as it is routed and retrieved for
    route: str | None = None  # chosen explicitly
    missing: str = ""  # a name in front of the question that may be meant for a route, and is none's
    objection: str | None = None  # the reason why it cannot be answered
    earlier: str = ""  # the question before, where this one leans on it
    track: str = ""  # the route of that question
    history: tuple[Turn, ...] = ()  # question and answer by turns, oldest first
    may_ask_back: bool = True  # a thread is asked back at most once


def understand(message: Message, past: Sequence[Exchange], routes: Sequence[str]) -> Asked:
    """
    What *message* asks, given the thread's *past*, oldest first.

    An explicit route is the message's own (flag, channel), else a prefix such as "billing: ...", else the answer to a
    question we asked back.
    """
    text, route, missing = _without_prefix(admission.clean(message.text), routes)
    if objection := admission.objection(text):
        return Asked(text=text, standalone=text, objection=objection)
    may_ask_back = not any(exchange.reply.decision == "ask_back" for exchange in past)
    chosen = message.route or route or message.bound
    if not chosen and past and past[-1].reply.decision == "ask_back" and (picked := _picked(text, routes)):
        first = past[-1].reply.question or past[-1].message.text
        return Asked(text=first, standalone=first, route=picked, may_ask_back=False)
    earlier = _before(past[-1]) if past and leans_on_the_last(text) else ""
    return Asked(
        text=text,
        standalone=f"{earlier} {text}".strip(),
        route=chosen,
        missing=missing,
        earlier=earlier,
        track=past[-1].reply.route if earlier else "",
        history=_history(past) if earlier else (),  # a small model mixes up what does not belong together
        may_ask_back=may_ask_back,
    )


def leans_on_the_last(text: str) -> bool:
    """Whether *text* cannot be understood without the question before it."""
    words = text.split()
    return len(words) <= 2 * SHORT and bool(
        _LINK.match(text) or (len(words) <= SHORT and _POINTS_BACK.search(text)) or len(words) <= 2
    )


def stood_alone(exchange: Exchange) -> bool:
    """Whether the question of *exchange* was understood without the ones before it."""
    text = admission.clean(exchange.message.text)
    match = _PREFIX.match(text)
    said = {text, (match["text"] or "").strip() if match else text}
    question = exchange.reply.question or text
    return question in said or not question.endswith(tuple(f" {own}" for own in said))


def from_file(given: Sequence[Passage], source: str, top_k: int) -> Sequence[Passage]:
    """The passages of a shared file that are nearest to the question; *given* itself where no file is named."""
    if not source:
        return given
    named = [replace(p, document=f"{SHARED}{source}", title=source, chunk=n) for n, p in enumerate(given)]
    return sorted(named, key=lambda passage: -passage.dense)[:top_k]


def _without_prefix(text: str, routes: Sequence[str]) -> tuple[str, str | None, str]:
    """The question, the route that is named in front of it, and else the name there: most are no route's on purpose."""
    if not (match := _PREFIX.match(text)):
        return text, None, ""
    name, known = match["route"].casefold(), (*routes, GENERAL)
    alike = [each for each in known if min(len(each), len(name)) >= LONG_ENOUGH]
    found = [name] if name in known else get_close_matches(name, alike, n=1, cutoff=MISTYPED)
    return ((match["text"] or "").strip(), found[0], "") if found else (text, None, name)


def _picked(text: str, routes: Sequence[str]) -> str | None:
    """The one route that a short answer names."""
    words = re.findall(r"[a-z0-9_-]+", text.casefold())
    named = [route for route in (*routes, GENERAL) if route in words]
    a_new_question = len(words) > (2 if "?" in text else SHORT)
    return named[0] if len(named) == 1 and not a_new_question else None


def _before(exchange: Exchange) -> str:
    return " ".join((exchange.reply.question or exchange.message.text).split()[-LEANT_ON:])


def _history(past: Sequence[Exchange]) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    for exchange in past:
        reply = exchange.reply
        if reply.route == GENERAL and reply.decision == "answer" and reply.text and not reply.abstained:
            turns.append(Turn(role="user", content=exchange.message.text))
            turns.append(Turn(role="assistant", content=_MARKER.sub("", wording.without_review(reply.text))))
    return tuple(turns)
