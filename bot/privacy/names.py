"""
Finds people's names in English text by readable rules, no model.

Evidence is a gazetteer (Faker's name lists of some 80 countries) and context. A listed first name that is no
English word counts by itself; everything else needs a cue ("my name is", "Mr.", "Hi ...") or a neighbour.
Each word becomes one letter, so the rules are one regular expression over those letters (see `NAME`).
"""

import importlib
import pkgutil
import re
from collections.abc import Collection, Iterator
from pathlib import Path

ENGLISH_WORDS = Path(__file__).with_name("english_words.txt")

WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
POSSESSIVE = re.compile(r"['\u2019]s$", re.IGNORECASE)
PARTICLE = re.compile(r"al|bin|da|de[lnrs]?|della|di|dos|du|el|ibn|la|le|te[nr]|van|von|y|zu", re.IGNORECASE)
COMPANY_WORD = re.compile(
    r"Inc|Ltd|L[Ll][Cc]|P[Ll][Cc]|GmbH|AG|Corp(?:oration)?|Company|Group|Holdings|Investments|Bank|Partners|Foundation"
    r"|University|Institute|College|Hospital|Museum|Orchestra|Awards|Prize|Labs|Technologies|Systems"
)

# Words inside paths, identifiers and code name nobody.
CODE_BEFORE = re.compile(r"[/\\_#$=`~^+\d]$|\w[.@-]$")
CODE_AFTER = re.compile(r"[/\\_$=`~^+(\d]|[.:@-]\w|::")
CAMEL_CASE = re.compile(r"(?<!\bMc)(?<!\bMac)(?<!\bDe)(?<!\bDi)(?<!\bLe)(?<!\bFitz)(?<=[^\W\d_A-Z])[A-Z]|[A-Z]{2}[a-z]")
CONTRACTION = re.compile(r"['\u2019](?:m|re|ve|ll|d|t)$", re.IGNORECASE)

# What follows one of these is a name, whatever the word.
NAMING = re.compile(
    r"\b(?:(?-i:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Herr|Frau|Mme|Sra|Madam)\b\.? +"
    r"|(?:(?:my|his|her|their|your|maiden|full|first|last|middle|given|family|legal)|\w+['\u2019]s)"
    r" ?name(?:['\u2019]s| is|:)? +"
    r"|call(?:s|ed)? me +|named (?:him|her) +|(?:change|correct|update) (?:it|(?:my|the) name) to +"
    r"|name\? +)",
    re.IGNORECASE,
)
# What follows one of these is a name if it is capitalised and no English word.
ADDRESSING = re.compile(
    r"(?:\b(?:hi|hello|hey|dear|said|told|tell|ask|asked|cc|i['\u2019]m|i am|this is|contact|attn|assigned to"
    r"|behalf of|(?:speak|spoke|talk|talked|meet|met|follow up) (?:to|with)"
    r"|(?:signed|written|reported|approved) by),?:? +"
    r"|\b(?:author|colleague|manager|neighbou?r|wife|husband|brother|sister|mother|father|son|daughter|friend"
    r"|boss|customer|client|patient|player|singer|songwriter|actor|actress|founders?|director|president):? +"
    r"|\b(?:thanks|cheers|regards|sincerely|wishes|yours),?\s+|^[^\w\n]*name: +|^[ \t]*[—\u2013-]+ ?"
    r"|^[ \t>*]*(?=\w+, (?:can|could|would|will|please|do|did|are|have|thank)\b)"
    r"|(?=\b\w+ (?:lives|works|moved|said|says|told|asked|wrote|thinks|wants)\b))",
    re.IGNORECASE | re.MULTILINE,
)
SURNAME_FORM = re.compile(
    r"\w\w(?:ov|ova|ová|ev|eva|ich|ič|ić|enko|ski|ska|sky|wicz|czyk|sson|sen|dóttir|dottir|idis|poulos|akis|yan"
    r"|shvili|dze|ström|berg|qvist|lund|mann|stein|auer|ez|ini|elli|etti|escu|auskas|nen|oğlu|oglu|pour|zadeh)$"
)

# One pair of characters a word: how it is joined to the word before, then what it is.
#   joined:  ! behind a naming cue   ? behind an addressing cue   ' ' a space   , a comma   | anything else
#   is:      F first name   L surname   N surname by its form or accents   U unknown capitalised word
#            f, l the same but also English words   W other English word, capitalised   C listed, ALL CAPITALS
#            I initial   p particle   O company word   & and, or   x other
#            a, b, n, u, i the same as F, L, N, U, I in lower case
REST = r"(?:[ ](?:I|p|[FfLlNUC]))*+"  # the words behind a first name
LIST = r"(?:(?:,[FLNfl])*[ ,]&[ ][FLNfl](?:[ ][FfLlN])?+)?+"  # ", Maria and Grace"
NAME = re.compile(
    rf"""
    (?<=!)(?: [FfLlNUWC](?:[ ](?:I|p|[FfLlNUWC]))*+ | [abnu](?:[ ][abnu])?+ )
  | (?<=[?])[FfLNU]{REST}{LIST}(?![ ]O)
  | [LlNUC],F(?:[ ]I)?+                              # Becker, Anna
  | (?: F{REST}{LIST}                                # Anna M. van Dongen
      | U[ ](?:[Ip][ ])*+[FLN](?:[ ][LNU])?+         # unknown first name, known surname
      | f[ ](?:[Ip][ ])*+[FLN](?:[ ][LNU])?+{LIST}   # Grace Becker
      | f[ ]I[ ][lU]                                 # Mark T. Young
      | [LN](?:[ ]I)?+(?:[ ][FLNfC])++               # Szabó Anna
      | I[ ](?:I[ ])?+(?:p[ ])*+[LNF]                # J. R. Becker
      | C[ ](?:I[ ])?+[FC]                           # BECKER Anna
      | L{LIST}
    )(?![ ]O)
  | a[ ](?:[ip][ ])?+[bn]                            # anna van dongen
    """,
    re.VERBOSE,
)


