"""The composition root: builds every part once from the settings. The only file that knows every package."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import structlog

from adapters.base_model import BaseModel
from adapters.datasets.building import DatasetBuilder, rows_to_train
from adapters.datasets.material import Library
from adapters.datasets.rows import read_dataset
from adapters.generator import TransformersGenerator
from adapters.registry import NONE, AdapterRegistry, AdapterVersion, Always
from adapters.training import Recipe, train
from bot import wording
from bot.assistant import Assistant
from bot.errors import InputError, PointsmanError
from bot.learning.curation import Curator
from bot.learning.router import RouteTeacher, kept_classifiers
from bot.messages import EVERYONE, Feedback, Message, Reply, now
from bot.owner import make_directory
from bot.ports import Connector, OnText, Progress, discard, silent
from bot.privacy.redaction import Redactor
from bot.prompts import PromptLibrary
from bot.routing import LearnedRouter
from bot.settings import Secrets, Settings
from bot.store.channels import SqlChannels
from bot.store.curation import SqlCurationStore
from bot.store.database import Database, open_database
from bot.store.datasets import SqlDatasetStore
from bot.store.examples import SqlExampleStore
from bot.store.exchanges import SqlExchangeStore
from bot.store.feedback import SqlFeedbackStore
from bot.store.inbox import SqlInbox
from bot.store.jobs import SqlJobQueue
from bot.store.people import SqlPeople
from knowledge.attachments import passages_of
from knowledge.chroma import ChromaIndex
from knowledge.encoder import MiniLmEncoder
from knowledge.retriever import HybridRetriever
from knowledge.sync import Sync

log = structlog.get_logger()


@dataclass(frozen=True)
class Stores:
    """Everything that is kept in the database."""

    exchanges: SqlExchangeStore
    feedback: SqlFeedbackStore
    reviews: SqlCurationStore
    datasets: SqlDatasetStore
    examples: SqlExampleStore
    inbox: SqlInbox
    jobs: SqlJobQueue
    people: SqlPeople
    channels: SqlChannels
    database: Database

    @classmethod
    def on(cls, database: Database) -> "Stores":
        """The stores on an open database."""
        return cls(
            exchanges=SqlExchangeStore(database),
            feedback=SqlFeedbackStore(database),
            reviews=SqlCurationStore(database),
            datasets=SqlDatasetStore(database),
            examples=SqlExampleStore(database),
            inbox=SqlInbox(database),
            jobs=SqlJobQueue(database),
            people=SqlPeople(database),
            channels=SqlChannels(database),
            database=database,
        )


@asynccontextmanager
async def open_stores(settings: Settings) -> AsyncIterator[Stores]:
    """The stores alone: for commands that need neither index nor model."""
    make_directory(settings.storage.directory)
    async with open_database(settings.database_url) as database:
        yield Stores.on(database)


@dataclass(frozen=True)
class Installation:
    """Every part, built and wired; its process owns the index."""

    settings: Settings
    stores: Stores
    encoder: MiniLmEncoder
    retriever: HybridRetriever
    sync: Sync
    teacher: RouteTeacher
    router: LearnedRouter
    prompts: PromptLibrary
    registry: AdapterRegistry
    generator: TransformersGenerator
    assistant: Assistant
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)  # one change of index and router at a time

    async def learn_routes(self, progress: Progress = silent) -> None:
        """Fit the router anew and route by it from now on."""
        examples = await self.stores.examples.all()
        self.router.use(await self.teacher.teach([d.name for d in self.settings.domains], examples, progress))

    def labels_of(self, user: str | None) -> frozenset[str] | None:
        """The access labels of *user*; None, the operator, reads everything."""
        if user is None:
            return None
        return frozenset({EVERYONE, *(entry.label for entry in self.settings.access if user in entry.members)})

    def assistant_with(self, adapter: str | None) -> Assistant:
        """
        The assistant, answering with *adapter* ("name@version" or "none") whatever the domain; None: as configured.

        Raises: AdapterNotFound, AdapterUnusable.
        """
        if adapter is None:
            return self.assistant
        if adapter != NONE:
            self.registry.get(adapter)
        return replace(self.assistant, adapters=Always(adapter))

    def library(self, domain: str) -> Library:
        """What the index of *domain* holds, for building datasets."""
        readers = frozenset(self.settings.domain(domain).access)
        return Library(domain=domain, documents=self.retriever.documents(domain), readers=readers)

    async def read_file(self, name: str, data: bytes) -> Sequence[str]:
        """The passages of a file that was shared with a question. Raises: InputError with the reason."""
        return await asyncio.to_thread(passages_of, name, data, self.encoder.count_tokens)

    async def on_message(self, message: Message, on_text: OnText = discard) -> Reply:
        """Answer a message of a connector; whatever happens, with a reply or a PointsmanError that gives a reason."""
        try:
            return await self.assistant.reply_to(message, on_text)
        except PointsmanError:
            raise
        except Exception as exc:
            log.exception("a question could not be answered", message=message.id, thread=message.thread)
            raise PointsmanError(wording.APOLOGY) from exc

    async def on_feedback(self, feedback: Feedback) -> None:
        """Keep a vote."""
        await self.stores.feedback.save(feedback)


@asynccontextmanager
async def open_installation(settings: Settings, progress: Progress = silent) -> AsyncIterator[Installation]:
    """
    Everything, for the process that owns the index.

    Raises: PointsmanError naming what is missing or broken.
    """
    directory = settings.storage.directory
    oldest = now() - timedelta(days=settings.storage.retention_days)
    domains = {domain.name: domain for domain in settings.domains}
    async with open_stores(settings) as stores:
        await stores.exchanges.delete_older_than(oldest)
        await stores.inbox.delete_older_than(oldest)
        encoder = MiniLmEncoder()
        index = ChromaIndex(directory / "chroma")
        access = {name: frozenset(domain.access) for name, domain in domains.items()}
        retriever = HybridRetriever(index, encoder, directory / "knowledge", access)
        teacher = RouteTeacher(encoder, retriever, directory / "router")
        router = LearnedRouter(kept_classifiers(teacher.path, domains), teacher.tasks())
        registry = open_registry(settings)
        prompts = PromptLibrary(settings.prompts.directory)
        generator = TransformersGenerator(
            base_model(settings, progress), registry, deadline_seconds=settings.model.deadline_seconds
        )
        yield Installation(
            settings=settings,
            stores=stores,
            encoder=encoder,
            retriever=retriever,
            sync=Sync(index, encoder, directory / "knowledge", retriever.withdraw),
            teacher=teacher,
            router=router,
            prompts=prompts,
            registry=registry,
            generator=generator,
            assistant=Assistant(
                domains=domains,
                retriever=retriever,
                router=router,
                prompts=prompts,
                adapters=registry,
                generator=generator,
                exchanges=stores.exchanges,
            ),
        )


def connectors_of(here: Installation, secrets: Secrets) -> list[Connector]:
    """
    The connectors that the environment has tokens for.

    Raises: SettingsError where only a part of them is set.
    """
    found: list[Connector] = []
    if secrets.has_slack:
        from connectors.slack.connector import (
            SlackConnector,  # a second to import, which other commands need not wait for
        )

        found.append(
            SlackConnector(
                settings=here.settings,
                secrets=secrets,
                inbox=here.stores.inbox,
                exchanges=here.stores.exchanges,
                votes=here.stores.feedback,
                people=here.stores.people,
                read_file=here.read_file,
                engine=here.stores.database.engine,
            )
        )
    if secrets.discord_bot_token:
        from connectors.discord.connector import DiscordConnector

        found.append(
            DiscordConnector(
                settings=here.settings,
                secrets=secrets,
                inbox=here.stores.inbox,
                exchanges=here.stores.exchanges,
                votes=here.stores.feedback,
                people=here.stores.people,
                channels=here.stores.channels,
                read_file=here.read_file,
            )
        )
    return found


def curator(stores: Stores) -> Curator:
    """The reviewer's desk; needs no index."""
    return Curator(
        exchanges=stores.exchanges,
        votes=stores.feedback,
        reviews=stores.reviews,
        encoder=MiniLmEncoder(),
        redactor=Redactor(),
    )


