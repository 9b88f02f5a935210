"""Sign in and out, and what everybody may change for themselves: password, language, light or dark."""

import math

import structlog
from aiohttp import web

from bot.console import oidc
from bot.console.problems import Problems
from bot.console.routes import Routes, refusal
from bot.console.sessions import SignedIn
from bot.console.visits import THEMES, Visit, local
from bot.desks.accounts import Account
from bot.errors import InputError, SignInError

log = structlog.get_logger()

HOME = "/review"
YEAR_SECONDS = 365 * 24 * 3600

routes = Routes()


@routes.get("/", need="anyone")
async def home(visit: Visit) -> web.Response:
    """Send everybody to where work waits."""
    return visit.see(HOME if visit.session else "/signin")


@routes.get("/favicon.ico", need="anyone")
async def icon(visit: Visit) -> web.StreamResponse:
    """Send browsers that ask for an icon without having read a page to where it is."""
    return visit.see("/static/icon.svg")


@routes.get("/signin", need="anyone")
async def show_signin(visit: Visit) -> web.StreamResponse:
    """Show the form to sign in."""
    after = local(visit.field("next"), HOME)
    if visit.session:
        return visit.see(after)
    nobody = not await visit.parts.accounts.all()
    return visit.page("signin.html", after=after, name="", reason="", nobody=nobody, company=visit.parts.company)


@routes.post("/signin", need="anyone")
async def signin(visit: Visit) -> web.StreamResponse:
    """Sign somebody in who knows the password; how often one may try is limited, by account and by address."""
    name, address = visit.field("name").strip().lower()[:100], visit.request.remote or ""
    attempts = visit.parts.attempts
    if seconds := attempts.seconds_to_wait(name, address):
        minutes = math.ceil(seconds / 60)
        said = visit.say("Too many attempts; wait %(minutes)s minutes and try again.", minutes=minutes)
        response = _again(visit, name, said, status=429)
        response.headers["Retry-After"] = str(math.ceil(seconds))
        return response
    attempts.failed(name, address)
    account = await visit.parts.accounts.find(name)
    if not await visit.parts.passwords.fits(account, visit.field("password")) or account is None:
        log.warning("a sign-in failed", account=name, address=address)
        return _again(visit, name, visit.say("Name or password is wrong."), status=401)
    attempts.succeeded(name, address)
    return await _enter(visit, account, visit.field("next"))


@routes.post("/signout", need="anyone")
async def signout(visit: Visit) -> web.StreamResponse:
    """Sign the browser out."""
    response = visit.see("/signin")
    await _sessions(visit).end(visit.request, response)
    return response


@routes.get("/signin/company", need="anyone")
async def depart(visit: Visit) -> web.StreamResponse:
    """Send somebody to the company's page."""
    if visit.parts.company is None:
        return refusal(visit, 404, visit.say("There is no such page."))
    address, departure = await visit.parts.company.depart(local(visit.field("next"), HOME))
    response = visit.see(address)
    response.set_cookie(
        oidc.COOKIE,
        departure.to_cookie(),
        max_age=oidc.SECONDS,
        httponly=True,
        samesite="Lax",
        secure=visit.parts.secure,
    )
    return response


@routes.get(oidc.CALLBACK, need="anyone")
async def arrive(visit: Visit) -> web.StreamResponse:
    """Sign somebody in who comes back from the company's page."""
    if visit.parts.company is None:
        return refusal(visit, 404, visit.say("There is no such page."))
    try:
        departure = oidc.Departure.from_cookie(visit.request.cookies.get(oidc.COOKIE, ""))
        arrival = await visit.parts.company.arrive(departure, visit.request.query)
        account = await _account_of(visit, arrival)
    except SignInError as exc:
        log.warning("a sign-in with the company's account failed", reason=str(exc))
        return _again(visit, "", str(exc), status=401)
    response = await _enter(visit, account, departure.next)
    response.del_cookie(oidc.COOKIE)
    return response


async def _account_of(visit: Visit, arrival: oidc.Arrival) -> Account:
    """The account that belongs to the company's; at the first sign-in the e-mail address tells."""
    accounts, newcomers = visit.parts.accounts, visit.parts.settings.oidc
    found = await accounts.by_subject(arrival.subject)
    if found is None and arrival.email:
        found = await accounts.find(arrival.email)
        if found and (found.password or found.subject):
            raise SignInError(f"the account {arrival.email} has a password of its own; sign in with it")
        if found:
            found = await accounts.change(found.name, by=found.name, subject=arrival.subject)
        elif newcomers and newcomers.newcomers != "refuse":
            found = Account(name=arrival.email, role=newcomers.newcomers, subject=arrival.subject)
            await accounts.add(found, by=found.name)
    if found is None or found.disabled:
        raise SignInError("you have no account here; ask an admin to add one with your e-mail address as its name")
    return found


async def _enter(visit: Visit, account: Account, after: str) -> web.Response:
    response = visit.see(local(after, HOME))
    await _sessions(visit).begin(visit.request, response, account)
    return response


def _again(visit: Visit, name: str, reason: str, *, status: int) -> web.Response:
    after = local(visit.field("next"), HOME)
    company = visit.parts.company
    return visit.page(
        "signin.html", status=status, after=after, name=name, reason=reason, nobody=False, company=company
    )


@routes.get("/account", need="viewer")
async def show_account(visit: Visit) -> web.StreamResponse:
    """Show one's own account."""
    return visit.page("account.html", changed=bool(visit.field("changed")), problems=Problems())


@routes.post("/account/password", need="viewer")
async def change_password(visit: Visit) -> web.StreamResponse:
    """Change one's own password; every browser is signed out, this one in again."""
    account, problems = visit.account, Problems()
    with problems.at("again"):
        if visit.field("password") != visit.field("again"):
            raise InputError(visit.say("The two passwords differ; type the same one twice."))
    with problems.at("password"):
        if visit.field("password") == visit.field("current"):
            raise InputError(visit.say("This is the password that you have; choose another."))
        hashed = await visit.parts.passwords.hash(visit.field("password"), account.name)
    if not problems:
        with problems.at("current"):
            await _require_current(visit, account)
    if problems:
        return visit.page("account.html", status=problems.status, changed=False, problems=problems)
    changed = await visit.parts.accounts.change(account.name, by=account.name, password=hashed)
    return await _enter(visit, changed, "/account?changed=1")


async def _require_current(visit: Visit, account: Account) -> None:
    """Raises: InputError if the form does not hold the password of *account*, or it was tried too often."""
    attempts, address = visit.parts.attempts, visit.request.remote or ""
    if attempts.seconds_to_wait(account.name, address):
        raise InputError(visit.say("Too many attempts; try again later."))
    attempts.failed(account.name, address)
    if not await visit.parts.passwords.fits(account, visit.field("current")):
        raise InputError(visit.say("The current password is wrong."))
    attempts.succeeded(account.name, address)


@routes.post("/preferences", need="anyone")
async def prefer(visit: Visit) -> web.StreamResponse:
    """Keep language and light or dark in the browser."""
    response = visit.see(local(visit.field("next"), HOME))
    theme, language = visit.field("theme"), visit.field("language")
    if theme in THEMES:
        response.set_cookie("pointsman_theme", theme, max_age=YEAR_SECONDS, samesite="Lax", secure=visit.parts.secure)
    if language in visit.parts.catalogue.languages:
        response.set_cookie(
            "pointsman_language", language, max_age=YEAR_SECONDS, samesite="Lax", secure=visit.parts.secure
        )
    return response


def _sessions(visit: Visit) -> SignedIn:
    return SignedIn(visit.parts.sessions, visit.parts.secure)