class PersonFinder:
    """Knows the names; `find` may be called from several threads."""

    def __init__(self) -> None:
        self._english = english_words()
        self._first = listed_names("first_name", "first_romanized")
        self._last = listed_names("last_name", "last_romanized")

    def find(self, text: str) -> list[tuple[int, int]]:
        """The (start, end) of every name, in order of appearance."""
        words = list(WORD.finditer(text))
        kinds = [self._kind(text, word) for word in words]
        letters = "".join(joined + kind for joined, kind in zip(joins(text, words), kinds, strict=True))
        found: list[tuple[int, int]] = []
        known: set[str] = set()
        for match in NAME.finditer(letters):
            members = words[match.start() // 2 : (match.end() - 1) // 2 + 1]
            found.append((members[0].start(), bare_end(members[-1])))
            known.update(bare(word) for word in members if len(word[0]) > 2)
        repeats = (
            (w.start(), bare_end(w)) for w, k in zip(words, kinds, strict=True) if k in "LNU" and bare(w) in known
        )
        return sorted({*found, *repeats})

    def _kind(self, text: str, word: re.Match[str]) -> str:
        """The letter of *word* in `NAME`."""
        if CODE_BEFORE.search(text, max(0, word.start() - 2), word.start()) or CODE_AFTER.match(text, word.end()):
            return "x"
        name = bare(word)
        if len(name) == 1:
            dotted = text[word.end() : word.end() + 1] == "."
            return "i" if name.islower() else "I" if dotted or name not in "AI" else "x"
        if name in ("and", "or"):
            return "&"
        if PARTICLE.fullmatch(name):
            return "p"
        if COMPANY_WORD.fullmatch(name):
            return "O"
        if not name[0].isupper():
            return self._lower_kind(name)
        if name.isupper():
            return "C" if len(name) > 3 and not self._is_english(name) and self._listed(name) else "x"
        return "x" if CAMEL_CASE.search(name) or CONTRACTION.search(name) else self._capitalised_kind(name)

    def _capitalised_kind(self, name: str) -> str:
        first, last = self._in(self._first, name), self._in(self._last, name)
        if self._is_english(name) or len(name) == 2:
            return "f" if first else "l" if last else "W"
        if first or last:
            return "F" if first else "L"
        return "N" if SURNAME_FORM.search(name) or not name.isascii() else "U"

    def _lower_kind(self, name: str) -> str:
        if self._is_english(name) or len(name) < 4:
            return "x"
        if self._listed(name):
            return "a" if self._in(self._first, name) else "b"
        return "n" if SURNAME_FORM.search(name) or not name.isascii() else "u"

    def _is_english(self, name: str) -> bool:
        """Whether any part of a hyphenated *name* is an ordinary word."""
        return any(part in self._english for part in name.lower().split("-"))

    def _listed(self, name: str) -> bool:
        return self._in(self._first, name) or self._in(self._last, name)

    def _in(self, names: frozenset[str], name: str) -> bool:
        lower = name.lower()
        return lower in names or ("-" in lower and lower.split("-")[0] in names)


def joins(text: str, words: list[re.Match[str]]) -> Iterator[str]:
    """How each of *words* is joined to what stands before it: the first letters of the pairs in `NAME`."""
    naming = {match.end() for match in NAMING.finditer(text)}
    addressing = {match.end() for match in ADDRESSING.finditer(text)}
    end, possessive = 0, False
    for word in words:
        gap = text[end : word.start()]
        if word.start() in naming:
            yield "!"
        elif word.start() in addressing:
            yield "?"
        else:
            # A full stop belongs to a name only behind an initial.
            initial = gap in (". ", ".") and text[end - 1 : end].isupper() and not text[end - 2 : end - 1].isalpha()
            yield " " if (gap == " " and not possessive) or initial else "," if gap == ", " else "|"
        end, possessive = word.end(), bool(POSSESSIVE.search(word[0]))


def bare(word: re.Match[str]) -> str:
    """The word without its possessive ending."""
    return POSSESSIVE.sub("", word[0])


def bare_end(word: re.Match[str]) -> int:
    return word.start() + len(bare(word))


def english_words() -> frozenset[str]:
    lines = ENGLISH_WORDS.read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def listed_names(*kinds: str) -> frozenset[str]:
    """The lower-case names of Faker's person providers, from the attributes named like one of *kinds*."""
    from faker.providers import person

    names: set[str] = set()
    for module in pkgutil.iter_modules(person.__path__):
        provider = importlib.import_module(f"{person.__name__}.{module.name}").Provider
        for attribute in dir(provider):
            entries = getattr(provider, attribute)
            if any(kind in attribute for kind in kinds) and isinstance(entries, Collection):
                names.update(part for entry in entries for part in str(entry).lower().split() if len(part) > 1)
    return frozenset(names)
