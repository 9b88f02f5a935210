"""A file that was shared with a question, as passages for that conversation; it is never indexed."""

from bot.errors import InputError
from knowledge.chunking import CountTokens, split
from knowledge.loading import document_of

MOST = 60  # passages; each costs the encoder some 60 ms per question
LONGEST = 100_000  # characters; far more than fit so many passages, and quickly counted
TOO_LONG = (
    f"it is too long for a conversation, where I read at most about {MOST * 150:,} words. "
    "Share the part that matters, or ask an admin to add it to my documents."
)


def passages_of(name: str, data: bytes, count_tokens: CountTokens) -> list[str]:
    """
    The text of the file, cut as documents are.

    Raises: InputError with the reason, if it cannot be read or is too long for a conversation.
    """
    document = document_of(name, data)
    if len(document.text) > LONGEST or len(chunks := split(document, count_tokens)) > MOST:
        raise InputError(TOO_LONG)
    return [chunk.text for chunk in chunks]
