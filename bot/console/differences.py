"""What changed between two texts, word by word."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

Kind = Literal["same", "gone", "new"]


class Piece(NamedTuple):
    """Words that stand in both texts, in the old one only, or in the new one only."""

    kind: Kind
    text: str


def differences(old: str, new: str) -> Sequence[Piece]:
    """Both texts at once: without the new pieces the old one, without the gone ones the new one."""
    before, after = re.findall(r"\S+|\s+", old), re.findall(r"\S+|\s+", new)
    found: list[Piece] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            found.append(Piece("same", "".join(before[i1:i2])))
            continue
        if i2 > i1:
            found.append(Piece("gone", "".join(before[i1:i2])))
        if j2 > j1:
            found.append(Piece("new", "".join(after[j1:j2])))
    return found
