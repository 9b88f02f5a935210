"""The messages of one answer in Discord: replies in a channel, or the response to a command."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import discord

from bot.messages import Pending
from bot.ports import OnText
from connectors.discord.errors import MESSAGE_GONE, TOKEN_OVER, Deleted
from connectors.discord.events import NONE, place_of

NEAR = 100  # messages behind a question among which its answer is looked for: one page


class Sheet(Protocol):
    """The messages of one answer, however they reach Discord."""

    async def write(self, number: int, **content: Any) -> str:
        """Make message *number* (from 0) hold *content*. Returns: its place; empty where only the asker sees it."""
        ...

    async def cut(self, number: int) -> None:
        """Delete message *number* and those behind it."""
        ...

    async def typing(self) -> None:
        """Show that work goes on."""
        ...


@dataclass
class ChannelSheet:
    """Messages in a channel. One that is sent twice by accident is one all the same: its nonce says so."""

    client: discord.Client
    channel: int
    nonce: str  # 23 characters at most
    noted: OnText  # called with the id of the first message
    answered: int = 0  # the message to which these are replies; 0: to none
    ids: list[int] = field(default_factory=list)

    @property
    def room(self) -> discord.PartialMessageable:
        return self.client.get_partial_messageable(self.channel)

    async def write(self, number: int, **content: Any) -> str:
        if number < len(self.ids):
            return await self._edit(number, content)
        reference = None
        if self.answered:
            reference = discord.MessageReference(
                message_id=self.answered, channel_id=self.channel, fail_if_not_exists=False
            )
        sent = await self.room.send(
            **content,
            reference=reference,  # type: ignore[arg-type]  # None is what discord.py has for it by itself
            mention_author=False,
            allowed_mentions=NONE,
            nonce=f"{self.nonce}.{number}",
        )
        self.ids.append(sent.id)
        if number == 0:
            await self.noted(str(sent.id))
        if sent.content.strip() != content["content"].strip():  # what an earlier try had sent, whose answer was lost
            return await self._edit(number, content)
        return place_of(self.channel, sent.id)

    async def _edit(self, number: int, content: dict[str, Any]) -> str:
        message = self.room.get_partial_message(self.ids[number])
        await message.edit(**{"embed": None, "view": None, **content}, allowed_mentions=NONE)
        return place_of(self.channel, message.id)

    async def cut(self, number: int) -> None:
        for each in self.ids[number:]:
            try:
                await self.room.get_partial_message(each).delete()
            except discord.NotFound as exc:
                if exc.code != MESSAGE_GONE:
                    raise
        del self.ids[number:]

    async def typing(self) -> None:
        await self.room.typing()


class ReplySheet(ChannelSheet):
    """Replies to a question in a channel; what an earlier process had begun is found again."""

    def __init__(self, client: discord.Client, pending: Pending, begun: OnText) -> None:
        asked = int(pending.address["message"])
        super().__init__(client, int(pending.address["channel"]), str(asked), begun, answered=asked)
        self.ids = [int(pending.begun)] if pending.begun else []
        self._left_behind = pending.resumed

    async def write(self, number: int, **content: Any) -> str:
        await self._find_again()
        return await super().write(number, **content)

    async def cut(self, number: int) -> None:
        await self._find_again()
        await super().cut(number)

    async def _find_again(self) -> None:
        """What a killed process sent, noted or not. Raises: Deleted where the question has gone since."""
        if not self._left_behind:
            return
        near = [m async for m in self.room.history(limit=NEAR, after=discord.Object(self.answered - 1))]
        me = self.client.user.id if self.client.user else 0
        mine = [m.id for m in near if m.author.id == me and m.reference and m.reference.message_id == self.answered]
        self.ids = mine or self.ids
        if not near or near[0].id != self.answered:
            await super().cut(0)
            raise Deleted("the question was deleted")
        self._left_behind = False


class _Original:
    """Discord's name for the first response, where we do not know its id. As a text, discord.py would quote it."""

    def __str__(self) -> str:
        return "@original"


ORIGINAL: Any = _Original()


