"""Discord's refusals as errors of ours, and a word to whoever pressed something that failed."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any, TypeVar

import aiohttp
import discord
import structlog
from discord import app_commands

from bot import wording
from bot.errors import ConnectorBusy, ConnectorError
from connectors.discord.events import NONE

log = structlog.get_logger()

# https://discord.com/developers/docs/topics/opcodes-and-status-codes#json-json-error-codes
CHANNEL_GONE, GUILD_GONE, MESSAGE_GONE = 10003, 10004, 10008
NO_ACCESS, NO_RIGHT, NO_DIRECT_MESSAGES = 50001, 50013, 50007
# A command that was not acknowledged in three seconds; its token before that, and after its fifteen minutes.
TOO_LATE, UNKNOWN_TOKEN, EXPIRED_TOKEN = 10062, 10015, 50027
TOKEN_OVER = (TOO_LATE, UNKNOWN_TOKEN, EXPIRED_TOKEN)
ACKNOWLEDGED = 40060  # already: the answer to our earlier try was lost

HIDDEN_CHANNEL = "I do not see that channel. Please give my role the permission View Channel there."

Item = TypeVar("Item")
Pressed = discord.Interaction[Any]


class Deleted(ConnectorError):
    """What we write to, or what we answer, was deleted: nobody waits for it."""


@contextmanager
def refusals() -> Iterator[None]:
    """The one boundary at which Discord's errors become ours. Raises: Deleted, ConnectorBusy, ConnectorError."""
    try:
        yield
    except discord.HTTPException as exc:
        raise _kind(exc)(_reason(exc)) from exc
    except (discord.RateLimited, aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise ConnectorBusy(f"Discord did not answer ({type(exc).__name__})") from exc


def _kind(error: discord.HTTPException) -> type[ConnectorError]:
    if error.status >= 500 or error.status == 429:
        return ConnectorBusy
    return Deleted if error.code in (CHANNEL_GONE, GUILD_GONE, MESSAGE_GONE) else ConnectorError


def _reason(error: discord.HTTPException) -> str:
    remedies: dict[int, str] = {
        NO_RIGHT: "the bot lacks a permission there; `pointsman doctor` prints an invite link with all of them",
        NO_ACCESS: "the bot does not see that channel; give its role View Channel",
        MESSAGE_GONE: "the message was deleted",
        CHANNEL_GONE: "the channel was deleted",
        NO_DIRECT_MESSAGES: "the person takes no direct messages",
    }
    return (
        f"Discord refused ({error.status}, {error.code}): {remedies.get(error.code, error.text or 'no reason given')}"
    )


def excused(
    callback: Callable[[Item, Pressed], Awaitable[None]],
) -> Callable[[Item, Pressed], Coroutine[Any, Any, None]]:
    """*callback* of a button, with an apology where it fails: discord.py would only log that."""

    @wraps(callback)
    async def excusing(item: Item, pressed: Pressed) -> None:
        try:
            await callback(item, pressed)
        # An edge of the program: whoever presses something gets a reason, also from a defect of ours.
        except Exception as exc:
            await apologise(pressed, exc)

    return excusing


async def apologise(pressed: Pressed, error: Exception) -> None:
    """Log *error*, and tell the one who pressed, typed or filled in what led to it."""
    cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
    hidden = isinstance(cause, app_commands.TransformerError) and cause.type is discord.AppCommandOptionType.channel
    if not hidden:
        log.error("a command or a press failed", reason=str(cause), exc_info=cause)
    text = HIDDEN_CHANNEL if hidden else wording.sorry(wording.APOLOGY)
    with suppress(discord.HTTPException, aiohttp.ClientError, OSError):
        if not pressed.response.is_done():
            await pressed.response.send_message(text, ephemeral=True, allowed_mentions=NONE)
        elif pressed.response.type is discord.InteractionResponseType.deferred_channel_message:
            await pressed.edit_original_response(content=text, allowed_mentions=NONE)
        else:
            await pressed.followup.send(text, ephemeral=True, allowed_mentions=NONE)
