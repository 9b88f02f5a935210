"""A domain's `output_schema`: what JSON Schema it is, and whether an answer keeps to it."""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

Scalar = str | int | float | bool | None
Path = tuple[str | int, ...]  # to a part of a value: names and positions


@lru_cache(maxsize=64)
def parse_schema(text: str) -> dict[str, Any]:
    """
    The JSON Schema that *text* holds.

    Raises: ValueError with the reason if it holds none.
    """
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    try:
        schema = json.loads(text)
        if not isinstance(schema, dict):
            raise ValueError("it is not an object")
        validator_for(schema).check_schema(schema)
        if foreign := next((ref for ref in _references(schema) if not ref.startswith("#")), None):
            raise ValueError(f"{foreign!r} is somewhere else; put it into the schema itself")
    except SchemaError as exc:
        raise ValueError(f"is no JSON Schema ({exc.json_path}: {exc.message[:200]})") from exc
    except ValueError as exc:
        raise ValueError(f"is no JSON Schema ({exc})") from exc
    return schema


def checked_schema(text: str) -> str:
    """*text*, which is empty or holds a JSON Schema. Raises: ValueError with the reason if it does not."""
    if text:
        parse_schema(text)
    return text


def keeps_to(value: Any, schema: dict[str, Any]) -> bool:
    """Whether *value* is one that *schema* allows; nothing is fetched for a reference to somewhere else."""
    from jsonschema.validators import validator_for
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        return bool(validator_for(schema)(schema, registry=Registry()).is_valid(value))
    except Unresolvable:
        return False


def claims(value: Any, schema: dict[str, Any]) -> list[str | int | float]:
    """
    The texts and numbers in a *value* that keeps to *schema*, but for those that the schema lists where they stand.

    Names of fields that the schema does not know count too.
    """
    listed, named = {*_listed(schema)}, {*_named(schema)}
    found: list[str | int | float] = []
    for path, leaf in _leaves(value):
        found += [name for name in path if isinstance(name, str) and name not in named]
        if isinstance(leaf, bool | None) or (leaf in listed and _is_dictated(value, path, leaf, schema)):
            continue
        found.append(leaf)
    return list(dict.fromkeys(found))


def _is_dictated(value: Any, path: Path, leaf: str | float, schema: dict[str, Any]) -> bool:
    """Whether others like *leaf* could not stand in its place."""
    return any(not keeps_to(_replaced(value, path, other), schema) for other in _others(leaf))


def _others(leaf: str | float) -> Iterator[str | float]:
    """Values of the same form: as long, with letters for letters and digits for digits."""
    for by in range(1, 6):
        if isinstance(leaf, str):
            yield "".join(_rotated(char, by) for char in leaf)
        else:
            yield leaf + by


def _rotated(char: str, by: int) -> str:
    for first, size in (("a", 26), ("A", 26), ("0", 10)):
        if ord(first) <= ord(char) < ord(first) + size:
            return chr(ord(first) + (ord(char) - ord(first) + by) % size)
    return char


def _leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Scalar]]:
    """Every text, number, truth value and null within *value*, with the way to it."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if parts is None:
        yield path, value
    for name, part in parts or ():
        yield from _leaves(part, (*path, name))


def _replaced(value: Any, path: Path, leaf: Scalar) -> Any:
    if not path:
        return leaf
    name, *rest = path
    copy = value.copy()
    copy[name] = _replaced(value[name], tuple(rest), leaf)
    return copy


def _listed(schema: object) -> Iterator[Scalar]:
    """The values of the `enum` and `const` keywords of *schema*, wherever they stand."""
    for part in _parts(schema):
        listed = part.get("enum")
        for each in [*(listed if isinstance(listed, list) else ()), *([part["const"]] if "const" in part else ())]:
            yield from (leaf for _, leaf in _leaves(each) if not isinstance(leaf, bool))  # to Python True is 1


def _named(schema: object) -> Iterator[str]:
    """The names of the fields that *schema* knows."""
    for part in _parts(schema):
        if isinstance(fields := part.get("properties"), dict):
            yield from fields


def _references(schema: object) -> Iterator[str]:
    for part in _parts(schema):
        if isinstance(reference := part.get("$ref"), str):
            yield reference


def _parts(schema: object) -> Iterator[dict[str, Any]]:
    """Every object within *schema*, itself included."""
    if isinstance(schema, dict):
        yield schema
        schema = [*schema.values()]
    for part in schema if isinstance(schema, list) else ():
        yield from _parts(part)
