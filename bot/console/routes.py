"""
Which page answers which address, and which role it needs.

The role is checked here, once, before any page runs: a page cannot forget it, because it cannot be added without one.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal
from weakref import WeakKeyDictionary

import structlog
from aiohttp import web
from yarl import URL

from bot.console.parts import Parts
from bot.console.sessions import SignedIn, same
from bot.console.visits import NO_FORM, Form, Visit, form_token
from bot.desks.accounts import Role, Session
from bot.errors import AdapterNotFound, Conflict, InputError, NotFound, PointsmanError

log = structlog.get_logger()

Need = Role | Literal["anyone"]
Page = Callable[[Visit], Awaitable[web.StreamResponse]]

FORM_BYTES = 1_000_000
LONGEST_ADDRESS = 8_000  # characters; what is longer was not typed by a person
STATUS: Mapping[type[PointsmanError], int] = {NotFound: 404, AdapterNotFound: 404, Conflict: 409, InputError: 400}
"""The first that fits counts; all others: 503."""

GUARDED: WeakKeyDictionary[Callable[..., object], "Route"] = WeakKeyDictionary()
"""By what the server calls: a server's router can be asked which of its addresses have a role, and which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One address with its page."""

    method: Literal["GET", "POST"]
    path: str
    need: Need
    page: Page
    limit: int = FORM_BYTES  # bytes that a form may have
    longest: int = LONGEST_ADDRESS  # characters that its address may have


@dataclass
class Routes:
    """The addresses of one module of pages; *title* and *home* put it into the navigation."""

    title: str = ""
    home: str = ""
    need: Role = "viewer"  # who sees it in the navigation
    all: list[Route] = field(default_factory=list)

    def get(self, path: str, *, need: Need, longest: int = LONGEST_ADDRESS) -> Callable[[Page], Page]:
        """Show a page at *path* to who has the role *need*, or more."""
        return self._add(partial(Route, method="GET", path=path, need=need, longest=longest))

    def post(self, path: str, *, need: Need, limit: int = FORM_BYTES) -> Callable[[Page], Page]:
        """Take a form at *path* from who has the role *need*, or more; its CSRF token has been checked."""
        return self._add(partial(Route, method="POST", path=path, need=need, limit=limit))

    def _add(self, route: Callable[..., Route]) -> Callable[[Page], Page]:
        def add(page: Page) -> Page:
            self.all.append(route(page=page))
            return page

        return add


@dataclass(frozen=True)
class Gate:
    """Stands in front of every page: session, role and CSRF token first, then the page, then what went wrong in it."""

    parts: Parts
    signed_in: SignedIn
    navigation: Sequence[tuple[str, str, Role]]

    def guarding(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """What the server calls for *route*."""

        async def answer(request: web.Request) -> web.StreamResponse:
            session = await self.signed_in.find(request)
            visit = self.visit(request, session)
            if len(request.raw_path) > route.longest:
                return refusal(visit, 400, visit.say("This address is too long; shorten the text in it."))
            if route.need != "anyone" and session is None:
                return _stranger(visit)
            if route.need != "anyone" and not visit.may(route.need):
                return refusal(visit, 403, visit.say("Your role does not allow this; an admin can change it."))
            if route.method == "POST":
                try:
                    form = await request.clone(client_max_size=route.limit).post()
                except (ValueError, LookupError):  # bytes that are no form, or letters of an unknown kind
                    return refusal(visit, 400, visit.say("This form cannot be read; load the page anew and try again."))
                visit = self.visit(request, session, form)
                if not _meant(visit):
                    return refusal(visit, 403, visit.say("This form is out of date; load the page anew and try again."))
            return await _answered(route.page, visit)

        GUARDED[answer] = route
        return answer

    def visit(self, request: web.Request, session: Session | None, form: Form = NO_FORM) -> Visit:
        """*request* as a page sees it."""
        language = self.parts.catalogue.choose(
            request.cookies.get("pointsman_language"), request.headers.get("Accept-Language", "")
        )
        return Visit(
            parts=self.parts,
            request=request,
            session=session,
            language=language,
            form=form,
            csrf=session.csrf if session else form_token(request),
            navigation=self.navigation,
        )


async def _answered(page: Page, visit: Visit) -> web.StreamResponse:
    try:
        return await page(visit)
    except PointsmanError as exc:
        return refusal(visit, status_of(exc), visit.language.told(str(exc)))
    except web.HTTPException:
        raise
    # An edge of the program: whoever clicked gets a page and not a broken connection.
    except Exception:
        log.exception("a page failed", path=visit.request.path)
        return refusal(visit, 500, visit.say("Something went wrong; the log of Pointsman says what."))


def status_of(error: PointsmanError) -> int:
    """The status by which a browser is told of *error*."""
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 503)


def refusal(visit: Visit, status: int, reason: str) -> web.Response:
    """Why something was not done, as a page or, for scripts, as JSON."""
    if visit.wants_page:
        return visit.page("refused.html", status=status, reason=reason, back=_before(visit.request) or _home(visit))
    return visit.data({"error": reason}, status=status)


def _before(request: web.Request) -> str:
    """The page of ours that led here; empty where none did, or where it would not work either."""
    before = URL(request.headers.get("Referer", ""))
    same_site = before.host is not None and before.authority == request.host
    again = request.method == "GET" and before.path == request.path
    return str(before.relative()) if same_site and not again else ""


def _home(visit: Visit) -> str:
    """The page in the navigation that the address belongs to; empty where that is what did not work."""
    path = visit.request.path
    found = (home for home, _, need in visit.navigation if path.startswith(home) and visit.may(need))
    return next((home for home in found if visit.request.path_qs != home), "")


def _stranger(visit: Visit) -> web.Response:
    """Where somebody is sent who is not signed in."""
    if not visit.wants_page:
        return visit.data({"error": visit.say("You are not signed in.")}, status=401)
    return visit.see("/signin", next=visit.request.path_qs) if visit.request.method == "GET" else visit.see("/signin")


def _meant(visit: Visit) -> bool:
    """Whether the form comes from a page of ours: it holds the token, and the browser does not say otherwise."""
    known = visit.session is not None or "pointsman_form" in visit.request.cookies
    token = visit.request.headers.get("X-CSRF-Token") or visit.field("csrf")
    elsewhere = visit.request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")
    return known and not elsewhere and same(token, visit.csrf)
