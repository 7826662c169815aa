"""Every prediction that was locked with a plan, against every complete run: how often the advice held."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from advisor.rubric.rubric import load_bands
from harness.bakeoff.run_folder import PREDICTION, list_runs
from harness.core.errors import UserError
from harness.track_record.count import Seen, track_record
from harness.track_record.records import AdviceCheck, TrackRecord


def record_of_runs(runs: Path) -> TrackRecord:
    """Count over the complete runs in a folder; incomplete and damaged ones are left out."""
    return track_record(list(_seen(runs)), load_bands().informed)


def _seen(runs: Path) -> Iterator[Seen]:
    for folder in list_runs(runs):
        try:
            if folder.manifest() is None:
                continue
            folder.check(journal=False)  # no answer is looked at, and reading them all would take its time
            results, advice = folder.results(), folder.part(PREDICTION, AdviceCheck)
        except UserError:
            continue
        if advice is not None:
            yield Seen(
                run_id=folder.run_id,
                evalset=results.data.name,
                digests=results.data.digests,
                plan_digest=results.plan_digest,
                advice=advice,
            )
