"""Texts made fit for chat platforms: split where a message is full, and unable to ping anybody."""

import re
from collections.abc import Iterator

# The line around a block of code. What is longer is a drawn line, and ```this``` is code within a line.
FENCE = re.compile(r"^ {0,3}(`{3,20}(?=[^`]*$)|~{3,20}(?!~))(.*)$")
_CLOSING = 21  # characters of the longest line that closes a block, with its line break
_OPENING = 40  # characters of the longest line that is repeated to open a block again
_BREAKS = ("\n\n", "\n", ". ", " ")  # where to cut, best first

# What platforms take for a mention, wherever it stands: Slack's <!here>, <@U1>, <#C1>, <url|label>; Discord's <@1>,
# <@&1>, <#1>, </command:1>, <t:1>; and the words that ping a whole room.
_FORGED = re.compile(r"<(?=[!@#/]|t:|(?:https?|mailto|tel|slack):)", re.I)
_EVERYBODY = re.compile(r"@(?=everyone|here|channel)", re.I)
# [what one reads](where one is led): only we may say where a link leads.
_MASKED = re.compile(r"\](?=\(<?(?:https?|mailto|tel|slack|discord):)", re.I)
JOINER = "\u2060"  # takes no room on the screen and breaks no line
LONGEST = 11  # characters of the longest of these marks, "](<discord:"


def harmless(text: str) -> str:
    """*text*, which may come from anybody, with its mentions and masked links broken, readable as before."""
    return _MASKED.sub(f"]{JOINER}", _EVERYBODY.sub(f"@{JOINER}", _FORGED.sub(f"<{JOINER}", text)))


def settled(text: str) -> int:
    """How many characters of *text*, which is still growing, cannot become part of a mention any more."""
    tail = max(0, len(text) - LONGEST)
    found = re.search(r"[<@\]]", text[tail:])
    until = tail + found.start() if found else len(text)
    return until - text[:until].endswith(("<", "]"))  # "<@" stays together


def split(text: str, limit: int) -> list[str]:
    """
    *text* in pieces of at most *limit* characters (100 or more), cut between paragraphs, lines, sentences or words.

    A code block that is cut is closed and opened again, so that each piece reads as it should.
    """
    return [piece for piece in _pieces(text.strip(), limit) if piece.strip()]


def _pieces(text: str, limit: int) -> Iterator[str]:
    opened = ""
    while text:
        text = f"{opened}\n{text}" if opened else text
        fits = len(text) <= limit and len(text) + (_CLOSING if _open_fence(text) else 0) <= limit
        head = text if fits else _head(text, limit - _CLOSING, at_least=len(opened) + 2 if opened else 1)
        text = text[len(head) :]
        opened = _open_fence(head)
        text = text.removeprefix("\n") if opened else text.lstrip()
        yield f"{head.rstrip()}\n{_closing(opened)}" if opened else head.rstrip()


def _head(text: str, limit: int, *, at_least: int) -> str:
    head = text[:limit]
    for mark in _BREAKS:
        if (cut := text.rfind(mark, max(at_least, limit // 3), limit)) > 0:
            head = text[: cut + len(mark.rstrip("\n "))]
            break
    # Half a fence would close or open another block than its whole does.
    line = head.rfind("\n") + 1
    torn = FENCE.match(text[line:].partition("\n")[0]) and text[len(head) :][:1] not in {"", "\n"}
    return head[:line] if torn and line >= at_least else head


def _open_fence(text: str) -> str:
    """A line that opens the code block in which *text* ends anew; empty outside of one."""
    opened = ""
    for line in text.split("\n"):
        if not (fence := FENCE.match(line)):
            continue
        if not opened:
            opened = line.strip() if len(line.strip()) <= _OPENING else fence[1]
        elif fence[1].startswith(_closing(opened)) and not fence[2].strip():
            opened = ""
    return opened


def _closing(opened: str) -> str:
    found = FENCE.match(opened)
    return found[1] if found else "```"
