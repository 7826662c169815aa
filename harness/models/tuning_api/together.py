"""Together's fine-tuning jobs (docs.together.ai/reference/post-fine-tunes)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.models.tuning_api.base import TuningApi, amount_in, state_of, text_in, whole_in
from harness.models.tuning_api.records import JobRequest, TuningJob, TuningQuote, TuningState

_STATES = {
    "pending": TuningState.WAITING,
    "queued": TuningState.WAITING,
    "running": TuningState.RUNNING,
    "compressing": TuningState.RUNNING,
    "uploading": TuningState.RUNNING,
    "cancel_requested": TuningState.RUNNING,
    "completed": TuningState.DONE,
    "error": TuningState.FAILED,
    "user_error": TuningState.FAILED,
    "cancelled": TuningState.CANCELLED,
}


class TogetherTuning(TuningApi):
    """Low-rank adapters by supervised tuning."""

    jobs = "/fine-tunes"

    def upload(self, name: str, content: bytes) -> str:
        """Upload a file."""
        fields = {"purpose": "fine-tune", "file_name": name, "file_type": "jsonl"}
        return text_in(self._door.upload("/files/upload", (name, content), fields), "id")

    def quote(self, request: JobRequest) -> TuningQuote | None:
        """What Together says the job costs, once it has looked at the files."""
        told = self._door.send(
            f"{self.jobs}/estimate-price", {**_asked(request), "training_type": {"type": "Lora"}}
        )
        cost = amount_in(told, "estimated_total_price")
        if cost is None or told.get("estimation_available") is False:
            return None
        return TuningQuote(cost=cost, currency="USD")

    def create(self, request: JobRequest) -> TuningJob:
        """Make the job."""
        body = {
            **_asked(request),
            "suffix": request.name,
            "random_seed": request.seed,
            "training_type": {
                "type": "Lora",
                "lora_r": 16,
                "lora_alpha": 32,
                "lora_trainable_modules": "all-linear",
            },
        }
        return self._made(body)

    def read(self, body: Mapping[str, Any]) -> TuningJob:
        """A job, out of its words."""
        told = text_in(body, "status")
        state = state_of(told, _STATES)
        events = [event for event in body.get("events") or [] if isinstance(event, dict)]
        return TuningJob(
            id=text_in(body, "id", "job_id"),
            state=state,
            told=told,
            model=text_in(body, "model_output_name", "output_name") if state is TuningState.DONE else "",
            trained_tokens=whole_in(body, "token_count"),
            why=text_in(events[-1], "message") if events and state.ended else "",
            training=text_in(body, "training_file"),
        )


def _asked(request: JobRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": request.model,
        "training_file": request.training,
        "n_epochs": request.epochs,
        "n_evals": 1 if request.validation else 0,
        "training_method": {"method": "sft", "train_on_inputs": "auto"},
    }
    return body | ({"validation_file": request.validation} if request.validation else {})
