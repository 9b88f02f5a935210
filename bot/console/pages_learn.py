"""Learn: what can be learnt from, what was trained, what the gate said of it, and what answers now."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from bot.console.curves import Curve, curve
from bot.console.export import Line, download
from bot.console.problems import Problems
from bot.console.routes import Routes
from bot.console.visits import Visit
from bot.console.withholding import closed, readable
from bot.desks.accounts import Role
from bot.errors import InputError, NotFound
from bot.learning.course import Course
from bot.learning.exhibits import Adapter, Domain, Undertaking
from bot.messages import DatasetVersion

N_ = str  # marks text for the catalogue that is said later
BIN = 25  # words, as adapters.datasets.report counts them
ENDED = 6  # undertakings that ended and are still shown
ROWS = 40  # of a curve's table
NEEDS: Mapping[str, Role] = {"dataset": "curator"}  # who may begin and stop it; all others: admins

routes = Routes(title=N_("Learn"), home="/learn", need="viewer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Something that runs or ended, with the training that it is, if it is one."""

    work: Undertaking | None  # None: a training that nobody began here
    domain: str
    course: Course | None = None
    curve: Curve | None = None
    need: Role = "admin"
    repeatable: bool = False

    @property
    def running(self) -> bool:
        """Whether it may still change."""
        return self.work is None or not self.work.ended

    @property
    def key(self) -> str:
        """What the page knows it by."""
        return str(self.work.id) if self.work else f"training-{self.domain}"


@routes.get("/learn", need="viewer")
async def show(visit: Visit) -> web.StreamResponse:
    """Show every domain, what runs, the router, and when trainings begin by themselves."""
    learn = visit.parts.learn
    domains = await asyncio.gather(*(learn.domain(name) for name in visit.parts.domains))
    return visit.page(
        "learn.html",
        domains=domains,
        router=await learn.router(),
        schedule=visit.parts.schedule,
        **await now_of(visit, ""),
    )


@routes.get("/learn/now", need="viewer")
async def show_now(visit: Visit) -> web.StreamResponse:
    """Show what runs, for the script: without the frame around it."""
    return visit.page("learn_now.html", **await now_of(visit, visit.field("about")))


@routes.get("/learn/router", need="viewer")
async def show_router(visit: Visit) -> web.StreamResponse:
    """Show the router's versions."""
    return visit.page("learn_router.html", router=await visit.parts.learn.router(), **await now_of(visit, "router"))


@routes.get("/learn/domain/{domain}", need="viewer")
async def show_domain(visit: Visit) -> web.StreamResponse:
    """Show one domain: its datasets, how to train, its versions, and how two of them are voted on."""
    return await domain_page(visit, await domain_of(visit))


async def domain_page(visit: Visit, domain: Domain, problems: Problems | None = None) -> web.Response:
    """The page of one domain; with *problems* of the form on it that was sent, and what was typed."""
    first, second = visit.field("first"), visit.field("second")
    labels = [adapter.label for adapter in domain.adapters] + ["none"]
    compared = None
    if first or second:
        if first not in labels or second not in labels or first == second:
            raise InputError(visit.say("Choose two different versions to compare."))
        compared = await visit.parts.learn.compared(domain.name, first, second)
    return visit.page(
        "learn_domain.html",
        status=problems.status if problems else 200,
        problems=problems or Problems(),
        domain=domain,
        compared=compared,
        chosen=(first, second) if compared else _likely(domain, labels),
        labels=labels,
        schedule=visit.parts.schedule,
        **await now_of(visit, domain.name),
    )


@routes.get("/learn/domain/{domain}/dataset/{version}", need="viewer")
async def show_dataset(visit: Visit) -> web.StreamResponse:
    """Show a dataset's report."""
    found = visit.request.match_info
    dataset = await visit.parts.learn.dataset(found["domain"], found["version"])
    bins = {int(begin): count for begin, count in dataset.report.get("histogram", {}).items()}
    histogram = [(f"{begin}–{begin + BIN - 1}", count) for begin, count in bins.items()]
    return visit.page(
        "learn_dataset.html",
        dataset=dataset,
        report=dataset.report,
        histogram=histogram,
        documents=await readable(visit, dataset.domain, dataset.documents),
    )


