"""The audit log: who changed what, with what stood there before and after."""

from collections.abc import AsyncIterator, Iterable
from functools import partial

from aiohttp import web

from bot.console.export import Line, download
from bot.console.routes import Routes
from bot.console.visits import LONGEST_TEXT, Visit
from bot.desks.accounts import AuditEntry
from bot.errors import InputError

N_ = str  # marks text for the catalogue that is said later
PAGE = 100
EXPORTED_AT_ONCE = 1000

routes = Routes(title=N_("Audit log"), home="/audit", need="admin")


@routes.get("/audit", need="admin")
async def show(visit: Visit) -> web.StreamResponse:
    """Show the changes, newest first."""
    who, what = visit.short("who", LONGEST_TEXT), visit.short("what", LONGEST_TEXT)
    entries = list(await visit.parts.audit.page(who=who, what=what, before=_before(visit), limit=PAGE + 1))
    older = entries[PAGE - 1].id if len(entries) > PAGE else None
    return visit.page(
        "audit.html",
        entries=[(entry, changes(entry)) for entry in entries[:PAGE]],
        who=who,
        what=what,
        older=older,
        first=_before(visit) is None,
    )


@routes.get("/audit.{format:csv|jsonl}", need="admin")
async def export(visit: Visit) -> web.StreamResponse:
    """Write the changes to a file, newest first."""
    page = partial(visit.parts.audit.page, who=visit.field("who").strip(), what=visit.field("what").strip())

    async def lines() -> AsyncIterator[Line]:
        before: int | None = None
        while entries := await page(before=before, limit=EXPORTED_AT_ONCE):
            for entry in entries:
                yield _line(entry)
            before = entries[-1].id

    return await download(visit, "audit", visit.request.match_info["format"], lines())


def changes(entry: AuditEntry) -> list[tuple[str, str, str]]:
    """What differs between before and after, as (field, before, after)."""
    before, after = _fields(entry.before), _fields(entry.after)
    names: Iterable[str] = dict.fromkeys([*before, *after])
    return [(name, before.get(name, ""), after.get(name, "")) for name in names if before.get(name) != after.get(name)]


def _fields(value: object) -> dict[str, str]:
    """The fields of what was noted; those that hold nothing are left out."""
    if isinstance(value, dict):
        return {str(name): _shown(each) for name, each in value.items() if each is not None}
    return {} if value is None else {"": _shown(value)}


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _line(entry: AuditEntry) -> Line:
    return {
        "at": entry.at.isoformat(),
        "who": entry.who,
        "what": entry.what,
        "before": entry.before,
        "after": entry.after,
    }


def _before(visit: Visit) -> int | None:
    text = visit.field("before")
    if text and not (text.isdecimal() and len(text) < 18):
        raise InputError(visit.say("This address names no place in the list; open the list anew."))
    return int(text) if text else None
