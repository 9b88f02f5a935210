"""Slack's Web API for every workspace: retried, within the published rates, and with errors of our own."""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.http_retry.builtin_interval_calculators import BackoffRetryIntervalCalculator
from slack_sdk.http_retry.jitter import Jitter
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.errors import ConnectorBusy, ConnectorError

MINUTE = 60.0
# Calls a minute and workspace that Slack promises: https://docs.slack.dev/apis/web-api/rate-limits
TIER_2, TIER_4 = 20, 100
RATES = {
    "chat.startStream": TIER_2,
    "chat.stopStream": TIER_2,
    "chat.appendStream": TIER_4,
    "assistant.threads.setTitle": TIER_4,
    "assistant.threads.setStatus": 600,  # not published; a refusal is no harm
}
POSTS_AT_ONCE = 3  # a channel takes a message a second, and short bursts
PAGES = 20  # of a list, at most

BUSY = {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
# What may have been done although the answer was lost must not be done again unseen.
NOT_TWICE = {"chat.postMessage", "chat.postEphemeral"}
# A stream goes on without waiting: what it does not take now comes later, or in one piece.
AT_ONCE = {"chat.startStream", "chat.appendStream"}
APPS = "https://api.slack.com/apps"
COPY_ANEW = f"copy it anew from OAuth & Permissions of your app at {APPS}"  # the bot token
MAKE_ANEW = (  # the app token
    f"make one with the scope connections:write under Basic Information of your app at {APPS}, "
    "and switch Socket Mode on"
)
FORMS = ("conversations.", "users.", "usergroups.", "auth.", "reactions.", "apps.")  # these read no JSON

Token = Callable[[str], Awaitable[str]]
"""The bot token of a workspace id."""


class SlackRefused(ConnectorError):
    """Slack refused a call; *code* is its word for why."""

    def __init__(self, method: str, code: str, detail: str = "") -> None:
        super().__init__(f"Slack refused {method}: {code}{detail}; `pointsman doctor` checks token and scopes")
        self.code = code


class SlackTooOften(ConnectorBusy):
    """Slack did nothing, because it was called too often."""


class Spread(Jitter):
    """Callers that were refused together come back one by one."""

    def recalculate(self, duration: float) -> float:
        return duration * random.uniform(1, 2)  # noqa: S311  # no secret


def web_session() -> aiohttp.ClientSession:
    """Connections to Slack; no call waits longer than half a minute."""
    # trust_env: the proxy variables with their exceptions, of which the SDK's own handling knows none
    return aiohttp.ClientSession(trust_env=True, timeout=aiohttp.ClientTimeout(total=30))


def quiet_logger() -> logging.Logger:
    """The log of Slack's libraries; what they say for debugging holds tokens and everybody's messages."""
    logger = logging.getLogger("slack")
    logger.setLevel(max(logging.INFO, logger.getEffectiveLevel()))
    return logger


def web_client(
    base_url: str, session: aiohttp.ClientSession, *, retries: int, careful: bool = False, pause: float = 0.5
) -> AsyncWebClient:
    """
    A client without a token. A *careful* one tries again only where Slack says that it did nothing.

    *pause*: seconds before the first new try.
    """
    handlers: list[Any] = [AsyncRateLimitErrorRetryHandler(max_retry_count=retries)]
    if not careful:
        waits = BackoffRetryIntervalCalculator(pause, Spread())
        handlers.append(AsyncConnectionErrorRetryHandler(retries, waits))
        handlers.append(AsyncServerErrorRetryHandler(max_retry_count=retries, interval_calculator=waits))
    client = AsyncWebClient(base_url=base_url, session=session, retry_handlers=handlers, logger=quiet_logger())
    client.proxy = None  # the session knows the proxy
    return client


class SlackApi:
    """Calls for every workspace. Tests shorten what is waited for."""

    append_seconds = 0.7  # between two additions to a stream
    post_seconds = 1.0  # between two messages in a channel
    hint_seconds = 3.0  # until a sign of life is given up

    def __init__(
        self,
        base_url: str,
        session: aiohttp.ClientSession,
        token: Token,
        *,
        pause: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.session = session
        self.token = token
        self.rates = dict(RATES)
        self.client = web_client(base_url, session, retries=3, pause=pause)
        self._careful = web_client(base_url, session, retries=3, careful=True)
        self._once = web_client(base_url, session, retries=0)
        self._clock = clock
        self._spent: dict[tuple[str, str], deque[float]] = {}  # by workspace and method
        self._posted: dict[tuple[str, str], float] = {}  # when a channel took, or will take, its last message

    async def call(self, team: str, method: str, **arguments: Any) -> Mapping[str, Any]:
        """
        Slack's answer.

        Raises: SlackRefused, or ConnectorBusy where the same call may succeed later.
        """
        if method in AT_ONCE:
            return await self._call(self._once, team, method, arguments)
        return await self._call(self._careful if method in NOT_TWICE else self.client, team, method, arguments)

    async def hint(self, team: str, method: str, **arguments: Any) -> None:
        """
        A call at once or not at all: a sign of life that comes late is none.

        Raises: SlackRefused, ConnectorBusy.
        """
        if method in self.rates and not self.allowance(team, method):
            raise SlackTooOften(f"{method} was called too often")
        try:
            async with asyncio.timeout(self.hint_seconds):
                await self._call(self._once, team, method, arguments)
        except TimeoutError as exc:
            raise ConnectorBusy(f"Slack did not answer {method} in time") from exc

    async def listed(self, team: str, method: str, name: str, **arguments: Any) -> AsyncIterator[Any]:
        """
        Each item of a list that Slack gives in pages.

        Raises: SlackRefused, also where the list does not end; ConnectorBusy.
        """
        cursor: str | None = None
        for _ in range(PAGES):
            found = await self.call(team, method, cursor=cursor, **arguments)
            for item in found.get(name, ()):
                yield item
            cursor = (found.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return
        raise SlackRefused(method, "too_many_pages")

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
        if len(spent) >= self.rates[method]:
            return False
        spent.append(self._clock())
        return True

    async def turn_to_post(self, team: str, channel: str) -> None:
        """Wait until *channel* takes another message."""
        now, pace = self._clock(), self.post_seconds
        due = max(self._posted.get((team, channel), 0.0), now - POSTS_AT_ONCE * pace) + pace
        self._posted[team, channel] = due
        await asyncio.sleep(max(0.0, due - now))


@contextmanager
def trying(token: str, method: str, client: AsyncWebClient, remedy: str) -> Iterator[None]:
    """A first call with the token that the variable *token* holds. Raises: ConnectorError with what to do about it."""
    try:
        yield
    except SlackApiError as exc:
        ours = _ours(method, exc)
        if isinstance(ours, SlackRefused):
            raise ConnectorError(f"{token} is not accepted ({ours.code}); {remedy}") from exc
        raise ours from exc
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise ConnectorError(
            f"Slack cannot be reached at {client.base_url} ({type(exc).__name__}); check the network, the proxy and "
            "[slack] api_base_url"
        ) from exc


def _ours(method: str, exc: SlackApiError) -> ConnectorError:
    response = exc.response
    if not isinstance(response, AsyncSlackResponse):  # not even JSON
        return ConnectorBusy(f"Slack is out of order for {method}")
    code = str(response.get("error", "") if isinstance(response.data, dict) else "")
    status = response.status_code
    if status == 429 or code in ("ratelimited", "rate_limited"):
        return SlackTooOften(f"Slack is called too often by {method}")
    if status >= 500 or code in BUSY or not code:
        return ConnectorBusy(f"Slack is out of order for {method} ({code or status})")
    needed = response.get("needed")
    return SlackRefused(method, code, f" (needs {needed})" if needed else "")
