"""OpenAI's fine-tuning jobs (platform.openai.com/docs/api-reference/fine-tuning)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.models.tuning_api.base import state_of, text_in, whole_in
from harness.models.tuning_api.http import ProviderCalls
from harness.models.tuning_api.records import JobRequest, TuningJob, TuningQuote, TuningState

_STATES = {
    "validating_files": TuningState.WAITING,
    "queued": TuningState.WAITING,
    "running": TuningState.RUNNING,
    "paused": TuningState.RUNNING,
    "succeeded": TuningState.DONE,
    "failed": TuningState.FAILED,
    "cancelled": TuningState.CANCELLED,
}
_JOBS = "/fine_tuning/jobs"


class OpenaiTuning:
    """Supervised tuning; the job begins once its files were looked at."""

    def __init__(self, door: ProviderCalls) -> None:
        """Nothing is asked yet."""
        self._door = door

    def upload(self, name: str, content: bytes) -> str:
        """Upload a file."""
        return text_in(self._door.upload("/files", (name, content), {"purpose": "fine-tune"}), "id")

    def quote(self, request: JobRequest) -> TuningQuote | None:
        """OpenAI says nothing beforehand."""
        return None

    def create(self, request: JobRequest) -> TuningJob:
        """Make the job."""
        body: dict[str, Any] = {
            "model": request.model,
            "training_file": request.training,
            "seed": request.seed,
            "suffix": request.name,
            "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": request.epochs}}},
        }
        if request.validation:
            body["validation_file"] = request.validation
        return _job(self._door.send(_JOBS, body, once=True))

    def find(self, request: JobRequest) -> TuningJob | None:
        """By its training file, which no other job has."""
        listed = self._door.get(_JOBS, {"limit": "100"}).get("data") or []
        return next((job for job in map(_job, listed) if job.training == request.training), None)

    def get(self, job: str) -> TuningJob:
        """How far it is."""
        return _job(self._door.get(f"{_JOBS}/{job}"))

    def start(self, job: str) -> TuningJob:
        """It begins by itself."""
        return self.get(job)


def _job(body: Mapping[str, Any]) -> TuningJob:
    told = text_in(body, "status")
    error = body.get("error")
    return TuningJob(
        id=text_in(body, "id"),
        state=state_of(told, _STATES),
        told=told,
        model=text_in(body, "fine_tuned_model"),
        trained_tokens=whole_in(body, "trained_tokens"),
        why=text_in(error, "message", "code") if isinstance(error, dict) else "",
        training=text_in(body, "training_file"),
    )
