"""The commands of the learning loop: review what people voted on, and make datasets of what was reviewed."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from adapters.datasets.building import SEED, version_row
from bot.app import Stores, curator, dataset_builder, open_stores
from bot.commands.command import AsJson, T, command, out, print_json, print_table, wait_for
from bot.commands.keep import feedback
from bot.errors import InputError
from bot.learning.curation import QueueItem
from bot.messages import GENERAL, DatasetKind, DatasetVersion, Fault, Review, ReviewState
from bot.progress import progress_bar
from bot.rows import Row, feedback_row
from bot.settings import Settings
from bot.work import run
from connectors.terminal import printable

datasets = typer.Typer(help="Versioned training data.", no_args_is_help=True, rich_markup_mode=None)

SHOWN = 60  # characters of a text in a table

By = Annotated[str, typer.Option("--by", help="Who decides; it is kept with the decision.")]
DomainName = Annotated[str, typer.Option("--domain", help="A domain's name in pointsman.toml.")]
Seed = Annotated[int, typer.Option("--seed", help="Another number holds out other rows.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program; those under `feedback` are in its group already."""
    app.add_typer(datasets, name="dataset")


@command(feedback, "queue")
def queue(
    settings: Settings,
    state: Annotated[ReviewState, typer.Option("--state", help="What to show; default: what waits for a review.")] = (
        "new"
    ),
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many replies at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the replies that wait for a review, most useful first; nearly the same questions stand together.

    Example: pointsman feedback queue
    """

    async def load() -> Sequence[QueueItem]:
        async with open_stores(settings) as stores:
            with progress_bar() as progress:
                return await curator(stores).queue(state=state, limit=limit, progress=progress)

    items = wait_for(load())
    if as_json:
        print_json([_queue_row(item) for item in items])
    else:
        print_table((_queue_line(item) for item in items), f"No reply is {state.replace('_', ' ')}.")


def _queue_row(item: QueueItem) -> Row:
    reply = item.exchange.reply
    return {
        "reply": reply.id,
        "state": item.state,
        "reason": item.reason,
        "group": item.group,
        "question": item.question,
        "answer": reply.text,
        "abstained": reply.abstained,
        "route": reply.route,
        "adapter": reply.adapter,
        "documents": list(dict.fromkeys(passage.document for passage in reply.passages)),
        "score": round(item.score, 4),
        "votes": [feedback_row(vote) | {"weight": round(weight, 4)} for vote, weight in item.votes],
        "personal": list(item.personal),
        "private": item.exchange.message.private,
        "at": item.exchange.message.at.isoformat(),
    }


def _queue_line(item: QueueItem) -> Row:
    marks = [*item.personal, *(["private"] if item.exchange.message.private else [])]
    corrections = (vote.correction for vote, _ in item.votes if vote.correction)
    return {
        "reply": item.exchange.reply.id,
        "reason": item.reason,
        "votes": f"{len(item.votes)} ({item.score:+.2f})",
        "like": "" if item.group == item.exchange.reply.id else item.group,
        "marks": " ".join(marks),
        "question": _short(item.question),
        "answer": _short(item.exchange.reply.text),
        "correction": _short(next(corrections, "")),
    }


def _short(text: str) -> str:
    line = " ".join(printable(text).split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


@command(feedback, "curate")
def curate(
    settings: Settings,
    replies: Annotated[list[str], typer.Argument(metavar="REPLY", help="Ids from `feedback queue`.")],
    approve: Annotated[bool, typer.Option("--approve", help="The answer is right.")] = False,
    correct: Annotated[str | None, typer.Option("--correct", metavar="TEXT", help="The right answer.")] = None,
    reject: Annotated[bool, typer.Option("--reject", help="The answer is wrong.")] = False,
    needs_person: Annotated[bool, typer.Option("--needs-person", help="Somebody else has to decide.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back the latest decision.")] = False,
    route: Annotated[str | None, typer.Option("--route", help="The right route: general or a domain.")] = None,
    fault: Annotated[Fault | None, typer.Option("--fault", help="What went wrong.")] = None,
    by: By = "operator",
    as_json: AsJson = False,
) -> None:
    """Decide on one reply, or on several alike; only what is decided here is ever learned from.

    Example: pointsman feedback curate 3f2a --correct "Within 14 days." --by ada
    """
    states: dict[ReviewState, bool] = {
        "approved": approve,
        "corrected": correct is not None,
        "rejected": reject,
        "needs_person": needs_person,
    }
    chosen = [state for state, given in states.items() if given]
    if len(chosen) + undo != 1:
        raise typer.BadParameter("give one of --approve, --correct, --reject, --needs-person, --undo")
    if undo and (route or fault):
        raise typer.BadParameter("--undo takes neither --route nor --fault")
    if approve and fault:
        raise typer.BadParameter("--approve takes no --fault: the answer is right")
    if route not in (None, GENERAL):
        settings.domain(str(route))

    async def decide() -> Sequence[Review]:
        async with open_stores(settings) as stores:
            desk, ids = curator(stores), tuple(dict.fromkeys(replies))
            if undo:
                return await desk.undo(ids, by=by)
            return await desk.decide(
                [Review(reply=i, state=chosen[0], by=by, answer=correct, route=route, fault=fault) for i in ids]
            )

    reviews = wait_for(decide())
    if as_json:
        print_json([_review_row(review) for review in reviews])
    for review in () if as_json else reviews:
        out.print(f"{review.reply} is {review.state.replace('_', ' ')} now", markup=False)


def _review_row(review: Review) -> Row:
    return {
        "reply": review.reply,
        "state": review.state,
        "answer": review.answer,
        "route": review.route,
        "fault": review.fault,
        "by": review.by,
        "at": review.at.isoformat(),
    }


@command(datasets, "build")
def build(
    settings: Settings,
    domain: DomainName,
    kind: Annotated[DatasetKind, typer.Option("--kind", help="Answers, pairs of answers, or votes.")] = "sft",
    seed: Seed = SEED,
    by: By = "operator",
    as_json: AsJson = False,
) -> None:
    """Make the next dataset version of a domain from its reviewed replies; the same rows stay the same version.

    Example: pointsman dataset build --domain billing
    """
    payload = {"domain": settings.domain(domain).name, "kind": kind, "seed": seed, "by": by}
    with progress_bar() as progress:
        made = wait_for(run(settings, "dataset", payload, progress))
    _tell(settings, _find(settings, f"{domain}@{made['version']}"), as_json)


@command(datasets, "import")
def import_rows(
    settings: Settings,
    file: Annotated[Path, typer.Argument(help="JSONL rows as for `train`, Alpaca, ShareGPT or messages.")],
    domain: DomainName,
    seed: Seed = SEED,
    by: By = "operator",
    as_json: AsJson = False,
) -> None:
    """Make a file's rows the next dataset version of a domain, redacted and with a held-out part.

    Example: pointsman dataset import rows.jsonl --domain billing
    """
    name = settings.domain(domain).name

    async def bring(stores: Stores) -> DatasetVersion:
        with progress_bar() as progress:
            return await dataset_builder(settings, stores).import_file(file, name, by=by, seed=seed, progress=progress)

    _tell(settings, _with_stores(settings, bring), as_json)


@command(datasets, "list")
def list_datasets(
    settings: Settings,
    domain: Annotated[str | None, typer.Option("--domain", help="Only of this domain.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="Only those that hold something of this user.")] = None,
    document: Annotated[str | None, typer.Option("--document", help="Only those with passages of it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show every dataset version, oldest first.

    Example: pointsman dataset list --json
    """

    async def load(stores: Stores) -> Sequence[DatasetVersion]:
        if user is None and document is None:
            return await stores.datasets.all()
        return await stores.datasets.using(user=user, document=document)

    found = _with_stores(settings, load)
    rows = [version_row(version) for version in found if domain in (None, version.domain)]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, "No such datasets yet; `pointsman dataset build --domain NAME` makes one.")


