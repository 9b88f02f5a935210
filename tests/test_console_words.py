"""The console's languages: nothing is left unsaid in any of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from console_site import Site, open_site

from bot.console.catalogue import Catalogue

CONSOLE = Path(__file__).parent.parent / "bot" / "console"
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2.ext:babel_extract")]
OPTIONS = {"templates/**.html": {"newstyle_gettext": "true"}}
KEYWORDS = {"_": None, "say": None, "N_": None, "ngettext": (1, 2)}
SAID = {str(text) for _, _, text, _, _ in extract_from_dir(CONSOLE, METHODS, OPTIONS, keywords=KEYWORDS)}
CATALOGUES = sorted((CONSOLE / "languages").glob("*.po"))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        yield site


def test_there_is_more_than_english() -> None:
    assert [path.stem for path in CATALOGUES] == ["de"]
    assert len(SAID) > 200


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_every_text_of_the_pages_is_translated_and_no_other(path: Path) -> None:
    with path.open("rb") as file:
        translated = {str(message.id) for message in read_po(file) if message.id and all(_forms(message))}

    assert (SAID - translated, translated - SAID) == (set(), set())


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_translation_fills_in_the_same_values(path: Path) -> None:
    with path.open("rb") as file:
        messages = [message for message in read_po(file) if message.id]

    for message in messages:
        forms = [message.id] if isinstance(message.id, str) else message.id
        wanted = {name for form in forms for name in _names(form)}
        assert [set(_names(form)) for form in _forms(message)] == [wanted] * len(forms), message.id


def _forms(message: Message) -> tuple[str, ...]:
    """What a message becomes, for one and for several."""
    return (message.string,) if isinstance(message.string, str) else tuple(message.string)


def _names(text: str) -> list[str]:
    return [part.partition(")")[0] for part in text.split("%(")[1:]]


async def test_browser_gets_its_own_language(site: Site) -> None:
    german = await site.get("/signin", **{"Accept-Language": "fr;q=0.1, de-AT, en;q=0.8"})
    english = await site.get("/signin", **{"Accept-Language": "fr"})

    assert '<html lang="de"' in await german.text() and "Anmelden" in await german.text()
    assert '<html lang="en"' in await english.text()


async def test_language_and_theme_that_one_chose_stay(site: Site) -> None:
    await site.sign_in("viewer")
    await site.post("/preferences", language="de", theme="dark", next="/review")

    page = await site.read("/review")

    assert '<html lang="de" data-theme="dark">' in page and "Durchsicht" in page


@pytest.mark.parametrize("header", ["", "de;q=much", ",,;;", "x" * 10_000])
def test_header_that_makes_no_sense_means_english(header: str) -> None:
    assert Catalogue().choose(None, header).code == "en"
