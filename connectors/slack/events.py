"""Slack's payloads as questions: which events are one, and what they ask."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bot.messages import Message
from bot.settings import DomainSettings
from connectors.slack.text import mentions_somebody_else, plain

Payload = Mapping[str, Any]

PLATFORM = "slack"
IN_THREAD, IN_PRIVATE = "thread", "private"  # how an answer is read

_SAID = (None, "file_share", "thread_broadcast")  # subtypes that are a person saying something


def user_id(user: str) -> str:
    """How the store and `[[access]] members` name a person."""
    return f"slack:user:{user}"


def workspace_id(team: str) -> str:
    return f"slack:{team}"


def thread_id(team: str, channel: str, thread: str) -> str:
    return f"slack:{team}:{channel}:{thread}"


def said_by_a_person(event: Payload, *, bot: str) -> bool:
    """Whether *event* is something new that somebody else than a bot said; edits and deletions are not."""
    return (
        event.get("subtype") in _SAID
        and not event.get("bot_id")
        and not event.get("hidden")
        and event.get("user") not in (None, bot, "USLACKBOT")
    )


def is_addressed(event: Payload, *, bot: str) -> bool:
    """Whether the bot is meant for sure: by a mention, or because nobody else is there."""
    mentioned = re.search(rf"<@{bot}[|>]", event.get("text", ""))
    return event.get("type") == "app_mention" or is_direct(event) or mentioned is not None


def is_direct(event: Payload) -> bool:
    """Whether *event* happened where nobody is but the asker and the bot."""
    return event.get("channel_type") == "im"


def may_continue(event: Payload, *, bot: str) -> bool:
    """Whether *event* is meant for the bot where that takes part in the thread already."""
    return bool(event.get("thread_ts")) and not mentions_somebody_else(event.get("text", ""), bot=bot)


def said(event: Payload, team: str, *, bot: str, domains: Sequence[DomainSettings]) -> tuple[Message, dict[str, str]]:
    """The question in a message, and where its answer goes."""
    channel, ts = event["channel"], event["ts"]
    thread = event.get("thread_ts") or ts
    message = Message(
        # One message may arrive as a mention and as a message of its channel: both carry its time.
        id=f"slack:{team}:{channel}:{ts}",
        text=plain(event.get("text", ""), bot=bot),
        user=user_id(event["user"]),
        platform=PLATFORM,
        workspace=workspace_id(team),
        thread=thread_id(team, channel, thread),
        bound=bound_domain(channel, domains),
        private=True,  # until the channel is known to be public
    )
    address = {
        "how": IN_THREAD,
        "team": team,
        "channel": channel,
        "ts": ts,
        "kind": event.get("channel_type", ""),
        "thread": thread,
        "user": event["user"],
        "user_team": event.get("user_team") or event.get("team") or team,
        "files": json.dumps([_file(file) for file in event.get("files", ())]),
    }
    return message, address


def commanded(body: Payload, *, bot: str, domains: Sequence[DomainSettings]) -> tuple[Message, dict[str, str]]:
    """The question in a slash command; only the asker sees the answer."""
    team, channel = body["team_id"], body["channel_id"]
    return _in_private(
        f"slack:{team}:command:{body['trigger_id']}",
        plain(body.get("text", ""), bot=bot),
        {"team": team, "channel": channel, "user": body["user_id"], "response_url": body["response_url"]},
        domains,
    )


def asked_about(
    body: Payload, address: Mapping[str, str], question: str, route: str | None, domains: Sequence[DomainSettings]
) -> tuple[Message, dict[str, str]]:
    """The question in the form behind "Ask about this"; only the asker sees the answer."""
    form = body["view"]["id"]
    return _in_private(
        f"slack:{address['team']}:form:{form}", question, {**address, "form": form}, domains, route=route
    )


def _in_private(
    event: str, text: str, address: Mapping[str, str], domains: Sequence[DomainSettings], *, route: str | None = None
) -> tuple[Message, dict[str, str]]:
    message = Message(
        id=event,
        text=text,
        user=user_id(address["user"]),
        platform=PLATFORM,
        workspace=workspace_id(address["team"]),
        route=route,
        bound=bound_domain(address["channel"], domains),
        private=True,
    )
    return message, {**address, "how": IN_PRIVATE}


def bound_domain(channel: str, domains: Sequence[DomainSettings]) -> str | None:
    """The domain that the settings bind *channel* to."""
    return next((domain.name for domain in domains if f"slack:{channel}" in domain.channels), None)


def _file(file: Payload) -> dict[str, Any]:
    return {"name": file.get("name", "file"), "url": file.get("url_private", ""), "size": file.get("size", 0)}
