"""What a run concludes, on disk: every capability's part in its own file of the run folder."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from harness.bakeoff.leaving import SentRecord
from harness.bakeoff.results import BakeoffResults
from harness.bakeoff.run_folder import (
    MONEY,
    PREDICTION,
    PRIVACY,
    RECOMMENDATION,
    RESULTS,
    ROBUSTNESS,
    RunFolder,
)
from harness.core.errors import StoreError
from harness.core.records import ArmId
from harness.freshness.store import drill_of
from harness.load.store import loads_of
from harness.money.records import CostForecast
from harness.recommendation.records import Recommendation, RunResults
from harness.robustness.records import ArmRobustness
from harness.track_record.records import AdviceCheck


def together(
    folder: RunFolder,
    results: BakeoffResults,
    outlook: CostForecast,
    recommendation: Recommendation,
    robustness: tuple[ArmRobustness, ...],
    advice: AdviceCheck | None,
) -> RunResults:
    """The parts of a run as one record, with what was found beside its answers: drill, load, what left."""
    return RunResults(
        **_of(results),
        outlook=outlook,
        recommendation=recommendation,
        robustness=robustness,
        advice=advice,
        drill=drill_of(folder),
        load=loads_of(folder),
        sent=folder.part(PRIVACY, SentRecord),
    )


def _of(results: BakeoffResults) -> dict[str, Any]:
    return {field.name: getattr(results, field.name) for field in fields(BakeoffResults)}


def write_results(folder: RunFolder, results: RunResults) -> None:
    """Store what a run concludes, the recommendation last."""
    folder.write_part(RESULTS, BakeoffResults(**_of(results)))
    folder.write_part(ROBUSTNESS, results.robustness or None)
    folder.write_part(MONEY, results.outlook)
    folder.write_part(PREDICTION, results.advice)
    folder.write_part(RECOMMENDATION, results.recommendation)


def read_results(folder: RunFolder) -> RunResults:
    """What a run concluded.

    Raises:
        IncompleteRun: if it has not come to its conclusion yet.
        StoreError: if a part is damaged, missing or of an earlier version.
    """
    results = folder.results()
    outlook = folder.part(MONEY, CostForecast)
    recommendation = folder.part(RECOMMENDATION, Recommendation)
    if outlook is None or recommendation is None:
        gone = MONEY if outlook is None else RECOMMENDATION
        raise StoreError(
            f"Run {folder.run_id} lacks a part of what it concluded.",
            got=f"no {gone}",
            run=folder.command("score", "--store"),
        )
    robustness = folder.part(ROBUSTNESS, tuple[ArmRobustness, ...]) or ()
    advice = folder.part(PREDICTION, AdviceCheck)
    return together(folder, results, outlook, recommendation, robustness, advice)


def recommended_arm(folder: RunFolder) -> ArmId | None:
    """The arm a run recommends to ship or to pilot; None where it recommends none, or has not concluded."""
    found = folder.part(RECOMMENDATION, Recommendation)
    return found.arm if found is not None else None
