"""A provider that tunes: what the harness asks of each, and how their words are read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from harness.core.records import Conversation
from harness.models.tuning_api.records import JobRequest, TuningJob, TuningQuote, TuningState


class TuningApi(Protocol):
    """One provider's interface. Every method raises a `UserError` in the provider's words."""

    def upload(self, name: str, content: bytes) -> str:
        """Upload a file of conversations; returns what a job names it by."""

    def quote(self, request: JobRequest) -> TuningQuote | None:
        """What the provider says the job will cost; None where it does not say before it begins."""

    def create(self, request: JobRequest) -> TuningJob:
        """Make the job.

        Raises:
            Unsure: no answer came, so that it may be there or not.
        """

    def find(self, request: JobRequest) -> TuningJob | None:
        """The job that was made by this request before; None where there is none."""

    def get(self, job: str) -> TuningJob:
        """How far it is."""

    def start(self, job: str) -> TuningJob:
        """Begin a job that waits to be told to."""


def written(rows: Sequence[Conversation]) -> bytes:
    """Conversations as all four providers take them: JSON lines of `messages` with the answer as the last."""
    lines = []
    for row in rows:
        turns = [{"role": turn.role, "content": turn.content} for turn in row.prompt]
        answer = {"role": "assistant", "content": row.completion}
        lines.append(json.dumps({"messages": [*turns, answer]}, ensure_ascii=False) + "\n")
    return "".join(lines).encode()


def state_of(told: str, known: Mapping[str, TuningState]) -> TuningState:
    """A provider's word for a state; of a new word what it says of an end, else the job is running."""
    if told in known:
        return known[told]
    small = told.casefold()
    for mark, state in (
        ("expire", TuningState.EXPIRED),
        ("cancel", TuningState.CANCELLED),
        ("fail", TuningState.FAILED),
        ("error", TuningState.FAILED),
    ):
        if mark in small:
            return state
    return TuningState.RUNNING


def text_in(body: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that holds a text; '' where none does."""
    return next((str(body[name]) for name in names if isinstance(body.get(name), str) and body[name]), "")


def whole_in(body: Mapping[str, Any], *names: str) -> int | None:
    """The first of these fields that holds a number above 0; None where none does."""
    found = (body.get(name) for name in names)
    return next(
        (
            int(value)
            for value in found
            if isinstance(value, int | float) and not isinstance(value, bool) and value > 0
        ),
        None,
    )


def amount_in(body: Mapping[str, Any], name: str) -> Decimal | None:
    """An amount of money; None where the field holds none."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None
