"""Prompts: their versions, what differs, editing with a preview on real questions, two versions on trial."""

import asyncio
import json
from typing import Any

from aiohttp import web

from bot.console.differences import differences
from bot.console.problems import Problems
from bot.console.routes import Routes
from bot.console.visits import LONGEST_QUESTION, Visit
from bot.desks.holdings import PUBLIC
from bot.desks.trials import MOST, Draft, TypedQuestion
from bot.errors import Conflict, InputError
from bot.learning.comparison import Comparison, Tally
from bot.messages import GENERAL
from bot.prompt_choices import Choice, choice_row
from bot.prompt_editing import checked, given, remarks
from bot.prompts import Template

N_ = str  # marks text for the catalogue that is said later
ONE = "/prompts/of/{route}/{task}"

routes = Routes(title=N_("Prompts"), home="/prompts", need="viewer")


@routes.get("/prompts", need="viewer")
async def show(visit: Visit) -> web.StreamResponse:
    """Show every prompt with the version in use."""
    library = visit.parts.prompting.library
    rows = [
        (template, library.choice(template.name), len(_versions(visit, template.name))) for template in library.used()
    ]
    return visit.page("prompts.html", rows=rows)


@routes.get(ONE, need="viewer")
async def show_one(visit: Visit) -> web.StreamResponse:
    """Show the versions of a prompt, which of them answers, and how each was voted on."""
    return await _prompt_page(visit, _name(visit))


async def _prompt_page(visit: Visit, name: str, problems: Problems | None = None) -> web.Response:
    """The page of a prompt; with *problems* of the form on it that was sent, and what was typed."""
    desk = visit.parts.prompting
    choice = desk.library.choice(name)
    tallies = await desk.tallies(name)
    recent = await desk.tallies(name, choice.trial.since) if choice.trial else {}
    return visit.page(
        "prompt.html",
        status=problems.status if problems else 200,
        problems=problems or Problems(),
        name=name,
        choice=choice,
        seen=_token(choice),
        versions=_versions(visit, name)[::-1],
        tallies={template.version: _tally(tallies, template.label) for template in _versions(visit, name)},
        trial=_compared(recent, name, choice),
        did=visit.field("did"),
    )


@routes.get(f"{ONE}/diff", need="viewer")
async def diff(visit: Visit) -> web.StreamResponse:
    """Show what differs between two versions."""
    name = _name(visit)
    before, after = _version(visit, name, "before"), _version(visit, name, "after")
    pieces = await asyncio.to_thread(differences, before.text, after.text)
    return visit.page(
        "prompt_diff.html", name=name, before=before, after=after, pieces=pieces, versions=_versions(visit, name)
    )


@routes.get(f"{ONE}/edit", need="curator")
async def edit(visit: Visit) -> web.StreamResponse:
    """Show the text of a version, to make the next one from it."""
    name = _name(visit)
    base = _version(visit, name, "from")
    return await _editor(visit, name, base.label, base.text)


@routes.post(f"{ONE}/edit", need="curator")
async def edit_on(visit: Visit) -> web.StreamResponse:
    """Show a text that is not saved yet, as it was."""
    name = _name(visit)
    return await _editor(visit, name, _based_on(visit, name), visit.field("text"))


@routes.post(f"{ONE}/preview", need="curator")
async def preview(visit: Visit) -> web.StreamResponse:
    """Have real questions answered with a text that is not saved yet; in the background, since it takes its time."""
    name, text = _name(visit), visit.field("text")
    try:
        _require_few(visit)
        job = await visit.parts.prompting.preview(
            Draft(name=name, version=_next(visit, name), text=text),
            visit.fields("reply"),
            _typed(visit, name),
            based_on=_based_on(visit, name),
            by=visit.account.name,
        )
    except InputError as exc:
        return await _editor(visit, name, _based_on(visit, name), text, reason=str(exc))
    return visit.see(f"/prompts/preview/{job}", base=_based_on(visit, name))


@routes.get("/prompts/preview/{job}", need="curator")
async def show_preview(visit: Visit) -> web.StreamResponse:
    """Show the answers beside each other, as far as they are there."""
    job = visit.request.match_info["job"]
    found = await visit.parts.prompting.previewed(int(job) if job.isdecimal() and len(job) < 18 else 0)
    compared = [
        (each, differences(each.old.text, each.new.text) if each.old and each.new else ()) for each in found.compared
    ]
    return visit.page(
        "prompt_preview_part.html" if visit.field("part") else "prompt_preview.html",
        preview=found,
        compared=compared,
        base=visit.field("base"),
        name=found.draft.name,
    )


@routes.post(f"{ONE}/save", need="admin")
async def save(visit: Visit) -> web.StreamResponse:
    """Keep a text as the next version; nothing answers with it until that is said."""
    name, text, base = _name(visit), visit.field("text"), _based_on(visit, _name(visit))
    try:
        template = await visit.parts.prompting.save(name, text, based_on=base, by=visit.account.name)
    except InputError as exc:
        return await _editor(visit, name, base, text, reason=str(exc))
    return visit.see(f"/prompts/of/{name}", did=f"saved{template.version}")


