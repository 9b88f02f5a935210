"""What the bot says in its own words: plain, short, and with what to do next."""

from collections.abc import Mapping, Sequence

from bot.messages import GENERAL, SHARED, Citation, Reply, RouteChoice
from bot.settings import DomainSettings

EMPTY = "I got no question. Type one, for example: How do I get started?"
APOLOGY = "something went wrong on my side and I could not answer. Please ask again in a moment."
NO_PASSAGES = "I was given no passages to answer from. Without the field `passages` I search the documents myself."
NOTHING_CAME = "I have no answer to that. Try asking in other words."
GENERAL_NOTICE = "general knowledge, not from your documents"


def sorry(reason: str) -> str:
    """Where an answer was not possible."""
    return f"Sorry: {reason}"


def origin(reply: Reply) -> str:
    """Where an answer comes from."""
    if reply.decision == "ask_back":
        return "not sure which track to take"
    if reply.route == GENERAL:
        return GENERAL_NOTICE if not reply.abstained else "not answered"
    if reply.passages and reply.passages[0].document.startswith(SHARED):
        name = reply.passages[0].document.removeprefix(SHARED)
        return f"from {name}" if reply.citations else f"looked in {name}"
    return f"from the documents of {reply.route}" if reply.citations else f"looked in the documents of {reply.route}"


def has_read(name: str) -> str:
    """For a file that came without a question."""
    return f"I have read {name}. What do you want to know about it? Ask in this thread."


def introduction(domains: Mapping[str, DomainSettings]) -> str:
    """For somebody who asks what one can ask."""
    known = "\n".join(f"- {name}: {domain.description}" for name, domain in domains.items())
    topics = f"I have documents about:\n{known}\n\n" if known else ""
    first = next(iter(domains), GENERAL)
    return (
        f"{topics}Ask me in your own words. Begin with “{first}:” or “{GENERAL}:” to choose where I look. "
        "Where my documents do not hold the answer, I say so. Please press 👍 or 👎: it makes me better."
    )


def too_long(characters: int, limit: int) -> str:
    """For a message that is a document rather than a question."""
    return (
        f"Your message has {characters:,} characters and I read at most {limit:,}. "
        "Please send the question and the part it is about; whole documents go in with `pointsman ingest`."
    )


def not_served(language: str) -> str:
    """For a question in a language that the embedded models do not understand well enough."""
    known = "" if language == "other" else f" (this looks like {language!r})"
    return f"I can only work in English so far{known}. Please ask me again in English."


def ask_back(choice: RouteChoice, domains: Mapping[str, DomainSettings]) -> str:
    """One short question where two routes are too close to call."""
    close = [route for route in (choice.route, choice.runner_up) if route and route != GENERAL]
    named = " or ".join(f"{route} ({domains[route].description})" for route in close)
    if len(close) == 1:
        return f"Is this about {named}, or a general question? Please answer “{close[0]}” or “general”."
    return f"Is this about {named}? Please answer “{close[0]}”, “{close[1]}” or “general”."


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


def not_mine(domains: Mapping[str, DomainSettings]) -> str:
    """For a question about an account or a company's own affairs that none of the domains covers."""
    known = "; ".join(f"{name} ({domain.description})" for name, domain in domains.items())
    mine = f" I have documents about {known}." if known else ""
    return (
        "I don't know: this sounds like a question about one company or account, and I have nothing on it."
        f"{mine} For an answer from general knowledge alone, put “general:” in front of your question."
    )


def no_documents(domain: str) -> str:
    """Where a domain has no index yet, or nothing in it that the asker may read."""
    return (
        f"I have no documents for {domain} that you may read yet. "
        f"An admin adds them with `pointsman ingest --domain {domain}`."
    )


def cut_off(why: str) -> str:
    """Behind an answer that was ended before it was finished; empty behind one that was not."""
    return {"stop": "", "deadline": " … (I ran out of time here.)"}.get(why, " …")
