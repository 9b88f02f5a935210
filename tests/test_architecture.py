"""The house rules that no linter holds: what README, handbook and commands say about the code is true."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup
from typer.testing import CliRunner

from bot.cli import app

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PACKAGES = ("bot", "connectors", "knowledge", "adapters")
LONGEST = 400  # lines of a file
VAGUE = {"utils.py", "helpers.py", "common.py", "util.py", "misc.py"}

SOURCES = sorted(path for package in (*PACKAGES, "tests") for path in (ROOT / package).rglob("*.py"))
HANDBOOK = sorted((ROOT / "knowledge" / "handbook").glob("*.md"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def commands(command: TyperCommand | TyperGroup, path: str = "pointsman") -> Iterator[tuple[str, TyperCommand]]:
    """Every command that does something, by what one types."""
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from commands(below, f"{path} {name}")
    else:
        yield path, command


COMMANDS = dict(commands(typer.main.get_command(app)))
GROUPS = {path.rpartition(" ")[0] for path in COMMANDS}


def file_tree() -> list[str]:
    """The paths that README's file tree names."""
    if not README.is_file():
        pytest.skip("README.md does not exist yet")
    match = re.search(r"^## File tree\n.*?^```\w*\n(.*?)^```", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert match, "README.md has no fenced block below `## File tree`"
    return [line.split()[0] for line in match[1].splitlines() if line.strip()]


def committed_folders() -> set[str]:
    """The top-level folders that are part of the product: neither hidden, nor ignored, nor made by a build."""
    ignored = (ROOT / ".gitignore").read_text("utf-8").split()
    return {
        path.name
        for path in ROOT.iterdir()
        if path.is_dir() and not path.name.startswith(".") and not any(path.match(each) for each in ignored)
    }


def test_file_tree_names_every_top_level_folder() -> None:
    named = {path.partition("/")[0] for path in file_tree() if "/" in path}

    assert committed_folders() - named == set()


def test_file_tree_names_every_module() -> None:
    modules = {name_of(path) for path in SOURCES if path.parts[len(ROOT.parts)] in PACKAGES}
    named = set(file_tree())

    missing = {path for path in modules if not path.endswith("__init__.py") and "/migrations/" not in path} - named
    assert missing == set()


def test_file_tree_names_nothing_that_does_not_exist() -> None:
    assert [path for path in file_tree() if not (ROOT / path).exists()] == []


def test_file_tree_names_nothing_twice() -> None:
    named = file_tree()

    assert len(named) == len(set(named))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_file_can_be_read_in_one_go(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [name_of(path) for path in SOURCES if path.name in VAGUE] == []


@pytest.mark.parametrize("kind", [ast.Try, ast.TryStar])
def test_main_path_catches_nothing(kind: type[ast.AST]) -> None:
    tree = ast.parse((ROOT / "bot" / "assistant.py").read_text("utf-8"))

    assert [node.lineno for node in ast.walk(tree) if isinstance(node, kind)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_package_says_what_it_is_for_and_exports_nothing(package: str) -> None:
    tree = ast.parse((ROOT / package / "__init__.py").read_text("utf-8"))

    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


@pytest.mark.parametrize("path", COMMANDS)
def test_command_shows_an_example_in_its_help(path: str) -> None:
    shown = CliRunner().invoke(app, [*path.split()[1:], "--help"])

    assert shown.exit_code == 0
    assert re.search(rf"Example: {path}\b", shown.stdout)


@pytest.mark.parametrize("path", COMMANDS)
def test_command_takes_config_and_debug(path: str) -> None:
    options = {name for parameter in COMMANDS[path].params for name in parameter.opts}

    assert {"--config", "--debug"} <= options


def mentioned(text: str) -> set[str]:
    """What follows `pointsman` in code spans and blocks, up to two words."""
    code = re.findall(r"^```.*?^```|`[^`\n]+`", text, re.MULTILINE | re.DOTALL)
    return {" ".join(found) for part in code for found in re.findall(r"\bpointsman ([a-z]+)(?: ([a-z]+)\b)?", part)}


def exists(words: str) -> bool:
    path = f"pointsman {words}".rstrip()
    return path in COMMANDS or path in GROUPS or path.rpartition(" ")[0] in COMMANDS


def test_handbook_is_there() -> None:
    assert HANDBOOK


@pytest.mark.parametrize("path", [*HANDBOOK, README, ROOT / "CHANGELOG.md"], ids=name_of)
def test_text_mentions_only_commands_that_exist(path: Path) -> None:
    if not path.is_file():
        pytest.skip(f"{path.name} does not exist yet")
    text = path.read_text("utf-8")

    assert [words for words in mentioned(text) if not exists(words)] == []


@pytest.mark.parametrize(
    ("words", "there"),
    [("ask", True), ("feedback list", True), ("feedback", True), ("feedback lost", False), ("serves", False)],
)
def test_unknown_command_is_told_from_a_known_one(words: str, there: bool) -> None:
    assert exists(words) == there
