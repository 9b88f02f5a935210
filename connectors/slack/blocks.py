"""
What people see in Slack, as blocks.

Limits: https://docs.slack.dev/reference/block-kit/blocks (12,000 characters of Markdown a message, 13,200 of any kind,
10 elements in a context, 2,000 characters in a value).
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bot import wording
from bot.messages import GENERAL, Citation, Exchange, Reply, Stored
from bot.settings import DomainSettings
from connectors.markup import harmless, split
from connectors.slack.text import escaped, link, shortened
from connectors.votes import BETTER, FORM, NOTED, RIGHT, THERE, WHERE

Block = dict[str, Any]

PAGE = 8_500  # characters of an answer in one message; the citations need room beside it
FALLBACK = 3_000  # characters of the plain text that notifications and screen readers get
# Of the citations, characters: with 8 of them there is room left for a page.
CITED, TITLE, PLACE, QUOTE, QUOTED = 8, 80, 250, 150, 220
OPTIONS, DESCRIPTION = 100, 75  # of a choice: how many, and characters of what is said of one

VOTE, WHY, ASK_PERSON, RESOLVE, RESOLVED = "vote", "why", "ask_person", "resolve", "resolved"
TAKE_BACK, SAY_WHY, FORGET_ME, ASK_ABOUT = "take_back", "say_why", "forget_me", "ask_about"


def pages(text: str) -> list[str]:
    """An answer in as many messages as it needs."""
    return split(harmless(text), PAGE) or ["…"]


def answer(page: str, reply: Reply, *, helpers: bool) -> list[Block]:
    """The last message of an answer: its text, where it comes from, and what one can do with it."""
    return [{"type": "markdown", "text": page}, *below(reply, helpers=helpers)]


def below(reply: Reply, *, helpers: bool) -> list[Block]:
    """What stands below the text of an answer."""
    return [*_origin(reply), _votes(reply), *([_person(reply)] if helpers else [])]


def fallback(text: str) -> str:
    """The text for notifications and screen readers."""
    return _cut(escaped(text), FALLBACK)


def markdown(text: str) -> list[Block]:
    """A text that is no answer."""
    return [{"type": "markdown", "text": harmless(text)[:PAGE]}]


def notice(text: str) -> list[Block]:
    """A line of our own words in mrkdwn."""
    return [_section(text)]


def _origin(reply: Reply) -> list[Block]:
    """Where an answer comes from; nothing where it is the bot's own words."""
    if not (signed := wording.signed(reply)):
        return []
    lines = [*map(_citation, reply.citations[:CITED]), *_to_read_on(reply), escaped(signed)]
    return [{"type": "context", "elements": [_mrkdwn(line) for line in lines]}]


def _citation(citation: Citation) -> str:
    """Title, linked, and quote; all citations of a message have to fit beside a page."""
    quote = _cut(escaped(shortened(citation.quote, QUOTE)), QUOTED)
    return f"[{citation.number}] {_linked(citation.title, citation.url)}: “{quote}”"


def _to_read_on(reply: Reply) -> list[str]:
    """The pages that were looked into in vain, as one line of links."""
    near = dict.fromkeys((each.title or each.document, each.url) for each in reply.passages if each.url)
    return [f"Read on: {', '.join(_linked(*each) for each in near)}"] if near and reply.abstained else []


def _linked(title: str, url: str | None) -> str:
    title = shortened(title, TITLE)
    place = link(title, url)
    return place if len(place) <= PLACE else _cut(escaped(title), PLACE)


def _cut(text: str, limit: int) -> str:
    """*text*, which is escaped, no longer than *limit* and with no half of a character at its end."""
    return text if len(text) <= limit else re.sub(r"&\w*$", "", text[:limit])


def _votes(reply: Reply) -> Block:
    buttons = {
        "type": "feedback_buttons",
        "action_id": VOTE,
        "positive_button": _button_text("👍 Good", f"up:{reply.id}", "This answer is good"),
        "negative_button": _button_text("👎 Bad", f"down:{reply.id}", "This answer is bad"),
    }
    return {"type": "context_actions", "block_id": "votes", "elements": [buttons]}


def _button_text(text: str, value: str, label: str) -> Block:
    return {"text": _plain(text), "value": value, "accessibility_label": label}


def _person(reply: Reply) -> Block:
    button = _button("Ask a person", ASK_PERSON, reply.id)
    button["confirm"] = _confirm(
        "Ask a person?", "Your question and this answer are shown to the people who help with this topic.", "Ask them"
    )
    return {"type": "actions", "block_id": "person", "elements": [button]}


def noted(reply: str, rating: int) -> list[Block]:
    """What a voter is told, with the way back, and to the form that opens only once."""
    more = [_button("Say what was wrong", SAY_WHY, reply)] if rating < 0 else []
    return [
        _section(f"Your {'👍' if rating > 0 else '👎'} is noted, thank you."),
        {"type": "actions", "elements": [*more, _button("Take it back", TAKE_BACK, reply)]},
    ]


def why(reply: str, domains: Sequence[DomainSettings]) -> Block:
    """The form behind a thumbs-down. Its values come back as `reason`, `correction` and `route`."""
    return {
        "type": "modal",
        "callback_id": WHY,
        "private_metadata": reply,
        "title": _plain(FORM),
        "submit": _plain("Send"),
        "close": _plain("Skip"),
        "blocks": [
            _input("reason", BETTER, hint=NOTED),
            _input("correction", RIGHT),
            _route(WHERE, domains, empty=THERE, unknown=True),
        ],
    }


