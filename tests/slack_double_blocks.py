"""
Block Kit as tables: which blocks, elements, views and chunks of streams there are, and what each may hold.

Numbers without a remark are section 3 of our Slack facts; "SDK" is slack_sdk.models, "memory" is our own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Json = dict[str, Any]
Rule = Callable[[Any, str], Iterator[str]]  # a value and its JSON pointer -> what is wrong with it

MARKDOWN = 12_000  # characters
BLOCKS_OF_MESSAGE, BLOCKS_OF_VIEW = 50, 100


# What a field may be


def anything(value: Any, path: str) -> Iterator[str]:
    yield from ()


def string(limit: int, least: int = 1) -> Rule:
    def check(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield f"must be a string [json-pointer:{path}]"
        elif len(value) < least:
            yield f"must be more than 0 characters [json-pointer:{path}]"
        elif len(value) > limit:
            yield f"must be less than {limit + 1} characters [json-pointer:{path}]"

    return check


def one_of(*values: str) -> Rule:
    def check(value: Any, path: str) -> Iterator[str]:
        if value not in values:
            yield f"unsupported value: {value}, allowed: {', '.join(values)} [json-pointer:{path}]"

    return check


def items(limit: int, rule: Rule = anything) -> Rule:
    def check(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, list) or not value:
            yield f"must be a list of one item or more [json-pointer:{path}]"
        elif len(value) > limit:
            yield f"no more than {limit} items allowed [json-pointer:{path}]"
        else:
            for number, item in enumerate(value):
                yield from rule(item, f"{path}/{number}")

    return check


def shape(needs: Mapping[str, Rule], may: Mapping[str, Rule] | None = None, either: tuple[str, ...] = ()) -> Rule:
    """An object with the fields that it *needs* and that it *may* have, and *either* one of some; no others."""
    known = {"type": anything, **needs, **(may or {})}

    def check(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"must be an object [json-pointer:{path}]"
            return
        given = {name: each for name, each in value.items() if each is not None}
        yield from (f"missing required field: {name} [json-pointer:{path}]" for name in needs if name not in given)
        if either and not any(name in given for name in either):
            yield f"must have one of {', '.join(either)} [json-pointer:{path}]"
        for name, each in given.items():
            if name in known:
                yield from known[name](each, f"{path}/{name}")
            else:
                yield f"invalid additional property: {name} [json-pointer:{path}]"

    return check


def typed(table: Mapping[str, Rule]) -> Rule:
    def check(value: Any, path: str) -> Iterator[str]:
        kind = str(value.get("type")) if isinstance(value, dict) else "none"
        if kind in table:
            yield from table[kind](value, path)
        else:
            yield f"unsupported type: {kind} [json-pointer:{path}/type]"

    return check


def plain(limit: int) -> Rule:
    return typed({"plain_text": shape({"text": string(limit)}, {"emoji": anything})})


def text(limit: int) -> Rule:
    mrkdwn = shape({"text": string(limit)}, {"verbatim": anything})
    return typed({"plain_text": shape({"text": string(limit)}, {"emoji": anything}), "mrkdwn": mrkdwn})


# Elements (limits of options, placeholder and images: SDK)

CONFIRM = shape({"title": plain(100), "text": text(300), "confirm": plain(30), "deny": plain(30)}, {"style": anything})
OPTION = shape({"text": text(75), "value": string(150)}, {"description": text(75), "url": string(3000)})
VOTE = shape({"text": plain(75), "value": string(2000)}, {"accessibility_label": string(75)})
IMAGE_URL = {"image_url": string(3000), "slack_file": anything}
IMAGE = shape({"alt_text": string(2000)}, IMAGE_URL, either=tuple(IMAGE_URL))
FIELDS: dict[str, Rule] = {  # those not named here may be anything
    "action_id": string(255),
    "text": plain(75),
    "value": string(2000),
    "url": string(3000),
    "accessibility_label": string(75),
    "confirm": CONFIRM,
    "placeholder": plain(150),
    "options": items(100, OPTION),
    "option_groups": items(100, shape({"label": plain(75), "options": items(100, OPTION)})),
    "positive_button": VOTE,
    "negative_button": VOTE,
    "icon": one_of("trash"),
    "visible_to_user_ids": items(10),
}


def element(needs: str = "", may: str = "", either: str = "", most: int = 100) -> Rule:
    """Fields by name; *most* options."""
    known = {**FIELDS, "options": items(most, OPTION)}
    needed, possible = (
        {name: known.get(name, anything) for name in names.split()} for names in (needs, may + " " + either)
    )
    return shape(needed, {"action_id": known["action_id"], **possible}, tuple(either.split()))


MENU, LISTS, WRITTEN = (
    "confirm focus_on_load placeholder ",
    "options option_groups",
    "focus_on_load placeholder initial_value ",
)
CHOICES: dict[str, Rule] = {
    "checkboxes": element("options", "initial_options confirm focus_on_load", most=10),
    "radio_buttons": element("options", "initial_option confirm focus_on_load", most=10),
    "static_select": element("", MENU + "initial_option", LISTS),
    "multi_static_select": element("", MENU + "initial_options max_selected_items", LISTS),
    "external_select": element("", MENU + "initial_option min_query_length"),
    "users_select": element("", MENU + "initial_user"),
    "multi_users_select": element("", MENU + "initial_users max_selected_items"),
    "channels_select": element("", MENU + "initial_channel response_url_enabled"),
    "conversations_select": element(
        "", MENU + "initial_conversation default_to_current_conversation response_url_enabled filter"
    ),
    "datepicker": element("", MENU + "initial_date"),
    "timepicker": element("", MENU + "initial_time timezone"),
}
PRESSED: dict[str, Rule] = {
    "button": element("text", "value url style confirm accessibility_label agent_prompt"),
    "overflow": element("options", "confirm", most=5),
    **CHOICES,
}
INPUTS: dict[str, Rule] = {
    **CHOICES,
    "plain_text_input": element("", WRITTEN + "multiline min_length max_length dispatch_action_config"),
    "rich_text_input": element("", WRITTEN + "dispatch_action_config"),
    "email_text_input": element("", WRITTEN + "dispatch_action_config"),
    "url_text_input": element("", WRITTEN + "dispatch_action_config"),
    "number_input": element("is_decimal_allowed", WRITTEN + "min_value max_value dispatch_action_config"),
    "file_input": element("", "filetypes max_files"),
}
ICONS: dict[str, Rule] = {
    "feedback_buttons": element("positive_button negative_button"),
    "icon_button": element("icon text", "value confirm accessibility_label visible_to_user_ids"),
}
USABLE = {*PRESSED, *INPUTS, *ICONS}

# Blocks (those below markdown: SDK)

CONTEXT = typed({"image": IMAGE, "plain_text": plain(3000), "mrkdwn": text(3000)})
STATE = one_of("pending", "in_progress", "complete", "error")


def block(
    needs: Mapping[str, Rule] | None = None, may: Mapping[str, Rule] | None = None, either: tuple[str, ...] = ()
) -> Rule:
    return shape(needs or {}, {"block_id": string(255), **(may or {})}, either)


def loose(*needs: str) -> Rule:
    """A block of which we know what it needs but do not check the rest."""

    def check(value: Any, path: str) -> Iterator[str]:
        yield from (f"missing required field: {name} [json-pointer:{path}]" for name in needs if not value.get(name))

    return check


MESSAGES_ONLY: dict[str, Rule] = {  # memory
    "context_actions": block({"elements": items(5, typed(ICONS))}),
    "markdown": block({"text": string(MARKDOWN)}),
    "table": block({"rows": items(100, items(20))}, {"column_settings": items(20)}),
    "task_card": block(
        {"task_id": string(255), "title": string(3000), "status": STATE},
        {"details": anything, "output": anything, "sources": anything},
    ),
    "plan": block({"title": string(3000)}, {"tasks": anything}),
    "card": loose(),
    "carousel": loose("elements"),
    "container": loose("child_blocks"),
    "auth_provider": loose("value", "name"),
    "file": loose("external_id", "source"),
}
ANYWHERE: dict[str, Rule] = {
    "section": block(
        None,
        {"text": text(3000), "fields": items(10, text(2000)), "accessory": typed({**PRESSED, "image": IMAGE})}
        | {"expand": anything},
        either=("text", "fields"),
    ),
    "header": block({"text": plain(150)}, {"level": anything}),
    "divider": block(),
    "image": block({"alt_text": string(2000)}, {**IMAGE_URL, "title": plain(2000)}, either=tuple(IMAGE_URL)),
    "actions": block({"elements": items(25, typed(PRESSED))}),
    "context": block({"elements": items(10, CONTEXT)}),
    "input": block(
        {"label": plain(2000), "element": typed(INPUTS)},
        {"hint": plain(2000), "optional": anything, "dispatch_action": anything},
    ),
    "rich_text": block({"elements": items(1000, loose("type"))}),
    "alert": block({"text": text(3000)}, {"level": one_of("default", "info", "warning", "error", "success")}),
    "video": loose("title", "video_url", "thumbnail_url", "alt_text"),
}
HIDDEN = {"private_metadata": string(3000, 0), "callback_id": string(255, 0), "external_id": string(255, 0)}
FLAGS = dict.fromkeys(("clear_on_close", "notify_on_close", "submit_disabled"), anything)
VIEWS: dict[str, Rule] = {
    "modal": shape(
        {"title": plain(24), "blocks": anything}, {"submit": plain(24), "close": plain(24), **HIDDEN, **FLAGS}
    ),
    "home": shape({"blocks": anything}, HIDDEN),
}
CHUNKS: dict[str, Rule] = {
    "markdown_text": shape({"text": anything}),
    "task_update": shape(
        {"id": string(255), "title": string(3000)},
        {"status": STATE, "details": anything, "output": anything, "sources": anything},
    ),
    "plan_update": shape({"title": string(3000)}),
    "blocks": shape({"blocks": anything}),
}


def elements_of(blocks: Iterable[Json]) -> Iterator[tuple[Json, Json]]:
    """Each element that people can use, and the block it is in."""
    for each in blocks:
        inside = [*each.get("elements", ()), *each.get("actions", ()), each.get("accessory"), each.get("element")]
        yield from ((each, one) for one in inside if isinstance(one, dict) and one.get("type") in USABLE)
        yield from elements_of(each["elements"] if each.get("type") == "carousel" else each.get("child_blocks", ()))


def _taken_twice(blocks: list[Json]) -> Iterator[str]:
    """A block_id is unique in its message, an action_id in its block (docs of both; issue knacklabs/gantry#458)."""
    seen: set[tuple[str, ...]] = set()
    names = [(each["block_id"],) for each in blocks if each.get("block_id")]
    used = [(str(id(each)), element["action_id"]) for each, element in elements_of(blocks) if element.get("action_id")]
    for name in names + used:
        if name in seen:
            yield f"`{'action_id' if len(name) > 1 else 'block_id'}` {name[-1]} already exists"
        seen.add(name)


def wrong_in_blocks(blocks: Any, *, view: bool = False) -> list[str]:
    most, path = (BLOCKS_OF_VIEW, "/view/blocks") if view else (BLOCKS_OF_MESSAGE, "/blocks")
    if blocks == []:
        return []
    wrong = list(items(most, typed(ANYWHERE if view else ANYWHERE | MESSAGES_ONLY))(blocks, path))
    return wrong or list(_taken_twice(blocks))


def wrong_in_view(view: Any, kind: str) -> list[str]:
    wrong = list(typed(VIEWS)(view, "/view"))
    if not wrong and view["type"] != kind:
        wrong = [f"must be a {kind} [json-pointer:/view/type]"]
    wrong = wrong or wrong_in_blocks(view["blocks"], view=True)
    if not wrong and kind == "modal" and not view.get("submit") and any(b["type"] == "input" for b in view["blocks"]):
        wrong = ["`submit` is required when an input block is within blocks [json-pointer:/view]"]
    return wrong


def wrong_in_chunks(chunks: list[Json]) -> list[str]:
    return [each for number, chunk in enumerate(chunks) for each in typed(CHUNKS)(chunk, f"/chunks/{number}")]
