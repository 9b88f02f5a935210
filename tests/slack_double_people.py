"""What Slack makes of what people type, choose and fill in."""

import re
from typing import Any

from slack_double_blocks import Json, elements_of

# the field of an element's state that holds what was chosen; all others have `value`
CHOSEN = {
    "users_select": "selected_user",
    "channels_select": "selected_channel",
    "conversations_select": "selected_conversation",
    "multi_users_select": "selected_users",
    "multi_channels_select": "selected_channels",
    "multi_conversations_select": "selected_conversations",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "rich_text_input": "rich_text_value",
}
ONE_OPTION = ("static_select", "external_select", "radio_buttons", "overflow")
SOME_OPTIONS = ("checkboxes", "multi_static_select", "multi_external_select")


def rich_text(words: str) -> Json:
    """The block that a message typed by a person has."""
    parts = re.split(r"<@(\w+)(?:\|[^>]*)?>", words)
    said = [{"type": "user", "user_id": p} if n % 2 else {"type": "text", "text": p} for n, p in enumerate(parts) if p]
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": said}]}


def chosen(element: Json, value: Any) -> Json:
    """What an action or a state says of *element* when *value* was pressed, chosen or typed; None: as it began."""
    kind = element["type"]
    if kind == "feedback_buttons":
        votes = [element["positive_button"], element["negative_button"]]
        number = {"positive": 0, "negative": 1}.get(value)
        vote = votes[number] if number is not None else next((each for each in votes if each["value"] == value), None)
        assert vote, f"feedback is positive or negative, not {value!r}"
        return {"type": kind, "value": vote["value"], "text": vote["text"]}
    if kind in ("button", "icon_button"):
        return {"type": kind, "text": element["text"]} | ({"value": element["value"]} if "value" in element else {})
    if kind in ONE_OPTION:
        return {"type": kind, "selected_option": option(element, value) if value else element.get("initial_option")}
    if kind in SOME_OPTIONS:
        some = [option(element, each) for each in value] if value is not None else element.get("initial_options", [])
        return {"type": kind, "selected_options": some}
    name = CHOSEN.get(kind, "value")
    return {"type": kind, name: value if value is not None else element.get(name.replace("selected", "initial"))}


def option(element: Json, value: str) -> Json:
    groups = [element, *element.get("option_groups", [])]
    found = [each for group in groups for each in group.get("options", []) if each["value"] == value]
    assert found, f"{element['action_id']} has no option {value!r}"
    return {"text": found[0]["text"], "value": value}


def state_of(view: Json, values: dict[str, Any]) -> dict[str, Json]:
    """The `state.values` of a view that was filled in with *values*, by block_id."""
    unknown = set(values) - {block["block_id"] for block in view["blocks"]}
    assert not unknown, f"the view has no blocks {sorted(unknown)}"
    state: dict[str, Json] = {}
    for block, element in elements_of(view["blocks"]):
        if element["type"] == "button":
            continue
        given = chosen(element, values.get(block["block_id"]))
        empty = not any(each for name, each in given.items() if name != "type")
        optional = block["type"] != "input" or block.get("optional")
        assert optional or not empty, f"Slack does not submit without {block['block_id']}"
        state.setdefault(block["block_id"], {})[element["action_id"]] = given
    return state