def ask_about(text: str, address: Mapping[str, str], domains: Sequence[DomainSettings]) -> Block:
    """The form behind "Ask about this". Its values come back as `question` and `route`."""
    question = _input("question", "Your question", initial=text[:2_900])
    question["optional"] = False
    return {
        "type": "modal",
        "callback_id": ASK_ABOUT,
        "private_metadata": json.dumps(address),
        "title": _plain("Ask about this"),
        "submit": _plain("Ask"),
        "close": _plain("Cancel"),
        "blocks": [
            question,
            _route("Where should I look?", domains, empty="Let me find out"),
            {"type": "context", "elements": [_mrkdwn("Only you will see the answer.")]},
        ],
    }


def help_wanted(exchange: Exchange, asker: str, place: str, *, with_answer: bool) -> list[Block]:
    """A question for people, in the channel of those who help. *place* says where the report goes."""
    reply = exchange.reply
    answered = reply.text if with_answer else "(not shown: it may quote documents that not everybody here may read)"
    blocks = [
        _section(f"<@{asker}> asks for a person's help with *{escaped(reply.route)}*:"),
        {"type": "section", "text": _plain(shortened(harmless(exchange.message.text), 2_500))},
        _section("What I had answered:"),
        {"type": "section", "text": _plain(shortened(harmless(answered), 2_500))},
    ]
    titles = list(dict.fromkeys(p.title or p.document for p in reply.passages)) if with_answer else []
    if titles:
        blocks.append({"type": "context", "elements": [_mrkdwn(f"I looked in: {escaped(', '.join(titles))[:2_000]}")]})
    return [*blocks, {"type": "actions", "elements": [_button("Resolve", RESOLVE, place, style="primary")]}]


def resolution(metadata: str) -> Block:
    """The form of the one who helps. Its value comes back as `answer`."""
    return {
        "type": "modal",
        "callback_id": RESOLVED,
        "private_metadata": metadata,
        "title": _plain("Resolve"),
        "submit": _plain("Resolve"),
        "close": _plain("Cancel"),
        "blocks": [_input("answer", "Your answer to the asker", hint="Empty: the asker is told that it is resolved.")],
    }


def home(domains: Sequence[DomainSettings], stored: Stored, days: int, admins: str) -> Block:
    """The home tab of one person."""
    known = (
        "\n".join(f"• *{escaped(d.name)}*: {escaped(d.description)}" for d in domains) or "No topics are set up yet."
    )
    forget = _button("Delete my data", FORGET_ME, "all", style="danger")
    forget["confirm"] = _confirm(
        "Delete your data?", "Your questions, their answers and your votes are deleted for good.", "Delete"
    )
    return {
        "type": "home",
        "blocks": [
            {"type": "header", "text": _plain("What I can help with")},
            _section(f"{known}\n\nAnything else I answer from general knowledge, and say so. I can be wrong."),
            {"type": "header", "text": _plain("How to ask")},
            _section(
                "Write to me here, mention me in a channel, or type `/ask` and your question for an answer that only "
                f"you see. Begin with `{escaped(domains[0].name) if domains else 'general'}:` to choose where I look."
            ),
            {"type": "header", "text": _plain("What I keep about you")},
            _section(
                f"{wording.counted(stored.questions, 'question')} and {wording.counted(stored.votes, 'vote')}, "
                f"with my answers, for at most {days} days. "
                "What you write in direct messages and private channels never trains a model that others use."
            ),
            {"type": "actions", "elements": [forget]},
            {"type": "context", "elements": [_mrkdwn(escaped(f"Trouble with me? {admins[:1].upper()}{admins[1:]}"))]},
        ],
    }


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text[:3_000])}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": True}


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text}


def _button(text: str, action: str, value: str, *, style: str | None = None) -> Block:
    button = {"type": "button", "text": _plain(text), "action_id": action, "value": value}
    return button | ({"style": style} if style else {})


def _confirm(title: str, text: str, yes: str) -> Block:
    return {"title": _plain(title), "text": _plain(text), "confirm": _plain(yes), "deny": _plain("Cancel")}


def _route(label: str, domains: Sequence[DomainSettings], *, empty: str, unknown: bool = False) -> Block:
    """A choice among the routes. *empty*: what it means to choose none; *unknown*: whether one may not know."""
    others = [_option(GENERAL, "General knowledge", "What the model knows by itself, without documents")]
    if unknown:
        others.append(_option("unknown", "I don't know where"))
    named = [_option(each.name, each.name, each.description) for each in domains[: OPTIONS - len(others)]]
    select = {"type": "static_select", "action_id": "value", "placeholder": _plain(empty), "options": [*named, *others]}
    return {"type": "input", "block_id": "route", "optional": True, "label": _plain(label), "element": select}


def _option(route: str, shown: str, description: str = "") -> Block:
    option = {"text": _plain(shown), "value": route}
    return option | ({"description": _plain(shortened(description, DESCRIPTION))} if description else {})


def _input(name: str, label: str, *, hint: str = "", initial: str = "") -> Block:
    element = {"type": "plain_text_input", "action_id": "value", "multiline": True, "max_length": 3_000}
    block: Block = {
        "type": "input",
        "block_id": name,
        "optional": True,
        "label": _plain(label),
        "element": element | ({"initial_value": initial} if initial else {}),
    }
    return block | ({"hint": _plain(hint)} if hint else {})
