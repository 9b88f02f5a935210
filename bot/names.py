"""
Finds people's names in English text without a model: a gazetteer of names from some 80 countries, plus context.

A listed first name that is no English word counts by itself. Everything else needs evidence beside it: a cue
("my name is", "Mr.", "Hi ...,"), a neighbouring listed name, or a surname's form ("-sson", "-ovich").
"""

import importlib
import pkgutil
import re
from bisect import bisect_left
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

ENGLISH_WORDS = Path(__file__).with_name("english_words.txt")

WORD = re.compile(r"[^\W\d_](?:['’-]?[^\W\d_])*")
POSSESSIVE = re.compile(r"['’]s$", re.IGNORECASE)
PARTICLES = frozenset("al bin da de del della den der di dos du el la le van von y ibn ter ten zu".split())

# Behind one of these the next words are a name, whatever they are.
TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Herr|Frau|Mme|Sra?|Judge|Madam)\b\.? +")
NAMING = re.compile(
    r"\b(?:(?:my|his|her|their|our|your|maiden|full|partner['’]s|wife['’]s|husband['’]s|\w+er['’]s) name(?:'s| is|:)? +"
    r"|(?:first|last|maiden|full|legal|middle|given|family) ?name(?: is|:) +|(?<!\w)name: +|call me +|calls me +"
    r"|named (?:him|her) +|(?:change|correct|update) (?:it|my name|the name) to +|name\? +)",
    re.IGNORECASE,
)
# Behind one of these the next capitalised word is a name unless it is an English word.
ADDRESSING = re.compile(
    r"(?:\b(?:hi|hello|hey|dear|said|told|tell|ask|asked|cc|thanks|cheers|regards|sincerely|wishes|yours|i['’]m|i am"
    r"|this is|speak (?:to|with)|spoke (?:to|with)|talk (?:to|with)|talked (?:to|with)|follow up with|meet with"
    r"|met with|signed by|reported by|approved by|assigned to|written by|on behalf of|contact|attn|singer|songwriter"
    r"|author|player|actor|actress|director|president|founders?|colleague|manager|neighbou?r|wife|husband|brother"
    r"|sister|mother|father|son|daughter|friend|boss|customer|client|patient)[,:]?\s+|[—–]\s*)",
    re.IGNORECASE,
)
# "Warrane, can you look?" or "Ubul: what a day" at the start of a line.
VOCATIVE = re.compile(
    r"^[ \t>*]*([^\W\d_]+)(?=, (?:can|could|would|will|please|do|did|are|have|thank)\b)", re.I | re.M
)
SURNAME_FORM = re.compile(
    r"\w{2}(?:ov|ova|ová|ev|eva|evich|ovich|yev|yeva|enko|ski|ska|sky|wicz|czyk|sson|sen|dóttir|dottir|ić|ič|vić"
    r"|vich|idis|ides|poulos|akis|ian|yan|shvili|dze|ström|berg|qvist|lund|mann|stein|auer|inger|ez|ini|elli|etti"
    r"|escu|aitis|auskas|nen|uri|oğlu|oglu|pour|zadeh)$"
)
NOT_NAMED = re.compile(r"[/\\_#$=`~^+|0-9]$")
NOT_NAMING = re.compile(r"[/\\_$=`~^+(0-9]|\.\w|-\w|@\w")
# A full stop ends a sentence, so only a lone capital ("P.") may carry one inside a name.
GAP = re.compile(r" |\. ?(?=\S)")
LIST_GAP = re.compile(r",? and |, | or | & ")


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    start: int
    usable: bool      # False inside paths, code and identifiers

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def capitalised(self) -> bool:
        return self.text[0].isupper() and (len(self.text) == 1 or not self.text.isupper())
