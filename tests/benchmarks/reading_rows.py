"""
Training rows for the shipped reading adapter, from SQuAD 2.0 (CC BY-SA 4.0): python reading_rows.py OUT.

Whole articles are held out (HELD_OUT) and never become rows. Rows are of three kinds: answerable with one or two
passages, the same question with passages of other articles (refuse), and SQuAD's own unanswerable questions (refuse).
"""

import json
import random
import sys
from pathlib import Path
from typing import Any

SQUAD = Path(__file__).parents[3] / "shared" / "data" / "squad2"
HELD_OUT = ("Normans", "Steam engine")
SEED = 17


def load_squad() -> tuple[dict[str, dict[str, str]], list[dict[str, Any]]]:
    """Contexts by id, and the questions."""
    contexts = [json.loads(line) for line in (SQUAD / "contexts.jsonl").open(encoding="utf-8")]
    questions = [json.loads(line) for line in (SQUAD / "qa.jsonl").open(encoding="utf-8")]
    return {context["_id"]: context for context in contexts}, questions


def passage_text(context: dict[str, str]) -> str:
    """A paragraph as a chunk looks: its heading in front."""
    return f"{context['title']}\n{context['text']}"


def rows(answerable: int = 480, elsewhere: int = 130, unanswerable: int = 90) -> list[dict[str, Any]]:
    """The training rows, in a seeded order."""
    chance = random.Random(SEED)
    contexts, questions = load_squad()
    train = [q for q in questions if contexts[q["context_id"]]["title"] not in HELD_OUT]
    ids = [c for c in contexts if contexts[c]["title"] not in HELD_OUT and len(contexts[c]["text"]) < 1100]
    train = [q for q in train if q["context_id"] in set(ids)]
    with_answer = chance.sample([q for q in train if q["answerable"]], answerable)
    without = chance.sample([q for q in train if not q["answerable"]], unanswerable)
    found = [_row(q, _own(q, ids, chance, alone=0.55), contexts, q["answers"][0]) for q in with_answer]
    found += [_row(q, _own(q, ids, chance, alone=0.8), contexts, None) for q in without]
    # Contrastive: a question of the first kind again, now with passages that do not hold its answer.
    for q in chance.sample(with_answer, elsewhere):
        title = contexts[q["context_id"]]["title"]
        others = [c for c in ids if contexts[c]["title"] != title]
        found.append(_row(q, chance.sample(others, chance.choice((1, 1, 2))), contexts, None))
    chance.shuffle(found)
    return found


def _own(question: dict[str, Any], ids: list[str], chance: random.Random, *, alone: float) -> list[str]:
    own = [question["context_id"]]
    if chance.random() >= alone:
        own.append(chance.choice([c for c in ids if c != own[0]]))
        chance.shuffle(own)
    return own


def _row(question: dict[str, Any], picked: list[str], contexts: dict[str, Any], answer: str | None) -> dict[str, Any]:
    passages = [passage_text(contexts[c]) for c in picked]
    return {"question": question["question"], "passages": passages, "answer": answer}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text("".join(json.dumps(row) + "\n" for row in rows()), encoding="utf-8")
