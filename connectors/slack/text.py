"""Slack's own spelling of text: what people typed made plain, and ours made safe for it."""

import html
import re

from connectors.markup import harmless

_REFERENCE = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")


def plain(text: str, *, bot: str) -> str:
    """What somebody typed, as they read it: without the mention of *bot*, entities and links spelled out."""
    return html.unescape(_REFERENCE.sub(lambda match: _spelled(match, bot), text)).strip()


def _spelled(match: "re.Match[str]", bot: str) -> str:
    target, label = match[1], match[2] or ""
    if target.startswith("@"):
        return "" if target == f"@{bot}" else f"@{label or target[1:]}"
    if target.startswith("#"):
        return f"#{label or target[1:]}"
    if target.startswith("!subteam^"):
        return label or "@a group"
    if target.startswith("!"):
        return label or f"@{target[1:].partition('^')[0]}"
    where = target.removeprefix("mailto:")
    return where if label in ("", where, target) else f"{label} ({where})"


def mentions_somebody_else(text: str, *, bot: str) -> bool:
    """Whether *text* opens by addressing another person."""
    match = re.match(r"\s*<@([A-Z0-9]+)", text)
    return match is not None and match[1] != bot


def escaped(text: str) -> str:
    """*text* for an mrkdwn object: read as it stands, and without a way to ping."""
    return harmless(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def link(title: str, url: str | None) -> str:
    """A link in mrkdwn; the title alone where there is no web address."""
    shown = escaped(" ".join(title.split()).replace("|", "/"))
    if url is None or not url.startswith(("http://", "https://")):
        return shown
    safe = url.replace("<", "%3C").replace(">", "%3E").replace("|", "%7C").replace("&", "&amp;")
    return f"<{'%20'.join(safe.split())}|{shown}>"


def shortened(text: str, limit: int) -> str:
    """*text* on one line, no longer than *limit*."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"
