"""The commands that release adapters: which versions there are, how they do, and which of them answers."""

import sys
from typing import Annotated
from uuid import uuid4

import typer

from adapters.registry import NONE, AdapterRegistry, adapter_row
from bot.app import open_registry, open_stores
from bot.commands.command import AsJson, command, out, print_json, print_table, wait_for
from bot.errors import InputError, PointsmanError
from bot.learning.comparison import Comparison, Tally
from bot.progress import progress_bar
from bot.rows import Row
from bot.settings import Settings
from bot.work import run

adapters = typer.Typer(help="The versions of the LoRA adapters.", no_args_is_help=True, rich_markup_mode=None)

By = Annotated[str, typer.Option("--by", help="Who decides; it is kept in the audit log.")]
Domain = Annotated[str, typer.Argument(help="A domain's name in pointsman.toml.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(adapters, name="adapters")


@command(adapters, "list")
def list_adapters(
    settings: Settings,
    user: Annotated[str | None, typer.Option("--user", help="Only those that learnt from this user.")] = None,
    document: Annotated[
        str | None, typer.Option("--document", help="Only those that learnt from this document.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show every version of every adapter, oldest first.

    Example: pointsman adapters list --json
    """
    registry = open_registry(settings)
    found = registry.all()
    if user is not None or document is not None:
        learnt, untraced = wait_for(_learnt_from(settings, registry, user, document))
        found = [version for version in found if version.label in learnt]
        for label, data in untraced.items():
            print(
                f"not known of {label}: it was trained on {data}, which does not say whose rows it holds",
                file=sys.stderr,
            )
    rows = [adapter_row(version) for version in found]
    if as_json:
        print_json(rows)
    else:
        print_table([_line(row) for row in rows], "No such adapters.")


async def _learnt_from(
    settings: Settings, registry: AdapterRegistry, user: str | None, document: str | None
) -> tuple[list[str], dict[str, str]]:
    """The labels of those that did, and of those of which that is not known."""
    async with open_stores(settings) as stores:
        datasets = await stores.datasets.using(user=user, document=document)
        curated = [dataset.label for dataset in await stores.datasets.all() if dataset.approved_by]  # not imported
    return registry.trained_on([dataset.label for dataset in datasets]), registry.untraced(curated)


def _line(row: Row) -> Row:
    score = row.pop("scores").get("domain")
    return row | {"score": "" if score is None else f"{score:.3f}"}


@command(adapters, "show")
def show_adapter(
    settings: Settings, name: Annotated[str, typer.Argument(help="NAME@VERSION.")], as_json: AsJson = False
) -> None:
    """Show one version: what it was trained on and how well it does.

    Example: pointsman adapters show reading@1
    """
    version = open_registry(settings).find(name)
    if as_json:
        print_json(adapter_row(version) | {"folder": str(version.folder)})
    else:
        out.print((version.folder / "README.md").read_text(encoding="utf-8"), markup=False)
        out.print(f"Status: {version.status}", markup=False)
        for score, value in version.scores.items():
            out.print(f"{score}: {value}", markup=False)


@command(adapters, "evaluate")
def evaluate(
    settings: Settings, name: Annotated[str, typer.Argument(help="NAME@VERSION.")], as_json: AsJson = False
) -> None:
    """Have a version answer the questions that the gate asks, and show its scores; after a kill it goes on.

    Example: pointsman adapters evaluate billing@2
    """
    with progress_bar() as progress:
        row = wait_for(run(settings, "evaluate", {"adapter": name}, progress))
    if as_json:
        print_json(row)
        return
    for score, value in row["scores"].items():
        out.print(f"{score:16} {value:.3f}", markup=False)
    _tell(row["notes"])


@command(adapters, "promote")
def promote(
    settings: Settings,
    domain: Domain,
    version: Annotated[str | None, typer.Argument(help="Default: the canary, else the newest candidate.")] = None,
    canary: Annotated[
        float | None, typer.Option("--canary", metavar="SHARE", help="Answer this share of the conversations only.")
    ] = None,
    by: By = "operator",
    as_json: AsJson = False,
) -> None:
    """Put a version in production, if the gate finds it better than the one there; exit 1 if it does not.

    Example: pointsman adapters promote billing 2 --canary 0.1
    """
    if canary is not None and not 0 < canary < 1:
        raise typer.BadParameter("give a share between 0 and 1, such as 0.1", param_hint="--canary")
    payload = {"domain": settings.domain(domain).name, "version": version, "canary": canary, "by": by}
    with progress_bar() as progress:
        row = wait_for(run(settings, "promote", payload | {"request": uuid4().hex}, progress))
    if as_json:
        print_json(row)
    else:
        for check in row.get("checks", ()):
            out.print(f"{'ok  ' if check['passed'] else 'FAIL'}  {check['name']}: {check['reason']}", markup=False)
        _tell(row["notes"])
    if not row["promoted"]:
        raise PointsmanError(
            f"{domain}@{row['version']} is refused: {' '.join(row['reasons'])} The report is {row['report']}"
        )
    if not as_json:
        out.print(_answering(row), markup=False)


@command(adapters, "rollback")
def rollback(
    settings: Settings,
    domain: Domain,
    version: Annotated[str | None, typer.Argument(help="Default: what was in production before.")] = None,
    by: By = "operator",
    as_json: AsJson = False,
) -> None:
    """End a canary, or have the version answer that was in production before; at once, without the gate.

    Example: pointsman adapters rollback billing
    """
    payload = {"domain": settings.domain(domain).name, "version": version, "by": by, "request": uuid4().hex}
    with progress_bar() as progress:
        row = wait_for(run(settings, "rollback", payload, progress))
    if as_json:
        print_json(row)
    else:
        _tell(row["notes"])
        out.print(_answering(row), markup=False)


def _answering(row: Row) -> str:
    canary = row["canary"]
    share = f", and {row['domain']}@{canary['version']} {canary['share']:.0%} of the conversations" if canary else ""
    who = "The base model alone" if row["adapter"] == NONE else row["adapter"]
    return f"{who} answers {row['domain']} now{share}."


def _tell(notes: list[str]) -> None:
    for note in notes:
        out.print(f"note: {note}", markup=False)


@command(adapters, "compare")
def compare(
    settings: Settings,
    first: Annotated[str, typer.Argument(metavar="A", help="NAME@VERSION, or none.")],
    second: Annotated[str, typer.Argument(metavar="B", help="NAME@VERSION, or none.")],
    as_json: AsJson = False,
) -> None:
    """Show how two versions are voted on, and whether the difference is more than chance.

    Example: pointsman adapters compare billing@1 billing@2
    """
    domain = _common_domain(open_registry(settings), first, second)
    comparison = wait_for(_compared(settings, first, second, domain))
    if as_json:
        print_json(_comparison_row(comparison, domain))
    else:
        print_table([_tally_line(tally) for tally in (comparison.first, comparison.second)], "")
        out.print(comparison.sentence, markup=False)


def _common_domain(registry: AdapterRegistry, first: str, second: str) -> str | None:
    """The domain whose answers are compared; None: those of all. Raises: AdapterNotFound, InputError."""
    domains = {registry.find(label).domain for label in (first, second) if label != NONE} - {None}
    if len(domains) > 1:
        raise InputError(f"{first} and {second} answer different domains, so their votes cannot be compared")
    return domains.pop() if domains else None


async def _compared(settings: Settings, first: str, second: str, domain: str | None) -> Comparison:
    async with open_stores(settings) as stores:
        return Comparison(
            first=await stores.tallies.of(first, domain=domain), second=await stores.tallies.of(second, domain=domain)
        )


def _comparison_row(comparison: Comparison, domain: str | None) -> Row:
    return {
        "domain": domain,
        "versions": [_tally_row(tally) for tally in (comparison.first, comparison.second)],
        "difference": _rounded(comparison.difference),
        "interval": [_rounded(end) for end in comparison.interval] if comparison.interval else None,
        "more_than_chance": comparison.more_than_chance,
        "sentence": comparison.sentence,
    }


def _tally_row(tally: Tally) -> Row:
    return {
        "adapter": tally.adapter,
        "answers": tally.answers,
        "votes": tally.votes,
        "voters": tally.voters,
        "up": tally.up,
        "down": tally.down,
        "rate": _rounded(tally.rate),
        "interval": [_rounded(end) for end in tally.interval],
    }


def _tally_line(tally: Tally) -> Row:
    low, high = tally.interval
    return _tally_row(tally) | {
        "rate": "" if tally.rate is None else f"{tally.rate:.0%}",
        "interval": f"{low:.0%} to {high:.0%}",
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
