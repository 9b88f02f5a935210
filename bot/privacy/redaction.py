"""
Redacts personal data and secrets from text, before anything is exported or kept for training.

Numbers with a fixed form come from Presidio's recognisers, which check them (Luhn, IBAN, dialling plans);
names, postal addresses and credentials are ours. No model and no network: all are rules one can read.
"""

import ipaddress
import re
import string
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from bot.privacy.addresses import AddressFinder
from bot.privacy.credentials import ID_PATTERN, SECRET_PATTERNS
from bot.privacy.names import PersonFinder

if TYPE_CHECKING:
    from presidio_analyzer import Pattern, PatternRecognizer
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer

# Presidio's names, and ours, which are also the placeholders people read.
KINDS = {
    "PHONE_NUMBER": "PHONE",
    "CREDIT_CARD": "CARD",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
    "US_SSN": "SSN",
}
CAPITALS = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)  # keeps every position, unlike upper()
PERSON_SCORE = 0.5
ADDRESS_SCORE = 0.6
SECRET_SCORE = 0.9
SSN_SCORE = 0.5  # of Presidio's pattern with separators; its others match any nine digits

# A number means something only behind such words; they are looked for in this many characters before it.
CUE_REACH = 60
PHONE_CUE = re.compile(
    r"\b(?:phone|tel|telephone|cell|mobile|call|calling|ring|dial|text|sms|fax|whatsapp|signal|reach|hotline|landline"
    r"|answering|registered|messages? (?:to|at|on)|contact|(?:my|his|her|their|your|our|new|old) number)\b",
    re.IGNORECASE,
)
CARD_CUE = re.compile(r"\b(?:card|cc|credit|debit|visa|mastercard|amex|maestro|diners|jcb|discover)\b", re.IGNORECASE)
SSN_CUE = re.compile(r"\b(?:ssn|social security)\b", re.IGNORECASE)
VERSION_CUE = re.compile(
    r"(?:\bv|\b(?:version|release|build|firmware|driver|==|>=|<=|~=)[ :=]*|[=~<>]=\s*|[a-z]-)$", re.IGNORECASE
)

EMAIL = r"(?<![\w.+-])[\w.+'\u2019%=-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"
VERSION_TAIL = re.compile(r"[.-]?(?:a|b|rc|alpha|beta|dev|post)\d?")
GROUPED_PHONE = r"(?<![\w.,:/+-])(?<!\d )(?:\(?\+?\d{2,4}\)?[ .-]){1,4}\d{2,7}(?![\w:/]|[.,-]\d|[ .-]\d)"
NO_PHONE = re.compile(r"(?:19|20)\d\d[-./ ]\d\d?[-./ ]\d\d?(?!\d)|^(?:\d{1,3}\.){3}\d{1,3}$|\(\d+[^\d)]")  # date, IP
DIALLED = re.compile(r"\+|00|\(\d+\)|0\d+[ /-]")
INTERNATIONAL_PHONE = r"(?<![\w+])\+[1-9]\d{7,14}(?!\w)"  # E.164, also where no country has given the number out
LONG_CARD = r"\b(?:\d[ -]?){11,18}\d\b"
TOP_LEVEL_DOMAIN = re.compile(r"\.[^\W\d_]{2,}$|\.xn--\w+$", re.IGNORECASE)
CARD_NUMBER = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|(?:5[1-5]|2[2-7]|6[05]|35)\d{14}"  # Visa, Mastercard, Discover, JCB
    r"|3[47]\d{13}|(?:2131|1800)\d{11}"  # American Express, older JCB
    r"|3(?:0[0-5]|[689]\d)\d{11}|(?:50|5[6-8]|6\d)\d{10,17}"  # Diners Club, Maestro and UnionPay
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalData:
    kind: str  # EMAIL, PERSON, ADDRESS, SECRET, ID or one of the values of KINDS
    start: int
    end: int  # exclusive
    score: float  # how sure the rule is, in (0, 1]


class Redactor:
    """Loads its word lists on first use; afterwards it only reads, so threads may share it."""

    def find(self, text: str) -> tuple[PersonalData, ...]:
        """What is personal or secret in *text*, in order of appearance, no two overlapping."""
        return merged([*self._numbers(text), *self._people(text), *self._addresses(text)])

    def redact(self, text: str) -> str:
        """*text* with a placeholder for each finding: "Mail <EMAIL> or call <PHONE>"."""
        for found in reversed(self.find(text)):
            text = f"{text[: found.start]}<{found.kind}>{text[found.end :]}"
        return text

    def _numbers(self, text: str) -> list[PersonalData]:
        # People type account numbers in lower case too, Presidio knows them in capitals only.
        capitals = text.translate(CAPITALS)
        results = [
            hit
            for one in self._recognizers
            for version in ({text, capitals} if one.supported_entities == ["IBAN_CODE"] else {text})
            for hit in one.analyze(version, one.supported_entities)
        ]
        found = [
            PersonalData(
                kind=KINDS.get(hit.entity_type, hit.entity_type),
                start=hit.start,
                end=hit.end,
                score=hit.score,
            )
            for hit in results
        ]
        return [one for one in found if is_plausible(text, one)]

    def _people(self, text: str) -> list[PersonalData]:
        spans = self._person_finder.find(text)
        return [PersonalData(kind="PERSON", start=start, end=end, score=PERSON_SCORE) for start, end in spans]

    def _addresses(self, text: str) -> list[PersonalData]:
        spans = self._address_finder.find(text)
        return [PersonalData(kind="ADDRESS", start=start, end=end, score=ADDRESS_SCORE) for start, end in spans]

    @cached_property
    def _recognizers(self) -> "list[PatternRecognizer | PhoneRecognizer]":
        return recognizers()

    @cached_property
    def _person_finder(self) -> PersonFinder:
        return PersonFinder()

    @cached_property
    def _address_finder(self) -> AddressFinder:
        return AddressFinder()


