"""Mistral's fine-tuning jobs (docs.mistral.ai/api/endpoint/fine-tuning).

A job is made without being begun: once its files were looked at, it says what it costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.models.tuning_api.base import TuningApi, amount_in, state_of, text_in, whole_in
from harness.models.tuning_api.records import JobRequest, TuningJob, TuningState

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
_RATE = 1e-4  # the documented default; a rate has to be sent


class MistralTuning(TuningApi):
    """Tuning of completions."""

    page: Mapping[str, str] = {"page_size": "100"}

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
        return self._made(body)

    def start(self, job: str) -> TuningJob:
        """Begin; a job that runs already stays as it is."""
        told = self._door.send(f"{self.jobs}/{job}/start", {})
        return self.read(told) if told else self.get(job)

    def read(self, body: Mapping[str, Any]) -> TuningJob:
        """A job, out of its words."""
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
