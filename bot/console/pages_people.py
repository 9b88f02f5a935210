"""People: who may sign in, and what they may do."""

import secrets
from collections.abc import AsyncIterator

from aiohttp import web

from bot.console.export import Line, download
from bot.console.problems import Problems
from bot.console.routes import Routes
from bot.console.visits import Visit
from bot.desks.accounts import ROLES, Account, Role, account_name
from bot.errors import InputError

N_ = str  # marks text for the catalogue that is said later
routes = Routes(title=N_("People"), home="/people", need="admin")


@routes.get("/people", need="admin")
async def show(visit: Visit) -> web.StreamResponse:
    """Show every account."""
    return await _people(visit, Problems(), name=visit.field("name"))


async def _people(visit: Visit, problems: Problems, *, name: str = "", about: str = "") -> web.Response:
    """The page; with *problems* of the form to add somebody called *name*, or of the one *about* somebody."""
    return visit.page(
        "people.html",
        status=problems.status,
        people=await visit.parts.accounts.all(),
        roles=ROLES,
        company=visit.parts.company,
        suggestion=secrets.token_urlsafe(15),
        did="" if problems else visit.field("did"),
        name=name,
        role=visit.field("role"),
        problems=problems,
        about=about,
    )


@routes.get("/people.{format:csv|jsonl}", need="admin")
async def export(visit: Visit) -> web.StreamResponse:
    """Write the accounts to a file."""
    people = await visit.parts.accounts.all()

    async def lines() -> AsyncIterator[Line]:
        for person in people:
            yield {
                "name": person.name,
                "role": person.role,
                "signs_in_with": "password" if person.password else "company account",
                "shut_out": person.disabled,
                "since": person.created.isoformat(),
            }

    return await download(visit, "people", visit.request.match_info["format"], lines())


@routes.post("/people", need="admin")
async def create(visit: Visit) -> web.StreamResponse:
    """Add an account: with a password, or without one for somebody who signs in with the company's."""
    problems, typed = Problems(), visit.field("name").strip()
    with problems.at("role"):
        role = _role(visit)
    with problems.at("name"):
        name = account_name(visit.required("name"))
    with problems.at("password"):
        hashed = await _hashed(visit, typed.lower())
    if not problems:
        with problems.at("name"):
            await visit.parts.accounts.add(Account(name=name, role=role, password=hashed), by=visit.account.name)
    return await _people(visit, problems, name=typed) if problems else visit.see("/people", did="added", name=name)


@routes.post("/people/{name}/role", need="admin")
async def change_role(visit: Visit) -> web.StreamResponse:
    """Give somebody another role."""
    name = visit.request.match_info["name"]
    await visit.parts.accounts.change(name, by=visit.account.name, role=_role(visit))
    return visit.see("/people", did="role", name=name)


@routes.post("/people/{name}/disable", need="admin")
async def disable(visit: Visit) -> web.StreamResponse:
    """Shut somebody out at once, or let them in again."""
    name, off = visit.request.match_info["name"], visit.field("disabled") == "yes"
    if off and name == visit.account.name:
        raise InputError(visit.say("You cannot disable yourself; ask another admin."))
    await visit.parts.accounts.change(name, by=visit.account.name, disabled=off)
    return visit.see("/people", did="disabled" if off else "enabled", name=name)


@routes.post("/people/{name}/password", need="admin")
async def reset_password(visit: Visit) -> web.StreamResponse:
    """Give somebody a new password; they are signed out everywhere."""
    name, problems = visit.request.match_info["name"], Problems()
    with problems.at("password"):
        hashed = await visit.parts.passwords.hash(visit.required("password"), name)
    if problems:
        return await _people(visit, problems, about=name)
    await visit.parts.accounts.change(name, by=visit.account.name, password=hashed)
    return visit.see("/people" if name != visit.account.name else "/signin", did="password", name=name)


async def _hashed(visit: Visit, name: str) -> str | None:
    """The hash of the password in the form; None for somebody who signs in with the company's account."""
    password = visit.field("password")
    if not password and visit.parts.company is None:
        raise InputError(visit.say("Give a password; there is no company sign-in that could do without."))
    return await visit.parts.passwords.hash(password, name) if password else None


def _role(visit: Visit) -> Role:
    role = visit.field("role")
    if role not in ROLES:
        raise InputError(visit.say("There is no role “%(role)s”.", role=role))
    return role
