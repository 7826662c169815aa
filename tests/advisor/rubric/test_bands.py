"""The bands are what published figures make of the judged ones, and say which option is likely better."""

from __future__ import annotations

import pytest

from advisor.evidence import Tag, load_evidence
from advisor.options import Option
from advisor.rubric.rubric import LIKELY, Expected, chance_better, load_bands
from benchmarks.bands import figures, fitted, held, left_out, moved, pair_spread, rows

BANDS = load_bands()
KNOWN = figures(BANDS, load_evidence())


def expected(low: float, likely: float, high: float, *, measured: bool = False) -> Expected:
    return Expected(low=low, likely=likely, high=high, source="", measured=measured)


def test_the_packaged_bands_are_the_fitted_ones():
    found = moved(KNOWN)
    for band in BANDS.accuracy:
        fit = fitted(band, found)
        assert (band.low, band.likely, band.high) == pytest.approx((fit.low, fit.likely, fit.high), abs=2e-3)
    assert BANDS.pair_spread == pytest.approx(pair_spread(KNOWN), abs=0.006)
    assert len(rows(BANDS, KNOWN)) == len(BANDS.accuracy)


def test_no_figure_without_an_address_enters_a_band():
    assert len(KNOWN) > 150
    assert all(one.of.tag is not Tag.UNVERIFIED and "unverified" not in one.of.source for one in KNOWN)


def test_ranges_hold_what_they_promise_in_studies_left_out():
    """Nominal 80 %; a range that held all of them would be too wide."""
    found = held(left_out(KNOWN))
    assert 0.75 <= found.inside / found.figures <= 0.9 and found.width < 0.6


def test_a_study_left_out_takes_the_data_sets_of_others_with_it():
    """Banking77 was measured by many: what the others say of it is no blind prediction."""
    by_study = {}
    for one, fit in left_out(KNOWN):
        by_study.setdefault((one.of.task, one.of.study, one.band.option, one.band.examples), fit)
    encoders = [
        fit for (task, _, option, examples), fit in by_study.items()
        if task == "banking77" and option is Option.ENCODER and examples == "many"
    ]  # fmt: skip
    assert len(encoders) > 3 and max(e.likely for e in encoders) < 0.9, "none of them knows the 94 %"


def test_classifiers_with_much_data_begin_at_about_sixty_per_cent_or_below():
    kept = [b for b in BANDS.accuracy if b.kind == "classification" and b.examples == "many"]
    linear, encoder = (next(b for b in kept if b.option is o) for o in (Option.LINEAR, Option.ENCODER))
    assert linear.low < encoder.low < 0.62


def test_which_is_likely_better_rests_on_pairs_and_not_on_how_hard_data_sets_are():
    """Two wide ranges that overlap almost whole may still be told apart: the data set is the same."""
    good, weak = expected(0.6, 0.90, 0.97), expected(0.4, 0.75, 0.93)
    assert chance_better(good, weak, 0.6) > LIKELY > chance_better(good, good, 0.6) == 0.5
    measured = expected(0.89, 0.90, 0.91, measured=True)
    assert 0.5 < chance_better(measured, weak, 0.6) < chance_better(good, weak, 0.6)
    assert chance_better(good, Expected(low=None, likely=None, high=None, source=""), 0.6) is None
