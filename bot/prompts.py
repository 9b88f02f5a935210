"""
Prompt templates: load, version and fill.

A template is a file `<route>/<task>.v<version>.md`: a YAML head, then sections `[system]`, `[user]` and, for few-shot
prompts, pairs of `[example user]` and `[example assistant]`, each a Jinja2 text. The highest version of a name is in
use. What users and documents say enters as values only and is never read as a template.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import yaml
from jinja2 import StrictUndefined, TemplateError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bot.errors import InputError, PromptTooLong, SettingsError
from bot.messages import Passage, Prompt, Turn
from bot.ports import TokenCounter
from bot.settings import DomainSettings

SHIPPED = Path(__file__).parent / "templates"
GROUNDED = "domain/answer"  # for questions that are answered from passages
REFUSAL = "I don't know."  # what that prompt tells the model to say where the passages do not hold the answer
PLAIN = "general/answer"  # for general questions of no special kind

_FILE = re.compile(r"(?P<task>[a-z0-9-]+)\.v(?P<version>[1-9][0-9]*)\.md")
_SECTION = re.compile(r"^\[(system|user|example user|example assistant)\]\n", re.MULTILINE)
_jinja = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False, autoescape=False)

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One version of one template."""

    name: str  # "general/explain"
    version: int
    summary: str
    sections: tuple[tuple[str, str], ...]  # (section, Jinja2 text), in order
    max_new_tokens: int = 256
    repetition_penalty: float = 1.0
    hidden_reasoning: bool = False
    kinds: tuple[str, ...] = ()  # kinds of general questions that this template fits
    text: str = ""  # the file as it is

    @property
    def label(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    def fill(self, *, examples: bool = True, **values: Any) -> tuple[Turn, ...]:
        """
        The chat turns with *values* in place; `history` turns go between the examples and the question.

        Raises: InputError naming each variable that is missing, or what else the template cannot do.
        """
        turns: list[Turn] = []
        for section, text in self.sections:
            if section == "user":
                turns += values.get("history", ())
            if examples or not section.startswith("example"):
                role = cast(Role, section.removeprefix("example "))
                turns.append(Turn(role=role, content=self._fill(text, values)))
        return tuple(turns)

    def _fill(self, text: str, values: Mapping[str, Any]) -> str:
        try:
            return _jinja.from_string(text).render(values).strip()
        except (TemplateError, TypeError) as exc:
            missing = sorted(self._variables() - values.keys() - _jinja.globals.keys())
            reason = f"no value for {', '.join(missing)}; give one or take it out" if missing else str(exc)
            raise InputError(f"prompt {self.label}: {reason}") from exc

    def _variables(self) -> set[str]:
        return set().union(*(find_undeclared_variables(_jinja.parse(text)) for _, text in self.sections))


class PromptLibrary:
    """The templates that come with the product, and the installation's own beside them."""

    def __init__(self, own: Path | None = None) -> None:
        self._templates: dict[str, dict[int, Template]] = {}
        if own is not None and not own.is_dir():
            raise SettingsError(
                f"[prompts] directory: the folder {own} does not exist; make it or take the setting out"
            )
        for folder in (SHIPPED, *([own] if own else [])):
            for path in sorted(folder.glob("*/*.md")):
                self._add(load_template(path), path)

    def _add(self, template: Template, path: Path) -> None:
        versions = self._templates.setdefault(template.name, {})
        if template.version in versions:
            raise SettingsError(f"{path}: {template.label} exists already; give your version the next number")
        versions[template.version] = template

    def all(self) -> list[Template]:
        """Every version of every template, by name, oldest version first."""
        return [versions[v] for _, versions in sorted(self._templates.items()) for v in sorted(versions)]

    def get(self, label: str) -> Template:
        """
        The template called `name` (its newest version) or `name@version`.

        Raises: InputError with the names that exist.
        """
        name, _, version = label.partition("@")
        versions = self._templates.get(name)
        if versions is None:
            raise InputError(f"prompt {name!r} does not exist; there are: {', '.join(sorted(self._templates))}")
        wanted = int(version) if version.isdecimal() else None if version else max(versions)
        if wanted not in versions:
            raise InputError(
                f"prompt {name!r} has no version {version}; it has: {', '.join(map(str, sorted(versions)))}"
            )
        return versions[wanted]

    def for_kind(self, kind: str | None) -> Template:
        """The template for general questions of a *kind* in bot/examples/general.jsonl."""
        newest = (self.get(name) for name in sorted(self._templates))
        return next((template for template in newest if kind in template.kinds), self.get(PLAIN))

    def only(self, label: str) -> "PromptLibrary":
        """
        The same templates, of which the one called `name@version` is taken whatever is asked for.

        Raises: InputError if it does not exist.
        """
        return _One(self, self.get(label))

    def diff(self, before: str, after: str) -> str:
        """A unified diff of two templates; empty if they are alike."""
        old, new = self.get(before), self.get(after)
        lines = difflib.unified_diff(old.text.splitlines(), new.text.splitlines(), old.label, new.label, lineterm="")
        return "\n".join(lines)


class _One(PromptLibrary):
    """A library in which one template stands for all, to try it out."""

    def __init__(self, library: PromptLibrary, template: Template) -> None:
        self._templates = library._templates
        self._template = template

    def get(self, label: str) -> Template:
        return self._template

    def for_kind(self, kind: str | None) -> Template:
        return self._template


def load_template(path: Path) -> Template:
    """
    Read one template file.

    Raises: SettingsError naming the file and what is wrong with it.
    """
    match = _FILE.fullmatch(path.name)
    if match is None:
        raise SettingsError(f"{path}: a prompt file is called <task>.v<version>.md, such as explain.v2.md")
    try:
        text = path.read_text(encoding="utf-8")
        _, head, body = text.split("---\n", 2)
        fields = dict(yaml.safe_load(head) or {})
        before, *parts = _SECTION.split(body)
        if before.strip():
            raise ValueError(f"{before.strip().splitlines()[0]!r} stands in front of the first section")
        sections = tuple(zip(parts[::2], parts[1::2], strict=True))
        for _, section in sections:
            _jinja.from_string(section)
        if "user" not in parts[::2]:
            raise ValueError("it has no [user] section")
        return Template(
            name=f"{path.parent.name}/{match['task']}",
            version=int(match["version"]),
            sections=sections,
            text=text,
            kinds=tuple(fields.pop("kinds", ())),
            **fields,
        )
    except (OSError, ValueError, TypeError, TemplateError, yaml.YAMLError) as exc:
        raise SettingsError(f"{path}: not a prompt file ({exc}); compare with one of {SHIPPED}") from exc


def fit(
    template: Template,
    *,
    tokens: TokenCounter,
    passages: Sequence[Passage] = (),
    history: Sequence[Turn] = (),
    **values: Any,
) -> Prompt:
    """
    Fill *template* within the model's limit.

    What does not fit is left out in this order: the oldest history, the examples, the weakest passages; never the
    question. Raises: PromptTooLong if the question alone is too long.
    """
    kept, turns, examples = list(passages), list(history), True
    room = tokens.context_tokens - template.max_new_tokens
    while True:
        filled = template.fill(examples=examples, passages=kept, history=turns, **values)
        needed = tokens.count_tokens(filled)
        if needed <= room:
            return Prompt(
                name=template.name,
                version=template.version,
                turns=filled,
                passages=tuple(kept),
                max_new_tokens=template.max_new_tokens,
                repetition_penalty=template.repetition_penalty,
                hidden_reasoning=template.hidden_reasoning,
            )
        if turns:
            turns = turns[2:]
        elif examples and any(section.startswith("example") for section, _ in template.sections):
            examples = False
        elif kept:
            kept = kept[:-1]
        else:
            raise PromptTooLong(needed, room)


def constraints(domain: DomainSettings | None) -> str:
    """A domain's own wishes as sentences for the system prompt; empty where it has none."""
    if domain is None:
        return ""
    wishes = {
        "Write in a {} tone.": domain.tone,
        "Write for {}.": domain.audience,
        "Write in {}.": domain.language,
        "Use at most {} words.": domain.max_words,
        "Reply as JSON of this schema: {}": domain.output_schema,
    }
    return " ".join(sentence.format(wish) for sentence, wish in wishes.items() if wish)
