"""The commands that ask and answer. Each reads its arguments, has the work done, and prints the outcome."""

import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from bot import wording
from bot.app import open_installation, open_stores, route_desk
from bot.commands import advise, console, keep, learn, release, router
from bot.commands.command import AsJson, command, out, print_json, print_table, wait_for
from bot.errors import InputError, PointsmanError, SettingsError
from bot.messages import GENERAL, Feedback, LabelledQuestion, Message, Reply
from bot.owner import ownership
from bot.ports import OnText
from bot.progress import progress_bar, progress_line
from bot.rows import Row, read_data, read_rows, required_text, rows_in, write_rows
from bot.settings import Secrets, Settings
from bot.work import run, serving_jobs, warming_up
from connectors.terminal import TerminalConnector, citation_line, printable

app = typer.Typer(
    name="pointsman",
    help="A chat bot that sends each question down the right track: a prompt, or an adapter over your documents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"pointsman {version('pointsman')}")
        raise typer.Exit


@app.callback()
def pointsman(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """A chat bot that sends each question down the right track: a prompt, or an adapter over your documents."""


examples = typer.Typer(help="Example questions that teach the router.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(examples, name="examples")
keep.add_to(app)
learn.add_to(app)
console.add_to(app)
release.add_to(app)
advise.add_to(app)
router.add_to(app)

DomainName = Annotated[str, typer.Option("--domain", help="A domain's name in pointsman.toml.")]
OptionalDomain = Annotated[str | None, typer.Option("--domain", help="Ask this domain, whatever the router says.")]
General = Annotated[bool, typer.Option("--general", help="Ask the base model, whatever the router says.")]
AsUser = Annotated[str | None, typer.Option("--as", help="Read only what this user may read, such as slack:user:U123.")]
Input = Annotated[Path, typer.Option("--input", help="A JSONL file with one row a question.")]
_EXAMPLE = 'a row is {"text", "route"}'
Output = Annotated[Path, typer.Option("--output", help="The JSONL file to write, one row per input row.")]


@command(app, "ingest")
def ingest(
    settings: Settings,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Files or folders; default: the domain's `documents`.", show_default=False),
    ] = None,
    domain: DomainName = "",
    access: Annotated[
        list[str] | None, typer.Option("--access", help="Who may read them; default: the domain's.")
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Afterwards the domain holds exactly these documents.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read documents into a domain's index; what has not changed is left alone.

    Example: pointsman ingest docs/billing --domain billing
    """
    own = settings.domain(_required(domain))
    chosen = paths or list(own.documents)
    if not chosen:
        raise InputError(f"domain {domain!r} lists no documents; give a path, or set `documents` in pointsman.toml")
    payload = {
        "domain": own.name,
        "paths": [str(path.resolve()) for path in chosen],
        "access": access or list(own.access),
        "prune": prune,
    }
    with progress_bar() as progress:
        report = wait_for(run(settings, "ingest", payload, progress))
    if held := report.pop("held", None):
        used = ", ".join(
            (*(f"dataset {label}" for label in held["datasets"]), *(f"adapter {label}" for label in held["adapters"]))
        )
        print(f"still in {used}: something of what was removed; build them again without it", file=sys.stderr)
    for failure in report["failed"]:
        print(f"not ingested: {failure['document']}: {failure['reason']}", file=sys.stderr)
    if as_json:
        print_json(report)
    else:
        out.print(
            "{documents} documents in {chunks} chunks: {added} added, {updated} updated, {removed} removed, "
            "{n} failed".format(n=len(report["failed"]), **report)
        )


@command(examples, "add")
def add_examples(
    settings: Settings,
    file: Annotated[Path, typer.Argument(help='JSONL rows {"text", "route"}.')],
    as_json: AsJson = False,
) -> None:
    """Teach the router with example questions.

    Example: pointsman examples add questions.jsonl
    """
    found = [_example(row, where, settings) for where, row in rows_in(read_data(file), file)]

    async def add() -> int:
        async with open_stores(settings) as stores:
            return await stores.examples.add(found)

    added = wait_for(add())
    with progress_bar() as progress:
        wait_for(run(settings, "learn", {}, progress))
    if as_json:
        print_json({"rows": len(found), "added": added})
    else:
        out.print(f"{len(found)} examples read, {added} of them new; the router has learnt them")


@command(examples, "list")
def list_examples(settings: Settings, as_json: AsJson = False) -> None:
    """Show the example questions: those that were added, and those that reviewers decided a route of.

    Example: pointsman examples list --json
    """
    routes = (*(domain.name for domain in settings.domains), GENERAL)

    async def load() -> list[LabelledQuestion]:
        async with open_stores(settings) as stores:
            with progress_bar() as progress:
                lessons = await route_desk(stores).lessons(routes, progress)
            reviewed = (example for example in lessons.examples if example.reply)
            return [*await stores.examples.all(), *reviewed]

    rows = [{"text": e.text, "route": e.route} | ({"reply": e.reply} if e.reply else {}) for e in wait_for(load())]
    if as_json:
        print_json(rows)
    else:
        lines = (
            row | {"text": " ".join(printable(row["text"]).split()), "reply": row.get("reply", "")} for row in rows
        )
        print_table(lines, "No examples yet; `pointsman examples add FILE` brings some.")


@command(app, "ask")
def ask(
    settings: Settings,
    text: Annotated[str, typer.Argument(help="The question.")],
    domain: OptionalDomain = None,
    general: General = False,
    user: AsUser = None,
    as_json: AsJson = False,
) -> None:
    """Ask one question.

    Example: pointsman ask "How do I ingest my own documents?"
    """
    payload = {"rows": [{"text": text}], "route": _route_of(settings, domain, general), "user": user}
    with progress_bar() as progress:
        (row,) = wait_for(run(settings, "answer", payload, progress))
    reply = row["reply"]
    if not reply:
        raise PointsmanError(row["text"])
    if as_json:
        print_json({key: value for key, value in row.items() if key != "reply"} | {"id": reply})
        return
    out.print(printable(row["text"]), markup=False)
    for citation in row["citations"]:
        where = citation["url"] or citation["path"]
        line = citation_line(citation["number"], citation["title"], where, citation["quote"])
        out.print(printable(line), markup=False)
    if row["route"] == GENERAL and not row["abstained"] and row["decision"] == "answer":
        out.print(f"({wording.GENERAL_NOTICE})", markup=False)


@command(app, "chat")
def chat(settings: Settings, user: AsUser = None) -> None:
    """Talk to the bot in the terminal; lines from a pipe are answered one by one.

    Example: pointsman chat
    """
    wait_for(_chat(settings, user))


async def _chat(settings: Settings, user: str | None) -> None:
    terminal = TerminalConnector(user=user or "operator", domains=[d.name for d in settings.domains])
    with ownership(settings.storage.directory) as mine:
        if not mine:
            await _chat_through_owner(settings, terminal, user)
            return
        async with open_installation(settings, progress_line) as here:
            terminal.labels = here.labels_of(user)
            async with serving_jobs(here), warming_up(here):
                await terminal.run(here.on_message, here.on_feedback)


async def _chat_through_owner(settings: Settings, terminal: TerminalConnector, user: str | None) -> None:
    """A chat whose questions another process answers, because that one owns the index."""
    async with open_stores(settings) as stores:

        async def on_message(message: Message, on_text: OnText) -> Reply:
            payload = {"rows": [{"text": message.text}], "route": message.route, "user": user, "thread": message.thread}
            (row,) = await run(settings, "answer", payload)
            exchange = await stores.exchanges.find(row["reply"])
            if exchange is None:
                raise PointsmanError(row["text"])
            await on_text(exchange.reply.text)
            return exchange.reply

        async def on_feedback(feedback: Feedback) -> None:
            await stores.feedback.save(feedback)

        await terminal.run(on_message, on_feedback)


@command(app, "serve")
def serve(settings: Settings) -> None:
    """Answer in Slack and Discord until stopped; the tokens come from the environment.

    Example: pointsman serve
    """
    from bot import serving  # brings the web server, which other commands need not wait for

    wait_for(serving.serve(settings, Secrets(), progress_line, partial(print, file=sys.stderr, flush=True)))


@command(app, "route")
def route(settings: Settings, input: Input, output: Output, as_json: AsJson = False) -> None:
    """Tell for each question in a file where it would go.

    Example: pointsman route --input questions.jsonl --output routes.jsonl
    """
    _batch(settings, "route", input, output, {}, as_json)


@command(app, "retrieve")
def retrieve(
    settings: Settings,
    domain: DomainName,
    input: Input,
    output: Output,
    top_k: Annotated[int, typer.Option("--top-k", min=1, max=100, help="How many passages a question.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Find the passages of a domain for each question in a file.

    Example: pointsman retrieve --domain billing --input questions.jsonl --output passages.jsonl --top-k 5
    """
    _batch(settings, "retrieve", input, output, {"domain": settings.domain(domain).name, "top_k": top_k}, as_json)


@command(app, "answer")
def answer(
    settings: Settings,
    input: Input,
    output: Output,
    domain: OptionalDomain = None,
    general: General = False,
    adapter: Annotated[
        str | None, typer.Option("--adapter", help="NAME@VERSION or none, instead of the domain's.")
    ] = None,
    user: AsUser = None,
    as_json: AsJson = False,
) -> None:
    """Answer each question in a file.

    Example: pointsman answer --input questions.jsonl --output answers.jsonl --domain billing
    """
    payload = {"route": _route_of(settings, domain, general), "adapter": adapter, "user": user}
    _batch(settings, "answer", input, output, payload, as_json)


def _batch(settings: Settings, kind: str, input: Path, output: Path, payload: dict[str, Any], as_json: bool) -> None:
    rows = read_rows(input)
    with progress_bar() as progress:
        found = wait_for(run(settings, kind, {"rows": rows, **payload}, progress))
    write_rows(output, found)
    if as_json:
        print_json({"rows": len(found), "output": str(output)})
    else:
        out.print(f"{len(found)} rows written to {output}", markup=False)


def _required(domain: str) -> str:
    if not domain:
        raise typer.BadParameter("give --domain NAME", param_hint="--domain")
    return domain


def _route_of(settings: Settings, domain: str | None, general: bool) -> str | None:
    if domain and general:
        raise typer.BadParameter("--domain and --general exclude each other")
    return GENERAL if general else settings.domain(domain).name if domain else None


def _example(row: Row, where: str, settings: Settings) -> LabelledQuestion:
    text, route = (required_text(row, field, where=where, shape=_EXAMPLE) for field in ("text", "route"))
    if route != GENERAL:
        try:
            settings.domain(route)
        except SettingsError as exc:
            raise InputError(f"{where}: {exc}") from exc
    return LabelledQuestion(text=text.strip(), route=route)


def main() -> None:
    """The console script."""
    app()
