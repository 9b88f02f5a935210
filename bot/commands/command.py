"""What all commands share: settings, errors as one line, JSON on stdout."""

import asyncio
import functools
import inspect
import json
import logging
import sys
import warnings
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import structlog
import typer
from rich.console import Console
from rich.table import Table

from bot.errors import PointsmanError
from bot.settings import load_settings

T = TypeVar("T")

Config = Annotated[Path | None, typer.Option("--config", help="Settings file; default: ./pointsman.toml.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and the full log.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the data as JSON.")]

out = Console(highlight=False, soft_wrap=True)


def command(app: typer.Typer, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """
    Make a function a command that also takes --config and --debug; its first parameter gets the settings.

    Our errors become one line on stderr and exit 1.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function).parameters.values())[1:]
        shared = [
            inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Config),
            inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Debug),
        ]
        keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]

        @functools.wraps(function)
        def run(*, config: Path | None, debug: bool, **arguments: Any) -> None:
            configure_logging(debug=debug)
            try:
                function(load_settings(config), **arguments)
            except PointsmanError as exc:
                if debug:
                    raise
                print(f"pointsman: {exc}", file=sys.stderr)
                raise typer.Exit(1) from exc
            except KeyboardInterrupt as exc:
                raise typer.Exit(130) from exc

        run.__signature__ = inspect.Signature([*keyword, *shared])  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in [*keyword, *shared]}
        app.command(name)(run)
        return function

    return register


def configure_logging(*, debug: bool) -> None:
    """Logs to stderr; libraries only speak up when something is wrong."""
    level = logging.DEBUG if debug else logging.WARNING
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.INFO if debug else logging.ERROR)  # on the handler: some libraries set their own loggers
    logging.basicConfig(handlers=[handler], force=True)
    # Its default tracebacks show every local variable: passwords too, and drawing them takes half a minute.
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[*structlog.get_config()["processors"][:-1], renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    if not debug:
        warnings.simplefilter("ignore")


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """The result of *work*, run on an event loop of its own."""
    return asyncio.run(work)


def print_json(data: Any) -> None:
    """*data* on stdout, and nothing else."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")


def print_table(rows: Iterable[Mapping[str, Any]], empty: str) -> None:
    """*rows* as a table on stdout; *empty* where there are none."""
    rows = list(rows)
    if not rows:
        out.print(empty, markup=False)
        return
    if not out.is_terminal:  # for other programs: whole values, separated by tabs
        for row in rows:
            print(*("" if value is None else value for value in row.values()), sep="\t")
        return
    table = Table(*rows[0].keys(), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    out.print(table)
