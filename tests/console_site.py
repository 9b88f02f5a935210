"""A console on a database of its own, with a few answers in it, and somebody of each role who may sign in."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher
from fakes import MESSAGE, REPLY, HashedWordsEncoder
from sqlalchemy import update

from bot.app import Stores, open_registry
from bot.console.app import console
from bot.console.parts import Parts
from bot.console.passwords import Passwords
from bot.desks.accounts import ROLES, Account, Rerun, Role
from bot.desks.librarian import Librarian
from bot.desks.prompts import PromptDesk
from bot.desks.workbench import Workbench
from bot.errors import PointsmanError
from bot.health import LONGEST_LINE, Health
from bot.learning.curation import Curator
from bot.learning.gaps import GapFinder
from bot.messages import Exchange, Feedback, Passage, Reply, Turn
from bot.privacy.redaction import Redactor
from bot.prompts import PromptLibrary
from bot.settings import (
    AccessSettings,
    ConsoleSettings,
    DomainSettings,
    LearningSettings,
    ModelSettings,
    Settings,
    StorageSettings,
)
from bot.store.accounts import SqlAccounts, SqlSessions
from bot.store.audit import SqlAudit
from bot.store.curation import SqlCurationStore
from bot.store.database import Database, open_database
from bot.store.exchanges import SqlExchangeStore
from bot.store.feedback import SqlFeedbackStore
from bot.store.jobs import SqlJobQueue
from bot.store.listing import SqlReviewList
from bot.store.models import ExchangeRow
from bot.store.overview import SqlOverview
from bot.store.prompt_votes import SqlPromptVotes
from bot.store.unanswered import SqlUnanswered
from knowledge.catalogue import Catalogue

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct horse battery"
PASSAGE = Passage(document="refunds.md", chunk=0, text="Refunds are paid within 14 days.", title="Refunds", score=0.9)
REDACTOR = Redactor()


@dataclass
class Site:
    """The console as a browser meets it, and what stands behind it."""

    client: "TestClient[web.Request, web.Application]"
    parts: Parts
    database: Database
    asked: list[tuple[Exchange, Rerun]] = field(default_factory=list)

    async def sign_in(self, role: str) -> None:
        """Sign the browser in as somebody of *role*."""
        self.client.session.cookie_jar.clear()
        page = await self.read("/signin")
        done = await self.post("/signin", name=role, password=PASSWORD, csrf=token_in(page))
        assert done.status == 303, await done.text()

    async def get(self, path: str, **headers: str) -> ClientResponse:
        return await self.client.get(path, allow_redirects=False, headers={"Accept": "text/html"} | headers)

    async def read(self, path: str) -> str:
        """A page, which has to be there."""
        response = await self.get(path)
        assert response.status == 200, f"{path}: {response.status} {await response.text()}"
        return await response.text()

    async def csrf(self) -> str:
        return token_in(await self.read("/account"))

    async def post(self, path: str, *, script: bool = False, **fields: Any) -> ClientResponse:
        """Send a form, by default with the token of the session."""
        fields = fields if "csrf" in fields else fields | {"csrf": await self.csrf()}
        headers = {"Accept": "application/json" if script else "text/html"}
        return await self.client.post(path, data=fields, allow_redirects=False, headers=headers)

    async def answer(self, number: int, *, rating: int = 0, message: Mapping[str, Any] = {}, **more: Any) -> str:
        """An answer in the store, voted on where *rating* says so. Returns: its reply's id."""
        asked = replace(MESSAGE, id=f"event-{number}", text=f"Question {number}?", **message)
        reply = replace(REPLY, id=f"reply{number}", question=f"Question {number}?", passages=(PASSAGE,), **more)
        await self.parts.exchanges.begin(asked, reply)
        await self.parts.exchanges.complete(reply)
        if rating:
            await self.vote(reply.id, rating=rating)
        return reply.id

    async def rename(self, reply: str, question: str) -> None:
        """Have an answer be to another question."""
        async with self.database.writing() as session:
            changed = update(ExchangeRow).where(ExchangeRow.reply == reply)
            await session.execute(changed.values(asked=question, question=question))

    async def vote(self, reply: str, *, rating: int, user: str = "slack:user:U1", **more: Any) -> None:
        vote = Feedback(reply=reply, user=user, platform="slack", rating=rating, **more)  # type: ignore[arg-type]  # one of the ratings
        await SqlFeedbackStore(self.database).save(vote)


