"""
Finds postal addresses by their shape: a street and a number, in the word orders of some twenty countries.

The street or post box is looked for first, then what continues it on the same or the next lines: flat, town,
region, country, postcode. A street without a street word ("Dalbraut 99") needs a cue.
"""

import re
from collections.abc import Iterator

from bot.privacy.names import english_words

# Building blocks. Capitals of the Latin, Greek and Cyrillic alphabets count; *+ keeps the matching linear.
UPPER = "[" + "".join(letter for letter in map(chr, range(0x41, 0x530)) if letter.isupper()) + "]"
LETTER = r"[^\W\d_]"
CAP = rf"{UPPER}(?:{LETTER}|['\u2019.-])*+"
LINK = r"(?:de|du|des|la|las|le|les|el|los|del|della|delle|dei|di|da|do|dos|das|e|y|van|von|der|den|het|na)"
NAME = rf"(?:{CAP}(?:[ ](?:{LINK}[ ]){{0,2}}{CAP}){{0,4}})"
HOUSE = r"(?:\d{1,6}(?:[ ]?[a-zA-Z](?![\w'\u2019]))?(?:[-/]\d{1,4}[a-z]?)?(?![\w%]|[.:]\d))"
ZIP = r"(?:\b\d{2,6}[ ])?"
FLAT = r"(?i:\b(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Room)\.?[ ]?[#]?\d{1,4}[a-z]?\b)"
POSTCODE = (
    r"(?:\d{4,6}(?:-\d{3,4})?|\d{4}[ ][A-Z]{2}|\d{3}[ ]\d{2}|\d{2}-\d{3}"
    r"|[A-Z]{1,2}\d[\dA-Z]?[ ]?\d[A-Z]{2}|[A-Z]\d[A-Z][ ]?\d[A-Z]\d)\b"
)

STREET = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Boulevard|Blvd|Lane|Ln|Drive|Court|Ct|Place|Square|Sq|Terrace|Crescent|Close"
    r"|Parkway|Pkwy|Highway|Hwy|Mews|Gardens|Grove|Alley|Quay|Esplanade|Crossroads?)"
)
# Words that end a street only behind a name, as "7 Pollen Hill"; "7 Data Lakes" is no street.
RARE_STREET = (
    r"(?:Av|Bypass|Canyon|Causeway|Circle|Cliffs?|Club|Corner|Coves?|Creek|Crest|Crossing|Dale|Dam|Divide|Dr|Estates?"
    r"|Expressway|Falls|Ferry|Fields?|Flats?|Ford|Forest|Forge|Forks?|Fort|Freeway|Gateway|Glens?|Greens?|Harbors?"
    r"|Haven|Heights|Hills?|Hollow|Inlet|Islands?|Isle|Junctions?|Keys?|Knolls?|Lakes?|Landing|Light|Locks?|Lodge"
    r"|Loop|Mall|Manors?|Meadows?|Mills?|Mission|Mount|Mountains?|Neck|Orchard|Oval|Parade|Park|Pass|Path|Pike|Pines?"
    r"|Plains?|Plaza|Points?|Ports?|Prairie|Promenade|Ranch|Rapids?|Rest|Ridges?|Rise|River|Row|Run|Shoals?|Shores?"
    r"|Skyway|Springs?|Spurs?|Squares|Station|Stream|Summit|Track|Trail|Tunnel|Turnpike|Unions?|Vale|Valleys?|Viaduct"
    r"|Views?|Villages?|Ville|Vista|Walks?|Way|Wells)"
)
# The street word is the end of one word, as in Hauptstrasse, Magasinsgatan, Tawastintie.
GLUED = (
    r"(?:str(?:a(?:ß|ss)e|\.)|gasse|weg|platz|allee|ufer|damm|berg|gata|gatan|gade|gate|gaten|vägen|veien|vegen|vej"
    r"|vollen|stræti|stígur|braut|gerði|tún|tie|katu|kuja|polku|straat|laan|plein|kade|gracht|dreef|dijk|steeg|utca|gränd)"
)
LEADING = (
    r"(?:rue|avenue|boulevard|bd|allée|impasse|chemin|quai|cours|place|route|ruelle|via|viale|piazza|corso|vicolo"
    r"|strada|calle|c/|avenida|avda\.?|av\.?|plaza|paseo|camino|carrer|ronda|rua|travessa|praça|largo|estrada|alameda"
    r"|ulica|ul\.?|aleja|al\.|os\.|náměstí|nám\.|trg|cesta|bulevar|str\.)"
)
# Behind one of these a name with a number is an address, whatever the name.
CUE = re.compile(
    r"\b(?:lives?|living|staying|resid(?:es?|ing)|located|address(?: is|:)?|moved to|based|office"
    r"|visit us|side of|off|meet (?:me|you|us|them)|return(?: it)? to"
    r"|(?:deliver|ship|shipped|send|sent|mail)(?: \w+){0,4}? to)"
    r" (?:(?:it is|is|at|on|in|with|the|to) )*",
    re.IGNORECASE,
)
CUED = re.compile(rf"(?:\d{{1,6}}[ ])?(?:{NAME}[ ]{HOUSE}|{HOUSE}[ ]{NAME})")

