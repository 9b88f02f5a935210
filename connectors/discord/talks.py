"""Which conversation a message in Discord belongs to, whether the bot takes part in it, and in which domain."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import discord

from bot.errors import ConnectorError
from bot.ports import ChannelStore, ExchangeStore, Inbox
from bot.settings import DomainSettings
from connectors.desk import patiently
from connectors.discord.errors import refusals
from connectors.discord.events import (
    addresses_somebody_else,
    bound_domain,
    is_addressed,
    is_direct,
    place_of,
    replied_to,
)

PATIENCE = 30.0  # seconds for which it is tried to learn where a message is
SILENCE = 1800.0  # seconds after which direct messages are about something else
POSTS = (discord.ChannelType.forum, discord.ChannelType.media)


@dataclass
class DiscordTalks:
    """Knows conversations: threads, chains of replies, and direct messages that follow one another closely."""

    client: discord.Client
    inbox: Inbox
    exchanges: ExchangeStore
    channels: ChannelStore
    domains: Sequence[DomainSettings]
    _direct: dict[int, tuple[float, str]] = field(default_factory=dict)  # channel -> until when, conversation

    async def meant_for(self, message: discord.Message, bot: int) -> str | None:
        """The conversation of a message that is to be answered; None: it is not."""
        thread = await self._thread(message)
        if is_addressed(message, bot):
            return await self._conversation(message, thread)
        if thread is None or addresses_somebody_else(message, bot):
            return None
        conversation = await self.of_thread(thread)
        if await self.inbox.takes_part(conversation):
            return conversation
        setting = await self.channels.find(thread.parent_id)
        return conversation if setting is not None and setting.automatic else None

    async def of_thread(self, thread: discord.Thread) -> str:
        """A thread may have been opened from a question or an answer, whose conversation goes on there then."""
        asked = f"discord:{thread.parent_id}:{thread.id}"
        if await self.inbox.takes_part(asked):
            return asked
        return await self._of_answer(thread.parent_id, thread.id) or f"discord:{thread.id}"

    async def bound(self, channel: object) -> str | None:
        """The domain that a channel, or the one that a thread is in, is bound to: by moderators, else by settings."""
        near = [getattr(channel, "id", None), getattr(channel, "parent_id", None)]
        for each in near:
            if each and (setting := await self.channels.find(each)) and setting.domain:
                return setting.domain
        return bound_domain(near, self.domains)

    async def title(self, message: discord.Message) -> str:
        """What the post that *message* opens is called; a question is often in there alone."""
        thread = await self._thread(message) if message.id == message.channel.id else None
        parent = thread.parent if thread else None
        return thread.name if thread and parent and parent.type in POSTS else ""

    async def _thread(self, message: discord.Message) -> discord.Thread | None:
        channel = message.channel
        if isinstance(channel, discord.PartialMessageable):  # its first message came before the thread itself
            with suppress(ConnectorError):
                found = await patiently(lambda: self._fetched(channel.id), patience=PATIENCE)
                return found if isinstance(found, discord.Thread) else None
        return channel if isinstance(channel, discord.Thread) else None

    async def _fetched(self, channel: int) -> object:
        with refusals():
            return await self.client.fetch_channel(channel)

    async def _conversation(self, message: discord.Message, thread: discord.Thread | None) -> str:
        if thread is not None:
            return await self.of_thread(thread)
        before, own = replied_to(message), f"discord:{message.channel.id}:{message.id}"
        if before is not None and (found := await self._of_answer(message.channel.id, before.id)):
            return self._spoken(message.channel.id, found) if is_direct(message) else found
        return self._spoken(message.channel.id, self._running(message.channel.id) or own) if is_direct(message) else own

    async def _of_answer(self, channel: int, message: int) -> str | None:
        reply = await self.exchanges.shown_at(place_of(channel, message))
        exchange = await self.exchanges.find(reply) if reply else None
        return exchange.message.thread if exchange is not None else None

    def _running(self, channel: int) -> str | None:
        until, conversation = self._direct.get(channel, (0.0, ""))
        return conversation if time.monotonic() < until else None

    def _spoken(self, channel: int, conversation: str) -> str:
        """Keep what direct messages are about; those that went silent are forgotten."""
        self._direct = {each: kept for each, kept in self._direct.items() if time.monotonic() < kept[0]}
        self._direct[channel] = (time.monotonic() + SILENCE, conversation)
        return conversation
