"""Which rows are held out from training, so that nothing of theirs is seen in it."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from adapters.datasets.material import Material

HELD_OUT = 0.2  # share of the rows


def held_out(keys: Sequence[Collection[str]], *, seed: int) -> list[bool]:
    """
    Per row, by its *keys*, whether it is held out; rows that share a key, if only through others, stay together.

    Groups are taken in the order of a hash: as rows are added, those that were held out mostly stay so. Where one key
    joins all rows, none is held out.
    """
    groups: list[list[int]] = sorted(_groups(keys), key=lambda rows: _order(keys, rows, seed))
    wanted, chosen = round(HELD_OUT * len(keys)), set[int]()
    for rows in groups:
        if len(chosen) + len(rows) <= wanted:
            chosen.update(rows)
    if not chosen and len(groups) > 1:
        smallest: list[int] = min(groups, key=len)
        chosen.update(smallest)
    return [number in chosen for number in range(len(keys))]


def apart(materials: Sequence[Material], held: Sequence[bool]) -> list[Material]:
    """
    *materials* without passages of documents that belong to the other side of the split.

    A document belongs where an answer rests on it, else where it comes first. No answer rests on what is left out.
    """
    side: dict[str, bool] = {}
    for material, out in zip(materials, held, strict=True):
        side.update(dict.fromkeys(material.sources, out))
    for material, out in zip(materials, held, strict=True):
        for document in sorted(material.documents):
            side.setdefault(document, out)
    return [
        replace(material, passages=tuple(p for p in material.passages if side[p.document] == out))
        for material, out in zip(materials, held, strict=True)
    ]


def _groups(keys: Sequence[Collection[str]]) -> list[list[int]]:
    """The rows that hang together, by union-find."""
    parent = list(range(len(keys)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    first: dict[str, int] = {}
    for row, own in enumerate(keys):
        for key in own:
            parent[root(row)] = root(first.setdefault(key, row))
    groups: dict[int, list[int]] = defaultdict(list)
    for row in range(len(keys)):
        groups[root(row)].append(row)
    return list(groups.values())


def _order(keys: Sequence[Collection[str]], rows: Sequence[int], seed: int) -> str:
    name = min((key for row in rows for key in keys[row]), default=str(rows[0]))
    return hashlib.sha256(f"{seed} {name}".encode("utf-8", "replace")).hexdigest()