@routes.get("/learn/domain/{domain}/version/{version}", need="viewer")
async def show_version(visit: Visit) -> web.StreamResponse:
    """Show one version: how it was trained, and what the gate said of it."""
    domain = await domain_of(visit)
    adapter = version_of(visit, domain)
    return visit.page(
        "learn_version.html",
        domain=domain,
        problems=Problems(),
        closed=await closed(visit, domain.name),
        adapter=adapter,
        line=curve(adapter.losses, until=float(adapter.numbers.get("planned_steps", 0))),
        losses=adapter.losses[:: max(1, len(adapter.losses) // ROWS)],
        **await now_of(visit, adapter.label),
    )


@routes.get("/learn/domain/{domain}/{table:datasets|versions}.{format:csv|jsonl}", need="viewer")
async def export(visit: Visit) -> web.StreamResponse:
    """Write a domain's datasets or versions to a file, newest first."""
    domain, named = await domain_of(visit), visit.request.match_info
    rows = [*map(_dataset_line, domain.datasets)] if named["table"] == "datasets" else [*map(_line, domain.adapters)]

    async def lines() -> AsyncIterator[Line]:
        for row in rows:
            yield row

    return await download(visit, f"{domain.name}-{named['table']}", named["format"], lines())


def _dataset_line(dataset: DatasetVersion) -> Line:
    return {
        "dataset": dataset.label,
        "kind": dataset.kind,
        "train": dataset.report["train"],
        "held_out": dataset.report["held_out"],
        "left_out": sum(len(them) for them in dataset.report["left_out"].values()),
        "approved_by": list(dataset.approved_by),
        "hash": dataset.hash,
        "created": dataset.created.isoformat(),
    }


def _line(adapter: Adapter) -> Line:
    report = adapter.report
    return {
        "version": adapter.label,
        "stage": adapter.stage,
        "share": adapter.share,
        "score": adapter.score,
        "passed": report.passed if report else None,
        "against": report.against if report else None,
        "reasons": list(report.reasons) if report else None,
        "dataset": adapter.numbers.get("dataset"),
        "created": adapter.created,
    }


async def domain_of(visit: Visit) -> Domain:
    """The domain that the address names. Raises: NotFound."""
    name = visit.request.match_info["domain"]
    if name not in visit.parts.domains:
        raise NotFound(visit.say("There is no domain “%(name)s” in pointsman.toml.", name=name))
    return await visit.parts.learn.domain(name)


def version_of(visit: Visit, domain: Domain) -> Adapter:
    """The domain's own version that the address names. Raises: NotFound."""
    number = visit.request.match_info["version"]
    found = next((each for each in domain.adapters if each.version == number and not each.shipped), None)
    if found is None:
        raise NotFound(visit.say("%(domain)s has no version %(version)s.", domain=domain.name, version=number))
    return found


async def now_of(visit: Visit, about: str) -> dict[str, Any]:
    """What runs and what ended, about one domain, a version of it, the router, or (empty) everything."""
    learn = visit.parts.learn
    works, courses = await asyncio.gather(learn.undertakings(), learn.courses())
    shown = [_shown(work, courses) for work in works]
    begun = {each.domain for each in shown if each.running and each.work and each.work.kind == "train"}
    alone = [name for name, course in courses.items() if course.running and name not in begun]
    shown += [_training(None, name, courses[name]) for name in alone]
    wanted = [each for each in shown if _is_about(each, about)]
    ended = sorted((each for each in wanted if not each.running), key=_end)[-ENDED:]
    ended = [replace(each, repeatable=bool(each.work and await learn.repeatable(each.work))) for each in ended]
    return {
        "now": [*(each for each in wanted if each.running), *reversed(ended)],
        "about": about,
        "training": any(course.running for course in courses.values()) or bool(begun),
    }


def _end(shown: Shown) -> tuple[bool, float, int]:
    """What ended things are sorted by, the newest end last; of an older Pointsman there is no time."""
    listed = shown.work.listed if shown.work else None
    at = listed.ended if listed else None
    return at is not None, at.timestamp() if at else 0.0, listed.job.id if listed else 0


def _is_about(shown: Shown, about: str) -> bool:
    """Whether something is about a domain, the router, or a version: what runs for its domain, and what it came to."""
    domain, _, version = about.partition("@")
    if domain not in ("", shown.domain or "router"):
        return False
    return not version or shown.running or str(shown.work and shown.work.payload.get("version")) == version


def _shown(work: Undertaking, courses: Mapping[str, Course]) -> Shown:
    if work.kind == "train" and not work.ended and work.domain in courses:
        return _training(work, work.domain, courses[work.domain])
    return Shown(work=work, domain=work.domain, need=NEEDS.get(work.kind, "admin"))


def _training(work: Undertaking | None, domain: str, course: Course) -> Shown:
    if not course.running:  # of an earlier training: this one has not come so far
        return Shown(work=work, domain=domain)
    steps = [(step.step, step.loss) for step in course.steps]
    line = curve(steps, until=course.steps[-1].total) if course.steps else None
    return Shown(work=work, domain=domain, course=course, curve=line)


def _likely(domain: Domain, labels: list[str]) -> tuple[str, str]:
    """Two versions that somebody would compare: what answers, and what answered before or answers a share."""
    answering = [adapter.label for adapter in domain.answering]
    found = [*answering, *(label for label in labels if label not in answering)]
    return found[0], found[1] if len(found) > 1 else "none"
