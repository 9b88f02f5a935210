"""
Reading: held-out articles of SQuAD 2.0 through the product's own `answer` with given passages.

Sixty questions (seed 5): 30 that the passage answers; 15 whose passage is from another article; 15 of SQuAD's own
unanswerable questions over the right paragraph (the hard kind). Token F1 is SQuAD's, markers such as [1] removed.
"""

import asyncio
import random
import re
import string
from collections import Counter
from dataclasses import replace
from typing import Any

from reading_rows import HELD_OUT, load_squad, passage_text
from tables import WORK, show, work_folder

from bot.app import open_installation
from bot.messages import Message
from bot.settings import DomainSettings, Settings, StorageSettings

ROWS = 60  # half of them answerable, a quarter of either other kind
SEED = 5
Question = tuple[str, dict[str, Any], str]  # kind, SQuAD's row, passage


def questions(rows: int = ROWS) -> list[Question]:
    """The held-out questions of all three kinds."""
    chance = random.Random(SEED)
    contexts, asked = load_squad()
    held = [q for q in asked if contexts[q["context_id"]]["title"] in HELD_OUT]
    right = chance.sample([q for q in held if q["answerable"]], rows // 2)
    hard = chance.sample([q for q in held if not q["answerable"]], rows // 4)
    found = [
        (kind, q, passage_text(contexts[q["context_id"]])) for kind, qs in (("own", right), ("hard", hard)) for q in qs
    ]
    for q in right[: rows // 4]:
        title = contexts[q["context_id"]]["title"]
        other = chance.choice([c for c in contexts.values() if c["title"] != title])
        found.append(("elsewhere", q, passage_text(other)))
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


async def measure(rows: int) -> list[dict[str, object]]:
    settings = Settings(
        storage=StorageSettings(directory=work_folder("reading"), models=WORK.parent / "models"),
        domains=(DomainSettings(name="squad", description="Passages"),),
    )
    table: list[dict[str, object]] = []
    asked = questions(rows)
    async with open_installation(settings) as here:
        for name, adapter in (("base model", "none"), ("reading adapter", "reading@1")):
            assistant = replace(here.assistant_with(adapter))
            replies = []
            for number, (_, q, passage) in enumerate(asked):
                message = Message(id=f"{name}{number}", text=q["question"], route="squad", passages=(passage,))
                replies.append(await assistant.reply_to(message))
            table.append({"reader": name, **_figures(asked, replies)})
            print(f"{name} done", flush=True)
    return table


def _figures(asked: list[Question], replies: list[Any]) -> dict[str, object]:
    def share(kind: str) -> float:
        said = [reply.abstained for (k, _, _), reply in zip(asked, replies, strict=True) if k == kind]
        return sum(said) / len(said)

    own = [(q, reply) for (kind, q, _), reply in zip(asked, replies, strict=True) if kind == "own"]
    scores = [0.0 if reply.abstained else f1(reply.text, q["answers"]) for q, reply in own]
    answered = [score for score, (_, reply) in zip(scores, own, strict=True) if not reply.abstained]
    return {
        "F1, answerable": sum(scores) / len(scores),
        "F1 where answered": sum(answered) / max(len(answered), 1),
        "false refusals": share("own"),
        "abstained, passage from elsewhere": share("elsewhere"),
        "abstained, hard kind": share("hard"),
    }


def run(rows: int = ROWS) -> list[dict[str, object]]:
    """One row per reader."""
    return asyncio.run(measure(rows))


if __name__ == "__main__":
    show(f"Reading (SQuAD 2.0, articles {' and '.join(HELD_OUT)} held out)", run())
