"""The commands that look after what is kept: votes, prompts, the database, the installation itself."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from adapters.registry import PRODUCTION, adapter_row
from adapters.training.processes import is_main
from adapters.training.recipe import Recipe
from bot.app import open_stores, train_adapter, training_rows
from bot.commands.command import AsJson, command, out, print_json, print_table, wait_for
from bot.doctor import examine
from bot.errors import InputError
from bot.messages import DatasetKind, Exchange, Feedback
from bot.privacy.redaction import Redactor
from bot.progress import progress_bar
from bot.prompts import PromptLibrary, Template, open_prompts
from bot.rows import Row, feedback_row, write_rows
from bot.settings import Settings
from bot.store import backup as copies
from bot.store import schema


def _group(help: str) -> typer.Typer:
    return typer.Typer(help=help, no_args_is_help=True, rich_markup_mode=None)


feedback = _group("Votes and corrections from the chats.")
prompts = _group("The versions of the prompt templates.")
db = _group("The database of exchanges, votes and jobs.")


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(feedback, name="feedback")
    app.add_typer(prompts, name="prompts")
    app.add_typer(db, name="db")
    command(app, "train")(train)
    command(app, "doctor")(doctor)


async def _votes(settings: Settings) -> list[tuple[Feedback, Exchange | None]]:
    async with open_stores(settings) as stores:
        return [(vote, await stores.exchanges.find(vote.reply)) for vote in await stores.feedback.all()]


@command(feedback, "list")
def list_feedback(settings: Settings, as_json: AsJson = False) -> None:
    """Show the votes, one a user and answer, oldest first.

    Example: pointsman feedback list --json
    """
    rows = [feedback_row(vote) for vote, _ in wait_for(_votes(settings))]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, "No votes yet; /up and /down in `pointsman chat` give some.")


@command(feedback, "export")
def export_feedback(
    settings: Settings,
    output: Annotated[Path | None, typer.Option("--output", help="A JSONL file; default: stdout.")] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Also those from direct messages and private channels.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write votes with question and answer, personal data and secrets redacted; the user's name is left out.

    Example: pointsman feedback export --output votes.jsonl
    """
    redactor = Redactor()
    known = [(vote, exchange) for vote, exchange in wait_for(_votes(settings)) if exchange]
    chosen = [(vote, exchange) for vote, exchange in known if private or not exchange.message.private]
    rows = [_export_row(vote, exchange, redactor) for vote, exchange in chosen]
    if len(chosen) < len(known):
        print(f"left out: {len(known) - len(chosen)} from private places; --private takes them", file=sys.stderr)
    if output is not None:
        write_rows(output, rows)
    if as_json:
        print_json(rows)
    elif output is not None:
        out.print(f"{len(rows)} votes written to {output}", markup=False)
    else:
        for row in rows:
            out.print(json.dumps(row, ensure_ascii=False), markup=False)


def _export_row(vote: Feedback, exchange: Exchange, redactor: Redactor) -> Row:
    reply = exchange.reply

    def clean(text: str | None) -> str | None:
        return None if text is None else redactor.redact(text)

    return {
        "reply": vote.reply,
        "platform": vote.platform,
        "rating": vote.rating,
        "question": clean(exchange.message.text),
        "answer": clean(reply.text),
        "passages": [clean(passage.text) for passage in reply.passages],
        "reason": clean(vote.reason),
        "correction": clean(vote.correction),
        "route": reply.route,
        "wrong_route": vote.wrong_route,
        "adapter": reply.adapter,
        "prompt": reply.prompt,
        "model": reply.model,
        "at": vote.at.isoformat(),
    }


