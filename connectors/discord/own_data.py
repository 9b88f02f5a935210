"""What is kept of a person, shown to and deleted by that person."""

import re
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from bot import wording
from bot.messages import Stored
from connectors.discord.errors import excused
from connectors.discord.events import NONE, user_id

if TYPE_CHECKING:
    from connectors.discord.connector import DiscordClient

EVERYWHERE = None  # on all servers and in direct messages
NOTHING = "I keep nothing of you."

Pressed = discord.Interaction[Any]  # of a DiscordClient


def forget_me(client: "DiscordClient") -> app_commands.Command[Any, ..., None]:
    """The command by which everybody sees what is kept of them, and deletes it."""

    @app_commands.command(name="forget-me", description="What I keep of you, and a button to delete it")
    async def show(interaction: discord.Interaction) -> None:
        stored = await client.people.stored(user_id(interaction.user.id), EVERYWHERE)
        days = wording.counted(client.settings.storage.retention_days, "day")
        if not (stored.questions or stored.votes):
            await interaction.response.send_message(NOTHING, ephemeral=True, allowed_mentions=NONE)
            return
        view = discord.ui.View(timeout=None)
        view.add_item(DeleteMyDataButton())
        await interaction.response.send_message(
            f"I keep {_counted(stored)} of you, from direct messages and all servers, for at most {days}. "
            "Deleting is for good; our messages here in Discord stay.",
            view=view,
            ephemeral=True,
            allowed_mentions=NONE,
        )

    return show


class DeleteMyDataButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template="delete_my_data"):
    """Deletes what is kept of whoever presses it; nobody else sees theirs."""

    def __init__(self) -> None:
        button: discord.ui.Button[Any] = discord.ui.Button(
            label="Delete my data", style=discord.ButtonStyle.danger, custom_id="delete_my_data"
        )
        super().__init__(button)

    @classmethod
    async def from_custom_id(
        cls, interaction: Pressed, item: discord.ui.Item[Any], match: "re.Match[str]", /
    ) -> "DeleteMyDataButton":
        return cls()

    @excused
    async def callback(self, interaction: Pressed) -> None:
        interaction.client.desk.forget(user_id(interaction.user.id))
        gone = await interaction.client.people.forget(user_id(interaction.user.id), EVERYWHERE)
        await interaction.response.edit_message(content=f"Deleted: {_counted(gone)}.", view=None)


def _counted(stored: Stored) -> str:
    answers = "its answer" if stored.questions == 1 else "their answers"
    questions, votes = wording.counted(stored.questions, "question"), wording.counted(stored.votes, "vote")
    return f"{questions} with {answers} and {votes}"
