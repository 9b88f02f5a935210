"""
A console behind which somebody does the work, with a tiny model: datasets, trainings and releases are real.

As a program, a process that ends with its standard input: `console_school.py FOLDER`.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from console_site import Site, open_site
from fakes import MESSAGE, REPLY, HashedWordsEncoder
from scripted_exam import sit_exam
from tiny_model import write_base

from bot.app import Installation, Stores, open_installation, open_registry
from bot.desks.workbench import Workbench
from bot.learning.router import RouteTeacher
from bot.messages import Passage, Review
from bot.ports import silent
from bot.settings import DatabaseSettings, DomainSettings, ModelSettings, Settings, StorageSettings
from bot.store.database import open_database
from bot.work import serving_jobs

THINGS = ("parcel", "letter", "ticket", "chair", "lamp", "book")
BETTER, WORSE = 0.9, 0.1  # shares of the exam that good and bad adapters get right


def rule(number: int) -> str:
    """What the document of that number says."""
    return f"Whoever wants {THINGS[number % len(THINGS)]} {number} waits {number} days."


@dataclass(frozen=True)
class Shelf:
    """Stands where the index does: every document that an answer rests on is there, for everybody."""

    def documents(self, domain: str) -> Mapping[str, frozenset[str]]:
        return {f"rules{number}.md": frozenset({"everyone"}) for number in range(100)}


@dataclass
class School:
    """A site whose work is done."""

    site: Site
    here: Installation

    async def ask(self, *numbers: int, approved: bool = False, rating: int = 0) -> None:
        """Answers in the store, which a reviewer approved where that is said."""
        for number in numbers:
            thing = THINGS[number % len(THINGS)]
            passage = Passage(document=f"rules{number}.md", chunk=0, text=rule(number))
            question = f"How long do I wait for {thing} {number}?"
            asked = replace(MESSAGE, id=f"event-{number}", text=question, thread=f"T{number}")
            text = f"waits {number} days [1]"
            reply = replace(REPLY, id=f"reply{number}", question=question, text=text, passages=(passage,))
            await self.site.parts.exchanges.begin(asked, reply)
            await self.site.parts.exchanges.complete(reply)
            if rating:
                await self.site.vote(reply.id, rating=rating)
            if approved:
                review = Review(reply=reply.id, state="approved", by="ada", route="billing")
                await self.site.parts.reviews.add([review])

    async def sit(self, label: str, share: float = BETTER) -> None:
        """Have *label* answer so much of the gate's exam right."""
        await sit_exam(self.here, {"none": 0.3, label: share})


@asynccontextmanager
async def open_school(folder: Path, *, base: Path | None = None, shelf: bool = True) -> AsyncIterator[School]:
    """A console with everything behind it; *base*: a tiny model that is there; *shelf*: in the place of the index."""
    RouteTeacher(HashedWordsEncoder(), None, folder / "router").tasks()  # type: ignore[arg-type]  # no model for it
    settings = Settings(
        storage=StorageSettings(directory=folder, models=folder / "models"),
        database=DatabaseSettings(url=f"sqlite:///{folder / 'console.db'}"),  # type: ignore[arg-type]  # made a secret
        model=ModelSettings(base=str(base or write_base(folder / "tiny"))),
        domains=tuple(DomainSettings(name=name, description="Something") for name in ("billing", "travel")),
    )
    registry = open_registry(settings)
    async with open_database(settings.database_url) as database:
        stores = Stores.on(database, registry)
        more: dict[str, Any] = {"learn": Workbench(settings, stores, registry)}
        async with open_site(folder, **more) as site, open_installation(settings, silent, stores) as here:
            if shelf:
                here = replace(here, retriever=Shelf())  # type: ignore[arg-type]  # what is needed of it
            async with serving_jobs(here):
                yield School(site=site, here=here)


async def _examine_newcomers(school: School) -> None:
    """Have every adapter that is trained sit the exam; a file says that it did."""
    done: set[str] = set()
    while True:
        await asyncio.sleep(0.2)
        for version in school.here.registry.all():
            if version.domain and version.label not in done:
                await school.sit(version.label)
                done.add(version.label)
                (version.folder.parent / f"{version.version}.examined").touch()


async def main(folder: Path) -> None:
    async with open_school(folder) as school:
        await school.ask(*range(20, 40), approved=True)
        await school.ask(*range(20), rating=1)
        watching = asyncio.create_task(_examine_newcomers(school))
        print(str(school.site.client.make_url("")).rstrip("/"), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        watching.cancel()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
