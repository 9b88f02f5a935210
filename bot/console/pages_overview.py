"""Overview: how much is asked, how it ends, what people think of it, and how long it takes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from bot.console.export import Line, download
from bot.console.plots import Plot
from bot.console.routes import Routes
from bot.console.visits import Visit
from bot.errors import InputError
from bot.learning.quality import KINDS, RANGES, USUAL, Figures, Overview, OverviewFilter, Period
from bot.messages import now

N_ = str  # marks text for the catalogue that is said later
PARTS = ("platform", "route", "adapter", "prompt")
LONGEST = 50  # rows of a table on the page; the file has all

routes = Routes(title=N_("Overview"), home="/overview", need="viewer")


@routes.get("/overview", need="viewer")
async def show(visit: Visit) -> web.StreamResponse:
    """Show the figures of a time range, together and by connector, route, adapter and prompt."""
    days, wanted = _wanted(visit)
    parts = visit.parts
    overview, choices = await asyncio.gather(parts.overview.figures(wanted), parts.answers.choices())
    query = {"days": days, "route": wanted.route, "platform": wanted.platform}
    return visit.page(
        "overview.html",
        overview=overview,
        choices=choices,
        days=days,
        wanted=wanted,
        ranges=tuple(RANGES),
        kinds=KINDS,
        longest=LONGEST,
        query=urlencode({name: value for name, value in query.items() if value}),
        filtered=bool(wanted.route or wanted.platform),
        review=_review(wanted),
        gaps=_gaps(visit, days, wanted),
        part=partial(_part, wanted),
        **_plots(overview.periods),
    )


@routes.get("/overview/{table:days|platform|route|adapter|prompt}.{format:csv|jsonl}", need="viewer")
async def export(visit: Visit) -> web.StreamResponse:
    """Write one of the tables to a file, all of its rows."""
    table = visit.request.match_info["table"]
    _, wanted = _wanted(visit)
    rows = _lines(table, await visit.parts.overview.figures(wanted))

    async def lines() -> AsyncIterator[Line]:
        for row in rows:
            yield row

    return await download(visit, f"overview-{table}", visit.request.match_info["format"], lines())


def _wanted(visit: Visit) -> tuple[str, OverviewFilter]:
    """The filter in the address, with how it names the time range."""
    days = visit.field("days") or USUAL
    if days not in RANGES:
        raise InputError(visit.say("There is no such time range; choose one of those on the page."))
    return days, OverviewFilter(days=RANGES[days], route=visit.field("route"), platform=visit.field("platform"))


def _review(wanted: OverviewFilter) -> Callable[..., str]:
    """What makes the address of the review list with the answers that a figure is of."""
    since = wanted.since(now().date())
    common = {"state": "any", "route": wanted.route, "platform": wanted.platform, "since": str(since or "")}

    def address(**more: str) -> str:
        return "/review?" + urlencode({name: value for name, value in (common | more).items() if value})

    return address


def _gaps(visit: Visit, days: str, wanted: OverviewFilter) -> str:
    """The fields by which the page of gaps shows those of the same time and place."""
    domain = wanted.route if wanted.route in visit.parts.domains else ""
    query = {"days": days, "domain": domain, "platform": wanted.platform}
    return urlencode({name: value for name, value in query.items() if value})


def _part(wanted: OverviewFilter, table: str, name: str) -> dict[str, str]:
    """What the review list is filtered by for the row *name* of a table: adapters are counted for domains only."""
    return {table: name} | ({"route": wanted.route or "domains"} if table == "adapter" else {})


def _plots(periods: Sequence[Period]) -> dict[str, Any]:
    """What the page draws of each day: questions by kind, thumbs, and the wait for the first word."""
    days, each = [period.first for period in periods], [period.figures for period in periods]
    asked = Plot(days, max((one.questions for one in each), default=0), whole=True)
    thumbs = Plot(days, 1.0)
    medians, slow = [one.median for one in each], [one.slow for one in each]
    wait = Plot(days, max((value for value in slow if value is not None), default=1.0))
    return {
        "asked": asked,
        "asked_bars": asked.bars([[(kind, one.of(kind)) for kind in KINDS] for one in each]),
        "thumbs": thumbs,
        "thumbs_points": thumbs.points([one.rate for one in each]),
        "thumbs_spans": thumbs.spans([one.interval if one.votes else None for one in each]),
        "wait": wait,
        "wait_lines": {"median": wait.lines(medians), "slow": wait.lines(slow)},
        "wait_points": {"median": wait.points(medians), "slow": wait.points(slow)},
    }


def _lines(table: str, overview: Overview) -> Iterable[Line]:
    if table == "days":
        for period in overview.periods:
            yield {"first_day": str(period.first), "last_day": str(period.last), **_line(period.figures)}
    else:
        for name, figures in overview.parts[table]:
            yield {table: name, **_line(figures)}


def _line(figures: Figures) -> Line:
    low, high = figures.interval if figures.votes else (None, None)
    return {
        "questions": figures.questions,
        **{kind: figures.of(kind) for kind in KINDS},
        "thumbs_up": figures.up,
        "thumbs_down": figures.down,
        "thumbs_up_rate": figures.rate,
        "thumbs_up_rate_low": low,
        "thumbs_up_rate_high": high,
        "first_word_seconds_median": figures.median,
        "first_word_seconds_95": figures.slow,
    }
