"""Kappa against scikit-learn, by hand, and its interval against a bootstrap."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from advisor.stats.agreement import agreement
from advisor.stats.intervals import Unknown
from tests.support.intervals import inside


def _pair(n, seed):
    rng = np.random.default_rng(seed)
    first = rng.choice(list("abc"), n, p=[0.5, 0.3, 0.2])
    second = np.where(rng.random(n) < 0.75, first, rng.choice(list("abc"), n))
    return first.tolist(), second.tolist()


def test_kappa_agrees_with_scikit_learn():
    for seed in range(5):
        first, second = _pair(120, seed)
        assert agreement(first, second).kappa == pytest.approx(cohen_kappa_score(first, second))


def test_kappa_by_hand():
    # 2x2 of 20 yes/yes, 5, 10, 15: observed .7, chance .5 -> kappa .4 (the textbook example)
    first = ["y"] * 25 + ["n"] * 25
    second = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    got = agreement(first, second)
    assert got.raw == pytest.approx(0.7) and got.kappa == pytest.approx(0.4)
    assert inside(got.raw_interval, 0.7) and inside(got.kappa_interval, 0.4)


def test_kappa_interval_agrees_with_a_bootstrap():
    first, second = map(np.array, _pair(400, 9))
    rng = np.random.default_rng(0)
    picks = [rng.integers(0, 400, 400) for _ in range(800)]
    draws = [cohen_kappa_score(first[p], second[p]) for p in picks]
    got = agreement(first.tolist(), second.tolist())
    low, high = np.quantile(draws, [0.025, 0.975])
    assert (got.kappa_interval.low, got.kappa_interval.high) == pytest.approx((low, high), abs=0.012)


def test_agreement_where_nothing_can_be_said():
    assert agreement([], []).raw is None
    same = agreement(["a"] * 5, ["a"] * 5)
    assert same.raw == 1 and same.kappa is None and isinstance(same.kappa_interval, Unknown)
    with pytest.raises(ValueError, match="pairs"):
        agreement(["a"], [])


def test_perfect_agreement_of_a_sample_leaves_a_wide_interval():
    """Wilson at 21 of 21 begins at 21/(21 + 1.96^2) = 0.8454; chance is 1/3, so kappa begins at 0.7681."""
    labels = ["a", "b", "c"] * 7
    got = agreement(labels, labels)
    assert got.kappa == 1
    assert got.kappa_interval.low == pytest.approx((21 / (21 + 1.959964**2) - 1 / 3) / (2 / 3), abs=1e-6)
    assert got.kappa_interval.high == 1


@pytest.mark.parametrize("n", [1, 2, 3, 5, 21, 100, 1000])
def test_no_sample_has_an_interval_of_no_width(n):
    rng = np.random.default_rng(n)
    for wrong in {0, 1, n // 2, n}:
        first = ["a", "b", *rng.choice(list("abc"), n).tolist()]
        second = [*first[: len(first) - wrong], *("z" for _ in range(wrong))]
        got = agreement(first, second).kappa_interval
        assert got.high - got.low > 0.5 / len(first)


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.4])
def test_kappa_interval_covers_small_samples(noise):
    """True kappa is 1 - noise: a share `noise` is labelled anew with the same frequencies (0.5, 0.3, 0.2)."""
    rng, shares = np.random.default_rng(3), [0.5, 0.3, 0.2]
    inside = 0
    for _ in range(400):
        first = rng.choice(list("abc"), 40, p=shares)
        second = np.where(rng.random(40) < noise, rng.choice(list("abc"), 40, p=shares), first)
        got = agreement(first.tolist(), second.tolist()).kappa_interval
        inside += got.low - 1e-9 <= 1 - noise <= got.high + 1e-9
    assert inside / 400 >= 0.85  # Wilson's own lowest, where about one disagreement is expected


@pytest.mark.parametrize("missing", [None, float("nan"), ""])
def test_a_missing_label_is_named(missing):
    with pytest.raises(ValueError, match="missing"):
        agreement(["a", missing], ["a", "b"])