@asynccontextmanager
async def open_site(folder: Path, *, port: int | None = None, **more: Any) -> AsyncIterator[Site]:
    """A console; *more* takes the place of its parts."""
    asked: list[tuple[Exchange, Rerun]] = []
    async with open_database(f"sqlite:///{folder / 'console.db'}") as database:
        parts = Parts(**(_parts(database, folder, _asking(asked)) | more))
        for role in ROLES:
            if await parts.accounts.find(role) is None:
                await parts.accounts.add(account(role), by="operator")
        server = web.Application()
        Health(ready=True).add_to(server)
        console(parts)(server)
        listening = TestServer(server, port=port)
        await listening.start_server(max_line_size=LONGEST_LINE)
        async with TestClient(listening) as client:
            yield Site(client=client, parts=parts, database=database, asked=asked)


def account(role: Role, **more: Any) -> Account:
    """Somebody whose name is what they may do."""
    return Account(**({"name": role, "role": role, "password": QUICK.hash(PASSWORD)} | more))


def _parts(database: Database, folder: Path, again: Callable[..., Any]) -> dict[str, Any]:
    exchanges, reviews = SqlExchangeStore(database), SqlCurationStore(database)
    return {
        "settings": ConsoleSettings(),
        "accounts": SqlAccounts(database),
        "sessions": SqlSessions(database),
        "audit": SqlAudit(database),
        "answers": SqlReviewList(database),
        "overview": SqlOverview(database),
        "redact": REDACTOR.redact,
        "exchanges": exchanges,
        "reviews": reviews,
        "curator": Curator(
            exchanges=exchanges,
            votes=SqlFeedbackStore(database),
            reviews=reviews,
            encoder=HashedWordsEncoder(),
            redactor=REDACTOR,
        ),
        "again": again,
        "prompt_of": lambda exchange: (Turn(role="user", content=f"<b>{exchange.message.text}</b>"),),
        "prompts": (prompts := PromptLibrary(folder / "prompts", folder / "prompts.json", must_exist=False)),
        "prompting": PromptDesk(
            library=prompts,
            folder=folder / "prompts",
            choices=folder / "prompts.json",
            audit=SqlAudit(database),
            votes=SqlPromptVotes(database),
            exchanges=exchanges,
            jobs=SqlJobQueue(database),
        ),
        "knowledge": librarian(database, folder),
        "domains": ("billing", "travel"),
        "adapters": lambda: ("billing@3",),
        "learn": workbench(database, folder),
        "schedule": LearningSettings(),
        "passwords": Passwords(QUICK),
    }


def librarian(database: Database, folder: Path) -> Librarian:
    """Looks after documents, with nobody there to do what needs the index."""
    domains = (
        DomainSettings(name="billing", description="Invoices and refunds"),
        DomainSettings(name="travel", description="Trips"),
    )
    access = (AccessSettings(label="finance", members=("slack:user:U2",)),)
    return Librarian(
        settings=Settings(storage=StorageSettings(directory=folder), domains=domains, access=access),
        catalogue=Catalogue(folder / "knowledge" / "catalogue"),
        jobs=SqlJobQueue(database),
        unanswered=SqlUnanswered(database),
        finder=GapFinder(HashedWordsEncoder()),
        audit=SqlAudit(database),
        do=_nobody,
    )


def workbench(database: Database, folder: Path) -> Workbench:
    """What learns, with nobody there to do the work."""
    domains = tuple(DomainSettings(name=name, description="Something") for name in ("billing", "travel"))
    settings = Settings(storage=StorageSettings(directory=folder), model=ModelSettings(base="tiny"), domains=domains)
    registry = open_registry(settings)
    return Workbench(settings, Stores.on(database, registry), registry)


async def _nobody(kind: str, payload: Mapping[str, Any]) -> Any:
    raise PointsmanError("nobody owns the index")


def _asking(asked: list[tuple[Exchange, Rerun]]) -> Callable[[Exchange, Rerun], Any]:
    async def again(exchange: Exchange, rerun: Rerun) -> Reply:
        asked.append((exchange, rerun))
        return replace(exchange.reply, text="Within 30 days [1].", adapter=rerun.adapter or exchange.reply.adapter)

    return again


def token_in(page: str) -> str:
    """The CSRF token of a page."""
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found, page
    return found[1]
