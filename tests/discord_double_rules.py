"""Discord's rules as pure checks: what is refused, what a person reads and who is pinged, how often one may call."""

import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
EPHEMERAL, LOADING, V2 = 1 << 6, 1 << 7, 1 << 15  # flags of messages
ROW, BUTTON, SELECTS, INPUT, TEXT_DISPLAY, LABEL = 1, 2, (3, 5, 6, 7, 8), 4, 10, 18
BUCKET, GLOBAL = 5, 50  # messages (or edits) per channel and window; calls per second

# https://docs.discord.com/developers/components/reference and resources/message: most characters
COMPONENT_TEXTS: dict[int, dict[str, int]] = {
    BUTTON: {"label": 80},
    INPUT: {"label": 45, "placeholder": 100, "value": 4000},
    TEXT_DISPLAY: {"content": 4000},
    LABEL: {"label": 45, "description": 100},
    **{kind: {"placeholder": 150} for kind in SELECTS},
}
EMBED_TEXTS = {"title": 256, "description": 4096, "footer.text": 2048, "author.name": 256}
FIELD_TEXTS = {"name": 256, "value": 1024}


class Refused(Exception):
    """Discord answers with this status and JSON body; *noted*: it is a mistake of the app's, not bad luck."""

    def __init__(self, status: int, code: int, message: str, *, noted: bool = False, **more: Any) -> None:
        super().__init__(f"{status} {code} {message} {more or ''}".strip())
        self.status, self.noted = status, noted
        self.body: Json = {"code": code, "message": message, **more}


def invalid(wrong: Iterable[str]) -> None:
    """Raises 50035 if anything is *wrong*; each is “path: reason”."""
    errors: Json = {}
    for one in wrong:
        path, _, reason = one.partition(": ")
        node = errors
        for part in path.split("."):
            node = node.setdefault(part, {})
        node.setdefault("_errors", []).append({"code": "INVALID", "message": reason})
    if errors:
        raise Refused(400, 50035, "Invalid Form Body", noted=True, errors=errors)


def too_long(path: str, node: Json, limits: dict[str, int]) -> Iterator[str]:
    for name, most in limits.items():
        value: Any = node
        for part in name.split("."):
            value = (value or {}).get(part)
        if len(value or "") > most:
            yield f"{path}.{name}: Must be {most} or fewer in length."


# messages


def check_message(message: Json, *, files: int = 0) -> None:
    """The contents of a message as it would be, with all its fields."""
    content, embeds = message.get("content") or "", message.get("embeds") or []
    components, v2 = message.get("components") or [], bool(message.get("flags", 0) & V2)
    wrong = list(too_long("message", message, {"content": 2000, "nonce": 25}))
    wrong += wrong_in_embeds(embeds) + wrong_in_components(components, v2=v2)
    if v2 and (content or embeds):
        wrong.append("content: MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2")
    if message.get("flags", 0) & LOADING:
        wrong.append("flags: the app cannot set this one")
    invalid(wrong)
    if not (content.strip() or embeds or files or (components if v2 else ())):
        raise Refused(400, 50006, "Cannot send an empty message", noted=True)


def wrong_in_embeds(embeds: list[Json]) -> list[str]:
    wrong = ["embeds: Must be 10 or fewer in length."] if len(embeds) > 10 else []
    for number, embed in enumerate(embeds):
        fields = embed.get("fields") or []
        wrong += too_long(f"embeds.{number}", embed, EMBED_TEXTS)
        wrong += [f"embeds.{number}.fields: Must be 25 or fewer in length."] if len(fields) > 25 else []
        for each in fields:
            wrong += too_long(f"embeds.{number}.fields", each, FIELD_TEXTS)
            wrong += [f"embeds.{number}.fields: both are required"] if not all(each.get(n) for n in FIELD_TEXTS) else []
    if len(reads(embeds).replace("\n", "")) > 6000:
        wrong.append("embeds: Embed size exceeds maximum size of 6000")
    return wrong


# components


def walk(components: Iterable[Json]) -> Iterator[Json]:
    """Each component, those within others too."""
    for each in components:
        yield each
        yield from walk([*each.get("components", []), *filter(None, [each.get("component"), each.get("accessory")])])