def recognizers() -> "list[PatternRecognizer | PhoneRecognizer]":
    """Presidio's recognisers for data of a fixed form, and ours in its terms."""
    # Imported here because it takes seconds: Presidio loads spaCy, and transformers if installed.
    from presidio_analyzer import predefined_recognizers as presidio

    return [
        presidio.PhoneRecognizer(),
        presidio.CreditCardRecognizer(),
        presidio.CreditCardRecognizer(patterns=patterns({"long card": LONG_CARD})),
        presidio.IbanRecognizer(),
        presidio.IpRecognizer(),
        presidio.UsSsnRecognizer(),
        # Presidio's own e-mail recogniser checks the domain against a list it fetches from the network.
        pattern_recognizer("EMAIL", {"email": EMAIL}, score=0.9),
        pattern_recognizer("PHONE", {"grouped digits": GROUPED_PHONE, "international": INTERNATIONAL_PHONE}, score=0.4),
        pattern_recognizer("SECRET", SECRET_PATTERNS, score=SECRET_SCORE),
        pattern_recognizer("ID", {"identity papers": ID_PATTERN}, score=0.5),
    ]


def pattern_recognizer(kind: str, regexes: dict[str, str], *, score: float) -> "PatternRecognizer":
    from presidio_analyzer import PatternRecognizer

    # Capital letters matter: Presidio would ignore them by default.
    return PatternRecognizer(kind, patterns=patterns(regexes, score), global_regex_flags=re.MULTILINE)


def patterns(regexes: dict[str, str], score: float = 0.4) -> "list[Pattern]":
    from presidio_analyzer import Pattern

    return [Pattern(name, regex, score) for name, regex in regexes.items()]


def is_plausible(text: str, found: PersonalData) -> bool:
    """Whether what stands around *found* agrees; numbers alone are often versions, dates or tickets."""
    value, before = text[found.start : found.end], text[max(0, found.start - CUE_REACH) : found.start]
    match found.kind:
        case "EMAIL":
            return bool(TOP_LEVEL_DOMAIN.search(value)) and not value.startswith("git@")
        case "PHONE":
            return is_phone(value, cued=bool(PHONE_CUE.search(before))) and not before.endswith((".", "/"))
        case "CARD":
            return bool(CARD_CUE.search(before)) or (looks_like_card(value) and not before.endswith("."))
        case "IP":
            return is_host(value) and not VERSION_CUE.search(before) and not VERSION_TAIL.match(text, found.end)
        case "SSN":
            return found.score >= SSN_SCORE or bool(SSN_CUE.search(before))
    return True


def is_phone(value: str, *, cued: bool) -> bool:
    """Whether *value* is long enough and, without a word for it, grouped as people write phone numbers."""
    lengths = [len(group) for group in re.findall(r"\d+", value)]
    if not 6 <= sum(lengths) <= 15 or NO_PHONE.search(value):
        return False
    # 10 100 1000 is a row of a table.
    grouped = sum(lengths) >= 8 and len(lengths) >= 3 and max(lengths) > 2 and lengths != sorted({*lengths})
    return cued or grouped or bool(DIALLED.match(value))


def looks_like_card(value: str) -> bool:
    """Whether *value* is as long as its first digits promise."""
    return bool(CARD_NUMBER.fullmatch(re.sub(r"[ -]", "", value)))


def is_host(value: str) -> bool:
    """Whether the address *value* can belong to somebody's machine, so is no netmask, loopback or slice."""
    address = ipaddress.ip_address(value.partition("/")[0].partition("%")[0])
    return not address.is_loopback and not value.startswith(("0.", "255.")) and len(re.findall(r"\w+", value)) > 2


def merged(found: list[PersonalData]) -> tuple[PersonalData, ...]:
    """*found* in order, overlapping ones joined under the surer kind: no character of a finding may stay."""
    spans: list[PersonalData] = []
    for one in sorted(found, key=lambda each: (each.start, -each.end)):
        if spans and one.start < spans[-1].end:
            last = spans.pop()
            surer = max(last, one, key=lambda each: each.score)
            spans.append(replace(surer, start=last.start, end=max(last.end, one.end)))
        else:
            spans.append(one)
    return tuple(spans)
