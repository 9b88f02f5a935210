"""The composition root: builds every part once from the settings. The only file that knows every package."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from importlib.metadata import version as version_of
from pathlib import Path

import structlog

from adapters.base_model import BaseModel
from adapters.datasets.building import DatasetBuilder, rows_to_train
from adapters.datasets.material import Library
from adapters.datasets.rows import RowsFile, read_dataset
from adapters.gate.evaluation import Evaluator
from adapters.gate.fingerprint import fingerprint
from adapters.generator import TransformersGenerator
from adapters.registry import NONE, PRODUCTION, AdapterRegistry, AdapterVersion, Always
from adapters.training.processes import is_main, wait_for_all
from adapters.training.recipe import Recipe
from adapters.training.training import train
from bot import wording
from bot.assistant import Assistant
from bot.errors import InputError, PointsmanError
from bot.jobs.examinee import Examinee
from bot.learning.answers import NearestAnswers, NoAnswers
from bot.learning.course import Plan, recorded, unwritten
from bot.learning.curation import Curator
from bot.learning.router import RouteTeacher
from bot.learning.router_changes import RouterChanges
from bot.learning.router_versions import Origin, RouterVersions
from bot.learning.routes import RouteDesk
from bot.messages import EVERYONE, DatasetKind, Feedback, Message, Reply, now
from bot.owner import make_directory
from bot.ports import Connector, Encoder, OnText, Progress, discard, silent
from bot.privacy.redaction import Redactor
from bot.prompts import PromptLibrary, open_prompts
from bot.routing import LearnedRouter
from bot.settings import Secrets, Settings
from bot.store.audit import SqlAudit
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
from bot.store.tallies import SqlTallies
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
    audit: SqlAudit
    tallies: SqlTallies
    database: Database

    @classmethod
    def on(cls, database: Database, registry: AdapterRegistry) -> "Stores":
        """The stores on an open database, beside the *registry*'s folders."""
        return cls(
            exchanges=SqlExchangeStore(database),
            feedback=SqlFeedbackStore(database),
            reviews=SqlCurationStore(database),
            datasets=SqlDatasetStore(database),
            examples=SqlExampleStore(database),
            inbox=SqlInbox(database),
            jobs=SqlJobQueue(database),
            people=SqlPeople(database, registry.trained_on),
            channels=SqlChannels(database),
            audit=SqlAudit(database),
            tallies=SqlTallies(database),
            database=database,
        )


@asynccontextmanager
async def open_stores(settings: Settings) -> AsyncIterator[Stores]:
    """The stores alone: for commands that need neither index nor model."""
    make_directory(settings.storage.directory)
    async with open_database(settings.database_url) as database:
        yield Stores.on(database, open_registry(settings))


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
    reviewed: NearestAnswers
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)  # one change of index and router at a time
    evaluating: asyncio.Lock = field(default_factory=asyncio.Lock)  # one adapter at a time
    releasing: asyncio.Lock = field(default_factory=asyncio.Lock)  # one change of stages at a time
    training: asyncio.Lock = field(default_factory=asyncio.Lock)  # one training at a time
    alone: bool = False  # nobody waits for answers meanwhile

    async def learn_routes(self, progress: Progress = silent, *, origin: Origin = "ingest") -> None:
        """Teach the router again and route by it from now on."""
        await router_changes(self).learn(origin, progress)

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
        return replace(self.assistant, adapters=Always(adapter), reviewed=NoAnswers())

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
async def open_installation(
    settings: Settings, progress: Progress = silent, opened: Stores | None = None
) -> AsyncIterator[Installation]:
    """
    Everything, for the process that owns the index; on stores that are *opened* already, where they are.

    Raises: PointsmanError naming what is missing or broken.
    """
    directory = settings.storage.directory
    oldest = now() - timedelta(days=settings.storage.retention_days)
    domains = {domain.name: domain for domain in settings.domains}
    async with nullcontext(opened) if opened else open_stores(settings) as stores:
        await stores.exchanges.delete_older_than(oldest)
        await stores.inbox.delete_older_than(oldest)
        encoder = MiniLmEncoder()
        index = await asyncio.to_thread(ChromaIndex, directory / "chroma")
        access = {name: frozenset(domain.access) for name, domain in domains.items()}
        retriever = HybridRetriever(index, encoder, directory / "knowledge", access)
        teacher = RouteTeacher(encoder, retriever, directory / "router")
        versions = open_router_versions(settings)
        versions.adopt()
        tasks = await asyncio.to_thread(teacher.tasks)  # the first time it embeds the general questions: a minute
        router = LearnedRouter(versions.classifiers(domains), tasks)
        registry = open_registry(settings)
        prompts = open_prompts(settings)
        generator = TransformersGenerator(
            base_model(settings, progress), registry, deadline_seconds=settings.model.deadline_seconds
        )
        reviewed = NearestAnswers(
            decisions=stores.reviews,
            exchanges=stores.exchanges,
            retriever=retriever,
            documents=retriever,
            encoder=encoder,
            redactor=Redactor(),
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
                reviewed=reviewed,
            ),
            reviewed=reviewed,
        )


