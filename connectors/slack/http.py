"""Slack over HTTP: signed requests in, and the pages that install the app in a workspace."""

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp
from sqlalchemy.exc import SQLAlchemyError

from bot.errors import ConnectorError

log = structlog.get_logger()

EVENTS = "/slack/events"
INSTALL = "/slack/install"
REDIRECT = "/slack/oauth_redirect"
LARGEST = 2_000_000  # bytes of a request
SIGNED_SECONDS = 600.0  # bolt refuses signatures that are older than five minutes

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serve_http(bolt: AsyncApp, host: str, port: int) -> AsyncIterator[int]:
    """
    Listening while the block runs. Gives the port.

    Raises: ConnectorError if the port is taken.
    """
    server = web.Application(client_max_size=LARGEST, middlewares=[refusing_replays()])

    async def events(request: web.Request) -> web.StreamResponse:
        return await to_aiohttp_response(await bolt.async_dispatch(await to_bolt_request(request)))

    server.router.add_post(EVENTS, events)
    if bolt.oauth_flow is not None:
        flow = bolt.oauth_flow

        async def install(request: web.Request) -> web.StreamResponse:
            return await to_aiohttp_response(await flow.handle_installation(await to_bolt_request(request)))

        async def redirected(request: web.Request) -> web.StreamResponse:
            try:
                return await to_aiohttp_response(await flow.handle_callback(await to_bolt_request(request)))
            except SQLAlchemyError as exc:  # its text holds the token
                log.error("an installation could not be kept", reason=type(exc).__name__)
                return web.Response(status=503, text="The installation could not be kept. Please try again.")

        server.router.add_get(INSTALL, install)
        server.router.add_get(REDIRECT, redirected)
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=3)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as exc:
            raise ConnectorError(f"port {port} for Slack's events is taken; set another [slack] port") from exc
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def refusing_replays() -> Middleware:
    """A middleware that serves each signed request once: whoever overheard one cannot send it again."""
    served: OrderedDict[str, float] = OrderedDict()  # signature -> when, oldest first

    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method != "POST":  # the pages that install the app
            return await handler(request)
        signature = request.headers.get("X-Slack-Signature", "")
        stamp = request.headers.get("X-Slack-Request-Timestamp", "")
        if not signature or not (stamp.isascii() and stamp.isdigit()):  # bolt trips over a stamp that is no number
            return web.Response(status=401, text="this request is not signed")
        now = time.monotonic()
        while served and next(iter(served.values())) < now - SIGNED_SECONDS:
            served.popitem(last=False)
        if signature in served:
            return web.Response(status=401, text="this request was served before")
        served[signature] = now
        status = 0
        try:
            response = await handler(request)
            status = response.status
        finally:
            if status != 200:
                served.pop(signature, None)  # what failed may be sent again
        return response

    return refuse