@command(datasets, "show")
def show(
    settings: Settings,
    name: Annotated[str, typer.Argument(help="DOMAIN@VERSION.")],
    as_json: AsJson = False,
) -> None:
    """Show one version: what is in it, what was left out and why.

    Example: pointsman dataset show billing@1
    """
    _tell(settings, _find(settings, name), as_json)


def _find(settings: Settings, name: str) -> DatasetVersion:
    domain, _, version = name.rpartition("@")
    found = _with_stores(settings, lambda stores: stores.datasets.find(domain, version))
    if found is None:
        raise InputError(f"dataset {name!r} does not exist; `pointsman dataset list` shows those that do")
    return found


def _with_stores(settings: Settings, work: Callable[[Stores], Awaitable[T]]) -> T:
    async def do() -> T:
        async with open_stores(settings) as stores:
            return await work(stores)

    return wait_for(do())


def _tell(settings: Settings, version: DatasetVersion, as_json: bool) -> None:
    folder, report = settings.storage.directory / version.folder, version.report
    if as_json:
        made = {"created": version.created.isoformat(), "folder": str(folder)}
        by = {"approved_by": list(version.approved_by), "documents": list(version.documents)}
        print_json(version_row(version) | made | by | {"report": dict(report)})
        return
    out.print(
        f"{version.label}, kind {version.kind}: {version.rows} rows, {report['train']} to train on and "
        f"{report['held_out']} held out; hash {version.hash}",
        markup=False,
    )
    for reason, them in report["left_out"].items():
        out.print(f"  left out, {len(them)}: {reason}", markup=False)
    out.print(f"  the report is {folder / 'report.html'}", markup=False)
