"""The site: every page behind its gate, the files that pages need, and the headers of every response."""

from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from bot.console import (
    pages_audit,
    pages_decisions,
    pages_knowledge,
    pages_learn,
    pages_overview,
    pages_people,
    pages_prompts,
    pages_release,
    pages_review,
    pages_signin,
)
from bot.console.parts import Parts
from bot.console.routes import Gate, Routes, refusal
from bot.console.sessions import SignedIn

PAGES: tuple[Routes, ...] = (
    pages_review.routes,
    pages_decisions.routes,
    pages_learn.routes,
    pages_release.routes,
    pages_knowledge.routes,
    pages_prompts.routes,
    pages_overview.routes,
    pages_people.routes,
    pages_audit.routes,
    pages_signin.routes,
)
"""In the order of the navigation."""

STATIC = Path(__file__).parent / "static"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def console(parts: Parts) -> Callable[[web.Application], None]:
    """What adds the console to a server."""

    def add(server: web.Application) -> None:
        navigation = [(routes.home, routes.title, routes.need) for routes in PAGES if routes.title]
        gate = Gate(parts, SignedIn(parts.sessions, parts.secure), navigation)
        for routes in PAGES:
            for route in routes.all:
                server.router.add_route(route.method, route.path, gate.guarding(route))
        server.router.add_static("/static/", STATIC)
        server.middlewares.append(_lost(gate))
        server.on_response_prepare.append(_secured)

    return add


def _lost(gate: Gate):  # type: ignore[no-untyped-def]  # aiohttp has no name for the type of a middleware
    """What answers for addresses that there are not: a page with a way back."""

    @web.middleware
    async def lost(request: web.Request, handler):  # type: ignore[no-untyped-def]  # the same
        try:
            return await handler(request)
        except web.HTTPException as exc:
            if exc.status not in (404, 405, 413):
                raise
            visit = gate.visit(request, await gate.signed_in.find(request))
            reasons = {413: visit.say("This is too large; send less at once.")}
            return refusal(visit, exc.status, reasons.get(exc.status) or visit.say("There is no such page."))

    return lost


async def _secured(request: web.Request, response: web.StreamResponse) -> None:
    if request.path in ("/healthz", "/readyz", "/metrics"):
        return  # these show less, and so may do less
    for name, value in HEADERS.items():
        response.headers[name] = value
    # Pages hold what people wrote; only files that are the same for everyone may be kept by a browser.
    response.headers.setdefault("Cache-Control", "no-cache" if request.path.startswith("/static/") else "no-store")
