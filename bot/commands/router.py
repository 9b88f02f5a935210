"""The commands that retrain the router: which versions there are, how they were measured, and which is in use."""

from dataclasses import asdict
from typing import Annotated
from uuid import uuid4

import typer

from bot.app import open_router_versions
from bot.commands.command import AsJson, command, out, print_json, print_table, wait_for
from bot.errors import InputError, PointsmanError
from bot.jobs.rerouting import version_row
from bot.learning.router_versions import RouterVersion, RouterVersions
from bot.owner import ownership
from bot.progress import progress_bar
from bot.rows import Row
from bot.settings import Settings
from bot.work import run

router = typer.Typer(help="The versions of the router.", no_args_is_help=True, rich_markup_mode=None)

By = Annotated[str, typer.Option("--by", help="Who decides; it is kept in the audit log.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(router, name="router")


@command(router, "train")
def train(settings: Settings, by: By = "operator", as_json: AsJson = False) -> None:
    """Teach a new version the routes that reviewers decided; it is used if it is measured to be no worse.

    Example: pointsman router train
    """
    with progress_bar() as progress:
        row = wait_for(run(settings, "router train", {"by": by}, progress))
    if as_json:
        print_json(row)
        return
    if row["made"]:
        learned = ", ".join(f"{count} {kind}" for kind, count in row["examples"].items())
        out.print(f"router {row['version']} learnt {learned} examples, besides what the documents hold", markup=False)
        _tell(row)
    else:
        out.print(f"nothing new to learn since router {row['version']}", markup=False)
    for reason in row["reasons"]:
        out.print(f"  it is not used: {reason}", markup=False)
    if row["status"] == "production":
        out.print(f"router {row['version']} is in use", markup=False)
    else:
        status = "a candidate" if row["status"] == "candidate" else row["status"]
        promote = f"`pointsman router promote {row['version']}` measures it again"
        out.print(f"router {row['version']} is {status}; {promote}", markup=False)


@command(router, "list")
def list_routers(settings: Settings, as_json: AsJson = False) -> None:
    """Show every version that is kept, oldest first.

    Example: pointsman router list
    """
    found = _versions(settings)
    rows = [version_row(version, found.stages.status(version.version)) for version in found.all()]
    if as_json:
        print_json(rows)
    else:
        print_table((_line(row) for row in rows), "No router yet; `pointsman ingest --domain NAME` teaches the first.")


@command(router, "show")
def show(
    settings: Settings,
    version: Annotated[str | None, typer.Argument(help="Default: the version in use.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show one version: what it learnt, how it was measured, and why it is not used.

    Example: pointsman router show 3
    """
    found = _versions(settings)
    number = version or found.stages.production
    if not number:
        raise InputError("no router is in use yet; `pointsman ingest --domain NAME` teaches the first")
    chosen = found.find(number)
    row = version_row(chosen, found.stages.status(number)) | _details(chosen)
    if as_json:
        print_json(row)
        return
    out.print(f"router {number}: {row['status']}, made by {chosen.origin}, {chosen.created}", markup=False)
    for route, counts in chosen.counts.items():
        out.print(f"  {route}: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()), markup=False)
    _tell(row)
    for reason in chosen.reasons:
        out.print(f"  it was not used at once: {reason}", markup=False)


@command(router, "promote")
def promote(
    settings: Settings,
    version: Annotated[str | None, typer.Argument(help="Default: the newest candidate.")] = None,
    by: By = "operator",
    as_json: AsJson = False,
) -> None:
    """Use a version, if it is measured now to be no worse than the one in use; exit 1 if it is not.

    Example: pointsman router promote 4
    """
    payload = {"version": version, "by": by, "request": uuid4().hex}
    with progress_bar() as progress:
        row = wait_for(run(settings, "router promote", payload, progress))
    if as_json:
        print_json(row)
    else:
        _tell(row)
    if row["status"] != "production":
        raise PointsmanError(f"router {row['version']} is refused: {'; '.join(row['reasons'])}")
    if not as_json:
        out.print(f"router {row['version']} is in use", markup=False)


@command(router, "rollback")
def rollback(
    settings: Settings,
    version: Annotated[str | None, typer.Argument(help="Default: the one from before the last promotion.")] = None,
    by: By = "operator",
    as_json: AsJson = False,
) -> None:
    """Use an earlier version again, at once and without a measurement.

    Example: pointsman router rollback
    """
    payload = {"version": version, "by": by, "request": uuid4().hex}
    with progress_bar() as progress:
        row = wait_for(run(settings, "router rollback", payload, progress))
    if as_json:
        print_json(row)
        return
    how = ", which learnt what the earlier one did, on today's documents" if row["origin"] == "rollback" else ""
    out.print(f"router {row['version']} is in use{how}", markup=False)


def _versions(settings: Settings) -> RouterVersions:
    """The versions, that of an older installation among them."""
    found = open_router_versions(settings)
    with ownership(settings.storage.directory) as mine:
        if mine:  # else the owner has done so
            found.adopt()
    return found


def _details(version: RouterVersion) -> Row:
    return {
        "counts": {route: dict(kinds) for route, kinds in version.counts.items()},
        "left_out": dict(version.left_out),
        "against": version.against,
        "checks": [asdict(check) for check in version.checks],
        "reasons": list(version.reasons),
    }


def _line(row: Row) -> Row:
    scores, examples = row["scores"], row["examples"]
    return {
        "version": row["version"],
        "status": row["status"],
        "made by": row["origin"],
        "created": row["created"],
        "written": examples["written"],
        "reviewed": examples["reviewed"],
        "accuracy": f"{scores['accuracy']:.3f}" if "accuracy" in scores else "",
        "calibration error": f"{scores['calibration error']:.3f}" if "calibration error" in scores else "",
    }


def _tell(row: Row) -> None:
    """What was measured, and which reviews taught nothing."""
    for check in row["checks"]:
        out.print(f"{'ok  ' if check['passed'] else 'FAIL'}  {check['reason']}", markup=False)
    for reason, count in row["left_out"].items():
        out.print(f"  left out, {count}: {reason}", markup=False)
