"""The web server: health pages and console on one port, by themselves or beside the connectors."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from bot.app import Stores, curator, open_registry, open_stores
from bot.console.app import console
from bot.console.oidc import CALLBACK, CompanySignIn
from bot.console.parts import Parts
from bot.desks.accounts import Rerun
from bot.desks.librarian import Librarian
from bot.desks.prompts import PromptDesk
from bot.desks.workbench import Workbench
from bot.errors import InputError
from bot.health import Health
from bot.jobs.again import reply_of, work_of
from bot.jobs.minding import minding_jobs
from bot.learning.gaps import GapFinder
from bot.messages import GENERAL, Exchange, Reply, Turn
from bot.privacy.redaction import Redactor
from bot.prompts import PromptLibrary, constraints, open_prompts
from bot.settings import Settings
from bot.store.accounts import SqlAccounts, SqlSessions
from bot.store.listing import SqlReviewList
from bot.store.overview import SqlOverview
from bot.store.prompt_votes import SqlPromptVotes
from bot.store.unanswered import SqlUnanswered
from bot.work import run
from knowledge.catalogue import Catalogue
from knowledge.encoder import MiniLmEncoder


async def host(settings: Settings, say: Callable[[str], None]) -> None:
    """
    Show the console until cancelled; *say* is called once it can be reached.

    Raises: SettingsError if the port is taken.
    """
    health = Health(ready=True)
    async with open_stores(settings) as stores:
        add = console(console_parts(settings, stores))
        async with health.served(settings.console.host, settings.console.port, add), minding_jobs(settings, stores):
            say(f"The console is at {settings.console.url}. Ctrl-C or SIGTERM ends it.")
            await asyncio.Event().wait()


def console_parts(settings: Settings, stores: Stores) -> Parts:
    """What the console's pages are made of."""
    database, oidc = stores.database, settings.console.oidc
    prompts = open_prompts(settings)
    return Parts(
        settings=settings.console,
        accounts=SqlAccounts(database),
        sessions=SqlSessions(database),
        audit=stores.audit,
        answers=SqlReviewList(database),
        overview=SqlOverview(database),
        redact=Redactor().redact,
        exchanges=stores.exchanges,
        reviews=stores.reviews,
        curator=curator(stores),
        again=partial(_again, settings),
        prompt_of=partial(_prompt_of, settings, prompts),
        prompts=prompts,
        knowledge=librarian(settings, stores),
        prompting=prompt_desk(settings, stores, prompts),
        domains=tuple(domain.name for domain in settings.domains),
        adapters=partial(_adapters, settings),
        learn=Workbench(settings, stores, open_registry(settings)),
        schedule=settings.learning,
        company=CompanySignIn(oidc, settings.console.url + CALLBACK) if oidc else None,
    )


def librarian(settings: Settings, stores: Stores) -> Librarian:
    """Looks after the documents; what needs the index is done by its owner."""
    return Librarian(
        settings=settings,
        catalogue=Catalogue(settings.storage.directory / "knowledge" / "catalogue"),
        jobs=stores.jobs,
        unanswered=SqlUnanswered(stores.database),
        finder=GapFinder(MiniLmEncoder()),
        audit=stores.audit,
        do=partial(run, settings),
    )


def prompt_desk(settings: Settings, stores: Stores, prompts: PromptLibrary) -> PromptDesk:
    """Where prompts are changed; the running service sees it in the files."""
    return PromptDesk(
        library=prompts,
        folder=settings.prompts_directory,
        choices=settings.prompt_choices,
        audit=stores.audit,
        votes=SqlPromptVotes(stores.database),
        exchanges=stores.exchanges,
        jobs=stores.jobs,
    )


async def _again(settings: Settings, exchange: Exchange, rerun: Rerun) -> Reply:
    """Done by whoever owns the index: the serving process itself, or the console for a moment."""
    return reply_of(await run(settings, "again", work_of(exchange, rerun)))


def _adapters(settings: Settings) -> Sequence[str]:
    return tuple(version.label for version in open_registry(settings).all())


def _prompt_of(settings: Settings, prompts: PromptLibrary, exchange: Exchange) -> Sequence[Turn]:
    reply = exchange.reply
    if reply.prompt == "none" or reply.reused:
        return ()
    template = prompts.get(reply.prompt)
    if reply.route == GENERAL:
        return template.fill(question=reply.question or exchange.message.text)
    domain = next((domain for domain in settings.domains if domain.name == reply.route), None)
    if domain is None:
        raise InputError(f"the domain {reply.route!r} is no longer in pointsman.toml, so its prompt is not known")
    return template.fill(
        question=reply.question or exchange.message.text,
        earlier="",
        passages=reply.passages,
        constraints=constraints(domain),
    )
