"""Slack's rules as pure checks: what is refused, what a person reads and who is pinged, how often one may call."""

import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from slack_double_blocks import (
    MARKDOWN,
    USABLE,
    Json,
    wrong_in_blocks,
    wrong_in_chunks,
    wrong_in_view,
)

TEXT, UPDATED_TEXT, ALL_BLOCKS = 40_000, 4_000, 13_200  # characters


class Refused(Exception):
    """Slack answers `ok: false` with this error."""

    def __init__(self, error: str, *messages: str, **more: Any) -> None:
        super().__init__(error, *messages)
        self.body: Json = {"ok": False, "error": error, **more}
        if messages:
            self.body["response_metadata"] = {"messages": [f"[ERROR] {message}" for message in messages]}


def check_blocks(blocks: Any) -> None:
    if not isinstance(blocks, list):
        raise Refused("invalid_blocks_format")
    if wrong := wrong_in_blocks(blocks):
        raise Refused("invalid_blocks", *wrong)
    if sum(len(each["text"]) for each in blocks if each["type"] == "markdown") > MARKDOWN:
        raise Refused("invalid_blocks", f"markdown blocks of one payload are limited to {MARKDOWN} characters")
    if sum(len(one) for one in strings(blocks)) > ALL_BLOCKS:
        raise Refused("msg_blocks_too_long")


def check_message(args: Json, *, limit: int = TEXT) -> None:
    """The contents of a message to be posted; *limit* is that of `text`."""
    markdown = args.get("markdown_text")
    if markdown and (args.get("text") or args.get("blocks")):
        raise Refused("markdown_text_conflict")
    if not (markdown or args.get("text") or args.get("blocks") or args.get("attachments")):
        raise Refused("no_text")
    if len(args.get("text") or "") > limit or len(markdown or "") > MARKDOWN:
        raise Refused("msg_too_long")
    check_blocks(args.get("blocks") or [])


def check_view(view: Any, kind: str) -> None:
    """Raises as `views.*` do, with `invalid_arguments` and the reasons (memory)."""
    if wrong := wrong_in_view(view, kind):
        raise Refused("invalid_arguments", *wrong)


def check_stream_call(args: Json) -> None:
    chunks = args.get("chunks") or []
    if wrong := wrong_in_chunks(chunks):
        raise Refused("invalid_chunks", *wrong)
    written = [args.get("markdown_text") or "", *(c["text"] for c in chunks if c["type"] == "markdown_text")]
    if sum(map(len, written)) > MARKDOWN:
        raise Refused("msg_too_long")
    check_blocks([each for chunk in chunks if chunk["type"] == "blocks" for each in chunk["blocks"]])
    check_blocks(args.get("blocks") or [])


# What a person reads, and whom it pings

READ = ("title", "label", "subtitle", "text", "fields", "body", "details", "output", "elements", "rows", "tasks")


def strings(node: Any) -> Iterator[str]:
    """Every text in *node*, those on buttons too."""
    if isinstance(node, list):
        for each in node:
            yield from strings(each)
    elif isinstance(node, dict):
        for name, each in node.items():
            if name == "text" and isinstance(each, str):
                yield each
            else:
                yield from strings(each)


def reads(node: Any) -> str:
    """What a person reads of blocks; not what is on buttons and in menus."""
    match node:
        case list():
            return "\n".join(filter(None, map(reads, node)))
        case {"type": "rich_text_section" | "rich_text_preformatted" | "rich_text_quote", "elements": inside}:
            return "".join(map(reads, inside))
        case {"type": "broadcast", "range": whom}:
            return f"<!{whom}>"
        case {"type": "usergroup", "usergroup_id": group}:
            return f"<!subteam^{group}>"
        case {"type": "user", "user_id": user}:
            return f"<@{user}>"
        case {"type": "link", "url": url}:
            return str(node.get("text") or url)
        case {"type": "emoji", "name": name}:
            return f":{name}:"
        case {"type": kind} if kind in USABLE:
            return ""
        case {"text": str(words)}:
            return words
        case dict():
            return reads([node[name] for name in (*READ, "child_blocks") if name in node])
        case str():
            return node
    return ""


def pings(texts: Iterable[str], known: set[str]) -> list[str]:
    """What in *texts* calls people: all of them, or one who is not among the *known* (those who asked)."""
    joined = "\n".join(texts)
    people = [found for found in re.finditer(r"<@([UW]\w+)[^>]*>", joined) if found[1] not in known]
    return list(dict.fromkeys(found[0] for found in [*re.finditer(r"<![^>\s]*>?", joined), *people]))


def escaped(words: str) -> str:
    """What Slack makes of what a person typed; mentions of people and channels stay."""
    parts = re.split(r"(<[@#][A-Z]\w*(?:\|[^>]*)?>)", words)
    entities = [part.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for part in parts]
    return "".join(part if number % 2 else entities[number] for number, part in enumerate(parts))


# How often

PER_MINUTE = {1: 1, 2: 20, 3: 50, 4: 100}  # the facts say "20+": we allow no more than what is promised
POST_BURST = 5  # our assumption: so many posts at once in a channel, one a second on average
STATUS_PER_MINUTE = 600  # our assumption for assistant.threads.setStatus


@dataclass
class RateLimits:
    seen: dict[tuple[str, ...], deque[float]] = field(default_factory=dict)

    def wait(self, team: str, method: str, channel: str, tier: int | None, minute: float) -> float:
        """Seconds until this call is allowed; 0 counts it. *minute*: its length in seconds, tests shrink it."""
        key: tuple[str, ...] = (team, method)
        now, allowed, window = time.monotonic(), PER_MINUTE.get(tier or 0, 0), minute
        if method == "chat.postMessage":
            key, allowed, window = (team, method, channel), POST_BURST, POST_BURST * minute / 60
        elif method == "assistant.threads.setStatus":
            allowed = STATUS_PER_MINUTE
        if not allowed:
            return 0
        calls = self.seen.setdefault(key, deque())
        while calls and calls[0] <= now - window:
            calls.popleft()
        if len(calls) >= allowed:
            return calls[0] + window - now
        calls.append(now)
        return 0
