"""Slack's Web API for one workspace: retried, within the published rates, and with errors of our own."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient

from bot.errors import ConnectorBusy, ConnectorError

MINUTE = 60.0
# Calls a minute and workspace that Slack promises: https://docs.slack.dev/apis/web-api/rate-limits
TIER_2, TIER_4 = 20, 100
RATES = {
    "chat.startStream": TIER_2,
    "chat.stopStream": TIER_2,
    "chat.appendStream": TIER_4,
    "assistant.threads.setStatus": 600,  # not published; a refusal is no harm
}
POSTS_AT_ONCE = 3  # a channel takes a message a second, and short bursts
POST_SECONDS = 1.0

BUSY = {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
# What may have been done although the answer was lost must not be done again unseen.
NOT_TWICE = {"chat.postMessage", "chat.startStream", "chat.postEphemeral"}
FORMS = ("conversations.", "users.", "usergroups.", "auth.", "reactions.", "apps.")  # these read no JSON

Token = Callable[[str], Awaitable[str]]
"""The bot token of a workspace id."""


class SlackRefused(ConnectorError):
    """Slack refused a call; *code* is its word for why."""

    def __init__(self, method: str, code: str, detail: str = "") -> None:
        super().__init__(f"Slack refused {method}: {code}{detail}; `pointsman doctor` checks token and scopes")
        self.code = code


def web_client(
    base_url: str, session: aiohttp.ClientSession, *, retries: int, careful: bool = False, timeout: int = 30
) -> AsyncWebClient:
    """A client without a token. A *careful* one tries again only where Slack says that it did nothing."""
    handlers: list[Any] = [AsyncRateLimitErrorRetryHandler(max_retry_count=retries)]
    if not careful:
        handlers += [AsyncConnectionErrorRetryHandler(retries), AsyncServerErrorRetryHandler(max_retry_count=retries)]
    return AsyncWebClient(base_url=base_url, session=session, retry_handlers=handlers, timeout=timeout)


class SlackApi:
    """Calls for every workspace."""

    def __init__(
        self,
        base_url: str,
        session: aiohttp.ClientSession,
        token: Token,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.session = session
        self.token = token
        self.client = web_client(base_url, session, retries=3)
        self._careful = web_client(base_url, session, retries=3, careful=True)
        self._hasty = web_client(base_url, session, retries=0, timeout=3)
        self._clock = clock
        self._spent: dict[tuple[str, str], deque[float]] = {}  # by workspace and method
        self._posted: dict[tuple[str, str], float] = {}  # when a channel took, or will take, its last message

    async def call(self, team: str, method: str, **arguments: Any) -> Mapping[str, Any]:
        """
        Slack's answer.

        Raises: SlackRefused, or ConnectorBusy where the same call may succeed later.
        """
        return await self._call(self._careful if method in NOT_TWICE else self.client, team, method, arguments)

    async def hint(self, team: str, method: str, **arguments: Any) -> None:
        """
        A call at once or not at all: a sign of life that comes late is none.

        Raises: SlackRefused, ConnectorBusy.
        """
        if method not in RATES or self.allowance(team, method):
            await self._call(self._hasty, team, method, arguments)

    async def _call(
        self, client: AsyncWebClient, team: str, method: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        given = {name: value for name, value in arguments.items() if value is not None}
        body: dict[str, Any] = {"data": given} if method.startswith(FORMS) else {"json": given}
        headers = {"Authorization": f"Bearer {await self.token(team)}"}
        try:
            answer = await client.api_call(method, headers=headers, **body)
        except SlackApiError as exc:
            raise _ours(method, exc) from exc
        except (aiohttp.ClientError, TimeoutError, OSError, SlackClientError) as exc:
            raise ConnectorBusy(f"Slack did not answer {method} ({type(exc).__name__})") from exc
        return answer.data if isinstance(answer.data, dict) else {}

    def allowance(self, team: str, method: str) -> bool:
        """Whether one more call fits the rate; it is counted."""
        spent = self._spent.setdefault((team, method), deque())
        while spent and spent[0] <= self._clock() - MINUTE:
            spent.popleft()
        if len(spent) >= RATES[method]:
            return False
        spent.append(self._clock())
        return True

    async def turn_to_post(self, team: str, channel: str) -> None:
        """Wait until *channel* takes another message."""
        now = self._clock()
        due = max(self._posted.get((team, channel), 0.0), now - POSTS_AT_ONCE * POST_SECONDS) + POST_SECONDS
        self._posted[team, channel] = due
        await asyncio.sleep(max(0.0, due - now))


def _ours(method: str, exc: SlackApiError) -> ConnectorError:
    response = exc.response
    code = str(response.get("error", "") if isinstance(response.data, dict) else "")
    status = getattr(response, "status_code", 200)
    if status >= 500 or status == 429 or code in BUSY or not code:
        return ConnectorBusy(f"Slack is out of order for {method} ({code or status})")
    needed = response.get("needed")
    return SlackRefused(method, code, f" (needs {needed})" if needed else "")
