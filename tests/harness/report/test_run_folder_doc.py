"""The page on the run folder names every field that a run folder holds, and none that it does not."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from harness.bakeoff import results
from harness.core.records import Estimate, Finding, ModelIdentity
from harness.recommendation import records as recommendation
from harness.report.files import FORMATS
from harness.robustness import records as robustness
from harness.track_record import records as track_record

PAGE = (Path(__file__).parents[3] / "docs" / "run-folder.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([a-z_0-9.]+)`", PAGE))
RECORDS = [
    found
    for home in (results, recommendation, robustness, track_record)
    for found in vars(home).values()
    if isinstance(found, type) and dataclasses.is_dataclass(found) and found.__module__ == home.__name__
]


def test_every_field_that_a_run_concludes_is_explained() -> None:
    assert len(RECORDS) >= 30
    fields = {
        f.name for record in [*RECORDS, Estimate, Finding, ModelIdentity] for f in dataclasses.fields(record)
    }
    assert fields - NAMED - {"seed"} == set()


def test_every_format_is_listed() -> None:
    assert set(FORMATS) <= NAMED
