"""Questions that are answered with a reason instead of a model: empty, endless, or in a language that is not served."""

import re
from functools import lru_cache
from typing import Any

from bot import wording

MAX_CHARACTERS = 8_000  # about 2,000 tokens: more is a document, not a question
SURE = (
    0.7  # of 4,589 English questions one was taken for another language with more than this, and that one quoted German
)
SURE_ENOUGH = 0.35  # where letters are not those of English
CLOSE_TO_ENGLISH = frozenset({"en", "pcm"})  # Nigerian Pidgin: short English questions are often taken for it

_LINE_END = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")


def clean(text: str) -> str:
    """*text* without control characters and lone surrogates, every kind of space a plain one, trimmed."""
    spaced = (" " if c.isspace() and c not in "\n\t" else c for c in _LINE_END.sub("\n", text))
    return "".join(c for c in spaced if c in "\n\t" or c.isprintable()).strip()


def objection(text: str) -> str | None:
    """What to tell the asker instead of an answer; None where the question can be answered."""
    if not any(c.isalnum() for c in text):
        return wording.EMPTY
    if len(text) > MAX_CHARACTERS:
        return wording.too_long(len(text), MAX_CHARACTERS)
    if language := other_language(text):
        return wording.not_served(language)
    return None


def other_language(text: str) -> str | None:
    """The ISO code of the language of *text* where it is surely not English; "other" for another script."""
    letters = [c for c in text if c.isalpha()]
    if not letters:
        return None
    if sum(ord(c) > 0x024F for c in letters) > len(letters) / 2:  # beyond the Latin blocks
        return "other"
    language, probability = _identifier().classify(text)
    enough = SURE_ENOUGH if any(c in "¿¡" or (c.isalpha() and not c.isascii()) for c in text) else SURE
    return None if language in CLOSE_TO_ENGLISH or probability < enough else str(language)


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid import langid

    # The published trigram model of Lui & Baldwin 2012, "langid.py"; 0.07 ms a question.
    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
