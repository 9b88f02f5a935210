"""Votes, corrections and calls for a person in Discord."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import discord
import structlog

from bot.errors import ConnectorBusy, ConnectorError
from bot.messages import Exchange
from bot.ports import ExchangeStore
from bot.settings import DomainSettings
from connectors.access import help_channel
from connectors.desk import patiently
from connectors.discord.errors import refusals
from connectors.discord.events import HELP_WANTED, NONE, PLATFORM, place_of, user_id
from connectors.discord.rooms import DiscordRooms
from connectors.discord.views import Form, help_view, noted_view, route_field, text_field
from connectors.markup import harmless, split
from connectors.votes import BETTER, FORM, GONE, NOTED, RIGHT, TAKEN_BACK, THERE, WHERE, Votes, noted

log = structlog.get_logger()

THUMBS = {"👍": 1, "👎": -1}
EXPLAINED = "Thank you, I have noted what you wrote."
BEING_ASKED = "The people who help are being asked already."
UNREACHABLE = "I could not reach the people who help. Please ask in your usual channel."
NOT_TOLD = "I could not reach the one who asked. Please tell them yourself."
FIELD = 1_000  # characters of a text in a call for help
PAGE = 1_900  # characters of a person's answer in one message
NONCE = 25  # characters by which Discord knows a message that we send again

Pressed = discord.Interaction[Any]


@dataclass
class DiscordFeedback:
    """What people do with an answer. Each vote is stored before it is acknowledged."""

    client: discord.Client
    rooms: DiscordRooms
    exchanges: ExchangeStore
    votes: Votes
    domains: Sequence[DomainSettings]
    _asking: set[str] = field(default_factory=set)  # replies about which people are being asked

    async def vote(self, pressed: Pressed, reply: str, *, up: bool) -> None:
        """A press on a thumb; a bad vote opens the form, which has to be Discord's first answer to the press."""
        if not await self.votes.give(reply, user_id(pressed.user.id), 1 if up else -1):
            await self._tell(pressed, GONE)
        elif up:
            await self._tell(pressed, noted(1), view=noted_view(reply, 1))
        else:
            await self.say_why(pressed, reply)
            with suppress(ConnectorError), refusals():  # Discord does not say whether the form is filled in or closed
                await pressed.followup.send(
                    noted(-1), view=noted_view(reply, -1), ephemeral=True, allowed_mentions=NONE
                )

    async def say_why(self, pressed: Pressed, reply: str) -> None:
        """Open the form behind a thumbs-down; the vote is kept whatever becomes of it."""
        fields = [
            text_field("reason", BETTER, hint=NOTED),
            text_field("correction", RIGHT),
            route_field(WHERE, self.domains, empty=THERE, unknown=True),
        ]
        with suppress(ConnectorError), refusals():  # too late for a form, perhaps
            await pressed.response.send_modal(Form(FORM, fields, partial(self._explained, reply)))

    async def _explained(self, reply: str, filled: discord.Interaction, given: dict[str, str]) -> None:
        kept = await self.votes.give(
            reply,
            user_id(filled.user.id),
            -1,
            reason=given.get("reason"),
            correction=given.get("correction"),
            wrong_route=given.get("route"),
        )
        await self._tell(filled, EXPLAINED if kept else GONE)

    async def take_back(self, pressed: Pressed, reply: str) -> None:
        """The way back, on the note that a vote was taken."""
        kept = await self.votes.give(reply, user_id(pressed.user.id), 0)
        with suppress(ConnectorError), refusals():
            await pressed.response.edit_message(content=TAKEN_BACK if kept else GONE, view=None)

    async def reacted(self, event: discord.RawReactionActionEvent, *, added: bool) -> None:
        """A thumb as a reaction counts like the button."""
        rating = THUMBS.get((event.emoji.name or "")[:1])
        if rating and not (event.member and event.member.bot):
            place = place_of(event.channel_id, event.message_id)
            await self.votes.react(place, user_id(event.user_id), 1 if rating > 0 else -1, added=added)

    async def ask_person(self, pressed: Pressed, reply: str) -> None:
        """Put the question, the answer and its sources before those who help with this topic; once for each answer."""
        await pressed.response.defer(ephemeral=True, thinking=True)
        if reply in self._asking:
            text = BEING_ASKED
        else:
            self._asking.add(reply)
            try:
                text = await self._asked_person(reply, pressed.user.id)
            finally:
                self._asking.discard(reply)
        await patiently(lambda: _answer(pressed, text))

    async def _asked_person(self, reply: str, asker: int) -> str:
        """What the asker is told."""
        exchange = await self.exchanges.find(reply)
        channel = help_channel(self.domains, exchange.reply.route, PLATFORM) if exchange else None
        asked = f"discord:help:{reply}"
        if exchange is None or channel is None:
            return "I know nobody to ask about this. Please ask in your usual channel."
        if await self.exchanges.shown_at(asked):
            return f"The people in <#{channel}> have this question already."
        try:
            await self._call_for_help(exchange, int(channel), asker)
        except ConnectorError as exc:
            log.warning("nobody could be asked for help", reason=str(exc))
            if self.client.get_channel(int(channel)) is None:  # of which Discord would show the number
                return UNREACHABLE
            return f"I could not post in <#{channel}>; please ask there yourself."
        await self.exchanges.show(reply, [asked])
        return f"I have asked the people in <#{channel}>. They answer you here."

    async def _call_for_help(self, exchange: Exchange, channel: int, asker: int) -> None:
        _, readers = self.rooms.room(self.client.get_channel(channel))
        labels, reply = exchange.message.labels, exchange.reply
        embed = discord.Embed(title=HELP_WANTED)
        embed.add_field(name="Who", value=f"<@{asker}>")
        embed.add_field(name="Topic", value=_plain(reply.route))
        embed.add_field(name="Question", value=_plain(exchange.message.text), inline=False)
        if labels is not None and labels <= readers:
            embed.add_field(name="What I had answered", value=_plain(reply.text), inline=False)
            titles = ", ".join(dict.fromkeys(p.title or p.document for p in reply.passages))
            if titles:
                embed.set_footer(text=f"I looked in: {titles[:FIELD]}")
        else:
            embed.set_footer(text="My answer is not shown: it may quote documents that not everybody here may read.")
        room, view = self.client.get_partial_messageable(channel), help_view(reply.id, asker)
        await patiently(lambda: _post(room, embed=embed, view=view, nonce=reply.id[:NONCE]))

    async def resolve(self, pressed: Pressed, reply: str, asker: int) -> None:
        """Open the form of the one who helps."""
        entry = text_field("answer", "Your answer to the asker", hint="Empty: the asker is told that it is resolved.")
        await pressed.response.send_modal(Form("Resolve", [entry], partial(self._resolved, reply, asker)))

    async def _resolved(self, reply: str, asker: int, filled: discord.Interaction, given: dict[str, str]) -> None:
        """Report back to the asker; what the helper wrote is a correction that admins review."""
        answer, helper = given.get("answer", ""), filled.user
        if answer:
            await self.votes.give(reply, user_id(helper.id), -1, reason="answered by a person", correction=answer)
        name = _plain(helper.display_name)
        with suppress(ConnectorError), refusals():
            await filled.response.edit_message(content=f"Resolved by {name}.", view=None)
        told = [f">>> {page}" for page in split(harmless(answer), PAGE)]
        told = [f"{name} has answered your question:", *told] if told else [f"{name} has resolved your question."]
        try:
            await self._report(reply, asker, told, nonce=str(filled.id))
        except ConnectorError as exc:
            log.warning("an asker could not be told", reason=str(exc))
            with refusals():
                await filled.followup.send(NOT_TOLD, ephemeral=True, allowed_mentions=NONE)

    async def _report(self, reply: str, asker: int, told: Sequence[str], *, nonce: str) -> None:
        """Where the answer is read; in direct messages where only the asker saw it, or that place is gone."""
        places = [place.split(":")[1:] for place in await self.exchanges.places(reply)]
        where = next((place for place in reversed(places) if place[0] != "help"), None)
        if where is not None:
            room = self.client.get_partial_messageable(int(where[0]))
            answer = discord.MessageReference(message_id=int(where[1]), channel_id=room.id, fail_if_not_exists=False)
            try:
                await self._tell_all(room, [f"<@{asker}>: {told[0]}", *told[1:]], nonce, reference=answer)
            except ConnectorBusy:
                raise
            except ConnectorError as exc:
                log.info("an asker is told in direct messages", reason=str(exc))
            else:
                return
        await self._tell_all(await patiently(lambda: self._direct(asker)), told, nonce)

    async def _tell_all(
        self, room: discord.abc.Messageable, told: Sequence[str], nonce: str, **first: discord.MessageReference
    ) -> None:
        for number, text in enumerate(told):
            more = first if number == 0 else {}
            await patiently(partial(_post, room, content=text, nonce=f"{nonce}.{number}", mention_author=False, **more))

    async def _direct(self, user: int) -> discord.DMChannel:
        with refusals():
            return await (await self.client.fetch_user(user)).create_dm()

    async def _tell(self, pressed: discord.Interaction, text: str, view: discord.ui.View | None = None) -> None:
        """Tell the one who pressed; that we cannot say that a vote is kept is no harm."""
        with suppress(ConnectorError), refusals():
            shown = view or discord.utils.MISSING
            await pressed.response.send_message(text, ephemeral=True, allowed_mentions=NONE, view=shown)


async def _post(room: discord.abc.Messageable, **said: Any) -> None:
    with refusals():
        await room.send(**said, allowed_mentions=NONE)


async def _answer(pressed: Pressed, text: str) -> None:
    with refusals():
        await pressed.edit_original_response(content=text, allowed_mentions=NONE)


def _plain(text: str) -> str:
    """Words of others, shown as they stand."""
    shown = discord.utils.escape_markdown(harmless(text))
    cut = shown[: FIELD - 1].rstrip("\\")  # the mark of an escape alone would escape what follows
    return (shown if len(shown) <= FIELD else f"{cut}…") or "-"
