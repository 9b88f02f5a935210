"""Slack over HTTP: signed requests in, and the pages that install the app in a workspace."""

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Middleware
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp

from bot.errors import ConnectorError

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
            return await to_aiohttp_response(await flow.handle_callback(await to_bolt_request(request)))

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
        signature = request.headers.get("X-Slack-Signature", "")
        now = time.monotonic()
        while served and next(iter(served.values())) < now - SIGNED_SECONDS:
            served.popitem(last=False)
        if signature and signature in served:
            return web.Response(status=401, text="this request was served before")
        if signature:
            served[signature] = now
        response = await handler(request)
        if response.status != 200:
            served.pop(signature, None)  # what failed may be sent again
        return response

    return refuse
