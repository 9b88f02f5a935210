"""Learn: what is begun there. Whatever is begun goes on by itself, and the audit log names who began it."""

from aiohttp import web

from bot.console.pages_learn import NEEDS, domain_of, domain_page, version_of
from bot.console.problems import Problems
from bot.console.routes import Routes, refusal
from bot.console.visits import Visit
from bot.errors import Conflict, InputError, NotFound
from bot.learning.exhibits import Undertaking

DATASETS = ("sft", "dpo", "kto")
STARTS = ("production", "reading", "none")
LONGEST_MINUTES = 7 * 24 * 60

routes = Routes()


@routes.post("/learn/domain/{domain}/dataset", need="curator")
async def build(visit: Visit) -> web.StreamResponse:
    """Build a dataset of what was reviewed."""
    domain, kind = await domain_of(visit), visit.field("kind") or "sft"
    if kind not in DATASETS:
        raise InputError(visit.say("There is no such kind of dataset."))
    return await _begin(visit, "dataset", {"domain": domain.name, "kind": kind})


@routes.post("/learn/domain/{domain}/train", need="admin")
async def train(visit: Visit) -> web.StreamResponse:
    """Train the next version, in a process of its own."""
    domain, start = await domain_of(visit), visit.field("start") or "production"
    dataset = next((each for each in domain.datasets if each.version == visit.required("dataset")), None)
    if dataset is None:
        raise NotFound(visit.say("This dataset does not exist; choose another."))
    if start not in (*STARTS, *(adapter.version for adapter in domain.adapters if not adapter.shipped)):
        raise InputError(visit.say("No training can start there; choose another start."))
    problems = Problems()
    with problems.at("minutes"):
        minutes = _minutes(visit)
    if problems:
        return await domain_page(visit, domain, problems)
    wish = {"dataset": dataset.version, "method": dataset.kind, "start": start, "minutes": minutes}
    return await _begin(visit, "train", {"domain": domain.name, **wish})


@routes.post("/learn/domain/{domain}/version/{version}/judge", need="admin")
async def judge(visit: Visit) -> web.StreamResponse:
    """Ask the gate, and change nothing."""
    return await _begin(visit, "judge", await _version(visit))


@routes.post("/learn/domain/{domain}/version/{version}/promote", need="admin")
async def promote(visit: Visit) -> web.StreamResponse:
    """Ask the gate, and have the version answer if it passes: everybody, or a share of the conversations."""
    domain, problems, share = await domain_of(visit), Problems(), None
    version, to = version_of(visit, domain).version, visit.field("to")
    if to not in ("all", "share"):
        raise InputError(visit.say("Say whether everybody or a share of the conversations is to get it."))
    if to == "share":
        with problems.at(f"share-{version}"):
            share = _share(visit)
    if problems:
        return await domain_page(visit, domain, problems)
    return await _begin(visit, "promote", {"domain": domain.name, "version": version, "canary": share})


@routes.post("/learn/domain/{domain}/version/{version}/retire", need="admin")
async def retire(visit: Visit) -> web.StreamResponse:
    """Offer a version no longer."""
    return await _begin(visit, "retire", await _version(visit))


@routes.post("/learn/domain/{domain}/share", need="admin")
async def set_share(visit: Visit) -> web.StreamResponse:
    """Have the canary answer another share of the conversations."""
    domain = await domain_of(visit)
    if domain.canary is None:
        raise Conflict(visit.say("There is no canary; promote a version for a share of the conversations."))
    problems = Problems()
    with problems.at("share"):
        share = _share(visit)
    if problems:
        return await domain_page(visit, domain, problems)
    return await _begin(visit, "share", {"domain": domain.name, "share": share})


@routes.post("/learn/domain/{domain}/rollback", need="admin")
async def rollback(visit: Visit) -> web.StreamResponse:
    """End the canary, or have what was in production before answer again."""
    domain = await domain_of(visit)
    if domain.back is None:
        raise Conflict(visit.say("Nothing was in production before; there is nothing to go back to."))
    return await _begin(visit, "rollback", {"domain": domain.name})


@routes.post("/learn/router/train", need="admin")
async def train_router(visit: Visit) -> web.StreamResponse:
    """Teach the router the routes that reviewers decided."""
    return await _begin(visit, "router train", {})


@routes.post("/learn/router/promote", need="admin")
async def promote_router(visit: Visit) -> web.StreamResponse:
    """Measure a version of the router again, and use it if it is no worse."""
    versions = [version.version for version, _ in (await visit.parts.learn.router()).versions]
    if visit.required("version") not in versions:
        raise NotFound(visit.say("There is no such version of the router."))
    return await _begin(visit, "router promote", {"version": visit.field("version")})


@routes.post("/learn/router/rollback", need="admin")
async def rollback_router(visit: Visit) -> web.StreamResponse:
    """Use the router from before the latest promotion."""
    if (await visit.parts.learn.router()).back is None:
        raise Conflict(
            visit.say("There is no promotion to take back. Any version of the table can be promoted instead.")
        )
    return await _begin(visit, "router rollback", {})


@routes.post("/learn/work/{job}/{what:stop|again}", need="curator")
async def stop_or_repeat(visit: Visit) -> web.StreamResponse:
    """End something before its time, or begin it again; a training then goes on where it was."""
    found, learn = await _work(visit), visit.parts.learn
    if not visit.may(NEEDS.get(found.kind, "admin")):
        return refusal(visit, 403, visit.say("Your role does not allow this; an admin can change it."))
    do = learn.stop if visit.request.match_info["what"] == "stop" else learn.again
    await do(found.id, by=visit.account.name)
    return _back(visit, found.domain, found.kind)


@routes.post("/learn/work/{job}/away", need="curator")
async def put_away(visit: Visit) -> web.StreamResponse:
    """Show an outcome no longer."""
    found = await _work(visit)
    await visit.parts.learn.put_away(found.id)
    return _back(visit, found.domain, found.kind)


async def _begin(visit: Visit, kind: str, payload: dict[str, object]) -> web.Response:
    await visit.parts.learn.begin(kind, payload, by=visit.account.name)
    return _back(visit, str(payload.get("domain", "")), kind)


def _back(visit: Visit, domain: str, kind: str) -> web.Response:
    home = f"/learn/domain/{domain}" if domain else "/learn/router" if kind.startswith("router") else "/learn"
    return visit.see(home)


async def _version(visit: Visit) -> dict[str, object]:
    domain = await domain_of(visit)
    return {"domain": domain.name, "version": version_of(visit, domain).version}


async def _work(visit: Visit) -> Undertaking:
    text = visit.request.match_info["job"]
    if not (text.isdecimal() and len(text) < 18):
        raise NotFound(visit.say("This is no longer there; somebody has put it away."))
    return await visit.parts.learn.find(int(text))


def _share(visit: Visit) -> float:
    """The share in the form, which people give in percent."""
    percent = _number(visit, "percent")
    if not 0 < percent < 100:
        raise InputError(visit.say("Give a share between 1 and 99 percent."))
    return percent / 100


def _minutes(visit: Visit) -> float:
    minutes = _number(visit, "minutes")
    if not 1 <= minutes <= LONGEST_MINUTES:
        raise InputError(visit.say("Give the longest time in minutes, at least 1."))
    return minutes


def _number(visit: Visit, name: str) -> float:
    text = visit.required(name).replace(",", ".")
    try:
        return float(text)
    except ValueError as exc:
        raise InputError(visit.say("“%(text)s” is no number.", text=text)) from exc
