"""Pages for operators: is it alive (/healthz), can it answer (/readyz), how much and how fast (/metrics)."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest

from bot.errors import PointsmanError, SettingsError
from bot.messages import Feedback, Message, Reply
from bot.ports import FeedbackHandler, MessageHandler, OnText

log = structlog.get_logger()

AddPages = Callable[[web.Application], None]
"""Called with the server, to add further pages."""

LONGEST_LINE = 1_000_000  # bytes of an address: the console can then say on a page that it is too long
SECONDS = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128)


class PortTaken(SettingsError):
    """Another program uses the port."""


def nothing_more(server: web.Application) -> None:
    """An AddPages for a server that shows the health pages only."""


@dataclass
class Health:
    """What the pages show; wraps the two handlers to count what passes through them."""

    ready: bool = False
    _registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        labels = ["platform", "route", "outcome"]
        self._answers = Counter("pointsman_answers", "Questions answered", labels, registry=self._registry)
        self._failed = Counter("pointsman_failures", "Questions not answered", ["platform"], registry=self._registry)
        self._votes = Counter("pointsman_votes", "Votes given", ["platform", "rating"], registry=self._registry)
        self._seconds = Histogram(
            "pointsman_answer_seconds", "From question to answer", buckets=SECONDS, registry=self._registry
        )

    def counting(self, on_message: MessageHandler) -> MessageHandler:
        """*on_message*, counted."""

        async def counted(message: Message, on_text: OnText) -> Reply:
            begin = time.monotonic()
            try:
                reply = await on_message(message, on_text)
            except PointsmanError:
                self._failed.labels(message.platform).inc()
                raise
            outcome = "abstained" if reply.abstained else reply.decision
            self._answers.labels(message.platform, reply.route, outcome).inc()
            self._seconds.observe(time.monotonic() - begin)
            return reply

        return counted

    def counting_votes(self, on_feedback: FeedbackHandler) -> FeedbackHandler:
        """*on_feedback*, counted."""

        async def counted(feedback: Feedback) -> None:
            await on_feedback(feedback)
            self._votes.labels(feedback.platform, str(feedback.rating)).inc()

        return counted

    @asynccontextmanager
    async def pages(self, host: str, port: int, add: AddPages = nothing_more) -> AsyncIterator[None]:
        """The pages, while the block runs; a taken port is logged and stops nothing."""
        try:
            async with self.served(host, port, add):
                yield
        except PortTaken as exc:
            log.error("the console and the health pages are not served", port=port, reason=str(exc))
            yield

    @asynccontextmanager
    async def served(self, host: str, port: int, add: AddPages = nothing_more) -> AsyncIterator[None]:
        """
        The pages and those that *add* brings, while the block runs.

        Raises: PortTaken.
        """
        server = web.Application()
        self.add_to(server)
        add(server)
        runner = web.AppRunner(server, access_log=None, shutdown_timeout=1, max_line_size=LONGEST_LINE)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, host, port).start()
            except OSError as exc:
                raise PortTaken(
                    f"the console cannot be served at {host}:{port} ({exc.strerror or exc}); "
                    "end what uses it, or set another [console] port"
                ) from exc
            yield
        finally:
            await runner.cleanup()

    def add_to(self, server: web.Application) -> None:
        """Add the pages to *server*."""
        server.router.add_get("/healthz", self._healthz)
        server.router.add_get("/readyz", self._readyz)
        server.router.add_get("/metrics", self._metrics)
        server.on_response_prepare.append(_secured)

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        return web.Response(text="ready\n") if self.ready else web.Response(text="starting\n", status=503)

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _secured(request: web.Request, response: web.StreamResponse) -> None:
    """The pages show numbers only; others, which may do more, say so after this."""
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    response.headers["X-Content-Type-Options"] = "nosniff"
