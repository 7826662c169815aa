"""Fireworks' supervised fine-tuning jobs (docs.fireworks.ai/api-reference/create-supervised-fine-tuning-job).

Datasets and jobs lie in an account and have names of one's own, so that what was made is found again by name.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from typing import Any

from harness.core.errors import ModelUnavailable
from harness.models.tuning_api.base import TuningApi, state_of, text_in, whole_in
from harness.models.tuning_api.http import ProviderCalls
from harness.models.tuning_api.records import JobRequest, TuningJob, TuningState

ACCOUNT = "FIREWORKS_ACCOUNT_ID"
_STATES = {
    "JOB_STATE_UNSPECIFIED": TuningState.WAITING,
    "JOB_STATE_CREATING": TuningState.WAITING,
    "JOB_STATE_VALIDATING": TuningState.WAITING,
    "JOB_STATE_RUNNING": TuningState.RUNNING,
    "JOB_STATE_WRITING_RESULTS": TuningState.RUNNING,
    "JOB_STATE_EVALUATION": TuningState.RUNNING,
    "JOB_STATE_COMPLETED": TuningState.DONE,
    "JOB_STATE_FAILED": TuningState.FAILED,
    "JOB_STATE_CANCELLED": TuningState.CANCELLED,
    "JOB_STATE_DELETING": TuningState.CANCELLED,
}


class FireworksTuning(TuningApi):
    """Low-rank adapters by supervised tuning."""

    page: Mapping[str, str] = {"pageSize": "200"}
    listed = "supervisedFineTuningJobs"

    def __init__(self, door: ProviderCalls, account: str) -> None:
        """Nothing is asked yet.

        Raises:
            ModelUnavailable: the account is not named.
        """
        if not account:
            raise ModelUnavailable(
                "Fireworks keeps datasets and jobs in an account, and none is named.",
                got=f"{ACCOUNT} not set",
                run=f"export {ACCOUNT}=...   # as the account's settings show it",
            )
        super().__init__(door)
        self._account = f"/accounts/{urllib.parse.quote(account, safe='')}"
        self.jobs = f"{self._account}/supervisedFineTuningJobs"

    def upload(self, name: str, content: bytes) -> str:
        """Make a dataset and upload its file."""
        dataset = name.removesuffix(".jsonl")
        rows = str(content.count(b"\n"))
        body = {"datasetId": dataset, "dataset": {"userUploaded": {}, "exampleCount": rows}}
        self._door.send(f"{self._account}/datasets", body)
        self._door.upload(f"{self._account}/datasets/{dataset}:upload", (name, content), {})
        return f"{self._account.removeprefix('/')}/datasets/{dataset}"

    def create(self, request: JobRequest) -> TuningJob:
        """Make the job."""
        body: dict[str, Any] = {
            "dataset": request.training,
            "baseModel": request.model,
            "outputModel": f"{self._account.removeprefix('/')}/models/{request.name}",
            "displayName": request.name,
            "epochs": request.epochs,
        }
        if request.validation:
            body["evaluationDataset"] = request.validation
        return self._made(body, {"supervisedFineTuningJobId": request.name})

    def read(self, body: Mapping[str, Any]) -> TuningJob:
        """A job, out of its words."""
        told, status = text_in(body, "state"), body.get("status")
        state = state_of(told, _STATES)
        progress = body.get("jobProgress")
        return TuningJob(
            id=text_in(body, "name").rpartition("/")[2],
            state=state,
            told=told,
            model=text_in(body, "outputModel") if state is TuningState.DONE else "",
            trained_tokens=whole_in(progress, "inputTokens") if isinstance(progress, dict) else None,
            why=text_in(status, "message") if state.ended and isinstance(status, dict) else "",
            training=text_in(body, "dataset"),
        )
