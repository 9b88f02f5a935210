"""Is everything in place, and if not, what to do."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bot.app import base_model, open_installation, open_registry, open_stores
from bot.errors import GenerationError, PointsmanError, SettingsError
from bot.owner import ownership
from bot.ports import Progress
from bot.prompts import open_prompts
from bot.settings import Secrets, Settings

FREE_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str  # how it is, or what to do


async def examine(settings: Settings, progress: Progress) -> list[Check]:
    """Every check, in the order in which one would mend what fails."""

    async def model() -> str:
        return await asyncio.to_thread(_model, settings, progress)

    async def index() -> str:
        return await _index(settings, progress)

    async def database() -> str:
        async with open_stores(settings) as stores:
            votes = await stores.feedback.all()
            return f"{settings.storage.directory}, {len(votes)} votes"

    async def slack() -> str:
        from connectors.slack.check import check_slack  # imported here, as are all chat platforms

        return await check_slack(settings.slack, Secrets())

    async def discord() -> str:
        from connectors.discord.check import check_discord

        return await check_discord(settings.discord, Secrets())

    steps: list[tuple[str, Callable[[], Awaitable[str]]]] = [
        ("settings", lambda: _at_once(_settings, settings)),
        ("disk", lambda: _at_once(_disk, settings)),
        ("database", database),
        ("prompts", lambda: _at_once(_prompts, settings)),
        ("adapters", lambda: _at_once(_adapters, settings)),
        ("language model", model),
        ("index and router", index),
        ("slack", slack),
        ("discord", discord),
    ]
    return [await _checked(name, step) for name, step in steps]


async def _checked(name: str, step: Callable[[], Awaitable[str]]) -> Check:
    try:
        return Check(name, True, await step())
    except PointsmanError as exc:
        return Check(name, False, str(exc))


async def _at_once(look: Callable[[Settings], str], settings: Settings) -> str:
    return look(settings)


def _settings(settings: Settings) -> str:
    if not settings.domains:
        raise SettingsError("no domain is set up; add [[domains]] with name and description to pointsman.toml")
    missing = [str(path) for domain in settings.domains for path in domain.documents if not path.exists()]
    if missing:
        raise SettingsError(f"documents not found: {', '.join(missing)}; correct `documents` in pointsman.toml")
    return f"domains {', '.join(domain.name for domain in settings.domains)}"


def _disk(settings: Settings) -> str:
    directory = settings.storage.directory
    existing = next(path for path in (directory, *directory.resolve().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < FREE_BYTES:
        raise SettingsError(f"only {free / 1e6:.0f} MB are free at {existing}; the model alone needs 550 MB")
    return f"{free / 1e9:.0f} GB free at {existing}"


def _prompts(settings: Settings) -> str:
    return f"{len(open_prompts(settings).all())} prompts"


def _adapters(settings: Settings) -> str:
    registry = open_registry(settings)
    used = {domain.name: registry.answering(domain.name) for domain in settings.domains}
    for label in (each for shares in used.values() for each in shares):
        if label != "none":
            registry.get(label)
    told = (f"{domain} answers with {_shares(shares)}" for domain, shares in used.items())
    return ", ".join(told) or "no domain needs one"


def _shares(shares: Mapping[str, float]) -> str:
    return " and ".join(label if share == 1 else f"{label} ({share:.0%})" for label, share in shares.items())


def _model(settings: Settings, progress: Progress) -> str:
    base = base_model(settings, progress)
    if not base.tokenizer.chat_template:
        raise GenerationError(f"model {base.name} has no chat template; choose an instruction-tuned model")
    return f"{base.name}, reads {base.context_tokens} tokens"


async def _index(settings: Settings, progress: Progress) -> str:
    with ownership(settings.storage.directory) as mine:
        if not mine:
            return "in use by a running Pointsman, which keeps it"
        async with open_installation(settings, progress) as here:
            found = {
                d.name: sum(s.collection.count() for s in here.retriever.shelves(d.name)) for d in settings.domains
            }
            empty = [name for name, count in found.items() if not count and name not in here.router.domains]
            if empty:
                raise SettingsError(
                    f"nothing is ingested for {', '.join(empty)}; run `pointsman ingest --domain {empty[0]}`"
                )
            return ", ".join(f"{name}: {count} chunks" for name, count in found.items()) or "no domain yet"
