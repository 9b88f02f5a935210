"""
The console's words in each of its languages: message catalogues (gettext), and templates that speak them.

English is the source. Each other language is a file `languages/<code>.po`; it is read at the start, and nothing is
compiled.
"""

import gettext
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.console.remedies import reworded
from bot.console.steps import step
from bot.console.verdicts import NAMES, because, sentence
from bot.messages import now

FOLDER = Path(__file__).parent
ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class Language:
    """One language: how it says things, and the templates in it."""

    code: str
    name: str  # in the language itself
    translations: gettext.NullTranslations
    templates: Environment

    def say(self, text: str, /, **values: object) -> str:
        """*text*, translated, with *values* in place."""
        said = self.translations.gettext(text)
        return said % values if values else said

    def told(self, text: str) -> str:
        """*text*, one of our errors, in the language and with the pages and buttons of the console."""
        return reworded(text, self.say)


@dataclass(frozen=True)
class Catalogue:
    """Every language there is."""

    languages: Mapping[str, Language] = field(default_factory=lambda: _read(FOLDER / "languages"))

    def choose(self, chosen: str | None, accepted: str) -> Language:
        """The language that somebody chose, else the first that their browser accepts, else English."""
        for code in (chosen or "", *_preferred(accepted)):
            if code in self.languages:
                return self.languages[code]
        return self.languages[ENGLISH]


def _read(folder: Path) -> dict[str, Language]:
    found = {ENGLISH: _language(ENGLISH, gettext.NullTranslations())}
    for path in sorted(folder.glob("*.po")):
        with path.open("rb") as file:
            catalogue = read_po(file, locale=path.stem)
        compiled = io.BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        found[path.stem] = _language(path.stem, gettext.GNUTranslations(compiled))
    return found


def _language(code: str, translations: gettext.NullTranslations) -> Language:
    templates = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]  # by the extension
    locale = Locale.parse(code)
    templates.filters |= {
        "moment": partial(_moment, locale),
        "ago": partial(_ago, locale),
        "day": partial(_day, locale),
        "number": partial(_number, locale),
        "signed": partial(_signed, locale),
        "share": partial(_share, locale),
    }
    language = Language(code, str(locale.display_name).capitalize(), translations, templates)
    word = partial(sentence, say=language.say, number=lambda value: _number(locale, round(value, 3)))
    templates.filters |= {
        "told": language.told,
        "step": partial(step, say=language.say),
        "sentence": word,
        "because": partial(because, tell=language.told, word=word),
        "check_name": lambda name: language.say(NAMES.get(name, name)),
    }
    return language


def _moment(locale: Locale, at: datetime | str) -> str:
    """*at*, also as it stands in files."""
    if isinstance(at, str):
        return _moment(locale, found) if (found := _read_time(at)) else at
    return str(format_datetime(at, "medium", locale=locale)) + " UTC"


def _read_time(text: str) -> datetime | None:
    """The time that a file names; None where somebody wrote something else into it."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _ago(locale: Locale, at: datetime) -> str:
    return str(format_timedelta(at - now(), add_direction=True, locale=locale))


def _day(locale: Locale, on: date | str, length: Literal["short", "medium"]) -> str:
    """*on*, also as it stands in files, in words; the short ones, below a plot, leave out the year."""
    if isinstance(on, str):
        return _day(locale, found, length) if (found := _read_time(on)) else on
    return str(
        format_skeleton("MMMd", on, locale=locale) if length == "short" else format_date(on, length, locale=locale)
    )


def _number(locale: Locale, value: Any, digits: int | None = None) -> str:
    """*value*, with so many *digits* behind the point where figures stand below each other."""
    pattern = None if digits is None else f"#,##0.{'0' * digits}".rstrip(".")
    return str(format_decimal(value, pattern, locale=locale))


def _signed(locale: Locale, value: float, digits: int) -> str:
    """*value*, a difference, with its sign in front."""
    return ("-" if value < 0 else "+") + _number(locale, abs(value), digits)


def _share(locale: Locale, value: float) -> str:
    return str(format_percent(value, locale=locale))


def _preferred(accepted: str) -> Sequence[str]:
    """The languages of an Accept-Language header, most wanted first."""
    found: list[tuple[float, str]] = []
    for part in accepted.split(",")[:20]:
        code, _, quality = part.partition(";q=")
        try:
            found.append((-float(quality or 1), code.strip().lower().partition("-")[0]))
        except ValueError:
            continue
    return [code for _, code in sorted(found, key=lambda each: each[0])]
