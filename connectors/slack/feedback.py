"""Votes, corrections and calls for a person in Slack."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from bot.errors import ConnectorError
from bot.messages import Exchange
from bot.ports import ExchangeStore
from bot.settings import DomainSettings
from connectors.access import help_channel
from connectors.desk import Errand
from connectors.slack import blocks as slack_blocks
from connectors.slack.api import SlackApi, SlackRefused
from connectors.slack.events import PLATFORM, Payload, user_id
from connectors.slack.private import TOO_LATE, open_form, respond
from connectors.slack.rooms import SlackRooms
from connectors.slack.screen import place_of
from connectors.slack.stream import metadata_of
from connectors.slack.text import escaped
from connectors.votes import GONE, TAKEN_BACK, Votes

UP, DOWN = {"+1", "thumbsup"}, {"-1", "thumbsdown"}


@dataclass
class SlackFeedback:
    """What people do with an answer. Each press returns what is left to do once it is acknowledged."""

    api: SlackApi
    rooms: SlackRooms
    exchanges: ExchangeStore
    votes: Votes
    domains: Sequence[DomainSettings]
    _asking: set[str] = field(default_factory=set)  # replies about which people are being asked

    async def vote(self, body: Payload) -> Errand:
        """A press on a thumb."""
        sign, _, reply = body["actions"][0]["value"].partition(":")
        rating: Literal[1, -1] = 1 if sign == "up" else -1
        if not await self.votes.give(reply, _user(body), rating):
            return partial(self._say, body, GONE)
        return partial(self._noted, body, reply, rating)

    async def _noted(self, body: Payload, reply: str, rating: int) -> None:
        """Show that a vote was taken; the form for a bad answer opens while Slack allows it, within three seconds."""
        if rating < 0:
            await open_form(self.api, body, self._form(reply))  # if not: the note has a button for it
        await self._tell(body, "Noted, thank you.", slack_blocks.noted(reply, rating))

    async def say_why(self, body: Payload) -> Errand:
        """The button in the note on a bad vote, for those who have closed the form or never saw it."""
        return partial(self._open_or_say, body, self._form(body["actions"][0]["value"]))

    def _form(self, reply: str) -> Mapping[str, Any]:
        return slack_blocks.why(reply, self.domains)

    async def explain(self, body: Payload) -> Errand | None:
        """What somebody wrote into the form behind a thumbs-down."""
        given = form_values(body)
        kept = await self.votes.give(
            body["view"]["private_metadata"],
            _user(body),
            -1,
            reason=given.get("reason"),
            correction=given.get("correction"),
            wrong_route=given.get("route"),
        )
        return None if kept else partial(self._say, body, GONE)

    async def take_back(self, body: Payload) -> Errand:
        """The button on the note that a vote was taken."""
        reply = body["actions"][0]["value"]
        kept = await self.votes.give(reply, _user(body), 0)
        return partial(self._say, body, TAKEN_BACK if kept else GONE)

    async def reacted(self, event: Payload, team: str, *, added: bool) -> None:
        """A thumb as a reaction counts like the button; taken off, it takes back the vote that it gave."""
        name = event.get("reaction", "").partition("::")[0]
        item = event.get("item", {})
        if name in UP | DOWN and item.get("type") == "message":
            place = place_of(team, item["channel"], item["ts"])
            moment = datetime.fromtimestamp(float(event["event_ts"]), UTC)
            rating: Literal[1, -1] = 1 if name in UP else -1
            await self.votes.react(place, user_id(event["user"]), rating, added=added, at=moment)

    async def ask_person(self, body: Payload) -> Errand:
        """Put the question, the answer and its sources before those who help with this topic; once for each answer."""
        return partial(self._ask_person, body, body["actions"][0]["value"])

    async def _ask_person(self, body: Payload, reply: str) -> None:
        exchange = await self.exchanges.find(reply)
        channel = help_channel(self.domains, exchange.reply.route, PLATFORM) if exchange else None
        if exchange is None or channel is None:
            await self._say(body, "I know nobody to ask about this. Please ask in your usual channel.")
            return
        if reply in self._asking or await self.exchanges.shown_at(_call_of(reply)):
            await self._say(body, f"The people in <#{channel}> have this question already.")
            return
        self._asking.add(reply)
        try:
            await self._call_for_help(body, exchange, channel)
            await self.exchanges.show(reply, [_call_of(reply)])
        except ConnectorError:
            await self._say(body, f"I could not post in <#{channel}>; please ask there yourself.")
            raise
        finally:
            self._asking.discard(reply)
        await self._say(body, f"I have asked the people in <#{channel}>. They answer you here.")

    async def _call_for_help(self, body: Payload, exchange: Exchange, channel: str) -> None:
        team, asker = _team(body), str(body["user"]["id"])
        room = await self.rooms.room(team, channel, asker)
        labels = exchange.message.labels
        await self.api.call(
            team,
            "chat.postMessage",
            channel=channel,
            text="Somebody asks for a person's help.",
            blocks=slack_blocks.help_wanted(
                exchange,
                asker,
                json.dumps({**_where(body), "asker": asker, "reply": exchange.reply.id}),
                with_answer=labels is not None and labels <= room.labels,
            ),
            metadata=metadata_of(f"help:{exchange.reply.id}"),
        )

    async def resolve(self, body: Payload) -> Errand:
        """Open the form of the one who helps."""
        place = json.loads(body["actions"][0]["value"])
        place |= {"help_channel": body["channel"]["id"], "help_ts": body["message"]["ts"]}
        return partial(self._open_or_say, body, slack_blocks.resolution(json.dumps(place)))

    async def resolved(self, body: Payload) -> Errand:
        """What the helper wrote is a correction that admins review, and goes to the asker."""
        place, answer = json.loads(body["view"]["private_metadata"]), form_values(body).get("answer")
        if answer:
            await self.votes.give(place["reply"], _user(body), -1, reason="answered by a person", correction=answer)
        return partial(self._report, body, place, answer)

    async def _report(self, body: Payload, place: Mapping[str, str], answer: str | None) -> None:
        """Tell the asker, then those who help."""
        team, helper = _team(body), body["user"]["id"]
        said = f"<@{helper}> has answered your question:\n>>> {escaped(answer)}" if answer else ""
        try:
            await self._tell_asker(team, place, said or f"<@{helper}> has resolved your question.")
        except ConnectorError:
            text = "I could not reach the one who asked. Please tell them yourself."
            where = {"channel": place["help_channel"], "user": helper}
            await self.api.call(team, "chat.postEphemeral", **where, text=text, blocks=slack_blocks.notice(text))
            raise
        done = f"Resolved by <@{helper}>."
        at = {"channel": place["help_channel"], "ts": place["help_ts"]}
        await self.api.call(team, "chat.update", **at, text=done, blocks=slack_blocks.notice(done))

    async def _tell_asker(self, team: str, place: Mapping[str, str], text: str) -> None:
        """In the thread; where that is gone, or we are not there any more, in direct messages."""
        message = {"text": text, "metadata": metadata_of(f"resolved:{place['reply']}")}
        where = {"channel": place["channel"], "thread_ts": place.get("thread")}
        try:
            await self.api.call(team, "chat.postMessage", **where, **message)
        except SlackRefused:
            await self.api.call(team, "chat.postMessage", channel=place["asker"], **message)

    async def _open_or_say(self, body: Payload, view: Mapping[str, Any]) -> None:
        if not await open_form(self.api, body, view):
            await self._say(body, TOO_LATE)

    async def _say(self, body: Payload, text: str) -> None:
        """Tell the one who pressed."""
        await self._tell(body, text, slack_blocks.notice(text))

    async def _tell(self, body: Payload, text: str, blocks: list[dict[str, Any]]) -> None:
        message, container = body.get("message", {}), body.get("container", {})
        said: dict[str, Any] = {"text": text, "blocks": blocks}
        user, channel = body["user"]["id"], body.get("channel", {}).get("id")
        if container.get("is_ephemeral"):  # we may not even be in that channel
            await respond(self.api, body["response_url"], **said)
        elif channel:
            thread = message.get("thread_ts") or container.get("thread_ts")
            where = {"channel": channel, "thread_ts": thread, "user": user}
            await self.api.call(_team(body), "chat.postEphemeral", **where, **said)
        else:  # pressed in a form
            await self.api.call(_team(body), "chat.postMessage", channel=user, **said)


def _call_of(reply: str) -> str:
    """Where the store notes that people were asked about an answer."""
    return f"help:{reply}"


def form_values(body: Payload) -> Mapping[str, str]:
    """What was filled in, by block; empty fields left out."""
    found = {}
    for block, elements in body["view"]["state"]["values"].items():
        for element in elements.values():
            value = element.get("value") or (element.get("selected_option") or {}).get("value")
            if value and value.strip():
                found[block] = value.strip()
    return found


def _where(body: Payload) -> dict[str, str]:
    """Where the asker reads the report: the thread, or direct messages where only the asker saw the answer."""
    message, container = body.get("message", {}), body.get("container", {})
    if container.get("is_ephemeral") or not message.get("ts"):
        return {"channel": str(body["user"]["id"])}
    return {"channel": body["channel"]["id"], "thread": message.get("thread_ts") or message["ts"]}


def _user(body: Payload) -> str:
    return user_id(body["user"]["id"])


def _team(body: Payload) -> str:
    return str(body["team"]["id"])
