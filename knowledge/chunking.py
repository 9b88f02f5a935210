"""Documents to chunks: along the headings, no longer than the encoder reads, headings kept in front."""

import re
from collections.abc import Callable, Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token
from semchunk.semchunk import chunkerify

from bot.messages import Chunk, Document

MAX_TOKENS = 250  # all-MiniLM-L6-v2 silently cuts what lies beyond 256, two of which frame the text
MAX_HEADING_TOKENS = 60

_LINK = re.compile(r"\[([^\]]*)\]\([^()]*(?:\([^()]*\)[^()]*)*\)")  # [what one reads](where it leads "its title")

CountTokens = Callable[[str], int]


def split(document: Document, count_tokens: CountTokens) -> list[Chunk]:
    """The chunks of *document*, in order; none is longer than MAX_TOKENS."""
    found: list[Chunk] = []
    sections = list(_sections(document, count_tokens)) or [(document.title, document.text.strip())]
    for heading, body in sections:
        heading = _shortened(heading, count_tokens)
        room = MAX_TOKENS - count_tokens(heading) - 1
        for piece in chunkerify(count_tokens, room, memoize=False)(body):
            found.append(
                Chunk(
                    document=document.id,
                    index=len(found),
                    text=f"{heading}\n{piece}",
                    heading=heading,
                    title=document.title,
                    url=document.url,
                )
            )
    return found


def _sections(document: Document, count_tokens: CountTokens) -> Iterator[tuple[str, str]]:
    """(headings from the title down, body) per section that has a body."""
    lines = document.text.split("\n")
    path: list[tuple[int, str]] = []
    begin = 0
    tokens = MarkdownIt("commonmark").parse(document.text)
    for number, token in enumerate(tokens):
        if token.type == "heading_open" and token.map and token.level == 0:
            heading = _plain(tokens[number + 1].content)
            if count_tokens(heading) > MAX_HEADING_TOKENS:
                continue  # a paragraph with a line below it
            yield from _section(document, path, lines[begin : token.map[0]])
            level = int(token.tag[1])
            path = [*(p for p in path if p[0] < level), (level, heading)]
            begin = token.map[1]
        elif token.type == "paragraph_open" and token.map and token.level == 0 and _pictures(tokens[number + 1]):
            lines[slice(*token.map)] = [""] * (token.map[1] - token.map[0])
    yield from _section(document, path, lines[begin:])


def _pictures(inline: Token) -> bool:
    """Whether a paragraph holds nothing but pictures, which tell nothing where only text is read."""
    return all(child.type in ("image", "softbreak") for child in inline.children or [])


def _section(document: Document, path: list[tuple[int, str]], lines: list[str]) -> Iterator[tuple[str, str]]:
    body = "\n".join(lines).strip()
    if body:
        headings = [heading for _, heading in path if heading]
        if not headings or headings[0].casefold() != document.title.casefold():
            headings.insert(0, document.title)
        yield " > ".join(h for h in headings if h), body


def _shortened(heading: str, count_tokens: CountTokens) -> str:
    """The headings without the outermost ones where all of them would leave too little room."""
    while count_tokens(heading) > MAX_HEADING_TOKENS and " > " in heading:
        heading = heading.partition(" > ")[2]
    while count_tokens(heading) > MAX_HEADING_TOKENS:
        heading = heading[: len(heading) * 3 // 4]
    return heading


def _plain(heading: str) -> str:
    heading = _LINK.sub(r"\1", heading)
    return " ".join(heading.replace("`", "").replace("*", "").split()).removesuffix("¶").removesuffix(" #").strip()
