"""
The learning loop on a domain that the reading adapter never saw: COVID-QA, split by document, three rounds.

Its 46 articles are dealt out in a drawn order: simulated users ask about the first, some are for the gate, some are
held out, some are never ingested, so that nothing answers questions about them; nobody asks about the rest.
An admin begins with approved rows for the gate ("golden" ones). A round:
100 questions, some 150 votes by 40 users who compare the answer with the known one (a tenth of the votes is wrong, and
one user votes against everything and "corrects" it with other text), a reviewer who follows fixed rules without knowing
the answers, a dataset, a training, the gate, and promotion if it lets the version through. Before and after each round
the held-out questions are asked through the whole product.

Run it again after a kill: it goes on where it was. `--fresh` begins anew.
"""

import argparse
import asyncio
import json
import random
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from bench_reading import f1
from tables import DATA, WORK, rows_of, show

from adapters.gate.evaluation import all_of, batched
from adapters.requests import MOST_ROWS
from adapters.training.recipe import Recipe
from bot.app import Installation, curator, dataset_builder, open_installation, train_adapter, training_rows
from bot.learning.curation import QueueItem
from bot.messages import Feedback, Message, Reply, Review, now
from bot.settings import DomainSettings, Settings, StorageSettings
from bot.work import WORKERS

