"""
Which tokens a model may write next so that its answer becomes JSON of a schema.

The work is done by llguidance (MIT, Microsoft), which vLLM uses too.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from adapters.base_model import BaseModel
from bot.errors import GenerationError

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions
    from numpy.typing import NDArray

# Spaces wherever JSON allows them would let a small model write nothing else.
_COMPACT: "JsonCompileOptions" = {"whitespace_flexible": False}


class JsonGrammar:
    """Makes grammars for one model."""

    def __init__(self, base: BaseModel) -> None:
        self._base = base

    def of(self, schema: str) -> "Grammar":
        """
        A grammar for one answer that keeps to *schema*.

        Raises: GenerationError if the schema asks for what cannot be held to.
        """
        from llguidance import LLMatcher

        try:
            matcher = LLMatcher(self._tokens, LLMatcher.grammar_from_json_schema(schema, overrides=_COMPACT))
        except ValueError as exc:
            raise _unusable(str(exc)) from exc
        if matcher.is_error():
            raise _unusable(matcher.get_error())
        return Grammar(matcher)

    @cached_property
    def _tokens(self) -> Any:
        """The vocabulary as llguidance wants it; takes a second."""
        from llguidance.hf import from_tokenizer

        tokenizer: Any = self._base.tokenizer
        return from_tokenizer(tokenizer)


class Grammar:
    """What may come next in one answer."""

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher
        self._read = 0

    def allowed_after(self, written: Sequence[int]) -> "NDArray[np.bool_]":
        """Whether each token of the vocabulary may follow the tokens *written* so far, which only grow."""
        self._matcher.consume_tokens([*written[self._read :]])
        self._read = len(written)
        return np.frombuffer(self._matcher.compute_logit_bias(), dtype=np.uint8) > 0


def _unusable(reason: str) -> GenerationError:
    return GenerationError(f"the domain's output_schema cannot be held to ({reason[:200]}); leave that part of it out")
