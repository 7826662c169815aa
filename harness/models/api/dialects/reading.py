"""The one place where a response's JSON becomes an answer: the dialect is told by its shape.

Both ways to a model hand their JSON here, so that what a provider says means the same whichever brought it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.core.records import AnswerForm
from harness.models.api.dialects import anthropic, bedrock, cohere, gemini, openai_chat, openai_responses
from harness.models.api.dialects.said import ReceivedAnswer, judged
from harness.models.api.faults import Fault

_DIALECTS = (openai_chat, openai_responses, anthropic, gemini, bedrock, cohere)


def is_known(body: Mapping[str, Any]) -> bool:
    """Whether a response has the shape of a dialect that is read here."""
    return any(dialect.fits(body) for dialect in _DIALECTS)


def read_answer(body: Mapping[str, Any], limit: int, form: AnswerForm) -> ReceivedAnswer | Fault:
    """The answer in a response's JSON, or what is wrong with it.

    Args:
        limit: the most tokens that were asked for.
        form: what the answer is held to.
    """
    dialect = next((one for one in _DIALECTS if one.fits(body)), openai_chat)
    return judged(dialect.read(body), limit, form)
