"""A provider that tunes: what the harness asks of each, and how their words are read."""

from __future__ import annotations

import json
import urllib.parse
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from harness.core.records import Conversation
from harness.models.tuning_api.http import ProviderCalls
from harness.models.tuning_api.records import JobRequest, TuningJob, TuningQuote, TuningState


class TuningApi(ABC):
    """One provider's interface: files with an id, and jobs in a list, which begin by themselves.

    Every method raises a `UserError` in the provider's words.

    Attributes:
        jobs: where they are; page: how many are asked for; listed: the field that holds them.
    """

    jobs = "/fine_tuning/jobs"
    page: Mapping[str, str] = {}
    listed = "data"

    def __init__(self, door: ProviderCalls) -> None:
        """Nothing is asked yet."""
        self._door = door

    @abstractmethod
    def read(self, body: Mapping[str, Any]) -> TuningJob:
        """A job, out of the provider's words."""

    @abstractmethod
    def create(self, request: JobRequest) -> TuningJob:
        """Make the job.

        Raises:
            Unsure: no answer came, so that it may be there or not.
        """

    def upload(self, name: str, content: bytes) -> str:
        """Upload a file of conversations; returns what a job names it by."""
        return text_in(self._door.upload("/files", (name, content), {"purpose": "fine-tune"}), "id")

    def quote(self, request: JobRequest) -> TuningQuote | None:
        """What the provider says the job will cost; None where it does not say before it begins."""
        return None

    def find(self, request: JobRequest) -> TuningJob | None:
        """The job that was made by this request before, by its training file, which no other job has."""
        found = map(self.read, self._door.get(self.jobs, self.page).get(self.listed) or [])
        return next((job for job in found if job.training == request.training), None)

    def get(self, job: str) -> TuningJob:
        """How far it is."""
        return self.read(self._door.get(f"{self.jobs}/{urllib.parse.quote(job, safe='')}"))

    def start(self, job: str) -> TuningJob:
        """Begin a job that waits to be told to."""
        return self.get(job)

    def _made(self, body: Mapping[str, Any], query: Mapping[str, str] | None = None) -> TuningJob:
        return self.read(self._door.send(self.jobs, body, query=query, once=True))


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
