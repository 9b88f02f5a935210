"""Who gets in: roles on every address, sessions, forms that nobody else can send, headers, attempts."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from console_site import PASSWORD, Site, open_site, token_in

from bot.console import sessions
from bot.console.app import PAGES
from bot.console.limits import PER_ACCOUNT, PER_ADDRESS, WINDOW_SECONDS, Attempts
from bot.console.routes import GUARDED, Route
from bot.desks.accounts import ROLES
from bot.messages import now

OPEN = {"/healthz", "/readyz", "/metrics", "/static"}
FREE = {"/", "/favicon.ico", "/signin", "/signout", "/preferences", "/signin/company", "/signin/company/back"}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        yield site


def routes_of(server: web.Application) -> Iterator[tuple[str, Route | None]]:
    """Every address of the router with what guards it."""
    for route in server.router.routes():
        resource = route.resource
        assert resource is not None
        yield resource.canonical, GUARDED.get(route.handler)


def address(path: str) -> str:
    path = re.sub(r"\{\w+:(\w+)\|[^}]*\}", r"\1", path)  # the first of those that it may be
    named = {"{reply}": "reply1", "{name}": "viewer", "{domain}": "billing", "{version}": "1", "{job}": "1"}
    named |= {"{route}/{task}": "domain/answer"}
    for field, value in named.items():
        path = path.replace(field, value)
    return path


GUARDED_ROUTES = [route for routes in PAGES for route in routes.all if route.need != "anyone"]
CASES = [(route, role) for route in GUARDED_ROUTES for role in ("stranger", *ROLES)]


async def test_every_address_of_the_router_has_a_role_or_is_known_to_be_free(site: Site) -> None:
    app = site.client.server.app  # type: ignore[attr-defined]  # a test server's

    unguarded = {path for path, route in routes_of(app) if route is None}
    free = {path for path, route in routes_of(app) if route and route.need == "anyone"}

    assert (unguarded, free) == (OPEN, FREE)


async def test_every_address_of_the_pages_is_in_the_router(site: Site) -> None:
    app = site.client.server.app  # type: ignore[attr-defined]  # a test server's

    guarded = {(route.method, route.path) for _, route in routes_of(app) if route}

    assert guarded == {(route.method, route.path) for routes in PAGES for route in routes.all}


@pytest.mark.parametrize(("route", "role"), CASES, ids=lambda case: getattr(case, "path", case))
async def test_role_decides_who_gets_to_an_address(route: Route, role: str, tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        await site.answer(1)
        csrf = ""
        if role != "stranger":
            await site.sign_in(role)
            csrf = await site.csrf()
        path = address(route.path)

        response = await (site.get(path) if route.method == "GET" else site.post(path, csrf=csrf))

    if role == "stranger":
        assert (response.status, response.headers["Location"].partition("?")[0]) == (303, "/signin")
    else:
        allowed = ROLES.index(role) >= ROLES.index(route.need)  # type: ignore[arg-type]  # none of these is for anyone
        assert (response.status == 403) == (not allowed)
        assert response.status < 500


@pytest.mark.parametrize("path", ["/review", "/audit.csv", "/review/reply1"])
async def test_script_of_a_stranger_is_told_401(site: Site, path: str) -> None:
    response = await site.get(path, Accept="application/json")

    assert response.status == 401


async def test_every_response_carries_the_headers_that_keep_a_browser_safe(site: Site) -> None:
    await site.sign_in("admin")

    for path in ("/review", "/signin", "/static/console.js", "/nowhere", "/people", "/review/gone", "/audit.csv"):
        response = await site.get(path)
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy, path
        assert "unsafe" not in policy and "*" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "same-origin"


async def test_health_pages_keep_their_stricter_policy_beside_the_console(site: Site) -> None:
    response = await site.get("/readyz")

    assert (response.status, await response.text()) == (200, "ready\n")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_pages_hold_neither_inline_scripts_nor_inline_styles(site: Site) -> None:
    await site.answer(1, rating=-1)
    await site.sign_in("admin")

    for path in ("/review", "/review/reply1", "/learn", "/learn/domain/billing", "/overview", "/people", "/audit"):
        page = await site.read(path)
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", page), path
        assert not re.search(r'(?:src|href)="https?:', page), path


async def test_sign_in_leads_to_where_one_wanted_to_go(site: Site) -> None:
    sent = await site.get("/review?state=any")
    page = await site.read(sent.headers["Location"])

    done = await site.post("/signin", name="viewer", password=PASSWORD, next="/review?state=any", csrf=token_in(page))

    assert (done.status, done.headers["Location"]) == (303, "/review?state=any")


@pytest.mark.parametrize("elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example", "evil"])
async def test_sign_in_leads_nowhere_else(site: Site, elsewhere: str) -> None:
    page = await site.read("/signin")

    done = await site.post("/signin", name="viewer", password=PASSWORD, next=elsewhere, csrf=token_in(page))

    assert done.headers["Location"] == "/review"


async def test_session_cookie_is_hidden_from_scripts_and_new_with_each_sign_in(site: Site) -> None:
    cookies = []
    for _ in range(2):
        page = await site.read("/signin") if not cookies else await site.read("/account")
        if cookies:
            await site.post("/signout", csrf=token_in(page))
            page = await site.read("/signin")
        done = await site.post("/signin", name="viewer", password=PASSWORD, csrf=token_in(page))
        cookies.append(done.cookies[sessions.COOKIE])

    assert all(cookie["httponly"] and cookie["samesite"] == "Lax" for cookie in cookies)
    assert cookies[0].value != cookies[1].value


async def test_cookie_that_was_set_before_the_sign_in_is_worth_nothing(site: Site) -> None:
    site.client.session.cookie_jar.update_cookies({sessions.COOKIE: "chosen-by-an-attacker"})
    page = await site.read("/signin")

    done = await site.post("/signin", name="viewer", password=PASSWORD, csrf=token_in(page))

    assert done.cookies[sessions.COOKIE].value != "chosen-by-an-attacker"


async def test_cookie_itself_is_not_in_the_database(site: Site, tmp_path: Path) -> None:
    page = await site.read("/signin")
    done = await site.post("/signin", name="viewer", password=PASSWORD, csrf=token_in(page))

    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())

    assert done.cookies[sessions.COOKIE].value.encode() not in stored


async def test_who_signs_out_is_out_even_with_the_cookie_kept(site: Site) -> None:
    await site.sign_in("viewer")
    kept = {cookie.key: cookie.value for cookie in site.client.session.cookie_jar}
    await site.post("/signout")
    site.client.session.cookie_jar.update_cookies(kept)

    assert (await site.get("/review")).status == 303


@pytest.mark.parametrize("limit", ["LONGEST", "IDLE"])
async def test_session_expires(site: Site, limit: str) -> None:
    await site.sign_in("viewer")
    later = now() + getattr(sessions, limit) + timedelta(minutes=1)
    key = sessions._key(next(c.value for c in site.client.session.cookie_jar if c.key == sessions.COOKIE))

    found = await site.parts.sessions.find(key, began_after=later - sessions.LONGEST, seen_after=later - sessions.IDLE)

    assert found is None


async def test_new_role_counts_at_once(site: Site) -> None:
    await site.sign_in("viewer")
    await site.parts.accounts.change("viewer", by="admin", role="admin")

    assert (await site.get("/people")).status == 200


async def test_who_is_shut_out_is_out_at_once(site: Site) -> None:
    await site.sign_in("viewer")
    await site.parts.accounts.change("viewer", by="admin", disabled=True)

    assert (await site.get("/review")).status == 303


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_form_without_the_sessions_token_does_nothing(site: Site, token: str) -> None:
    reply = await site.answer(1)
    await site.sign_in("curator")

    done = await site.post("/review/decide", reply=reply, action="approve", csrf=token)

    assert done.status == 403
    assert await site.parts.reviews.history(reply) == ()


async def test_token_of_another_session_does_nothing(site: Site) -> None:
    reply = await site.answer(1)
    await site.sign_in("viewer")
    other = await site.csrf()
    await site.sign_in("curator")

    assert (await site.post("/review/decide", reply=reply, action="approve", csrf=other)).status == 403


async def test_form_that_a_browser_says_comes_from_elsewhere_does_nothing(site: Site) -> None:
    await site.sign_in("curator")
    headers = {"Sec-Fetch-Site": "cross-site", "X-CSRF-Token": await site.csrf()}

    done = await site.client.post("/review/undo", headers=headers, data={"reply": "reply1"})

    assert done.status == 403


async def test_sign_in_needs_a_token_too(site: Site) -> None:
    await site.read("/signin")

    assert (await site.post("/signin", name="viewer", password=PASSWORD, csrf="wrong")).status == 403


async def test_wrong_password_and_unknown_name_are_told_alike(site: Site) -> None:
    csrf = token_in(await site.read("/signin"))

    wrong = await site.post("/signin", name="viewer", password="not this one", csrf=csrf)
    unknown = await site.post("/signin", name="nobody", password=PASSWORD, csrf=csrf)

    assert (wrong.status, unknown.status) == (401, 401)
    assert "Name or password is wrong." in await wrong.text()
    assert (await unknown.text()).replace("nobody", "viewer") == await wrong.text()


async def test_too_many_wrong_passwords_are_stopped_with_the_right_one_too(site: Site) -> None:
    csrf = token_in(await site.read("/signin"))
    for _ in range(PER_ACCOUNT):
        await site.post("/signin", name="viewer", password="not this one", csrf=csrf)

    stopped = await site.post("/signin", name="viewer", password=PASSWORD, csrf=csrf)
    other = await site.post("/signin", name="curator", password=PASSWORD, csrf=csrf)

    assert (stopped.status, other.status) == (429, 303)
    assert 0 < int(stopped.headers["Retry-After"]) <= WINDOW_SECONDS


def test_address_is_stopped_whatever_the_account_and_goes_on_later() -> None:
    time = 0.0
    attempts = Attempts(clock=lambda: time)
    for number in range(PER_ADDRESS):
        attempts.failed(f"account {number}", "10.0.0.1")

    assert attempts.seconds_to_wait("somebody", "10.0.0.1") == WINDOW_SECONDS
    assert attempts.seconds_to_wait("somebody", "10.0.0.2") == 0
    time = WINDOW_SECONDS + 1
    assert attempts.seconds_to_wait("somebody", "10.0.0.1") == 0


def test_made_up_names_do_not_fill_the_memory() -> None:
    attempts = Attempts()
    for number in range(30_000):
        attempts.failed(f"name {number}", f"address {number}")

    assert len(attempts._failed) <= 10_000


async def test_cookies_travel_over_https_only_where_the_console_is_reached_so(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        settings = site.parts.settings.model_copy(update={"public_url": "https://console.example.com"})
        secure = replace(site.parts, settings=settings)

        assert (secure.secure, site.parts.secure) == (True, False)


async def test_address_that_there_is_not_has_a_way_back(site: Site) -> None:
    response = await site.get("/nowhere")

    assert response.status == 404
    assert 'href="/signin"' in await response.text()


def test_page_without_a_role_cannot_be_added() -> None:
    with pytest.raises(TypeError):
        PAGES[0].get("/new")  # type: ignore[call-arg]  # that is what is tested
