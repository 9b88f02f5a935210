"""How the console words our own errors and the gate's checks: in the language of the page, with pages for commands."""

import ast
from dataclasses import asdict
from pathlib import Path

import pytest

from bot.console.catalogue import Catalogue
from bot.learning.checks import Check

ROOT = Path(__file__).parent.parent
LANGUAGES = Catalogue().languages
OPERATORS = ("doctor", "db", "examples", "console", "admin")  # commands for which there is no page
SHOWN = (
    "adapters",
    "bot/jobs",
    "bot/learning",
    "bot/desks",
    "bot/errors.py",
    "bot/store/curation.py",
    "bot/routing.py",
)
FALL = Check(
    name="abstention", candidate=0.5, production=0.75, difference=-0.25, low=-0.4, high=-0.1, passed=False, reason="x"
)


def messages() -> list[str]:
    """Every text of the program that names a command, with an x for what is put into it."""
    files = [file for part in SHOWN for file in ([ROOT / part] if part.endswith("py") else (ROOT / part).rglob("*.py"))]
    found = []
    for file in files:
        tree = ast.parse(file.read_text("utf-8"))
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in docs | parts:
                text = ast.literal_eval(node) if isinstance(node, ast.Constant) else _filled(node)
                found += [text] if isinstance(text, str) and "`pointsman" in text else []
    return found


def _filled(node: ast.JoinedStr) -> str:
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)


@pytest.mark.parametrize("text", messages())
@pytest.mark.parametrize("code", LANGUAGES)
def test_error_names_a_page_where_the_command_line_names_a_command(text: str, code: str) -> None:
    told = LANGUAGES[code].told(text)

    left = told.split("`pointsman ")[1:]
    assert [part for part in left if not part.startswith(OPERATORS)] == []


@pytest.mark.parametrize(
    ("error", "english", "german"),
    [
        (
            "no reviewed reply of shop makes a row of kind sft (none is reviewed); `pointsman feedback queue` shows",
            "No answer of shop is reviewed yet. Approve or correct some on the page Review",
            "auf der Seite Durchsicht",
        ),
        ("12 rows are too few to learn from; bring at least 20", "12 rows are too few", "12 Zeilen sind zu wenige"),
        (
            "the deadline passed before the first step; give --deadline more minutes",
            "Train again with more minutes.",
            "mit mehr Minuten",
        ),
        ("shop@2 is in production already; `pointsman adapters list` shows", "shop@2 is in prod", "schon im Einsatz"),
        (
            "its text unpacks to 600 MB, and at most 30 MB are read; split the file",
            "Its text unpacks to 600 MB, and at most 30 MB are read.",
            "entpackt 600 MB groß",
        ),
        (
            "no passage is chosen; tick one, write one in your own words, or search anew",
            "Tick one, write one in your own words, or choose “search anew”.",
            "Kreuzen Sie eine an",
        ),
        ("the password is too short; use at least 12 characters", "at least 12 characters", "mindestens 12 Zeichen"),
    ],
)
def test_error_is_said_in_both_languages_with_what_to_do_next(error: str, english: str, german: str) -> None:
    assert english in LANGUAGES["en"].told(error) and german in LANGUAGES["de"].told(error)
    assert "`" not in LANGUAGES["en"].told(error)


def test_text_that_is_none_of_our_errors_stays_as_it_is() -> None:
    assert LANGUAGES["de"].told("Something else.") == "Something else."


def test_check_is_said_from_its_numbers_in_the_language_of_the_page() -> None:
    english, german = (LANGUAGES[code].templates.filters["sentence"](FALL) for code in ("en", "de"))

    assert english.startswith("Abstention: 0.5, in use 0.75 (-0.25, 95 % interval -0.4 to -0.1). The fall is more than")
    assert german.startswith("Enthaltung: 0,5, im Einsatz 0,75 (-0,25, 95-%-Intervall -0,4 bis -0,1). Der Rückgang")
    assert "do not answer" in english and "nicht beantworten" in german


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "domain score", "passed": True}, "more than chance."),
        ({"name": "domain score"}, "There is no gain."),
        ({"name": "domain score", "difference": 0.1}, "may be chance."),
        ({"passed": True}, "within what is allowed."),
        ({"difference": 0.0, "passed": True}, "no fall."),
        ({"name": "perplexity of general answers"}, "above what is allowed. Train for fewer minutes"),
        ({"name": "safety"}, "obeys more often"),
        ({"name": "of another release"}, "x"),
    ],
)
def test_meaning_of_a_check_follows_from_how_it_ended(changes: dict[str, object], said: str) -> None:
    assert said in LANGUAGES["en"].templates.filters["sentence"](Check(**(asdict(FALL) | changes)))  # type: ignore[arg-type]  # of every type


def test_stored_reason_is_said_by_the_check_that_gave_it_and_another_as_it_is() -> None:
    because = LANGUAGES["de"].templates.filters["because"]

    assert because("x", [asdict(FALL)]).startswith("Enthaltung") and because("y", [FALL]) == "y"


def steps() -> list[str]:
    """Every step that work of the page Learn reports, with an x for what is put into it."""
    files = [file for part in ("adapters", "bot/learning", "bot/jobs") for file in (ROOT / part).rglob("*.py")]
    trees = [ast.parse(file.read_text("utf-8")) for file in (*files, ROOT / "knowledge" / "encoder.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call) and len(node.args) == 3]
    said = [call.args[2] for call in calls if ast.unparse(call.func) == "progress"]
    either = [part for arg in said for part in ([arg.body, arg.orelse] if isinstance(arg, ast.IfExp) else [arg])]
    return [
        _filled(part) if isinstance(part, ast.JoinedStr) else str(part.value)
        for part in either
        if isinstance(part, ast.JoinedStr | ast.Constant)
    ]


@pytest.mark.parametrize("text", steps())
def test_step_of_a_work_is_said_in_german(text: str) -> None:
    assert LANGUAGES["de"].templates.filters["step"](text) != text


def test_step_that_is_not_known_is_said_as_it_is() -> None:
    step = LANGUAGES["de"].templates.filters["step"]

    assert step("Evaluating skiff@1") == "skiff@1 macht die Prüfung für die Freigabe" and step("Odd") == "Odd"


def test_figures_and_times_of_files_are_written_as_the_language_writes_them() -> None:
    english, german = (LANGUAGES[code].templates.filters for code in ("en", "de"))

    assert (english["number"](0.4984, 3), german["number"](1234.5, 1)) == ("0.498", "1.234,5")
    assert (english["signed"](-0.25, 3), german["signed"](0.5, 2), german["signed"](7.4, 0)) == (
        "-0.250",
        "+0,50",
        "+7",
    )
    assert german["day"]("2026-11-23T10:00:00+00:00", "medium") == "23.11.2026"
    assert german["moment"]("2026-11-23T10:00:00+00:00") == "23.11.2026, 10:00:00 UTC"
    assert german["moment"]("some day") == "some day"
