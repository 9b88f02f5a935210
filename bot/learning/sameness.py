"""
Whether two questions ask the same, as far as their words tell.

Embeddings hardly notice what turns a question into another one: "How do I convert a string to a number?" and "... a
number to a string?" have a cosine of 0.995. So beside being near each other, two questions have to hold the same words
in the same order, but for those that only make a sentence of them, and have to be of the same kind. Numbers, names,
dates and negations are words like any other here. What is taken for another question by mistake costs little.
"""

import re
from dataclasses import dataclass

# Words that may differ: they make a sentence, or ask politely, and the rest says what is asked.
_FILLING = frozenset(
    re.findall(
        r"\w+",
        """
        a an the this that these those here there some any one of to into onto in on at for with as so if then and also
        i me my mine we us our ours you your yours he him his she her hers they them their theirs it its
        is are am was were be been being do does did doing done has have had having s re ve ll d m
        can could may might will would shall should must need needs want wants like know get got receive obtain
        help please hi hello hey thanks thank tell show explain really actually exactly currently still about
        """,
    )
)
_ASKING = {"why", "how", "when", "where", "who", "whom", "whose", "what", "which"}
_PASSED_OVER = _FILLING | _ASKING | {"not"}
_LINKS = {"and", "but", "or"}
# Words of which both questions or neither has to hold one.
_MARKS = (
    frozenset(["must", "need", "needs", "should", "ought"]),
    frozenset(["did", "was", "were", "had"]),
)
_OPENINGS = {
    word: kind
    for kind, words in {
        "able": ("can", "could", "may", "might"),
        "does": ("do", "does"),
        "did": ("did",),
        "is": ("is", "are", "am"),
        "was": ("was", "were"),
        "has": ("have", "has", "had"),
        "will": ("will", "would", "shall"),
        "ought": ("must", "should", "need"),
    }.items()
    for word in words
}
_PERSONS = {
    word: person
    for person, words in {
        "first": ("i", "me", "my", "mine", "we", "us", "our", "ours"),
        "second": ("you", "your", "yours"),
        "he": ("he", "him", "his"),
        "she": ("she", "her", "hers"),
        "they": ("they", "them", "their", "theirs"),
    }.items()
    for word in words
}
_COURTESY = re.compile(
    r"(?:(?:hi|hello|hey|please|ok|okay|so|and|but|also|just|sorry|excuse me)\b[\s,!.]*)*"
    r"(?:(?:(?:can|could|would|will) you )?(?:please )?(?:tell|explain|show)(?: to)? (?:me|us)\b"
    r"|(?:do you|does anyone|does anybody) know\b"
    r"|i(?: would|['’]d)? (?:(?:really )?(?:like|want|need) to know|was wondering|wonder)\b)?[\s,:]*",
    re.IGNORECASE,
)
# Ways to say the same, by their plainest one; in small letters, at the beginning of a sentence or anywhere in it.
_OPENED = tuple(
    (re.compile(rf"(?:{pattern})\b"), plain)
    for pattern, plain in (
        (r"(?:is it possible|is there (?:a|any) way)(?: for (?:me|us))? to", "can i"),
        (r"(?:am i|are we) (?:able|allowed) to", "can i"),
        (r"how come", "why"),
        (r"how to", "how do i"),
        (r"what (?:do|must|should|can) (?:i|we) (?:need to |have to )?do to", "how do i"),
        (r"i(?: would|'d)? (?:really )?(?:want|need|like|have) to(?! know)|i wanna", "how do i"),
        (r"(?:please )?help me(?: to)?|i need help(?: to)?", "how do i"),
    )
)
_SPELLED = tuple(
    (re.compile(rf"\b(?:{pattern})\b"), plain)
    for pattern, plain in (
        (r"can't|cannot", "can not"),
        (r"won't", "will not"),
        (r"(?:have|has|had) to", "must"),
        (r"using|via|by means of", "with"),
        (r"max", "maximum"),
        (r"min", "minimum"),
        (r"info", "information"),
        (r"docs?", "document"),
        (r"apps?", "application"),
        (r"e-mails?", "email"),
    )
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_TOKEN = re.compile(
    r"(?<!\w)-?\d(?:[\d.,:/-]*\d)?[^\W\d_]*"  # 1,000 and 2026-11-22 and -5 and 30GB
    r"|[^\W_]+(?:[._/'][^\W_]+)*[+#]*"  # words, file.txt, C++
    r"|[^\w\s.,!?;:'\"…“”‘’()\[\]-]"  # signs: $ % <
)


@dataclass(frozen=True, slots=True)
class Sense:
    """What of a question has to be the same."""

    words: tuple[str, ...]  # those that say what is asked, without their endings, in order
    kind: frozenset[str]  # why, how, when; or how it opens
    marks: tuple[int, ...]  # how often it says "not", and whether it holds one of each of _MARKS
    persons: tuple[str, ...]  # I, you and others, by first appearance


def sense(question: str) -> Sense:
    """What *question* asks, for comparing it."""
    tokens = [_TOKEN.findall(_plain(sentence)) for sentence in _SENTENCE.split(question)]
    every = [token for sentence in tokens for token in sentence]
    asking = {"what" if word == "which" else word for word in every if word in _ASKING}
    nots = [] if _LINKS.isdisjoint(every) else ["not"]  # "isn't my card" is "my card is not", without a link
    openings = {_OPENINGS[sentence[0]] for sentence in tokens if sentence and sentence[0] in _OPENINGS}
    return Sense(
        words=tuple(_stem(token) for token in every if token in nots or token not in _PASSED_OVER),
        kind=frozenset(asking or openings),
        marks=(every.count("not"), *(not words.isdisjoint(every) for words in _MARKS)),
        persons=tuple(dict.fromkeys(_PERSONS[token] for token in every if token in _PERSONS)),
    )


def same(one: Sense, other: Sense) -> bool:
    """Whether nothing in the words speaks against two questions being the same."""
    return (
        bool(one.words)
        and (one.words, one.kind, one.marks) == (other.words, other.kind, other.marks)
        and _agree(one.persons, other.persons)
    )


def _agree(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether the same people act: "the refund" may be "my refund", but "I pay you" is not "you pay me"."""
    fewer, more = sorted((one, other), key=len)
    rest = iter(more)
    return not fewer or (fewer[0] == more[0] and all(person in rest for person in fewer))


def _plain(sentence: str) -> str:
    """*sentence* in small letters and without courtesies, in the plainest words for what it wants."""
    text = _COURTESY.sub("", sentence.casefold().replace("’", "'").strip(), count=1)
    text = next((pattern.sub(plain, text, count=1) for pattern, plain in _OPENED if pattern.match(text)), text)
    for pattern, plain in _SPELLED:
        text = pattern.sub(plain, text)
    text = re.sub(r"n't\b", " not", text)
    return re.sub(r"'(s|re|ve|ll|d|m)\b", r" \1", text)


def _stem(word: str) -> str:
    """*word* without the endings that do not change what it means."""
    if not word.isalpha():
        return word.replace(",", "")
    if len(word) > 4 and word.endswith("ies"):
        word = f"{word[:-3]}y"
    elif len(word) > 4 and re.search(r"(s|x|z|ch|sh)es$", word):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    ending = next((end for end in ("ing", "ed", "e") if word.endswith(end)), "")
    stem = word.removesuffix(ending)
    return stem if len(stem) >= 3 and re.search(r"[aeiouy]", stem) else word  # add, adding; but string
