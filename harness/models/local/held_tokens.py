"""Tokens that may come next in an answer held to a JSON schema (llguidance).

One grammar a schema, made once; one matcher an answer. The text is the canonical one of `json.dumps`: one
line, a blank after `,` and `:`, keys in the schema's order. Stretches that only one text can follow (the rest
of a key, a quote mark) are given as forced tokens, so that no pass of the model is spent on choosing them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import DataError, needs

WRITTEN = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False}
"""How llguidance is told that text; llama.cpp's, in the schema under `x-guidance`."""


def json_grammar(schema: Mapping[str, Any]) -> str:
    """The grammar of the answers that a schema allows, as llguidance reads it.

    Raises:
        MissingExtra: without llguidance.
        DataError: if the schema has something that no grammar is made of.
    """
    with needs("local"):
        from llguidance import LLMatcher
    try:
        grammar: str = LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=WRITTEN)
        fault: str = LLMatcher.validate_grammar(grammar)
    except ValueError as error:  # a name with half a character in it
        grammar, fault = "", str(error)
    if fault:
        raise DataError("No grammar can be made of this schema.", got=fault.splitlines()[0][:200])
    return grammar


class JsonGrammar:
    """The answers that one schema allows, in the tokens of one tokenizer (typed loosely: a heavy import)."""

    def __init__(self, tokenizer: Any, schema: Mapping[str, Any], vocabulary: int) -> None:
        """
        Args:
            tokenizer: a fast tokenizer of transformers.
            vocabulary: how many logits the model gives.

        Raises:
            MissingExtra: without llguidance.
            DataError: if the schema has something that no grammar is made of.
        """
        grammar = json_grammar(schema)
        from llguidance import LLMatcher
        from llguidance.hf import from_tokenizer

        self._tokens = from_tokenizer(tokenizer, n_vocab=vocabulary)
        self._words = (vocabulary + 31) // 32
        self._vocabulary = vocabulary
        self._first = LLMatcher(self._tokens, grammar)

    def start(self) -> HeldAnswer:
        """The beginning of an answer."""
        return HeldAnswer(self._first.deep_copy(), self._words, self._vocabulary)


class HeldAnswer:
    """One answer as far as it is written."""

    def __init__(self, matcher: Any, words: int, vocabulary: int) -> None:
        self._matcher = matcher
        self._bits = np.empty((1, words), dtype=np.int32)
        self._vocabulary = vocabulary

    def allowed(self) -> NDArray[np.bool_]:
        """(vocabulary,) which tokens may come next."""
        from llguidance.numpy import fill_next_token_bitmask

        fill_next_token_bitmask(self._matcher, self._bits, 0)
        bits = np.unpackbits(self._bits[0].view(np.uint8), bitorder="little")
        return bits[: self._vocabulary].astype(np.bool_)

    def take(self, token: int) -> tuple[int, ...]:
        """Write a token; the tokens that must follow it, which are written too.

        Raises:
            ValueError: if the token may not come next.
        """
        if not self._matcher.consume_token(token):
            raise ValueError(f"token {token} may not come next: {self._matcher.get_error()[:200]}")
        forced = tuple(self._matcher.compute_ff_tokens())
        return forced if not forced or self._matcher.consume_tokens(list(forced)) else ()

    @property
    def ended(self) -> bool:
        """Whether nothing can follow."""
        return bool(self._matcher.is_stopped())
