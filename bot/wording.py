"""What the bot says in its own words: plain, short, and with what to do next."""

import re
from collections.abc import Mapping, Sequence

from bot.messages import GENERAL, SHARED, Citation, Reply, ReviewedAnswer, RouteChoice
from bot.settings import DomainSettings

EMPTY = "I got no question. Type one, for example: How do I get started?"
DELETED = "I stopped here, because this question has just been deleted."
APOLOGY = "something went wrong on my side and I could not answer. Please ask again in a moment."
NO_PASSAGES = "I was given no passages to answer from. Without the field `passages` I search the documents myself."
NOTHING_CAME = "I have no answer to that. Try asking in other words."
GENERAL_NOTICE = "general knowledge, not from the documents"
REVIEWED_NOTICE = "checked by a person, not from the documents"
_LANGUAGES = (  # in Latin letters that many people write in; others are not named
    "af Afrikaans, az Azerbaijani, bs Bosnian, ca Catalan, cs Czech, cy Welsh, da Danish, de German, eo Esperanto, "
    "es Spanish, et Estonian, eu Basque, fi Finnish, fr French, ga Irish, gl Galician, ha Hausa, hr Croatian, "
    "ht Haitian Creole, hu Hungarian, id Indonesian, ig Igbo, is Icelandic, it Italian, jv Javanese, la Latin, "
    "lb Luxembourgish, lt Lithuanian, lv Latvian, ms Malay, mt Maltese, nl Dutch, nn Norwegian, no Norwegian, "
    "oc Occitan, pl Polish, pt Portuguese, ro Romanian, rw Kinyarwanda, sk Slovak, sl Slovenian, so Somali, "
    "sq Albanian, sr Serbian, sv Swedish, sw Swahili, tl Tagalog, tr Turkish, uz Uzbek, vi Vietnamese, xh Xhosa, "
    "yo Yoruba, zu Zulu"
)
_REVIEWED = re.compile(r"\s*✓ A person has (?:checked|corrected) this answer \(\d{1,2} \w+ \d{4}\)\.\s*$")
LANGUAGES = {code: name for code, _, name in (each.partition(" ") for each in _LANGUAGES.split(", "))}


def sorry(reason: str) -> str:
    """Where an answer was not possible."""
    return f"Sorry: {reason}"


def origin(reply: Reply) -> str:
    """Where an answer comes from; empty where it is the bot's own words, which come from nowhere."""
    if reply.decision == "ask_back" or (reply.route == GENERAL and reply.abstained):
        return ""
    if reply.route == GENERAL:
        return REVIEWED_NOTICE if reply.reused else GENERAL_NOTICE
    if reply.passages and reply.passages[0].document.startswith(SHARED):
        name = reply.passages[0].document.removeprefix(SHARED)
        return f"from {name}" if reply.citations else f"looked in {name}"
    return f"from the documents of {reply.route}" if reply.citations else f"looked in the documents of {reply.route}"


def signed(reply: Reply) -> str:
    """The same for chat platforms, where a mark tells at a glance what kind of answer it is."""
    text = origin(reply)
    general = "✅" if reply.reused else "💭"
    mark = general if reply.route == GENERAL else "📄" if reply.citations else "🔎"
    return f"{mark} {text[0].upper()}{text[1:]}" if text else ""


def has_read(name: str) -> str:
    """For a file that came without a question."""
    return f"I have read {name}. What do you want to know about it? Ask in this thread."


def introduction(domains: Mapping[str, DomainSettings]) -> str:
    """For somebody who asks what one can ask."""
    first = next(iter(domains), GENERAL)
    return (
        f"{_topics(domains)}Ask me in your own words. Begin with “{first}:” or “{GENERAL}:” to choose where I look. "
        "Where my documents do not hold the answer, I say so. Please press 👍 or 👎: it makes me better."
    )


def counted(number: int, thing: str) -> str:
    """A number of things, whose plural ends in s: "1 vote", "2 votes"."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def too_long(characters: int, limit: int) -> str:
    """For a message that is a document rather than a question."""
    return (
        f"Your message has {characters:,} characters and I read at most {limit:,}. "
        "Please send the question and the part it is about; whole documents go in with `pointsman ingest`."
    )


def not_served(language: str) -> str:
    """For a question in a language that the embedded models do not understand well enough."""
    known = f" (this looks like {LANGUAGES[language]})" if language in LANGUAGES else ""
    return f"I can only work in English so far{known}. Please ask me again in English."


def ask_back(choice: RouteChoice, domains: Mapping[str, DomainSettings]) -> str:
    """One short question where two routes are too close to call."""
    close = [route for route in (choice.route, choice.runner_up) if route and route != GENERAL]
    named = " or ".join(f"{route} ({domains[route].description})" for route in close)
    if len(close) == 1:
        return f"Is this about {named}, or a general question? Please reply with “{close[0]}” or “general”."
    return f"Is this about {named}? Please reply with “{close[0]}”, “{close[1]}” or “general”."


def unknown(domain: str, nearest: Sequence[Citation]) -> str:
    """Where the domain is sure and the passages do not hold the answer."""
    if not nearest:
        return f"I don't know: the documents of {domain} say nothing about this."
    if nearest[0].document.startswith(SHARED):
        name = nearest[0].document.removeprefix(SHARED)
        return f"I don't know: I found no sure answer in {name}. Ask in a new thread to have my documents searched."
    quotes = {citation.title: citation.quote for citation in reversed(nearest)}
    listed = "\n".join(f"- {place}: “{quotes[place]}”" for place in dict.fromkeys(c.title for c in nearest))
    return f"I don't know: I found no sure answer in the documents of {domain}. The nearest places are:\n{listed}"


def not_mine(domains: Mapping[str, DomainSettings], *, missing: str = "") -> str:
    """
    For a question about an account or a company's own affairs that none of the domains covers.

    *missing*: what the asker took for the name of a domain.
    """
    why = "this sounds like a question about one company or account, and I have nothing on it"
    if missing:
        why = f"I have no domain “{missing}”"
    return (
        f"I don't know: {why}.\n\n{_topics(domains)}"
        "For an answer from general knowledge alone, put “general:” in front of your question."
    )


def _topics(domains: Mapping[str, DomainSettings]) -> str:
    """A list of what there are documents about; empty where there are none."""
    known = "\n".join(f"- {name}: {domain.description}" for name, domain in domains.items())
    return f"I have documents about:\n{known}\n\n" if known else ""


def no_documents(domain: str) -> str:
    """Where a domain has no index yet, or nothing in it that the asker may read."""
    return (
        f"I have no documents for {domain} that you may read yet. "
        f"An admin adds them with `pointsman ingest --domain {domain}`."
    )


def reviewed(known: ReviewedAnswer) -> str:
    """What stands behind an answer that was reviewed, so that everybody sees it."""
    did = "corrected" if known.written else "checked"
    return f"\n\n✓ A person has {did} this answer ({known.at.day} {known.at:%B %Y})."


def without_review(text: str) -> str:
    """*text* without what is said behind a reviewed answer."""
    return _REVIEWED.sub("", text)


def cut_off(why: str) -> str:
    """Behind an answer that was ended before it was finished; empty behind one that was not."""
    return {"stop": "", "deadline": " … (I ran out of time here.)"}.get(why, " …")
