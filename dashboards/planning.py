"""Files made from the advisor's form: the plan that tests the advice, and the prediction as a PDF."""

from __future__ import annotations

import tempfile
from pathlib import Path

from harness.bakeoff.plan import dump_plan
from harness.bakeoff.planning import PlanRequest, draft
from harness.core.context import Context
from harness.report.case_report import advised
from harness.report.files import write_case_report


def plan_text(case_text: str, evalset: str, context: Context) -> str:
    """A plan as YAML: the case's advice, limits and money, every arm on the embedded model.

    Raises:
        UsageError: if the use case or a price cannot be used.
    """
    with tempfile.TemporaryDirectory() as folder:
        request = PlanRequest(case=_stored(case_text, folder), data={"evalset": evalset})
        return dump_plan(draft(request, context).plan)


def prediction_pdf(case_text: str, context: Context) -> bytes:
    """What is predicted for a use case, as the report `harness report CASE.yaml` writes.

    Raises:
        UsageError, MissingExtra: as that command.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = advised(_stored(case_text, folder), context)
        return write_case_report(found, ["pdf"], Path(folder))[0].read_bytes()


def _stored(case_text: str, folder: str) -> Path:
    path = Path(folder) / "CASE.yaml"
    path.write_text(case_text, encoding="utf-8")
    return path
