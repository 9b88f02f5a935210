"""Questions to begin with that a domain's own text answers: its headings that tell how to do something."""

import re
from collections.abc import Iterator, Sequence

from bot.messages import Chunk

WORDS = range(2, 10)
# How headings begin that "How do I" can stand in front of; what may be a name as well needs an article behind it.
_TASK = re.compile(
    r"""(?:add|allow|answer|apply|ask|assign|attach|buy|cancel|change|choose|close|collect|combine|compare|configure|
    connect|convert|create|customize|cut|define|delete|deploy|describe|disable|disconnect|download|edit|enable|enter|
    export|extend|find|fix|get|give|hide|ignore|import|improve|increase|ingest|insert|inspect|install|invite|join|keep|
    leave|limit|load|make|manage|measure|merge|migrate|move|open|organize|override|pay|prepare|prevent|print|protect|
    publish|put|read|rebuild|recover|reduce|register|remove|rename|renew|reopen|repair|replace|request|reset|resize|
    restore|return|revert|run|save|select|sell|send|set|share|sign|sort|split|start|stop|submit|subscribe|
    switch|take|tell|translate|troubleshoot|try|turn|undo|unlock|update|upgrade|upload|use|validate|verify|withdraw|
    write)\s
    |(?:back|book|build|call|check|clone|contact|copy|debug|filter|format|handle|link|list|lock|log|look|monitor|mount|
    name|order|pack|pause|pick|plan|post|report|restart|review|roll|schedule|search|serve|show|store|sync|tag|test|track|
    train|transfer|tune|view|vote)\s(?:an?|at|back|for|in|it|out|the|up|your)\s""",
    re.I | re.X,
)
_HOW_TO = re.compile(r"^how to ", re.I)
_YOURS = {"your": "my", "yours": "mine", "yourself": "myself", "you": "I"}


def openers(chunks: Sequence[Chunk]) -> list[str]:
    """One question per document, in the order of the documents, then the second of each, and so on; none twice."""
    by_document: dict[str, list[str]] = {}
    for chunk in chunks:
        if question := _question(chunk.heading.rpartition(" > ")[2]):
            by_document.setdefault(chunk.document, []).append(question)
    return list(dict.fromkeys(_by_turns([list(dict.fromkeys(row)) for row in by_document.values()])))


def _by_turns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for n in range(max(map(len, rows), default=0)):
        yield from (row[n] for row in rows if n < len(row))


def _question(heading: str) -> str:
    """The question that the section below *heading* answers; empty where the heading does not say it."""
    told = _HOW_TO.sub("", heading)
    first, *rest = told.split() or [""]
    if len(rest) + 1 not in WORDS:
        return ""
    if heading.endswith("?"):
        return heading
    if (told == heading and not _TASK.match(f"{told} ")) or any(mark in told for mark in ":;.!"):
        return ""
    return f"How do I {' '.join([first.lower(), *(_YOURS.get(word, word) for word in rest)])}?"
