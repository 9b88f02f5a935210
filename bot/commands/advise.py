"""`pointsman advise`: prompt, retrieval or an adapter, measured on the domain's own questions."""

from typing import Annotated

import typer

from bot.commands.command import AsJson, command, out, print_json, print_table, wait_for
from bot.progress import progress_bar
from bot.rows import Row
from bot.settings import Settings
from bot.work import run

_HEADLINES = {
    "prompt": "A prompt alone does it.",
    "retrieve": "Retrieve: the base model over the documents' passages.",
    "fine-tune": "Fine-tune: an adapter over the documents' passages.",
    "collect": "Collect more data first.",
}


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app, "advise")(advise)


def advise(
    settings: Settings,
    domain: Annotated[str, typer.Option("--domain", help="A domain's name in pointsman.toml.")],
    hourly: Annotated[
        float | None, typer.Option("--hourly", min=0, help="What an hour of this machine costs, for the cost column.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the three ways to answer a domain's questions, and recommend one with its reasons.

    Example: pointsman advise --domain billing --hourly 0.20
    """
    settings.domain(domain)
    with progress_bar() as progress:
        found = wait_for(run(settings, "advise", {"domain": domain, "hourly": hourly}, progress))
    if as_json:
        print_json(found)
        return
    out.print(_HEADLINES[found["recommendation"]], markup=False)
    for reason in found["reasons"]:
        out.print(f"- {reason}", markup=False)
    print_table((_line(way) for way in found["ways"] if way["rows"]), "Nothing could be measured.")


def _line(way: Row) -> Row:
    return {
        "way": way["way"],
        "adapter": way["adapter"],
        "quality": f"{way['quality']:.2f} ({way['low']:.2f} to {way['high']:.2f})",
        "tokens in": f"{way['prompt_tokens']:.0f}",
        "tokens out": f"{way['completion_tokens']:.0f}",
        "seconds": f"{way['seconds']:.1f}",
        "hours per 1000": f"{way['hours_per_1000']:.1f}",
        **({} if way["cost_per_1000"] is None else {"cost per 1000": f"{way['cost_per_1000']:.2f}"}),
    }
