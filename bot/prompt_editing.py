"""A prompt's next version: is the text fit to answer with, and its file."""

import os
from pathlib import Path
from typing import Any
from uuid import uuid4

from bot.errors import Conflict, InputError, NotFound, StoreError
from bot.messages import Passage
from bot.prompts import REFUSAL, PromptLibrary, Template, parse_template

LONGEST = 50_000  # characters; the embedded model reads some 20,000
NEEDED = {"general": {"question"}, "domain": {"question", "passages"}}
GIVEN = {"general": {"question"}, "domain": {"question", "passages", "earlier", "constraints"}}
SAMPLE: dict[str, Any] = {
    "question": "When are refunds paid?",
    "passages": [Passage(document="a.md", chunk=0, text="Refunds are paid within 14 days.")],
    "earlier": "What is a refund?",
    "constraints": "Use at most 50 words.",
}
_OF_JINJA = {"loop", "range", "dict", "lipsum", "cycler", "joiner", "namespace"}


def checked(name: str, version: int, text: str) -> Template:
    """
    The template that *text* stands for, once it is known that questions can be answered with it.

    Raises: InputError with everything that is wrong with it.
    """
    text = text.replace("\r\n", "\n").strip() + "\n"
    if len(text) > LONGEST:
        raise InputError(f"the prompt has {len(text)} characters; the longest that can be kept has {LONGEST}")
    try:
        template = parse_template(name, version, text)
    except ValueError as exc:
        raise InputError(f"this is not a prompt yet: {exc}") from exc
    if wrong := [*_head(template), *_variables(template)]:
        raise InputError("; ".join(wrong))
    values = {key: value for key, value in SAMPLE.items() if key in _given(name)}
    for sample in (values, values | {"passages": [], "earlier": "", "constraints": ""}):
        template.fill(**{key: value for key, value in sample.items() if key in values})
    return template


def remarks(template: Template) -> list[str]:
    """What one should know about a template that can be used."""
    if not template.name.startswith("domain/"):
        return []
    found = []
    if "constraints" not in template.variables():
        found.append("without {{ constraints }} the tone, length and language of the domains have no effect")
    if REFUSAL not in template.text:
        found.append(f"it never tells the model to say “{REFUSAL}” where the passages do not hold the answer")
    return found


def given(name: str) -> list[str]:
    """The variables that a prompt called *name* may use."""
    return sorted(_given(name))


def save(library: PromptLibrary, folder: Path, name: str, text: str) -> Template:
    """
    Keep *text* as the next version of the prompt called *name*; a version that is there never changes.

    Raises: InputError if it cannot be used, StoreError if it cannot be written.
    """
    known = [template for template in library.all() if template.name == name]
    if not known:
        raise NotFound(f"prompt {name!r} does not exist")
    target = folder / name
    template = checked(name, max(each.version for each in known) + 1, text)
    if same := next((each for each in known if each.text.strip() == template.text.strip()), None):
        raise Conflict(f"version {same.version} holds the same text; nothing was saved")
    _write(target.with_name(f"{target.name}.v{template.version}.md"), template)
    return library.get(template.label)


def _write(file: Path, template: Template) -> None:
    part = file.parent / f".{uuid4().hex}.part"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(template.text, encoding="utf-8")
    except OSError as exc:
        raise StoreError(f"{file.parent} cannot be written ({exc.strerror}); correct the permissions") from exc
    try:
        os.link(part, file)  # which, unlike a move, never takes the place of a file that is there
    except FileExistsError as exc:
        raise InputError(f"somebody saved {template.label} a moment ago; look at it, then save once more") from exc
    except OSError as exc:
        raise StoreError(f"{file} cannot be written ({exc.strerror})") from exc
    finally:
        part.unlink(missing_ok=True)


def _given(name: str) -> set[str]:
    return GIVEN.get(name.partition("/")[0], GIVEN["general"])


def _head(template: Template) -> list[str]:
    """What is wrong with the fields of the head, which may hold anything that YAML can say."""
    wrong = []
    summary: Any = template.summary
    tokens: Any = template.max_new_tokens
    penalty: Any = template.repetition_penalty
    hidden: Any = template.hidden_reasoning
    kinds: tuple[Any, ...] = template.kinds
    if not isinstance(summary, str) or not summary.strip():
        wrong.append("summary has to say in a line what the prompt is for")
    if not isinstance(tokens, int) or isinstance(tokens, bool) or not 1 <= tokens <= 4096:
        wrong.append("max_new_tokens has to be a number from 1 to 4096")
    if not isinstance(penalty, int | float) or isinstance(penalty, bool) or not 0.5 <= penalty <= 2:
        wrong.append("repetition_penalty has to be a number from 0.5 to 2")
    if not isinstance(hidden, bool):
        wrong.append("hidden_reasoning has to be true or false")
    if not all(isinstance(kind, str) for kind in kinds):
        wrong.append("kinds has to be a list of words")
    return wrong


def _variables(template: Template) -> list[str]:
    """Variables that have no value, and those without which the prompt makes no sense."""
    used = template.variables()
    unknown = sorted(used - _given(template.name) - _OF_JINJA)
    missing = sorted(NEEDED.get(template.name.partition("/")[0], NEEDED["general"]) - used)
    wrong = []
    if unknown:
        have = ", ".join(given(template.name))
        wrong.append(f"there is no value for {', '.join(unknown)}; this prompt may use {have}")
    if missing:
        wrong.append(f"the text does not use {', '.join(missing)}; without it the model does not know what is asked")
    return wrong