@routes.post(f"{ONE}/use", need="admin")
async def use(visit: Visit) -> web.StreamResponse:
    """Have a version answer all conversations from the next question on."""
    name = _name(visit)
    version, seen = _version(visit, name, "version").version, _seen(visit, name)
    await visit.parts.prompting.use(name, version, seen=seen, by=visit.account.name)
    return visit.see(f"/prompts/of/{name}", did="used")


@routes.post(f"{ONE}/try", need="admin")
async def try_out(visit: Visit) -> web.StreamResponse:
    """Have a version answer a share of the conversations, beside the one in use."""
    name, percent, problems = _name(visit), visit.field("percent").strip(), Problems()
    with problems.at(f"percent-{_version(visit, name, 'version').version}"):
        if not percent.isdecimal() or not 1 <= int(percent[:4]) <= 99:
            raise InputError(visit.say("A share is a whole number from 1 to 99 percent."))
    if problems:
        return await _prompt_page(visit, name, problems)
    version, seen = _version(visit, name, "version").version, _seen(visit, name)
    await visit.parts.prompting.try_out(name, version, int(percent) / 100, seen=seen, by=visit.account.name)
    return visit.see(f"/prompts/of/{name}", did="tried")


@routes.post(f"{ONE}/end", need="admin")
async def end_trial(visit: Visit) -> web.StreamResponse:
    """Have the version in use answer all conversations again."""
    name = _name(visit)
    await visit.parts.prompting.end_trial(name, seen=_seen(visit, name), by=visit.account.name)
    return visit.see(f"/prompts/of/{name}", did="ended")


async def _editor(visit: Visit, name: str, base: str, text: str, *, reason: str = "") -> web.Response:
    """The page on which a text is changed; whatever is wrong, the text is still there."""
    return visit.page(
        "prompt_edit.html",
        status=400 if reason else 200,
        name=name,
        base=base,
        text=text,
        reason=reason,
        remarks=_remarks(name, text),
        next=_next(visit, name),
        variables=given(name),
        asked=await visit.parts.prompting.asked(name),
        ticked=visit.fields("reply"),
        typed=visit.field("typed"),
        most=MOST,
        domains=visit.parts.domains if name.startswith("domain/") else (),
        domain=visit.field("domain"),
    )


def _require_few(visit: Visit) -> None:
    """Raises: InputError if more questions were ticked than a preview takes."""
    if (ticked := len(set(visit.fields("reply")))) > MOST:
        raise InputError(
            visit.say("You ticked %(n)s questions, and a preview takes %(most)s. Untick some.", n=ticked, most=MOST)
        )


def _remarks(name: str, text: str) -> list[str]:
    try:
        return remarks(checked(name, 1, text))
    except InputError:
        return []


def _name(visit: Visit) -> str:
    name = f"{visit.request.match_info['route']}/{visit.request.match_info['task']}"
    visit.parts.prompting.library.get(name)
    return name


def _versions(visit: Visit, name: str) -> list[Template]:
    """Oldest first."""
    return [template for template in visit.parts.prompting.library.all() if template.name == name]


def _version(visit: Visit, name: str, field: str) -> Template:
    """The version that a field names; without one the version in use."""
    library, number = visit.parts.prompting.library, visit.field(field)
    return library.get(f"{name}@{number}" if number else name)


def _based_on(visit: Visit, name: str) -> str:
    label = visit.field("base")
    return visit.parts.prompting.library.get(label if label.partition("@")[0] == name else name).label


def _next(visit: Visit, name: str) -> int:
    return _versions(visit, name)[-1].version + 1


def _typed(visit: Visit, name: str) -> TypedQuestion | None:
    """The question that was typed; only admins get answers from documents that are not for everyone."""
    text, domain = visit.short("typed", LONGEST_QUESTION), visit.field("domain")
    if not text:
        return None
    domain = domain if domain in visit.parts.domains else next(iter(visit.parts.domains), GENERAL)
    route = domain if name.startswith("domain/") else GENERAL
    return TypedQuestion(text=text, route=route, labels=None if visit.may("admin") else PUBLIC)


def _token(choice: Choice) -> str:
    return json.dumps(choice_row(choice))


def _seen(visit: Visit, name: str) -> Choice:
    """What answers now, if it is what the page showed. Raises: Conflict."""
    choice = visit.parts.prompting.library.choice(name)
    if visit.field("seen") != _token(choice):
        raise Conflict(visit.say("What answers was changed meanwhile; look at the page anew, and try again."))
    return choice


def _tally(tallies: Any, label: str) -> Tally:
    found: Tally = tallies.get(label, Tally(adapter=label, answers=0, up=0, down=0, voters=0))
    return found


def _compared(tallies: Any, name: str, choice: Choice) -> Comparison | None:
    """How the two versions of a trial were voted on since it began."""
    if choice.trial is None:
        return None
    first, second = f"{name}@{choice.version}", f"{name}@{choice.trial.version}"
    return Comparison(first=_tally(tallies, first), second=_tally(tallies, second))