SURE = [
    rf"{ZIP}\b{HOUSE}[ ](?:{CAP}[ ]){{1,4}}?{STREET}\b\.?(?:[ ]{CAP}[ ]{RARE_STREET}\b)?",  # 14 Crown Street
    rf"{ZIP}\b{NAME}[ ](?:{LETTER}{{1,30}}[ ])?(?:u\.|út|útja|utca|tér|körút)[ ]{HOUSE}\.?",
    r"\b(?:\d{1,6}[ ])?(?i:P\.?[ ]?O\.?[ ]?Box|Postfach|Postboks|Apartado)[ ]?\d+",  # P.O. Box 149
    r"\b(?:PSC|CMR|Unit)[ ]\d{3,5},?[ ]Box[ ]\d+",
    rf"(?:\bUS(?:S|NS|NV|CGC)[ ]{CAP}\s+)?\b[ADF]PO[ ]A[AEP][ ]\d{{5}}\b",  # military mail
    rf"\b(?:the[ ])?corner[ ]of[ ]{NAME}(?:[ ]{HOUSE})?[ ]and[ ]{NAME}(?:[ ]{HOUSE})?",
]
# One word of these must be no English word ("7 Data Lakes" is no street), or a town must follow.
TOWN = re.compile(rf",[ ]{POSTCODE}[ ]{CAP}")
FOREIGN = [
    rf"(?:{CAP}[ ]\d{{1,5}}[ ])?\b(?:{HOUSE}[ ])?(?:{CAP}[ ]){{1,4}}?{RARE_STREET}(?=[ ]street|,|\s+{FLAT})",
    rf"{ZIP}\b{HOUSE}[ ](?:{CAP}[ ]){{1,4}}?{RARE_STREET}\b",  # 175 Iroon Heights
    rf"\b(?:{CAP}[ ]){{1,3}}(?:Street|Road|Avenue|Boulevard|Lane|Crescent|Terrace)\b(?:[ ]\d{{1,5}}\b)?",
    rf"{ZIP}\b(?:{CAP}[ ]){{0,2}}(?i:(?:{LETTER}|-){{2,30}}{GLUED})[ ]{HOUSE}\.?",  # Hauptstr. 12
    rf"{ZIP}\b{LETTER}{{2,30}}[ ](?i:str\.|straße)[ ]{HOUSE}",
    rf"{ZIP}\b{HOUSE},?[ ](?i:{LEADING})[ ](?:{LINK}[ ]){{0,2}}(?:{NAME}|{LETTER}{{4,}})(?:,?[ ]{HOUSE})?",
    rf"{ZIP}\b(?i:{LEADING})[ ](?:{LINK}[ ]){{0,2}}{NAME},?[ ](?:n[.º°][ ]?)?{HOUSE}",  # Rua Diadema 1903
    rf"\b\d{{3,6}}[ ]{NAME}[ ]{HOUSE}",  # 25615 Tawastintie 72
    rf"(?i:\b\d{{2,6}}[ ](?:(?:{LETTER}|[.'\u2019-])+[ ]){{1,5}}(?:\d{{1,5}},?\s+)?){FLAT}",
    rf"\b{NAME}[ ]\d{{1,5}},?(?:[ ]{NAME})?\s+{FLAT}",
]

# A new line may be quoted ("> ") or bulleted.
NEW_LINE = r"\s*\n[\s>?*|]*"
CONTINUATION = re.compile(
    rf"""
    (?:,\s*|{NEW_LINE}|[ ]) {FLAT}                                                   # , Apt. 4
  | (?:,\s*|{NEW_LINE},?[ ]?|[ ]) (?:{NAME}(?:[ ]\({LETTER}+\))?(?:,?\s+|\s+,\s*))?
      (?:{LETTER}{{1,3}}\s+)? {POSTCODE} (?:[ ]{NAME})?                   # , Oslo 0150; 75002 Paris
  | {NEW_LINE} (?:{LETTER}|[ -]){{2,30}}\s*,\s*{LETTER}{{1,3}}\s+\d{{4,6}}\b         # delmas, mp 35739
  | \s*,\s*{LETTER}{{1,3}}(?=\s*\n)                                                # , NC
  | ,\s*{NAME}(?:[ ]\({LETTER}+\))?                                                # , Tallinn, Estonia
  | {NEW_LINE} {NAME}(?=\s*(?:,|\n|$))                                             # a line of its own
  | (?<=\d)[ ]{NAME}(?=\s*(?:[.,?!\n]|$))                                          # Suite 019 Charleroi
    """,
    re.VERBOSE,
)
MOST_CONTINUATIONS = 6
LONGER_WORD = re.compile(rf"{LETTER}{{3,}}")


class AddressFinder:
    """Knows the shapes; `find` may be called from several threads."""

    def __init__(self) -> None:
        self._english = english_words()
        self._sure = [re.compile(pattern) for pattern in SURE]
        self._foreign = [re.compile(pattern) for pattern in FOREIGN]

    def find(self, text: str) -> list[tuple[int, int]]:
        """The (start, end) of every address; they may overlap."""
        return [(street.start(), continued(text, street.end())) for street in self._streets(text)]

    def _streets(self, text: str) -> Iterator[re.Match[str]]:
        for pattern in self._sure:
            yield from pattern.finditer(text)
        cued = (CUED.match(text, cue.end()) for cue in CUE.finditer(text))
        others = (match for pattern in self._foreign for match in pattern.finditer(text))
        for match in (*cued, *others):
            if match and (self._is_foreign(match[0]) or TOWN.match(text, match.end())):
                yield match

    def _is_foreign(self, street: str) -> bool:
        return any(word.lower() not in self._english for word in LONGER_WORD.findall(street))


def continued(text: str, end: int) -> int:
    """The end of the address whose core ends at *end*."""
    for _ in range(MOST_CONTINUATIONS):
        more = CONTINUATION.match(text, end)
        if not more:
            break
        end = more.end()
    return end
