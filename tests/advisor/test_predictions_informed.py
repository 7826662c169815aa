"""The packaged list of evalsets that informed predictions: each with a reason, and none that is not there."""

from __future__ import annotations

from pathlib import Path

from advisor.rubric.rubric import load_bands
from harness.track_record.count import METRICS

EVALSETS = Path(__file__).parents[2] / "evalsets"


def test_every_entry_names_an_evalset_known_metrics_and_a_reason() -> None:
    informed = load_bands().informed
    assert {entry.evalset for entry in informed} >= {"banking77", "support-tickets"}
    for entry in informed:
        assert (EVALSETS / entry.evalset / "card.toml").is_file()
        assert entry.metrics and entry.metrics <= set(METRICS) and len(entry.reason) > 20


def test_an_evalset_named_in_a_bands_source_is_on_the_list() -> None:
    listed = {entry.evalset for entry in load_bands().informed if "accuracy" in entry.metrics}
    names = {card.parent.name for card in EVALSETS.glob("*/card.toml")}
    for band in load_bands().accuracy:
        said = band.source.casefold()
        assert {name for name in names if name in said} <= listed, band.source