class InteractionSheet:
    """The response to a command or form, and what follows it; in another place where Discord takes no more there."""

    def __init__(self, client: discord.Client, pending: Pending, begun: OnText) -> None:
        self._client, self._pending, self._begun = client, pending, begun
        address = pending.address
        self._webhook = discord.Webhook.partial(int(address["application"]), address["token"], client=client)
        self._webhook.type = discord.WebhookType.application  # others cannot be read by one person alone
        response, _, elsewhere = pending.begun.partition(" ")
        self._ids = [int(response)] if response else []
        self._unsure = pending.resumed  # whether pages may be there that we do not know of
        self._elsewhere: ChannelSheet | None = None
        if elsewhere:
            channel, _, message = elsewhere.partition(":")
            self._elsewhere = self._in_channel(int(channel))
            self._elsewhere.ids = [int(message)]

    @property
    def _private(self) -> bool:
        return bool(self._pending.address["private"])

    async def typing(self) -> None:
        """Discord shows "is thinking" by itself."""

    async def write(self, number: int, **content: Any) -> str:
        if self._elsewhere is None:
            await self._find_again()
            try:
                return await self._in_place(number, **content)
            except discord.HTTPException as exc:
                if exc.code not in TOKEN_OVER and (self._ids or exc.code != MESSAGE_GONE):
                    raise
        if self._elsewhere is None:  # killed before Discord knew that we heard, or its fifteen minutes are over
            self._elsewhere = await self._another_place()
        return await self._elsewhere.write(number, **content)

    async def cut(self, number: int) -> None:
        if self._elsewhere is not None:
            await self._elsewhere.cut(number)
            return
        await self._find_again()
        for each in self._ids[number:]:
            try:
                await self._webhook.delete_message(each)
            except discord.HTTPException as exc:
                if exc.code not in (MESSAGE_GONE, *TOKEN_OVER):
                    raise
        del self._ids[number:]

    async def _in_place(self, number: int, **content: Any) -> str:
        fresh = {"embed": None, "view": None, **content}
        if number < len(self._ids):
            message = await self._webhook.edit_message(self._ids[number], **fresh, allowed_mentions=NONE)
        elif number == 0:  # Discord may show that we think, although we do not know of it
            message = await self._webhook.edit_message(ORIGINAL, **fresh, allowed_mentions=NONE)
            self._ids.append(message.id)
            await self._begun(str(message.id))
        else:
            self._unsure = True  # until Discord has said where it is
            message = await self._webhook.send(**content, allowed_mentions=NONE, ephemeral=self._private, wait=True)
            self._unsure = False
            self._ids.append(message.id)
        return "" if self._private else place_of(int(self._pending.address["channel"]), message.id)

    async def _find_again(self) -> None:
        """Further pages that a killed process or a lost try has sent; those that only the asker sees are not found."""
        if not self._unsure or not self._ids or self._private:
            return
        room = self._client.get_partial_messageable(int(self._pending.address["channel"]))
        command = int(self._pending.message.id.rpartition(":")[2])
        with suppress(discord.Forbidden, discord.NotFound):  # a command may be used where we do not read
            near = [m async for m in room.history(limit=NEAR, after=discord.Object(self._ids[0]))]
            ours = [m.id for m in near if m.interaction_metadata and m.interaction_metadata.id == command]
            self._ids = [self._ids[0], *ours]
        self._unsure = False

    async def _another_place(self) -> ChannelSheet:
        """The channel, or direct messages where nobody else may read it."""
        address = self._pending.address
        if not self._private:
            return self._in_channel(int(address["channel"]))
        user = await self._client.fetch_user(int(address["user"]))
        return self._in_channel((await user.create_dm()).id)

    def _in_channel(self, channel: int) -> ChannelSheet:
        async def noted(message: str) -> None:
            await self._begun(f"{''.join(str(each) for each in self._ids[:1])} {channel}:{message}")

        public = not self._private and bool(self._ids)
        nonce = self._pending.message.id.rpartition(":")[2]
        return ChannelSheet(self._client, channel, nonce, noted, answered=self._ids[0] if public else 0)