def dataset_builder(settings: Settings, stores: Stores) -> DatasetBuilder:
    """Makes dataset versions; to build one from replies, the owner of the index has to say what it holds."""
    return DatasetBuilder(
        exchanges=stores.exchanges,
        votes=stores.feedback,
        reviews=stores.reviews,
        datasets=stores.datasets,
        prompts=PromptLibrary(settings.prompts.directory),
        redactor=Redactor(),
        directory=settings.storage.directory,
    )


async def training_rows(settings: Settings, domain: str, named: str) -> Path:
    """
    The file that `--dataset` names: a path, or a version of the *domain*'s datasets.

    Raises: InputError if there is no such version, or training cannot read it.
    """
    if not named.isdecimal() or Path(named).is_file():
        return Path(named)
    async with open_stores(settings) as stores:
        version = await stores.datasets.find(domain, named)
    if version is None:
        raise InputError(f"{domain} has no dataset {named}; `pointsman dataset list` shows those there are")
    return rows_to_train(version, settings.storage.directory)


def train_adapter(
    settings: Settings, domain: str, dataset: Path, recipe: Recipe, progress: Progress = silent
) -> AdapterVersion:
    """
    The next version of *domain*'s adapter, trained on the rows in *dataset*.

    Raises: InputError for unusable rows, TrainingError if they do not allow a training.
    """
    rows = read_dataset(dataset, PromptLibrary(settings.prompts.directory))
    work = settings.storage.directory / "training" / domain
    trained = train(base_model(settings, progress), rows, work, recipe=recipe, progress=progress)
    return open_registry(settings).add(trained, domain)


def base_model(settings: Settings, progress: Progress = silent) -> BaseModel:
    """The base model, not yet loaded."""
    return BaseModel(settings.model.base, settings.models_directory, progress)


def open_registry(settings: Settings) -> AdapterRegistry:
    """The adapter versions; needs neither index nor model."""
    choices = {domain.name: domain.adapter for domain in settings.domains}
    return AdapterRegistry(settings.storage.directory / "adapters", choices, base_model(settings).name)
