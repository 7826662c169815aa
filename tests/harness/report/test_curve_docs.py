"""The page on the run folder names every field of learning curves and of the track record."""

from __future__ import annotations

import dataclasses

from harness.curve import records as curve_records
from harness.track_record import records as track_record
from tests.harness.report.test_run_folder_doc import NAMED


def test_every_field_is_explained() -> None:
    records = [
        found
        for module in (curve_records, track_record)
        for found in vars(module).values()
        if isinstance(found, type) and dataclasses.is_dataclass(found) and found.__module__ == module.__name__
    ]
    assert len(records) >= 10
    fields = {field.name for record in records for field in dataclasses.fields(record)}
    assert fields - NAMED == set()


def test_every_reach_is_explained() -> None:
    from tests.harness.report.test_run_folder_doc import PAGE

    assert all(f"`{reach.value}`" in PAGE for reach in curve_records.Reach)
