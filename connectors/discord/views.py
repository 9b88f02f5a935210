"""
What people press and fill in in Discord.

Buttons carry what they are about in their id, so that they work after a restart and for as long as the answer is kept.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import discord

from bot.messages import GENERAL, Reply
from bot.settings import DomainSettings
from connectors.discord.errors import apologise, excused

REPLY_ID = r"(?P<reply>[\w:-]{1,80})"
LONGEST_OPTION = 100
MOST_OPTIONS = 25
NO_DOCUMENTS = "What the model knows by itself, without documents"
FORM_SECONDS = 3600.0  # Discord does not say that a form was closed; one that nobody sends is forgotten

Interaction = discord.Interaction[Any]  # of a DiscordClient


def answer_view(reply: Reply, *, helpers: bool) -> discord.ui.View:
    """The buttons below an answer."""
    view = discord.ui.View(timeout=None)
    view.add_item(VoteButton("up", reply.id))
    view.add_item(VoteButton("down", reply.id))
    if helpers:
        view.add_item(PersonButton(reply.id))
    return view


def noted_view(reply: str, rating: int) -> discord.ui.View:
    """What can still be done about a vote, on the note that it was taken."""
    view = discord.ui.View(timeout=None)
    if rating < 0:
        view.add_item(SayWhyButton(reply))
    view.add_item(TakeBackButton(reply))
    return view


def help_view(reply: str, asker: int) -> discord.ui.View:
    """The button of those who help."""
    view = discord.ui.View(timeout=None)
    view.add_item(ResolveButton(reply, asker))
    return view


class VoteButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=rf"vote:(?P<sign>up|down):{REPLY_ID}"):
    """👍 or 👎."""

    def __init__(self, sign: str, reply: str) -> None:
        super().__init__(discord.ui.Button(emoji="👍" if sign == "up" else "👎", custom_id=f"vote:{sign}:{reply}"))
        self.sign, self.reply = sign, reply

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: discord.ui.Item[Any], match: "re.Match[str]", /
    ) -> "VoteButton":
        return cls(match["sign"], match["reply"])

    @excused
    async def callback(self, interaction: Interaction) -> None:
        await interaction.client.feedback.vote(interaction, self.reply, up=self.sign == "up")


class TakeBackButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=rf"take_back:{REPLY_ID}"):
    """The way back of a vote."""

    def __init__(self, reply: str) -> None:
        super().__init__(discord.ui.Button(label="Take it back", custom_id=f"take_back:{reply}"))
        self.reply = reply

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: discord.ui.Item[Any], match: "re.Match[str]", /
    ) -> "TakeBackButton":
        return cls(match["reply"])

    @excused
    async def callback(self, interaction: Interaction) -> None:
        await interaction.client.feedback.take_back(interaction, self.reply)


class SayWhyButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=rf"say_why:{REPLY_ID}"):
    """Opens the form behind a thumbs-down, for those who have closed it."""

    def __init__(self, reply: str) -> None:
        super().__init__(discord.ui.Button(label="Say what was wrong", custom_id=f"say_why:{reply}"))
        self.reply = reply

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: discord.ui.Item[Any], match: "re.Match[str]", /
    ) -> "SayWhyButton":
        return cls(match["reply"])

    @excused
    async def callback(self, interaction: Interaction) -> None:
        await interaction.client.feedback.say_why(interaction, self.reply)


class PersonButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=rf"person:{REPLY_ID}"):
    """Asks those who help with the topic."""

    def __init__(self, reply: str) -> None:
        super().__init__(discord.ui.Button(label="Ask a person", custom_id=f"person:{reply}"))
        self.reply = reply

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: discord.ui.Item[Any], match: "re.Match[str]", /
    ) -> "PersonButton":
        return cls(match["reply"])

    @excused
    async def callback(self, interaction: Interaction) -> None:
        await interaction.client.feedback.ask_person(interaction, self.reply)


class ResolveButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=rf"resolve:(?P<asker>\d+):{REPLY_ID}"):
    """Reports back to the asker."""

    def __init__(self, reply: str, asker: int) -> None:
        button: discord.ui.Button[Any] = discord.ui.Button(
            label="Resolve", style=discord.ButtonStyle.primary, custom_id=f"resolve:{asker}:{reply}"
        )
        super().__init__(button)
        self.reply, self.asker = reply, asker

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: discord.ui.Item[Any], match: "re.Match[str]", /
    ) -> "ResolveButton":
        return cls(match["reply"], int(match["asker"]))

    @excused
    async def callback(self, interaction: Interaction) -> None:
        await interaction.client.feedback.resolve(interaction, self.reply, self.asker)


DYNAMIC = (VoteButton, TakeBackButton, SayWhyButton, PersonButton, ResolveButton)


class Form(discord.ui.Modal):
    """A form whose values go to *submitted* by their names."""

    def __init__(
        self,
        title: str,
        fields: Sequence[discord.ui.Label[Any]],
        submitted: Callable[[discord.Interaction, dict[str, str]], Awaitable[None]],
    ) -> None:
        super().__init__(title=title, timeout=FORM_SECONDS)
        self._submitted = submitted
        for each in fields:
            self.add_item(each)

    async def on_submit(self, interaction: discord.Interaction, /) -> None:
        given: dict[str, str] = {}
        for label in self.children:
            part = label.component if isinstance(label, discord.ui.Label) else None
            if isinstance(part, discord.ui.TextInput) and part.value.strip():
                given[str(part.custom_id)] = part.value.strip()
            elif isinstance(part, discord.ui.Select) and part.values:
                given[part.custom_id] = str(part.values[0])
        await self._submitted(interaction, given)

    async def on_error(  # type: ignore[override]  # as discord.py's own Modal declares it
        self, interaction: discord.Interaction, error: Exception, /
    ) -> None:
        """Whoever fills in a form gets an apology where that fails."""
        await apologise(interaction, error)


def text_field(
    name: str, label: str, *, hint: str | None = None, initial: str = "", required: bool = False
) -> discord.ui.Label[Any]:
    """A field for some lines of text."""
    entry: discord.ui.TextInput[Any] = discord.ui.TextInput(
        custom_id=name,
        style=discord.TextStyle.paragraph,
        default=initial[:4_000] or None,
        required=required,
        max_length=4_000,
    )
    return discord.ui.Label(text=label, description=hint, component=entry)


def route_field(
    label: str, domains: Sequence[DomainSettings], *, empty: str, unknown: bool = False
) -> discord.ui.Label[Any]:
    """A choice among the routes. *empty*: what it means to choose none; *unknown*: whether one may not know."""
    others = [discord.SelectOption(label="General knowledge", value=GENERAL, description=NO_DOCUMENTS)]
    if unknown:
        others.append(discord.SelectOption(label="I don't know where", value="unknown"))
    options = [
        discord.SelectOption(label=each.name, value=each.name, description=each.description[:LONGEST_OPTION] or None)
        for each in domains[: MOST_OPTIONS - len(others)]
    ]
    choice: discord.ui.Select[Any] = discord.ui.Select(
        custom_id="route", options=[*options, *others], required=False, min_values=0, placeholder=empty
    )
    return discord.ui.Label(text=label, component=choice)