def wrong_in_components(components: list[Json], *, v2: bool) -> list[str]:
    every = list(walk(components))
    wrong = [one for each in every for one in wrong_in_component(each)]
    ids = [each["custom_id"] for each in every if "custom_id" in each]
    wrong += ["components.custom_id: Component custom id cannot be duplicated"] if len(set(ids)) < len(ids) else []
    if v2:
        text = sum(len(each["content"]) for each in every if each["type"] == TEXT_DISPLAY)
        wrong += ["components: Must be 40 or fewer in number."] if len(every) > 40 else []
        return wrong + (["components: 4000 characters of text are allowed"] if text > 4000 else [])
    wrong += ["components: Must be 5 or fewer in length."] if len(components) > 5 else []
    return wrong + ["components: only rows are allowed" for each in components if each["type"] != ROW]


def wrong_in_component(component: Json) -> Iterator[str]:
    kind, path = component["type"], f"components.{component.get('custom_id') or component['type']}"
    yield from too_long(path, component, COMPONENT_TEXTS.get(kind, {}) | {"custom_id": 100})
    inside = component.get("components", [])
    if kind == ROW and not (
        (0 < len(inside) <= 5 and all(each["type"] == BUTTON for each in inside))
        or (len(inside) == 1 and inside[0]["type"] in (*SELECTS, INPUT))
    ):
        yield f"{path}: a row holds 1 to 5 buttons, or one menu"
    if (kind == BUTTON and component.get("style") not in (5, 6)) or kind in (*SELECTS, INPUT):
        yield from () if component.get("custom_id") else [f"{path}.custom_id: This field is required"]
    if kind == BUTTON and component.get("style") == 5 and not component.get("url"):
        yield f"{path}.url: This field is required"
    options = component.get("options", [])
    yield from [f"{path}.options: Must be 25 or fewer in length."] if len(options) > 25 else []
    for each in options:
        yield from too_long(path, each, {"label": 100, "value": 100, "description": 100})


def check_modal(modal: Json) -> None:
    inside = modal.get("components", [])
    wrong = list(too_long("data", modal, {"title": 45, "custom_id": 100}))
    wrong += [f"data.{name}: This field is required" for name in ("title", "custom_id") if not modal.get(name)]
    wrong += [] if 1 <= len(inside) <= 5 else ["data.components: Must be between 1 and 5 in length."]
    wrong += [
        f"data.components: {each['type']} is not for modals" for each in inside if each["type"] not in (1, 10, 18)
    ]
    invalid(wrong + [one for each in walk(inside) for one in wrong_in_component(each)])


# what a person reads, and whom it pings

READ = ("author", "title", "description", "fields", "name", "value", "content", "footer", "text", "components")


def reads(node: Any) -> str:
    """What a person reads of embeds or components; not what is on buttons and in menus."""
    match node:
        case list():
            return "\n".join(filter(None, map(reads, node)))
        case {"type": int(kind)} if kind in (BUTTON, INPUT, *SELECTS):
            return ""
        case dict():
            return reads([node[name] for name in READ if node.get(name)])
        case str():
            return node
    return ""


def pings(text: str, allowed: Json | None, *, unset: Iterable[str]) -> list[str]:
    """What in *text* calls people; *unset*: what is parsed if the app gave no allowed_mentions."""
    allowed = {"parse": list(unset)} if allowed is None else allowed
    parsed = allowed.get("parse") or []
    found = re.findall(r"@everyone|@here", text) if "everyone" in parsed else []
    for kind, pattern in (("roles", r"<@&(\d+)>"), ("users", r"<@!?(\d+)>")):
        named = {str(each) for each in allowed.get(kind) or []}
        found += [each[0] for each in re.finditer(pattern, text) if kind in parsed or each[1] in named]
    return list(dict.fromkeys(found))


# how often


@dataclass
class RateLimits:
    """Buckets as Discord's are in practice (not documented): a window opens with the first call in it."""

    window: float = 5.0  # seconds
    second: float = 1.0
    used: dict[str, tuple[float, int]] = field(default_factory=dict)  # bucket -> since when, how often
    recent: deque[float] = field(default_factory=deque)

    def take(self, bucket: str) -> tuple[int, float]:
        """How many calls are left (-1: this one is over the limit), and in how many seconds it starts anew."""
        now = time.monotonic()
        since, used = self.used.get(bucket, (now, 0))
        if now >= since + self.window:
            since, used = now, 0
        self.used[bucket] = (since, min(used + 1, BUCKET))
        return BUCKET - used - 1, since + self.window - now

    def wait(self) -> float:
        """Seconds until the app may call again at all; 0 counts this call."""
        now = time.monotonic()
        while self.recent and self.recent[0] <= now - self.second:
            self.recent.popleft()
        if len(self.recent) >= GLOBAL:
            return self.recent[0] + self.second - now
        self.recent.append(now)
        return 0.0
