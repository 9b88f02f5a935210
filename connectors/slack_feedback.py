"""Votes, corrections and calls for a person in Slack."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from bot.errors import ConnectorError, StoreError
from bot.messages import Exchange, Feedback, Message
from bot.ports import ExchangeStore, FeedbackHandler, FeedbackStore, Inbox
from bot.settings import DomainSettings
from connectors import slack_blocks
from connectors.slack_api import SlackApi
from connectors.slack_events import PLATFORM, Payload, user_id
from connectors.slack_rooms import SlackRooms
from connectors.slack_screen import metadata_of, place_of
from connectors.slack_text import escaped

GONE = "I no longer keep that answer, so I cannot note your vote."
UP, DOWN = {"+1", "thumbsup"}, {"-1", "thumbsdown"}


@dataclass
class SlackFeedback:
    """What people do with an answer."""

    api: SlackApi
    rooms: SlackRooms
    exchanges: ExchangeStore
    votes: FeedbackStore
    inbox: Inbox
    on_feedback: FeedbackHandler
    domains: Sequence[DomainSettings]

    async def vote(self, body: Payload) -> None:
        """A press on a thumb; the form for a bad answer opens while Slack allows it, within three seconds."""
        sign, _, reply = body["actions"][0]["value"].partition(":")
        rating: Literal[1, -1] = 1 if sign == "up" else -1
        if not await self._save(body, Feedback(reply=reply, user=_user(body), platform=PLATFORM, rating=rating)):
            return
        if rating < 0:
            routes = [domain.name for domain in self.domains]
            view = slack_blocks.why(reply, routes)
            await self.api.call(_team(body), "views.open", trigger_id=body["trigger_id"], view=view)
        await self._tell(body, "Noted, thank you.", slack_blocks.noted(reply, rating))

    async def explain(self, body: Payload) -> None:
        """What somebody wrote into the form behind a thumbs-down."""
        given = form_values(body)
        await self.on_feedback(
            Feedback(
                reply=body["view"]["private_metadata"],
                user=_user(body),
                platform=PLATFORM,
                rating=-1,
                reason=given.get("reason"),
                correction=given.get("correction"),
                wrong_route=given.get("route"),
            )
        )

    async def take_back(self, body: Payload) -> None:
        """The button on the note that a vote was taken."""
        reply = body["actions"][0]["value"]
        if await self._save(body, Feedback(reply=reply, user=_user(body), platform=PLATFORM, rating=0)):
            await self._tell(body, "Your vote is taken back.", slack_blocks.markdown("Your vote is taken back."))

    async def reacted(self, event: Payload, team: str, *, added: bool) -> None:
        """A thumb as a reaction counts like the button; taken off, it takes back the vote that it gave."""
        name = event.get("reaction", "").partition("::")[0]
        rating: Literal[1, -1, 0] = 1 if name in UP else -1 if name in DOWN else 0
        item = event.get("item", {})
        if not rating or item.get("type") != "message":
            return
        reply = await self.exchanges.shown_at(place_of(team, item["channel"], item["ts"]))
        if reply is None:
            return
        user = user_id(event["user"])
        if not added:
            vote = await self.votes.find(reply, user)
            if vote is None or vote.rating != rating:
                return
            rating = 0
        await self.on_feedback(Feedback(reply=reply, user=user, platform=PLATFORM, rating=rating))

    async def ask_person(self, body: Payload) -> None:
        """Put the question, the answer and its sources before those who help with this topic; once for each answer."""
        exchange = await self.exchanges.find(body["actions"][0]["value"])
        channel = help_channel(self.domains, exchange.reply.route) if exchange else None
        if exchange is None or channel is None:
            await self._say(body, "I know nobody to ask about this. Please ask in your usual channel.")
            return
        asked = Message(id=f"help:{exchange.reply.id}", text="", platform="help", user=_user(body))
        if not await self.inbox.accept(asked):
            await self._say(body, f"The people in <#{channel}> have this question already.")
            return
        try:
            await self._call_for_help(body, exchange, channel)
        except ConnectorError:
            await self._say(body, f"I could not post in <#{channel}>; please ask there yourself.")
            raise
        finally:
            await self.inbox.done(asked.id)
        await self._say(body, f"I have asked the people in <#{channel}>. They answer you here.")

    async def _call_for_help(self, body: Payload, exchange: Exchange, channel: str) -> None:
        team, asker = _team(body), exchange.message.user.rpartition(":")[2]
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
                json.dumps({**_where(body, asker), "reply": exchange.reply.id}),
                with_answer=labels is not None and labels <= room.labels,
            ),
            metadata=metadata_of(f"help:{exchange.reply.id}"),
        )

    async def resolve(self, body: Payload) -> None:
        """Open the form of the one who helps."""
        place = json.loads(body["actions"][0]["value"])
        place |= {"help_channel": body["channel"]["id"], "help_ts": body["message"]["ts"]}
        view = slack_blocks.resolution(json.dumps(place))
        await self.api.call(_team(body), "views.open", trigger_id=body["trigger_id"], view=view)

    async def resolved(self, body: Payload) -> None:
        """Report back to the asker; what the helper wrote is a correction that admins review."""
        team, place, answer = _team(body), json.loads(body["view"]["private_metadata"]), form_values(body).get("answer")
        helper = body["user"]["id"]
        text = f"<@{helper}> has answered your question" if answer else f"<@{helper}> has resolved your question."
        said = f"{text}:\n>>> {escaped(answer)}" if answer else text
        await self.api.call(
            team,
            "chat.postMessage",
            channel=place["channel"],
            thread_ts=place.get("thread"),
            text=said,
            metadata=metadata_of(f"resolved:{place['reply']}"),
        )
        done = f"Resolved by <@{helper}>."
        await self.api.call(
            team,
            "chat.update",
            channel=place["help_channel"],
            ts=place["help_ts"],
            text=done,
            blocks=slack_blocks.notice(done),
        )
        if answer:
            with suppress(StoreError):  # the answer is older than what we keep
                await self.on_feedback(
                    Feedback(
                        reply=place["reply"],
                        user=user_id(helper),
                        platform=PLATFORM,
                        rating=-1,
                        reason="answered by a person",
                        correction=answer,
                    )
                )

    async def _save(self, body: Payload, feedback: Feedback) -> bool:
        try:
            await self.on_feedback(feedback)
        except StoreError:
            if await self.exchanges.find(feedback.reply) is not None:
                raise
            await self._say(body, GONE)
            return False
        return True

    async def _say(self, body: Payload, text: str) -> None:
        """Tell the one who pressed."""
        await self._tell(body, text, slack_blocks.notice(text))

    async def _tell(self, body: Payload, text: str, blocks: list[dict[str, Any]]) -> None:
        message, container = body.get("message", {}), body.get("container", {})
        arguments: dict[str, Any] = {"user": body["user"]["id"], "text": text, "blocks": blocks}
        channel = body.get("channel", {}).get("id") or container.get("channel_id")
        thread = message.get("thread_ts") or container.get("thread_ts")
        with suppress(ConnectorError):  # the vote is kept; that we cannot say so is no harm
            await self.api.call(_team(body), "chat.postEphemeral", channel=channel, thread_ts=thread, **arguments)


def help_channel(domains: Sequence[DomainSettings], route: str) -> str | None:
    """Where people help with *route*."""
    helpers = next((domain.help for domain in domains if domain.name == route), ())
    return next((place.removeprefix("slack:") for place in helpers if place.startswith("slack:")), None)


def form_values(body: Payload) -> Mapping[str, str]:
    """What was filled in, by block; empty fields left out."""
    found = {}
    for block, elements in body["view"]["state"]["values"].items():
        for element in elements.values():
            value = element.get("value") or (element.get("selected_option") or {}).get("value")
            if value and value.strip():
                found[block] = value.strip()
    return found


def _where(body: Payload, asker: str) -> dict[str, str]:
    """Where the asker reads the report: the thread, or direct messages where only the asker saw the answer."""
    message, container = body.get("message", {}), body.get("container", {})
    if container.get("is_ephemeral") or not message.get("ts"):
        return {"channel": asker}
    return {"channel": body["channel"]["id"], "thread": message.get("thread_ts") or message["ts"]}


def _user(body: Payload) -> str:
    return user_id(body["user"]["id"])


def _team(body: Payload) -> str:
    return str(body["team"]["id"])
