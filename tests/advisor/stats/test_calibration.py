"""Calibration by hand, against scipy and scikit-learn, and by simulation of the threshold's promise."""

import numpy as np
import pytest
from scipy import optimize, special

from advisor.stats import calibration as cal


def _overconfident(n, seed, sharpness=2.0):
    """Log-probabilities that are `sharpness` times too sharp for the labels drawn from them."""
    rng = np.random.default_rng(seed)
    true = special.log_softmax(rng.normal(0, 1.5, (n, 5)), axis=1)
    truth = np.array([rng.choice(5, p=np.exp(row)) for row in true])
    return special.log_softmax(true * sharpness, axis=1), truth


def test_temperature_recovers_the_sharpness_and_agrees_with_scipy():
    logprobs, truth = _overconfident(4000, 1)
    got = cal.fit_temperature(logprobs, truth)
    theirs = optimize.minimize_scalar(
        lambda t: -special.log_softmax(logprobs / t, axis=1)[np.arange(4000), truth].mean(),
        bounds=(0.1, 10),
        method="bounded",
        options={"xatol": 1e-9},
    ).x
    assert got == pytest.approx(theirs, rel=1e-4)
    assert got == pytest.approx(2.0, abs=0.15)
    calibrated = cal.scale(logprobs, got)
    assert np.exp(calibrated).sum(axis=1) == pytest.approx(np.ones(4000))
    before, after = (_ece(x, truth) for x in (logprobs, calibrated))
    assert after < 0.03 < before


def _ece(logprobs, truth):
    return cal.expected_calibration_error(np.exp(logprobs.max(axis=1)), logprobs.argmax(axis=1) == truth)


def test_temperature_edges():
    assert cal.fit_temperature(np.zeros((0, 3)), np.array([], dtype=int)) is None
    with pytest.raises(ValueError, match="reference codes"):
        cal.fit_temperature(np.zeros((1, 3)), np.array([3]))
    with pytest.raises(ValueError, match="temperature"):
        cal.scale(np.zeros((1, 3)), 0.0)


def test_ece_by_hand():
    confidence = np.array([0.1, 0.3, 0.7, 0.9])
    correct = np.array([False, True, True, True])
    # two equal-width bins: |.2-.5|/2 + |.8-1|/2
    assert cal.expected_calibration_error(confidence, correct, bins=2) == pytest.approx(0.25)
    assert cal.expected_calibration_error(np.array([]), np.array([], dtype=bool)) is None
    # the edges 0 and 1 lie in the first and the last bin, each right
    assert cal.expected_calibration_error(np.array([0.0, 1.0]), np.array([False, True]), bins=4) == 0


def test_threshold_by_hand_and_when_there_is_none():
    confidence = np.linspace(0.5, 1, 200)
    everything = cal.selective_threshold(confidence, np.ones(200, dtype=bool), 0.95)
    assert everything.threshold == 0.5 and everything.coverage == 1
    few = cal.selective_threshold(confidence[:50], np.ones(50, dtype=bool), 0.95)
    assert few.threshold is None and few.needed == 73 and "73" in few.reason
    wrong = cal.selective_threshold(confidence, np.arange(200) % 2 == 0, 0.95)
    assert wrong.threshold is None and wrong.needed is None
    assert cal.selective_threshold(np.array([]), np.array([], dtype=bool), 0.95).needed == 73


def test_items_that_stand_together_vouch_for_less():
    """60 right: Wilson's bound is 60 / (60 + z^2) = 0.940; in pairs 30 / (30 + z^2) = 0.886, by hand."""
    confidence, correct = np.full(60, 0.9), np.ones(60, dtype=bool)
    pairs = [str(n // 2) for n in range(60)]
    assert cal.selective_threshold(confidence, correct, 0.9).interval.low == pytest.approx(0.93983, abs=1e-5)
    together = cal.selective_threshold(confidence, correct, 0.88, clusters=pairs)
    assert together.interval.low == pytest.approx(0.88649, abs=1e-5)
    none = cal.selective_threshold(confidence, correct, 0.9, clusters=pairs)
    assert none.threshold is None and none.needed == 2 * cal.fewest_items(0.9)


def test_the_items_said_to_be_needed_are_enough():
    # 40 items in the top slice, 39 right (97.5 % observed): repeat the same data until it passes
    confidence = np.r_[np.full(40, 0.9), np.full(40, 0.4)]
    correct = np.r_[np.arange(40) > 0, np.zeros(40, dtype=bool)]
    first = cal.selective_threshold(confidence, correct, 0.95)
    assert first.threshold is None and first.needed is not None
    times = -(-first.needed // 80)
    again = cal.selective_threshold(np.tile(confidence, times), np.tile(correct, times), 0.95)
    assert again.threshold == 0.9
    short = cal.selective_threshold(np.tile(confidence, times - 1), np.tile(correct, times - 1), 0.95)
    assert short.threshold is None


def _draw(rng, n):
    confidence = rng.beta(6, 1.2, n)
    return confidence, rng.random(n) < np.clip(confidence + 0.05, 0, 1)


def test_wilson_threshold_keeps_its_promise_and_the_observed_one_does_not():
    rng = np.random.default_rng(3)
    big_conf, big_hit = _draw(rng, 400_000)
    kept = naive_kept = found = 0
    runs = 300
    for _ in range(runs):
        confidence, correct = _draw(rng, 1500)
        chosen = cal.selective_threshold(confidence, correct, 0.93)
        if chosen.threshold is not None:
            found += 1
            kept += big_hit[big_conf >= chosen.threshold].mean() >= 0.93
        thresholds, items, hits = cal._by_threshold(confidence, correct.astype(float))
        lowest = thresholds[np.flatnonzero(hits / items >= 0.93).max()]
        naive_kept += big_hit[big_conf >= lowest].mean() >= 0.93
    assert found > 0.95 * runs
    assert kept / found >= 0.93
    assert naive_kept / runs < 0.65


def test_cross_fitting_judges_on_unseen_folds_and_is_reproducible():
    confidence, correct = _draw(np.random.default_rng(4), 2000)
    one, two = (cal.cross_fitted(confidence, correct, 0.9, np.random.default_rng(5)) for _ in range(2))
    assert (one[0] == two[0]).all() and one[1] == two[1] == 0
    assert 0 < one[0].sum() < 2000 and correct[one[0]].mean() > 0.88
    none = cal.cross_fitted(confidence[:30], correct[:30], 0.95, np.random.default_rng(5))
    assert not none[0].any() and none[1] == cal.FOLDS


def test_what_stands_together_is_in_one_fold():
    """Pairs of which one is sure and right, the other unsure and wrong: a fold holds both or none."""
    confidence, correct = np.tile([0.9, 0.1], 500), np.tile([True, False], 500)
    pairs = [str(n // 2) for n in range(1000)]
    kept, _ = cal.cross_fitted(confidence, correct, 0.9, np.random.default_rng(5), clusters=pairs)
    assert kept[::2].all() and not kept[1::2].any()