def connectors_of(here: Installation, secrets: Secrets) -> list[Connector]:
    """
    The connectors that the environment has tokens for.

    Raises: SettingsError where only a part of them is set.
    """
    from connectors.parts import Parts  # with its platforms a second to import, which other commands need not wait for

    stores, found = here.stores, list[Connector]()
    parts = Parts(
        settings=here.settings,
        inbox=stores.inbox,
        exchanges=stores.exchanges,
        votes=stores.feedback,
        people=stores.people,
        read_file=here.read_file,
        openers=lambda domain: asyncio.to_thread(here.retriever.openers, domain),
    )
    if secrets.has_slack:
        from connectors.slack.connector import SlackConnector

        found.append(SlackConnector(parts=parts, secrets=secrets, engine=stores.database.engine))
    if secrets.discord_bot_token:
        from connectors.discord.connector import DiscordConnector

        found.append(DiscordConnector(parts=parts, token=secrets.discord_bot_token, channels=stores.channels))
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


def route_desk(stores: Stores, encoder: Encoder | None = None) -> RouteDesk:
    """Collects what the router may learn; needs no index."""
    return RouteDesk(
        examples=stores.examples,
        exchanges=stores.exchanges,
        reviews=stores.reviews,
        encoder=encoder or MiniLmEncoder(),
        redactor=Redactor(),
    )


def open_router_versions(settings: Settings) -> RouterVersions:
    """The versions of the router; needs no index."""
    return RouterVersions(settings.storage.directory / "router")


def router_changes(here: Installation) -> RouterChanges:
    """Changes the router of an installation."""
    return RouterChanges(
        domains=[domain.name for domain in here.settings.domains],
        desk=route_desk(here.stores, here.encoder),
        teacher=here.teacher,
        versions=open_router_versions(here.settings),
        router=here.router,
        audit=here.stores.audit,
    )


def dataset_builder(settings: Settings, stores: Stores) -> DatasetBuilder:
    """Makes dataset versions; to build one from replies, the owner of the index has to say what it holds."""
    return DatasetBuilder(
        exchanges=stores.exchanges,
        votes=stores.feedback,
        reviews=stores.reviews,
        datasets=stores.datasets,
        prompts=open_prompts(settings),
        redactor=Redactor(),
        directory=settings.storage.directory,
    )


async def training_rows(settings: Settings, domain: str, named: str) -> RowsFile:
    """
    The file that `--dataset` names: a path, or a version of the *domain*'s datasets.

    Raises: InputError if there is no such version, StoreError if its files are not what was built.
    """
    if not named.isdecimal() or Path(named).is_file():
        return RowsFile(path=Path(named), label=Path(named).name)
    async with open_stores(settings) as stores:
        version = await stores.datasets.find(domain, named)
    if version is None:
        raise InputError(f"{domain} has no dataset {named}; `pointsman dataset list` shows those there are")
    return RowsFile(path=rows_to_train(version, settings.storage.directory), label=version.label)


def train_adapter(
    settings: Settings,
    domain: str,
    dataset: RowsFile,
    recipe: Recipe,
    progress: Progress = silent,
    *,
    method: DatasetKind | None = None,
    start: str = PRODUCTION,
) -> AdapterVersion:
    """
    The next version of *domain*'s adapter, trained on the rows in *dataset*, going on from the adapter *start* names.

    The method is that of the rows; if one is given, it has to be. In a training of several processes all return it.

    Raises: InputError for unusable rows or an unusable start, TrainingError if the rows do not allow a training.
    """
    rows = read_dataset(dataset, open_prompts(settings), method=method)
    registry = open_registry(settings)
    begin = registry.start(domain, start)
    recipe = replace(recipe, method=rows.kind, start=begin.label if begin else NONE)
    progress = progress if is_main() else silent
    work = settings.storage.directory / "training" / domain
    about = {"domain": domain, "dataset": rows.label, "start": recipe.start}
    plan = Plan(**about, method=rows.kind, deadline_seconds=recipe.deadline_seconds)
    with recorded(work, plan) if is_main() else nullcontext(unwritten) as on_step:
        trained = train(
            base_model(settings, progress),
            rows,
            work,
            recipe=recipe,
            start=begin.folder if begin else None,
            progress=progress,
            on_step=on_step,
        )
        if is_main():
            registry.add(trained, domain)
    wait_for_all()
    return registry.add(trained, domain)  # which finds it


def evaluator(here: Installation) -> Evaluator:
    """What has adapters answer a probe, by the parts that answer users; evaluations are kept, answers are not."""
    examinee = Examinee(assistant_with=here.assistant_with, expect=here.generator.surprise)
    texts = [version_of("pointsman"), *(template.text for template in here.prompts.used())]
    return Evaluator(
        answer=examinee.answer,
        complete=examinee.complete,
        surprise=examinee.surprise,
        directory=here.settings.storage.directory / "evaluations",
        model=here.generator.model,
        conditions=hashlib.sha256("\0".join(texts).encode()).hexdigest(),
        fingerprint=partial(fingerprint, here.registry),
        alone=here.alone,
    )


def base_model(settings: Settings, progress: Progress = silent) -> BaseModel:
    """The base model, not yet loaded."""
    return BaseModel(settings.model.base, settings.models_directory, progress)


def open_registry(settings: Settings) -> AdapterRegistry:
    """The adapter versions; needs neither index nor model."""
    choices = {domain.name: domain.adapter for domain in settings.domains}
    return AdapterRegistry(settings.storage.directory / "adapters", choices, base_model(settings).name)