ROUNDS = 3
SEED = 11
DOMAIN = "covid"
BEGIN = "reading@1"
FOLDER = WORK / "loop"
# The questions that the articles of a part have at least: asked in rounds, for the gate, held out, never ingested.
DEALT = (340, 100, 100, 106)
QUESTIONS = 100  # a round, of which one in six is about an article that is not there
VOTERS, SECOND_VOTES = 40, 35  # people, and replies that a second one votes on
MALICIOUS_VOTES = 15
WRONG_VOTES = 0.1
CORRECTS = 0.7  # of those who vote an answer down, how many say what is right
SATISFIED = 0.5  # token F1 from which a user takes an answer for right
HELD_OUT_ANSWERABLE, HELD_OUT_UNANSWERABLE = 100, 26
GOLDEN_ANSWERABLE, GOLDEN_UNANSWERABLE = 100, 30  # what an admin writes before the first training, for the gate alone
START = now() - timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its known answer; None: the article that answers it is not there."""

    id: str
    text: str
    answer: str | None


@dataclass(frozen=True, slots=True)
class Split:
    """The questions of every round, and those held out."""

    rounds: list[list[Question]]
    golden: list[Question]
    golden_articles: set[str]
    held_out: list[Question]
    ingested: list[dict[str, Any]]


def split() -> Split:
    """COVID-QA by article: nothing of a held-out article is asked in a round, or trained on."""
    chance = random.Random(SEED)
    articles = rows_of("covid_qa/documents.jsonl")
    chance.shuffle(articles)
    asked = rows_of("covid_qa/qa.jsonl")
    chance.shuffle(asked)
    known, prized, held, absent, rest = dealt(articles, Counter(q["doc_id"] for q in asked))

    def about(them: Sequence[dict[str, Any]], *, there: bool) -> list[Question]:
        ids = {article["_id"] for article in them}
        return [Question(q["id"], q["question"], q["answer"] if there else None) for q in asked if q["doc_id"] in ids]

    own, other, gone = about(known, there=True), about(held, there=True), about(absent, there=False)
    exam = about(prized, there=True)[:GOLDEN_ANSWERABLE]
    missing = QUESTIONS // 6
    rounds = []
    for number in range(ROUNDS):
        some = own[number * (QUESTIONS - missing) : (number + 1) * (QUESTIONS - missing)]
        rounds.append(some + gone[number * missing : (number + 1) * missing])
        chance.shuffle(rounds[-1])
    held_out = other[:HELD_OUT_ANSWERABLE] + gone[-HELD_OUT_UNANSWERABLE:]
    golden = exam + gone[ROUNDS * missing :][:GOLDEN_UNANSWERABLE]
    return Split(rounds, golden, {article["_id"] for article in prized}, held_out, known + prized + held + rest)


def dealt(articles: Sequence[dict[str, Any]], questions: Counter[str]) -> list[list[dict[str, Any]]]:
    """The articles of each part, as many as its questions need, and the rest."""
    left, parts = list(articles), []
    for least in DEALT:
        part: list[dict[str, Any]] = []
        while sum(questions[article["_id"]] for article in part) < least:
            part.append(left.pop(0))
        parts.append(part)
    return [*parts, left]


class Journal:
    """Results by name, one file each: what is there is not done again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def once(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        file = self.folder / f"{name}.json"
        if not file.exists():
            print(f"{now():%H:%M:%S} {name}...", flush=True)
            part = file.with_suffix(".part")
            part.write_text(json.dumps(await work(), ensure_ascii=False), encoding="utf-8")
            part.rename(file)
        return json.loads(file.read_text(encoding="utf-8"))


def settings() -> Settings:
    return Settings(
        storage=StorageSettings(directory=FOLDER, models=WORK.parent / "models"),
        domains=(DomainSettings(name=DOMAIN, description="Coronavirus research articles"),),
    )


async def ingest(here: Installation, articles: Sequence[dict[str, Any]]) -> Any:
    rows = [{"id": a["_id"], "title": a["title"], "text": a["text"]} for a in articles]
    file = FOLDER / "articles.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    payload = {"domain": DOMAIN, "paths": [str(file)], "access": ["everyone"], "prune": True}
    return await WORKERS["ingest"](here, payload, quiet)


def quiet(done: int, total: int, doing: str) -> None:
    """No progress: the journal says what is done."""


async def ask(here: Installation, question: Question, number: int) -> dict[str, str]:
    user = f"user{random.Random(f'{number}{question.id}').randrange(VOTERS)}"
    message = Message(
        id=f"round{number}-{question.id}",
        text=question.text,
        user=user,
        platform="slack",
        workspace="T1",
        thread=f"round{number}-{question.id}",
        route=DOMAIN,
        at=START + timedelta(days=7 * number),
    )
    reply = await here.assistant.reply_to(message)
    return {"reply": reply.id, "user": user, "question": question.id}


def satisfied(question: Question, reply: Reply) -> bool:
    if question.answer is None or reply.abstained:
        return question.answer is None and reply.abstained
    return f1(reply.text, [question.answer]) >= SATISFIED


async def vote(here: Installation, split_: Split, asked: Sequence[dict[str, str]], number: int) -> int:
    """Everybody's votes of a round; returns how many."""
    chance = random.Random(SEED + number)
    questions = {question.id: question for question in split_.rounds[number - 1]}
    at = START + timedelta(days=7 * number, hours=1)
    votes: list[Feedback] = []
    for row in (*asked, *chance.sample(list(asked), SECOND_VOTES)):
        exchange = await here.stores.exchanges.find(row["reply"])
        assert exchange
        question = questions[row["question"]]
        user = row["user"] if not any(v.reply == row["reply"] for v in votes) else f"user{chance.randrange(VOTERS)}"
        good = satisfied(question, exchange.reply) != (chance.random() < WRONG_VOTES)
        right = question.answer or "I don't know."
        said = right if not good and chance.random() < CORRECTS else None
        votes.append(_vote(row["reply"], user, good, said, at))
    others = [question.answer or "Nobody knows." for question in questions.values()]
    for row in chance.sample(list(asked), MALICIOUS_VOTES):
        votes.append(_vote(row["reply"], "malicious", False, chance.choice(others), at))
    for each in votes:
        await here.stores.feedback.save(each)
    return len(votes)


def _vote(reply: str, user: str, good: bool, correction: str | None, at: Any) -> Feedback:
    rating = 1 if good else -1
    return Feedback(reply=reply, user=user, platform="slack", rating=rating, correction=correction, at=at)  # type: ignore[arg-type]  # 1 or -1


def decision(item: QueueItem) -> Review:
    """
    What a reviewer does who follows rules and knows no answers.

    The correction of whoever has the most weight is taken, unless that is a flood's; contradictions wait for a person.
    """
    corrections = [(weight, v) for v, weight in item.votes if v.rating < 0 and v.correction and weight >= 0.4]
    reply = item.exchange.reply.id
    if item.reason == "contradiction":
        return Review(reply=reply, state="needs_person", by="reviewer")
    if corrections:
        _, best = max(corrections, key=lambda each: each[0])
        return Review(reply=reply, state="corrected", by="reviewer", answer=best.correction)
    return Review(reply=reply, state="approved" if item.score > 0 else "rejected", by="reviewer")


async def curate(here: Installation) -> dict[str, int]:
    desk = curator(here.stores)
    decisions = [decision(item) for item in await desk.queue(limit=10_000) if item.votes]
    await desk.decide(decisions)
    return {
        state: sum(d.state == state for d in decisions)
        for state in ("approved", "corrected", "rejected", "needs_person")
    }


async def golden(here: Installation, cut: Split) -> Any:
    """
    What an admin gives the gate before anything is learnt: approved rows, none of which is ever trained on.

    Their passages are the nearest ones of their own articles: no row of the rounds has any of these.
    """
    rows = []
    for question in cut.golden:
        found = await here.retriever.retrieve(await here.retriever.embed(question.text), labels=None, top_k=200)
        own = [passage for passage in found[DOMAIN].passages if passage.document in cut.golden_articles]
        passages = [passage.text for passage in own[:3]]
        if question.answer is not None and not any(question.answer in text for text in passages):
            passages[-1] = f"... {question.answer} ..."  # an admin looks it up where the search has not found it
        rows.append({"question": question.text, "passages": passages, "answer": question.answer})
    file = FOLDER / "golden.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    made = await dataset_builder(settings(), here.stores).import_file(file, DOMAIN, by="admin")
    return {"version": made.version, "rows": made.rows}


async def build(here: Installation) -> Any:
    return await WORKERS["dataset"](here, {"domain": DOMAIN, "kind": "sft", "by": "reviewer", "seed": 17}, quiet)


async def train(version: str) -> Any:
    rows = await training_rows(settings(), DOMAIN, version)
    made = await asyncio.to_thread(train_adapter, settings(), DOMAIN, rows, Recipe())
    numbers = json.loads((made.folder / "training.json").read_text(encoding="utf-8"))
    passes = numbers["steps"] * numbers["recipe"]["rows_per_step"] / (numbers["rows"] + numbers["rehearsed_rows"])
    speed = numbers["tokens"] * passes / numbers["seconds"]
    return {"label": made.label, "rows": numbers["rows"], "steps": numbers["steps"], "tokens/s": round(speed)}


async def promote(here: Installation, label: str) -> Any:
    return await WORKERS["promote"](here, {"domain": DOMAIN, "version": label.partition("@")[2], "by": "admin"}, quiet)


async def together(work: Sequence[Callable[[], Awaitable[Any]]]) -> list[Any]:
    """What *work* gives, in its order; as much of it at a time as the engine answers together."""
    return [done for some in batched(work, MOST_ROWS) for done in await all_of(each() for each in some)]


@dataclass(frozen=True, slots=True)
class KeepsNothing:
    """An exchange store for questions that only measure."""

    async def begin(self, message: Message, reply: Reply) -> None: ...
    async def complete(self, reply: Reply) -> None: ...
    async def thread(self, thread: str, *, last: int) -> Sequence[Any]:
        return ()


async def measure(here: Installation, adapter: str, questions: Sequence[Question]) -> Any:
    """Every held-out question through the whole product, and the gate's general side with the adapter on."""
    assistant = replace(here.assistant_with(adapter), exchanges=KeepsNothing())  # type: ignore[arg-type]  # what asking needs of it
    rows = []

    async def reply_to(question: Question) -> Reply:
        return await assistant.reply_to(Message(id=question.id, text=question.text, route=DOMAIN, labels=None))

    for question, reply in zip(questions, await together([partial(reply_to, each) for each in questions]), strict=True):
        text = " ".join(p.text for p in reply.passages)
        score = 0.0 if reply.abstained or question.answer is None else f1(reply.text, [question.answer])
        holds = question.answer is not None and question.answer.casefold() in text.casefold()
        rows.append(
            {"answerable": question.answer is not None, "f1": score, "abstained": reply.abstained, "found": holds}
        )
    return rows


async def general(here: Installation, adapter: str) -> Any:
    from adapters.gate.probe import shipped_probe
    from bot.app import evaluator

    probe = replace(shipped_probe(), domain=(), safety=())
    found = await evaluator(here).evaluate(adapter, probe)
    return [asdict(row) for row in found.rows]


async def run_rounds(*, rounds: int = ROUNDS) -> list[dict[str, object]]:
    journal, cut = Journal(FOLDER / "journal"), split()
    table = []
    async with open_installation(settings()) as opened:
        here = replace(opened, alone=True)
        await journal.once("ingest", partial(ingest, here, cut.ingested))
        await journal.once("golden", partial(golden, here, cut))
        table.append(await _line(here, journal, cut, "before", BEGIN))
        for number in range(1, rounds + 1):
            table.append(await _round(here, journal, cut, number))
            show("So far", table)
    return table


async def _round(here: Installation, journal: Journal, cut: Split, number: int) -> dict[str, object]:
    name = f"round{number}"
    asked = await together(
        [partial(journal.once, f"{name}-{q.id}", partial(ask, here, q, number)) for q in cut.rounds[number - 1]]
    )
    votes = await journal.once(f"{name}-votes", partial(vote, here, cut, asked, number))
    curated = await journal.once(f"{name}-curated", partial(curate, here))
    dataset = await journal.once(f"{name}-dataset", partial(build, here))
    trained = await journal.once(f"{name}-trained", partial(train, dataset["version"]))
    verdict = await journal.once(f"{name}-gate", partial(promote, here, trained["label"]))
    line = await _line(here, journal, cut, f"after round {number}", trained["label"])
    gate = "promoted" if verdict["passed"] else "refused"
    told = {name: trained[name] for name in ("rows", "steps", "tokens/s")}
    return {**line, "gate": gate, "votes": votes, **curated, **told}


async def _line(here: Installation, journal: Journal, cut: Split, when: str, adapter: str) -> dict[str, object]:
    began = await journal.once(f"held-out-{BEGIN}", partial(measure, here, BEGIN, cut.held_out))
    rows = await journal.once(f"held-out-{adapter}", partial(measure, here, adapter, cut.held_out))
    side = await journal.once(f"general-{adapter}", partial(general, here, adapter))
    answerable = [row for row in rows if row["answerable"]]
    return {
        "when": when,
        "adapter": adapter,
        "F1, answerable": _with_error([row["f1"] for row in answerable]),
        "F1 above before": _with_error(
            [row["f1"] - was["f1"] for row, was in zip(rows, began, strict=True) if row["answerable"]]
        ),
        "answer was retrieved": mean(row["found"] for row in answerable),
        "false refusals": _with_error([float(row["abstained"]) for row in answerable]),
        "abstained, unanswerable": _with_error([float(row["abstained"]) for row in rows if not row["answerable"]]),
        "general answers right": _with_error([row["score"] for row in side if row["part"] == "general"]),
        "general surprise": _with_error([row["score"] for row in side if row["part"] == "surprise"]),
    }


def _with_error(values: Sequence[float]) -> str:
    return f"{mean(values):.3f} ± {stdev(values) / len(values) ** 0.5:.3f}" if len(values) > 1 else "-"


def plot(table: Sequence[dict[str, object]], target: Path) -> None:
    """Held-out quality and the general side by round, with standard errors."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    rounds = range(len(table))
    for axes, names in (
        (left, ("F1, answerable", "false refusals", "abstained, unanswerable")),
        (right, ("general answers right", "general surprise")),
    ):
        for name in names:
            pairs = [tuple(map(float, str(row[name]).split(" ± "))) for row in table]
            axes.errorbar(rounds, [p[0] for p in pairs], [p[1] for p in pairs], marker="o", capsize=3, label=name)
        axes.set_xticks(list(rounds), [str(row["when"]).replace("after ", "") for row in table])
        axes.set_ylim(0, None)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    figure.savefig(target, dpi=110)


def run() -> list[dict[str, object]]:
    """One row before, and one after each round."""
    if not DATA.is_dir():
        return []
    table = asyncio.run(run_rounds())
    plot(table, FOLDER / "loop.png")
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="begin anew")
    if parser.parse_args().fresh:
        shutil.rmtree(FOLDER, ignore_errors=True)
    show("The learning loop (COVID-QA, split by article, seed 11)", run())
