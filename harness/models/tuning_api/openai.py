"""OpenAI's fine-tuning jobs (platform.openai.com/docs/api-reference/fine-tuning)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.models.tuning_api.base import TuningApi, state_of, text_in, whole_in
from harness.models.tuning_api.records import JobRequest, TuningJob, TuningState

_STATES = {
    "validating_files": TuningState.WAITING,
    "queued": TuningState.WAITING,
    "running": TuningState.RUNNING,
    "paused": TuningState.RUNNING,
    "succeeded": TuningState.DONE,
    "failed": TuningState.FAILED,
    "cancelled": TuningState.CANCELLED,
}


class OpenaiTuning(TuningApi):
    """Supervised tuning; the job begins once its files were looked at."""

    page: Mapping[str, str] = {"limit": "100"}

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
        return self._made(body)

    def read(self, body: Mapping[str, Any]) -> TuningJob:
        """A job, out of its words."""
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
