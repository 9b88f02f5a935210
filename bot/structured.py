"""
Answers as JSON, for a domain with an `output_schema`.

The generator cannot leave the schema, unless it is cut off; here that is made sure of, and that nothing in the answer
is made up: each text and number that the schema does not list itself has to stand in a passage.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from bot.grounding import SUPPORTED, Verdict, best_passage, cite, has_words
from bot.json_schema import claims, keeps_to, parse_schema
from bot.messages import Citation, Passage
from bot.ports import OnText

Forms = tuple[str, ...]  # ways to write one claim
NOTHING = Verdict(text="", citations=(), grounding=0.0)


@dataclass(slots=True)
class Form:
    """Takes an answer whole, since half a JSON value is none; an OnText for a generator, as `grounding.Release` is."""

    question: str
    passages: Sequence[Passage]
    schema: str
    on_text: OnText
    _written: str = ""

    async def __call__(self, piece: str) -> None:
        """Take the next piece of the answer."""
        self._written += piece

    async def verdict(self, note: str = "") -> Verdict:
        """The outcome, once the model has stopped: the whole answer, or nothing; a *note* says that it was cut off."""
        try:
            value = json.loads(self._written)
        except (ValueError, RecursionError):
            return NOTHING
        schema = parse_schema(self.schema)
        if note or not keeps_to(value, schema):
            return NOTHING
        said = [forms for forms in map(_forms, claims(value, schema)) if has_words(forms[0])]
        supported = [max((best_passage(form, self.passages) for form in forms), key=_score) for forms in said]
        if any(score < SUPPORTED for _, score in supported):
            return NOTHING
        text = json.dumps(value, ensure_ascii=False)
        await self.on_text(text)
        return Verdict(text=text, citations=self._cited(said, supported), grounding=float(bool(said)))

    def _cited(self, said: Sequence[Forms], supported: Sequence[tuple[int, float]]) -> tuple[Citation, ...]:
        """The evidence: the passages that the claims stand in, else the nearest one."""
        words = {1: self.question} if not said else {}
        for (claim, *_), (number, _) in zip(said, supported, strict=True):
            words.setdefault(number, claim)
        return tuple(cite(number, self.passages[number - 1], words[number]) for number in sorted(words))


def is_json(text: str) -> bool:
    """Whether *text* is an object or a list in JSON."""
    if not text.startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _forms(leaf: str | float) -> Forms:
    """A leaf as a passage may have it: 3.0 as 3, and 12000 as 12,000 too."""
    if isinstance(leaf, str):
        return (leaf,)
    return tuple(form.removesuffix(".0") for form in (str(leaf), f"{leaf:,}"))


def _score(found: tuple[int, float]) -> float:
    return found[1]
