"""Answers in Slack that only their asker sees: to `/ask`, and to "Ask about this"."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog

from bot.errors import ConnectorBusy, ConnectorError
from bot.messages import Pending, Reply
from connectors.slack import blocks as slack_blocks
from connectors.slack.api import SlackApi
from connectors.slack.events import Payload
from connectors.slack.screen import STOPPED

log = structlog.get_logger()

LOOKING = "Looking for an answer…"
TOO_LATE = "Slack did not open the form in time. Please try again."
MESSAGES = 4  # of one answer: the address takes five

Blocks = Sequence[Mapping[str, Any]]


async def respond(api: SlackApi, url: str, text: str, blocks: Blocks, *, replace: bool = False) -> bool:
    """
    Whether Slack showed this to the one whose command or press brought *url*; that holds for half an hour.

    *replace*: in place of what was said there before. Raises: ConnectorBusy.
    """
    body = {
        "response_type": "ephemeral",
        "replace_original": replace,
        "text": slack_blocks.fallback(text),
        "blocks": blocks,
    }
    try:
        async with api.session.post(url, json=body) as response:
            status = response.status
    except (aiohttp.ClientError, TimeoutError) as exc:
        raise ConnectorBusy(f"Slack did not take a private answer ({type(exc).__name__})") from exc
    if status >= 500 or status == 429:
        raise ConnectorBusy(f"Slack did not take a private answer ({status})")
    return status < 400


async def open_form(api: SlackApi, body: Payload, view: Mapping[str, Any]) -> bool:
    """Whether the form opened behind a press; Slack allows it for three seconds."""
    try:
        async with asyncio.timeout(api.hint_seconds):
            await api.call(body["team"]["id"], "views.open", trigger_id=body["trigger_id"], view=view)
    except (ConnectorError, TimeoutError) as exc:
        log.warning("a form did not open", reason=str(exc))
        return False
    return True


async def ask_by_form(api: SlackApi, body: Payload, view: Mapping[str, Any]) -> None:
    """Open the form behind "Ask about this", or say that it did not open."""
    if not await open_form(api, body, view):
        await respond(api, body["response_url"], TOO_LATE, slack_blocks.notice(TOO_LATE))


@dataclass
class PrivateScreen:
    """An answer in place of "looking for an answer"."""

    api: SlackApi
    pending: Pending
    helped: frozenset[str]  # the routes with people who can be asked instead
    _announced: bool = False
    _sent: int = 0  # messages of the answer

    async def waiting(self) -> None:
        """Say that work goes on; a command has said so in its acknowledgement, a form cannot."""
        address = self.pending.address
        if "form" in address and not self._announced:
            self._announced = True
            await respond(self.api, address["response_url"], LOOKING, slack_blocks.notice(LOOKING))

    async def show(self, piece: str) -> None:
        """A private answer comes in one piece: its address may be used five times."""

    async def finish(self, reply: Reply) -> list[str]:
        """Replace "looking for an answer" by the answer; later parts follow it."""
        *first, last = slack_blocks.pages(reply.text)
        messages = [(page, slack_blocks.markdown(page)) for page in first[: MESSAGES - 1]]
        messages.append((last, slack_blocks.answer(last, reply, helpers=reply.route in self.helped)))
        while self._sent < len(messages):
            await self._send(*messages[self._sent])
            self._sent += 1
        return []

    async def say(self, text: str) -> None:
        await self._send(text, slack_blocks.markdown(text))

    async def stopped(self) -> None:
        await self.say(STOPPED)

    async def _send(self, text: str, blocks: Blocks) -> None:
        address = self.pending.address
        if not await respond(self.api, address["response_url"], text, blocks, replace=self._sent == 0):
            # Too late for the address: into the direct messages.
            await self.api.call(
                address["team"],
                "chat.postMessage",
                channel=address["user"],
                text=slack_blocks.fallback(text),
                blocks=list(blocks),
            )
