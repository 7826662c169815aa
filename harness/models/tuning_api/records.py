"""What tuning at a provider is told and tells."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class TuningState(StrEnum):
    """How far a job is, in one set of words for all providers."""

    WAITING = "waiting"  # accepted, its files are looked at, or it is queued
    READY = "ready"  # looked at, and not begun before it is told to
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def ended(self) -> bool:
        """Whether it comes to nothing more."""
        return self in (TuningState.DONE, TuningState.FAILED, TuningState.CANCELLED, TuningState.EXPIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A job to be made.

    Attributes:
        model: the base model, as the provider names it.
        name: stands in the tuned model's name; letters, digits and dashes.
        training, validation: the uploaded files; validation is '' where there are no dev rows.
        epochs: passes over the training rows.
    """

    model: str
    name: str
    training: str
    validation: str
    epochs: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningJob:
    """What a provider says of a job.

    Attributes:
        told: the provider's own word for its state.
        model: the tuned model's name; '' before there is one.
        trained_tokens: billed for; None where not told.
        cost: what the provider says it costs, in `currency`; None where not told.
        why: of a job that came to nothing, in the provider's words.
        training: the uploaded file it learns from, by which it is found again.
    """

    id: str
    state: TuningState
    told: str
    model: str = ""
    trained_tokens: int | None = None
    cost: Decimal | None = None
    currency: str = "USD"
    why: str = ""
    training: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningQuote:
    """What a provider says beforehand that a job will cost; it is not begun."""

    cost: Decimal
    currency: str
