"""Every prediction that was locked with a plan, against every complete run: how often the advice held."""

from __future__ import annotations

from pathlib import Path

from advisor.rubric.bands import load_bands
from harness.bakeoff.history import list_history
from harness.track_record.count import Seen, track_record
from harness.track_record.records import TrackRecord


def confront_runs(runs: Path) -> TrackRecord:
    """Count over the complete runs in a folder; incomplete and damaged ones are left out."""
    seen = [
        Seen(
            run_id=past.run_id,
            evalset=past.results.data.name,
            digests=past.results.data.digests,
            plan_digest=past.results.plan_digest,
            advice=past.results.advice,
        )
        for past in list_history(runs)
        if past.state == "complete" and past.results is not None and past.results.advice is not None
    ]
    return track_record(seen, load_bands().informed)