def train(
    settings: Settings,
    domain: Annotated[str, typer.Option("--domain", help="The domain whose adapter gets a new version.")],
    dataset: Annotated[str, typer.Option("--dataset", help="JSONL training rows, or a version in `dataset list`.")],
    method: Annotated[
        DatasetKind | None,
        typer.Option("--method", help="Learn from answers, pairs of answers, or votes; default: what the rows are."),
    ] = None,
    start: Annotated[
        str, typer.Option("--start", help="Go on from: production, reading, a version, or none, the base model.")
    ] = PRODUCTION,
    max_steps: Annotated[int | None, typer.Option("--max-steps", min=1, help="End after so many steps.")] = None,
    deadline: Annotated[
        float | None, typer.Option("--deadline", min=1, metavar="MINUTES", help="End within so many minutes.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fine-tune a new version of a domain's LoRA adapter; after a kill the same command goes on.

    Example: pointsman train --domain billing --dataset rows.jsonl
    """
    name = settings.domain(domain).name
    rows = wait_for(training_rows(settings, name, dataset))
    recipe = Recipe(max_steps=max_steps, deadline_seconds=deadline and deadline * 60)
    with progress_bar() as progress:
        version = train_adapter(settings, name, rows, recipe, progress, method=method, start=start)
    if not is_main():
        return
    if as_json:
        print_json(adapter_row(version))
    else:
        out.print(
            f"{version.label} is in {version.folder}. `pointsman adapters promote {domain} {version.version}` judges "
            "it and puts it in production if it is better.",
            markup=False,
        )


@command(prompts, "list")
def list_prompts(settings: Settings, as_json: AsJson = False) -> None:
    """Show every version of every prompt, and the share of the conversations that it answers.

    Example: pointsman prompts list
    """
    library = open_prompts(settings)
    rows = [_prompt_row(template) | {"share": _share(library, template)} for template in library.all()]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, "No prompts.")


def _share(library: PromptLibrary, template: Template) -> float:
    """Of the conversations that the prompt answers."""
    choice = library.choice(template.name)
    trial = choice.trial
    if trial and template.version == trial.version:
        return trial.share
    return round(1.0 - (trial.share if trial else 0.0), 4) if template.version == choice.version else 0.0


def _prompt_row(template: Template) -> Row:
    return {"name": template.name, "version": template.version, "summary": template.summary}


@command(prompts, "show")
def show_prompt(
    settings: Settings,
    name: Annotated[str, typer.Argument(help="NAME or NAME@VERSION.")],
    as_json: AsJson = False,
) -> None:
    """Show one prompt as its file has it.

    Example: pointsman prompts show domain/answer
    """
    template = open_prompts(settings).get(name)
    if as_json:
        print_json(_prompt_row(template) | {"text": template.text})
    else:
        out.print(template.text, markup=False)


@command(prompts, "diff")
def diff_prompts(
    settings: Settings,
    before: Annotated[str, typer.Argument(help="NAME@VERSION.")],
    after: Annotated[str, typer.Argument(help="NAME@VERSION, or another NAME.")],
    as_json: AsJson = False,
) -> None:
    """Show what differs between two prompts.

    Example: pointsman prompts diff domain/answer@1 domain/answer@2
    """
    difference = open_prompts(settings).diff(before, after)
    if as_json:
        print_json({"before": before, "after": after, "diff": difference})
    else:
        out.print(difference or "They are alike.", markup=False)


@command(db, "upgrade")
def upgrade(settings: Settings, as_json: AsJson = False) -> None:
    """Bring the database to this program's version.

    Example: pointsman db upgrade
    """
    wait_for(schema.upgrade(settings.database_url))
    _done({"upgraded": True}, "The database is up to date.", as_json)


@command(db, "backup")
def backup(
    settings: Settings,
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
    as_json: AsJson = False,
) -> None:
    """Copy the database to a file while everything runs.

    Example: pointsman db backup pointsman-2026-11-22.db
    """
    wait_for(copies.backup(settings.database_url, file))
    _done({"backup": str(file)}, f"The database is copied to {file}.", as_json)


@command(db, "restore")
def restore(
    settings: Settings,
    file: Annotated[Path, typer.Argument(help="A file that `db backup` wrote.")],
    as_json: AsJson = False,
) -> None:
    """Put a copy of the database in place; the one that was there is kept beside it.

    Example: pointsman db restore pointsman-2026-11-22.db
    """
    if not file.is_file():
        raise InputError(f"{file} does not exist; give a file that `pointsman db backup` wrote")
    replaced = wait_for(copies.restore(settings.database_url, file))
    kept = f"; the one before is kept as {replaced}" if replaced else ""
    said = f"The database is restored from {file}{kept}."
    _done({"restored": str(file), "before": str(replaced) if replaced else None}, said, as_json)


def _done(row: Row, sentence: str, as_json: bool) -> None:
    if as_json:
        print_json(row)
    else:
        out.print(sentence, markup=False)


def doctor(settings: Settings, as_json: AsJson = False) -> None:
    """Check settings, models, index and database: what is wrong, and what to do.

    Example: pointsman doctor
    """
    with progress_bar() as progress:
        checks = wait_for(examine(settings, progress))
    if as_json:
        print_json([{"check": c.name, "ok": c.ok, "detail": c.detail} for c in checks])
    else:
        for check in checks:
            out.print(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}", markup=False)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)
