"""
Prompt templates: load, version and fill.

A template is a file `<route>/<task>.v<version>.md`: a YAML head, then sections `[system]`, `[user]` and, for few-shot
prompts, pairs of `[example user]` and `[example assistant]`, each a Jinja2 text. The highest version of a name is in
use until another is chosen. What users and documents say enters as values only and is never read as a template.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import structlog
import yaml
from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bot.errors import InputError, NotFound, PromptTooLong, SettingsError, StoreError
from bot.messages import Passage, Prompt, Turn
from bot.ports import TokenCounter
from bot.prompt_choices import Choice, read_choices
from bot.settings import DomainSettings, Settings

log = structlog.get_logger()

SHIPPED = Path(__file__).parent / "templates"
GROUNDED = "domain/answer"  # for questions that are answered from passages
REFUSAL = "I don't know."  # what that prompt tells the model to say where the passages do not hold the answer
PLAIN = "general/answer"  # for general questions of no special kind
JSON_TOKENS = 256  # an answer that is JSON may take at least so many: half of one is worth nothing

_FILE = re.compile(r"(?P<task>[a-z0-9-]+)\.v(?P<version>[1-9][0-9]*)\.md")
_SECTION = re.compile(r"^\[(system|user|example user|example assistant)\]\n", re.MULTILINE)
_jinja = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False, autoescape=False)

_OF_A_HEAD = "each of its lines is a name, a colon and a value"
_WORDS = (
    ("Jinja was looking for the following tags:", "Missing:"),
    ("expected token", "expected"),
    ("end of print statement", "}}"),
    ("end of statement block", "%}"),
)
_LACKS = re.compile(r"has no (?:attribute|element) .*")
_HEAD = ("summary", "max_new_tokens", "repetition_penalty", "hidden_reasoning", "kinds")
_FILTERS = ("upper", "lower", "title", "capitalize", "trim", "join", "length", "first", "last", "default")
_SOME = "the filters " + ", ".join(_FILTERS)
# No call, no arithmetic and no loop within a loop: of these a few words can keep a machine busy for ever.
_PARTS = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const),
    *(nodes.If, nodes.For, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not),
    *(nodes.Test, nodes.Filter),
)

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
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as exc:
            missing = sorted(self.variables() - values.keys() - _jinja.globals.keys())
            reason = f"no value for {', '.join(missing)}; give one or take it out" if missing else _plain(exc)
            raise InputError(f"prompt {self.label}: {reason}") from exc

    def variables(self) -> set[str]:
        """The names that the template wants values for."""
        return set().union(*(find_undeclared_variables(_jinja.parse(text)) for _, text in self.sections))


class PromptLibrary:
    """
    The templates that come with the product, and the installation's own beside them.

    The own folder and the file of choices are looked at anew each time: what is saved or chosen counts at once. A file
    that is broken later is left out, with a line in the log; at the start it is an error.
    """

    def __init__(self, own: Path | None = None, choices: Path | None = None, *, must_exist: bool = True) -> None:
        if own is not None and must_exist and not own.is_dir():
            raise SettingsError(
                f"[prompts] directory: the folder {own} does not exist; make it or take the setting out"
            )
        self._own = own
        self._file = choices
        self._shipped = [(path, load_template(path)) for path in sorted(SHIPPED.glob("*/*.md"))]
        self._seen = self._look()
        self._templates = self._read(strict=True)
        self._choices = self._chosen()

    def all(self) -> list[Template]:
        """Every version of every template, by name, oldest version first."""
        return [versions[v] for _, versions in sorted(self._known().items()) for v in sorted(versions)]

    def used(self) -> list[Template]:
        """The version of each template that is in use, by name."""
        return [self.get(name) for name in sorted(self._known())]

    def get(self, label: str) -> Template:
        """
        The template called `name` (the version in use) or `name@version`.

        Raises: NotFound with the names that exist.
        """
        name, _, version = label.partition("@")
        versions = self._known().get(name)
        if versions is None:
            raise NotFound(f"prompt {name!r} does not exist; there are: {', '.join(sorted(self._known()))}")
        wanted = int(version) if version.isdecimal() else None if version else self.choice(name).version
        if wanted not in versions:
            raise NotFound(f"prompt {name!r} has no version {version}; it has: {', '.join(map(str, sorted(versions)))}")
        return versions[wanted]

    def choice(self, name: str) -> Choice:
        """What answers for a prompt, of the versions that exist; the newest where nothing was chosen."""
        versions = self._known()[name]
        chosen = self._choices.get(name)
        if chosen is None or chosen.version not in versions:
            return Choice(version=max(versions))
        trial = chosen.trial if chosen.trial and chosen.trial.version in versions else None
        return Choice(version=chosen.version, trial=trial)

    def answering(self, name: str, talk: str) -> Template:
        """The version of the template called *name* that answers in this conversation. Raises: InputError."""
        template = self.get(name)
        trial = self.choice(name).trial
        return self.get(f"{name}@{trial.version}") if trial and trial.answers(name, talk) else template

    def for_kind(self, kind: str | None, talk: str = "") -> Template:
        """The template for general questions of a *kind* in bot/examples/general.jsonl, in this conversation."""
        name = next((template.name for template in self.used() if kind in template.kinds), PLAIN)
        return self.answering(name, talk)

    def only(self, template: "str | Template") -> "PromptLibrary":
        """
        The same templates, of which one, or the one called `name@version`, is taken whatever is asked for.

        Raises: InputError if it does not exist.
        """
        return _One(self, self.get(template) if isinstance(template, str) else template)

    def diff(self, before: str, after: str) -> str:
        """A unified diff of two templates; empty if they are alike."""
        old, new = self.get(before), self.get(after)
        lines = difflib.unified_diff(old.text.splitlines(), new.text.splitlines(), old.label, new.label, lineterm="")
        return "\n".join(lines)

    def _known(self) -> dict[str, dict[int, Template]]:
        if (now := self._look()) != self._seen:
            self._seen = now
            self._templates = self._read(strict=False)
            self._choices = self._chosen()
        return self._templates

    def _look(self) -> list[tuple[Path, int, int]]:
        """What tells one state of the files from any other."""
        files = [*(sorted(self._own.glob("*/*.md")) if self._own else ()), *([self._file] if self._file else ())]
        found = []
        for file in files:
            with suppress(OSError):  # gone a moment ago, or not there yet
                stat = file.stat()
                found.append((file, stat.st_ino, stat.st_mtime_ns))
        return found

    def _read(self, *, strict: bool) -> dict[str, dict[int, Template]]:
        found: dict[str, dict[int, Template]] = {}
        for _, template in self._shipped:
            found.setdefault(template.name, {})[template.version] = template
        for path in sorted(self._own.glob("*/*.md")) if self._own else ():
            try:
                template = load_template(path)
                if template.version in found.get(template.name, {}):
                    reason = f"{template.label} exists already; give your version the next number"
                    raise SettingsError(f"{path}: {reason}")
            except SettingsError as exc:
                if strict:
                    raise
                log.error("a prompt file is left out", reason=str(exc))
                continue
            found.setdefault(template.name, {})[template.version] = template
        return found

    def _chosen(self) -> dict[str, Choice]:
        if self._file is None:
            return {}
        try:
            return read_choices(self._file)
        except StoreError as exc:  # an answer by the newest prompt is better than none
            log.error("the newest prompts answer instead of the chosen ones", reason=str(exc))
            return {}


class _One(PromptLibrary):
    """A library in which one template stands for all, to try it out."""

    def __init__(self, library: PromptLibrary, template: Template) -> None:
        self._library = library
        self._template = template

    def get(self, label: str) -> Template:
        return self._template

    def answering(self, name: str, talk: str) -> Template:
        return self._template

    def for_kind(self, kind: str | None, talk: str = "") -> Template:
        return self._template

    def _known(self) -> dict[str, dict[int, Template]]:
        return self._library._known()


def open_prompts(settings: Settings) -> PromptLibrary:
    """
    The prompts of an installation: its own folder, by default one in the storage directory, and what was chosen.

    Raises: SettingsError if a file is broken, or the folder that is set does not exist.
    """
    own = settings.prompts.directory
    return PromptLibrary(settings.prompts_directory, settings.prompt_choices, must_exist=own is not None)


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
        return parse_template(f"{path.parent.name}/{match['task']}", int(match["version"]), text)
    except (OSError, ValueError) as exc:
        raise SettingsError(f"{path}: not a prompt file ({exc}); compare with one of {SHIPPED}") from exc


def parse_template(name: str, version: int, text: str) -> Template:
    """
    The template that *text*, the content of its file, stands for.

    Raises: ValueError with the reason if it is none.
    """
    outer = text.split("---\n", 2)
    if len(outer) != 3:
        raise ValueError("it has no head between two ---")
    fields = _fields(outer[1])
    before, *parts = _SECTION.split(outer[2])
    if before.strip():
        raise ValueError(f"{before.strip().splitlines()[0]!r} stands in front of the first section")
    sections = tuple(zip(parts[::2], parts[1::2], strict=True))
    for section, inner in sections:
        try:
            _require_plain(_jinja.parse(inner))
        except TemplateSyntaxError as exc:
            where = f"in line {exc.lineno} of [{section}]"
            wrong = str(exc.message).rstrip(".")
            for theirs, ours in _WORDS:
                wrong = wrong.replace(theirs, ours)
            raise ValueError(f"{wrong} {where}; values stand in {{{{ }}}}, conditions in {{% %}}") from exc
    if "user" not in parts[::2]:
        raise ValueError("it has no [user] section")
    kinds = tuple(fields.pop("kinds", ()))
    return Template(name=name, version=version, sections=sections, text=text, kinds=kinds, **fields)


def _fields(head: str) -> dict[str, Any]:
    """What the head of a template says. Raises: ValueError if that is not what a head says."""
    try:
        fields = yaml.safe_load(head) or {}
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f"line {mark.line + 1} of " if mark else ""
        raise ValueError(f"{where}its head cannot be read; {_OF_A_HEAD}") from exc
    if not isinstance(fields, dict):
        raise ValueError(f"its head cannot be read; {_OF_A_HEAD}")
    if unknown := sorted(map(str, fields.keys() - set(_HEAD))):
        raise ValueError(f"its head has {unknown[0]!r}; it may have {', '.join(_HEAD)}")
    if "summary" not in fields:
        raise ValueError("its head has no summary; add a line that says what the prompt is for: “summary: ...”")
    if not isinstance(fields.get("kinds", ()), Iterable):
        raise ValueError("kinds has to be a list of words")
    return fields


def _plain(error: Exception) -> str:
    """What a template tried that does not work, without the words of the program below it."""
    if lack := _LACKS.search(str(error)):
        return f"a value {lack[0]}; a passage has text, title, heading, document and url, and there may be none"
    return "it uses a value in a way that does not work; compare it with a version that does"


def _require_plain(tree: nodes.Template) -> None:
    """Raises: ValueError if filling the template could take long."""
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _PARTS) or (isinstance(node, nodes.Filter) and node.name not in _FILTERS):
            what = node.name if isinstance(node, nodes.Filter) else type(node).__name__.lower()
            raise ValueError(f"{what!r} cannot stand in a prompt; values, conditions, loops and {_SOME} can")
        asked = node.attr if isinstance(node, nodes.Getattr) else getattr(getattr(node, "arg", None), "value", "")
        if isinstance(asked, str) and asked.startswith("_"):  # the machinery of the program
            raise ValueError(f"{asked!r} cannot stand in a prompt; no name there begins with _")
    for loop in tree.find_all(nodes.For):
        if loop.recursive or next(loop.find_all(nodes.For), None):
            raise ValueError("a loop inside a loop cannot stand in a prompt")


def fit(
    template: Template,
    *,
    tokens: TokenCounter,
    passages: Sequence[Passage] = (),
    history: Sequence[Turn] = (),
    schema: str = "",
    **values: Any,
) -> Prompt:
    """
    Fill *template* within the model's limit; with a *schema* the answer will be JSON.

    What does not fit is left out in this order: the oldest history, the examples, the weakest passages; never the
    question. Raises: PromptTooLong if the question alone is too long.
    """
    kept, turns, examples = list(passages), list(history), True
    max_new_tokens = max(template.max_new_tokens, JSON_TOKENS) if schema else template.max_new_tokens
    room = tokens.context_tokens - max_new_tokens
    while True:
        filled = template.fill(examples=examples, passages=kept, history=turns, **values)
        needed = tokens.count_tokens(filled)
        if needed <= room:
            return Prompt(
                name=template.name,
                version=template.version,
                turns=filled,
                passages=tuple(kept),
                max_new_tokens=max_new_tokens,
                schema=schema,
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
