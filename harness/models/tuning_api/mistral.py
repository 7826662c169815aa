"""Mistral's fine-tuning jobs (docs.mistral.ai/api/endpoint/fine-tuning).

A job is made without being begun: once its files were looked at, it says what it costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.models.tuning_api.base import amount_in, state_of, text_in, whole_in
from harness.models.tuning_api.http import ProviderCalls
from harness.models.tuning_api.records import JobRequest, TuningJob, TuningQuote, TuningState

_STATES = {
    "QUEUED": TuningState.WAITING,
    "STARTED": TuningState.RUNNING,
    "VALIDATING": TuningState.WAITING,
    "VALIDATED": TuningState.READY,
    "RUNNING": TuningState.RUNNING,
    "FAILED_VALIDATION": TuningState.FAILED,
    "FAILED": TuningState.FAILED,
    "SUCCESS": TuningState.DONE,
    "CANCELLED": TuningState.CANCELLED,
    "CANCELLATION_REQUESTED": TuningState.RUNNING,
}
_JOBS = "/fine_tuning/jobs"
_RATE = 1e-4  # the documented default; a rate has to be sent


class MistralTuning:
    """Tuning of completions."""

    def __init__(self, door: ProviderCalls) -> None:
        """Nothing is asked yet."""
        self._door = door

    def upload(self, name: str, content: bytes) -> str:
        """Upload a file."""
        return text_in(self._door.upload("/files", (name, content), {"purpose": "fine-tune"}), "id")

    def quote(self, request: JobRequest) -> TuningQuote | None:
        """It is told by the job itself, once that is made and waits."""
        return None

    def create(self, request: JobRequest) -> TuningJob:
        """Make the job; it waits to be started."""
        body: dict[str, Any] = {
            "model": request.model,
            "training_files": [{"file_id": request.training, "weight": 1}],
            "hyperparameters": {"epochs": request.epochs, "learning_rate": _RATE},
            "suffix": request.name,
            "auto_start": False,
        }
        if request.validation:
            body["validation_files"] = [request.validation]
        return _job(self._door.send(_JOBS, body, once=True))

    def find(self, request: JobRequest) -> TuningJob | None:
        """By its training file, which no other job has."""
        listed = self._door.get(_JOBS, {"page_size": "100"}).get("data") or []
        return next((job for job in map(_job, listed) if job.training == request.training), None)

    def get(self, job: str) -> TuningJob:
        """How far it is."""
        return _job(self._door.get(f"{_JOBS}/{job}"))

    def start(self, job: str) -> TuningJob:
        """Begin; a job that runs already stays as it is."""
        return _job(self._door.send(f"{_JOBS}/{job}/start", {}) or self._door.get(f"{_JOBS}/{job}"))


def _job(body: Mapping[str, Any]) -> TuningJob:
    told, facts = text_in(body, "status"), body.get("metadata")
    facts = facts if isinstance(facts, dict) else {}
    events = [event for event in body.get("events") or [] if isinstance(event, dict)]
    data = events[-1].get("data") if events else None
    files = body.get("training_files")
    return TuningJob(
        id=text_in(body, "id"),
        state=state_of(told, _STATES),
        told=told,
        model=text_in(body, "fine_tuned_model"),
        trained_tokens=whole_in(body, "trained_tokens") or whole_in(facts, "train_tokens"),
        cost=amount_in(facts, "cost"),
        currency=text_in(facts, "cost_currency") or "USD",
        why=text_in(data, "error", "message") if isinstance(data, dict) else "",
        training=str(files[0]) if isinstance(files, list) and files else "",
    )
