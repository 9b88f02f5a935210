"""
Reading: held-out articles of SQuAD 2.0 through the product's own `answer` with given passages.

Seventy-five questions (seed 5): 30 that the passage answers; 15 of these once more with the passage between two others
of its article; 15 whose passage is from another article; 15 of SQuAD's own unanswerable questions over the right
paragraph (the hard kind). Token F1 is SQuAD's, markers such as [1] removed.

`--adapter FOLDER` measures one more reader, `--rows` takes more questions, `--tune` those of the article to choose by.
"""

import argparse
import asyncio
import math
import random
import re
import shutil
import string
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reading_rows import HELD_OUT, TUNE, load_squad, passage_text
from sklearn.metrics import roc_auc_score
from tables import WORK, show, work_folder

from bot.app import open_installation
from bot.grounding import refuse_above
from bot.messages import Completion, Message, Prompt, Reply
from bot.ports import Generator, OnText, discard
from bot.settings import DomainSettings, Settings, StorageSettings

ROWS = 60  # half of them answerable, a quarter of either other kind; a quarter more between other passages
SEED = 5


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what it is asked over."""

    kind: str  # "own", "between", "elsewhere" or "hard"
    row: dict[str, Any]  # SQuAD's
    passages: tuple[str, ...]
    right: int = 1  # the number of the passage that answers it


def questions(rows: int = ROWS, articles: tuple[str, ...] = HELD_OUT) -> list[Question]:
    """The questions of all kinds."""
    chance = random.Random(SEED)
    contexts, asked = load_squad()
    held = [q for q in asked if contexts[q["context_id"]]["title"] in articles]
    right = chance.sample([q for q in held if q["answerable"]], rows // 2)
    hard = chance.sample([q for q in held if not q["answerable"]], rows // 4)
    found = [
        Question(kind, q, (passage_text(contexts[q["context_id"]]),))
        for kind, qs in (("own", right), ("hard", hard))
        for q in qs
    ]
    for q in right[: rows // 4]:
        own = contexts[q["context_id"]]
        other = chance.choice([c for c in contexts.values() if c["title"] != own["title"]])
        found.append(Question("elsewhere", q, (passage_text(other),)))
    for q in right[: rows // 4]:
        own = contexts[q["context_id"]]
        beside = chance.sample([c for c in contexts.values() if c["title"] == own["title"] and c is not own], 2)
        texts = [passage_text(c) for c in beside]
        at = chance.randrange(3)
        found.append(Question("between", q, (*texts[:at], passage_text(own), *texts[at:]), at + 1))
    return found


def f1(answer: str, references: list[str]) -> float:
    """The best token F1 with one of the references, as SQuAD's own script counts it."""
    return max((_f1(_words(answer), _words(reference)) for reference in references), default=0.0)


def _f1(answer: list[str], reference: list[str]) -> float:
    shared = sum((Counter(answer) & Counter(reference)).values())
    return 2 * shared / (len(answer) + len(reference)) if shared else 0.0


def _words(text: str) -> list[str]:
    text = re.sub(r"\[\d+\]", " ", text).casefold()
    text = "".join(c for c in text if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


@dataclass(slots=True)
class Listener:
    """A generator that remembers how sure of refusing the model was when it answered last."""

    generator: Generator
    sureness: float = field(default=math.inf)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.generator, name)

    async def generate(self, prompt: Prompt, *, adapter: str, on_text: OnText = discard) -> Completion:
        done = await self.generator.generate(prompt, adapter=adapter, on_text=on_text)
        self.sureness = _log_odds(done.refusal) - _log_odds(refuse_above(prompt.passages))
        return done


def _log_odds(share: float) -> float:
    share = min(max(share, 1e-9), 1 - 1e-9)
    return math.log(share / (1 - share))


async def measure(rows: int, articles: tuple[str, ...], more: tuple[str, ...]) -> list[dict[str, object]]:
    settings = Settings(
        storage=StorageSettings(directory=work_folder("reading"), models=WORK.parent / "models"),
        domains=(DomainSettings(name="squad", description="Passages"),),
    )
    asked = questions(rows, articles)
    table: list[dict[str, object]] = []
    async with open_installation(settings) as here:
        for adapter in ("none", "reading@1", *more):
            listener = Listener(here.assistant_with(adapter).generator)
            assistant = replace(here.assistant_with(adapter), generator=listener)
            replies, sureness = [], []
            for number, q in enumerate(asked):
                listener.sureness = math.inf  # where no model is asked, the passages are too far away
                message = Message(id=f"{adapter}{number}", text=q.row["question"], route="squad", passages=q.passages)
                replies.append(await assistant.reply_to(message))
                sureness.append(listener.sureness)
            table.append({"reader": adapter, **_figures(asked, replies, sureness)})
            print(f"{adapter} done", flush=True)
    return table


def _figures(asked: list[Question], replies: list[Reply], sureness: list[float]) -> dict[str, object]:
    by_kind: dict[str, list[int]] = {}
    for number, q in enumerate(asked):
        by_kind.setdefault(q.kind, []).append(number)

    def refused(kind: str) -> float:
        return sum(replies[n].abstained for n in by_kind[kind]) / len(by_kind[kind])

    def score(kind: str) -> float:
        scores = [0.0 if replies[n].abstained else f1(replies[n].text, asked[n].row["answers"]) for n in by_kind[kind]]
        return sum(scores) / len(scores)

    cited = [cited.number == asked[n].right for n in by_kind["between"] for cited in replies[n].citations]
    told = [*by_kind["own"], *by_kind["hard"]]
    sure = [min(sureness[n], 99.0) for n in told]
    return {
        "F1, answerable": score("own"),
        "F1, between others": score("between"),
        "citations right, between others": sum(cited) / max(len(cited), 1),
        "false refusals": refused("own"),
        "abstained, passage from elsewhere": refused("elsewhere"),
        "abstained, hard kind": refused("hard"),
        "AUROC, hard kind": float(roc_auc_score([n in by_kind["hard"] for n in told], sure)),
    }


def candidate(folder: Path | None) -> tuple[str, ...]:
    """The label of the adapter in *folder*, which is put where the bench finds it."""
    if folder is None:
        return ()
    target = work_folder("reading") / "adapters" / "squad" / "1"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    return ("squad@1",)


def run(rows: int = ROWS, articles: tuple[str, ...] = HELD_OUT, more: tuple[str, ...] = ()) -> list[dict[str, object]]:
    """One row per reader."""
    return asyncio.run(measure(rows, articles, more))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--adapter", type=Path, help="the folder of a trained adapter")
    given = parser.parse_args()
    read = TUNE if given.tune else HELD_OUT
    show(f"Reading (SQuAD 2.0: {' and '.join(read)})", run(given.rows, read, candidate(given.adapter)))
