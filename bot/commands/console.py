"""The commands of the console: the console alone, and the accounts with which one signs in."""

import getpass
import sys
from functools import partial
from typing import Annotated, Literal

import typer

from bot.app import open_stores
from bot.commands.command import AsJson, command, out, print_json, wait_for
from bot.desks.accounts import Account, Role, account_name
from bot.errors import InputError
from bot.settings import Settings
from bot.store.accounts import SqlAccounts

admin = typer.Typer(help="The accounts of the console.", no_args_is_help=True, rich_markup_mode=None)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(admin, name="admin")
    command(app, "console")(console)


def console(settings: Settings) -> None:
    """Show the console in the browser, without the chats, until stopped.

    Example: pointsman console
    """
    from bot import hosting, serving  # bring the web server, which other commands need not wait for

    say = partial(print, file=sys.stderr, flush=True)
    wait_for(serving.until_stopped(hosting.host(settings, say)))


@command(admin, "create")
def create(
    settings: Settings,
    name: Annotated[str, typer.Argument(help="The name to sign in with; an e-mail address will do.")],
    role: Annotated[
        Literal["viewer", "curator", "admin"],
        typer.Option("--role", help="viewer: looks. curator: decides about answers too. admin: everything."),
    ],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an account for the console; the password is asked for twice.

    Example: pointsman admin create ada --role admin
    """
    wait_for(_create(settings, account_name(name), role, _password(from_stdin=password_stdin)))
    if as_json:
        print_json({"name": account_name(name), "role": role})
    else:
        out.print(f"{account_name(name)} may sign in at {settings.console.url} now, as {role}.", markup=False)


async def _create(settings: Settings, name: str, role: Role, password: str) -> None:
    from bot.console.passwords import Passwords

    hashed = await Passwords().hash(password, name)
    async with open_stores(settings) as stores:
        await SqlAccounts(stores.database).add(Account(name=name, role=role, password=hashed), by="operator")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise InputError("there is no terminal to ask for the password; pipe it in and add --password-stdin")
    password = getpass.getpass("Password (at least 12 characters): ")
    if getpass.getpass("Once more: ") != password:
        raise InputError("the two passwords differ; run the command again")
    return password
