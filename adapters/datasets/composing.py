"""Material as rows: SFT rows in the form that training reads, pairs (DPO) and votes (KTO) as chat messages."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.datasets.material import Material
from bot.grounding import SUPPORTED, TAUGHT_ODDS, best_passage, nearness
from bot.messages import DatasetKind, DatasetSource, Passage
from bot.prompts import GROUNDED, REFUSAL, PromptLibrary
from bot.rows import Row

# Share of SFT rows: the one for which refusals are weighed at answer time.
UNANSWERABLE = TAUGHT_ODDS / (1 + TAUGHT_ODDS)
OTHERS = 50  # questions whose passages are looked at for each unanswerable row


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRow:
    """A row of a dataset, with what the report and the records need to know about it."""

    row: Row  # as it is written
    question: str
    answer: str | None  # None: the passages do not hold it
    label: str  # what the balance is about: "answerable", "unanswerable", "pair", "good", "bad"
    sources: tuple[DatasetSource, ...] = ()


def compose(materials: Sequence[Material], kind: DatasetKind, prompts: PromptLibrary, *, seed: int) -> list[DataRow]:
    """The rows that *materials* make in a dataset of *kind*."""
    if kind == "sft":
        return [*(_sft(each, each.passages, each.target) for each in materials), *_unanswerable(materials, seed)]
    return [_pair(each, prompts) if kind == "dpo" else _vote(each, prompts) for each in materials]


def _sft(material: Material, passages: Sequence[Passage], answer: str | None) -> DataRow:
    return DataRow(
        row={"question": material.question, "passages": [passage.text for passage in passages], "answer": answer},
        question=material.question,
        answer=answer,
        label="unanswerable" if answer is None else "answerable",
        sources=_sources(material, passages),
    )


def _unanswerable(materials: Sequence[Material], seed: int) -> list[DataRow]:
    """
    Questions once more, with passages of other documents that do not hold their answer, up to UNANSWERABLE.

    Of those drawn the nearest ones: what a search brings where the documents do not answer looks like an answer.
    """
    answered = [material for material in materials if material.target is not None]
    wanted = round(len(answered) * TAUGHT_ODDS) - (len(materials) - len(answered))
    chance = random.Random(seed)  # noqa: S311 - a repeatable draw
    found: list[DataRow] = []
    for material in chance.sample(answered, len(answered)):
        if len(found) >= wanted:
            break
        if passages := _of_others(material, chance.sample(materials, min(OTHERS, len(materials)))):
            found.append(_sft(material, passages, None))
    return found


def _of_others(material: Material, others: Sequence[Material]) -> list[Passage] | None:
    found = [[passage for passage in other.passages if passage.document not in material.documents] for other in others]
    for passages in sorted(filter(None, found), key=lambda several: nearness(material.question, several), reverse=True):
        if best_passage(material.target or "", passages)[1] < SUPPORTED:
            return passages
    return None


def _pair(material: Material, prompts: PromptLibrary) -> DataRow:
    row = {
        "prompt": _prompt(material, prompts),
        "chosen": _said(material.target),
        "rejected": _said(material.given),
    }
    return _preference(material, row, material.target, "pair", ())


def _vote(material: Material, prompts: PromptLibrary) -> DataRow:
    good = material.votes > 0
    row = {
        "prompt": _prompt(material, prompts),
        "completion": _said(material.given),
        "label": good,
        "weight": round(abs(material.votes), 4),
    }
    return _preference(material, row, material.given, "good" if good else "bad", material.voters)


def _preference(material: Material, row: Row, answer: str | None, label: str, voters: Sequence[str]) -> DataRow:
    sources = _sources(material, material.passages)
    sources += tuple(DatasetSource(reply=material.reply, user=user, workspace=material.workspace) for user in voters)
    return DataRow(row=row, question=material.question, answer=answer, label=label, sources=sources)


def _prompt(material: Material, prompts: PromptLibrary) -> list[Row]:
    """The prompt of answer time, as the chat messages that TRL's trainers read."""
    template = prompts.get(GROUNDED)
    turns = template.fill(question=material.question, earlier="", passages=material.passages, constraints="")
    return [{"role": turn.role, "content": turn.content} for turn in turns]


def _said(answer: str | None) -> list[Row]:
    return [{"role": "assistant", "content": REFUSAL if answer is None else answer}]


def _sources(material: Material, passages: Sequence[Passage]) -> tuple[DatasetSource, ...]:
    documents = sorted({passage.document for passage in passages})
    return tuple(
        DatasetSource(reply=material.reply, user=material.user, workspace=material.workspace, document=document)
        for document in documents
    )
