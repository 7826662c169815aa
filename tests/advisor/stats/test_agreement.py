"""Kappa against scikit-learn, by hand, and its interval against a bootstrap."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from advisor.stats.agreement import kappa
from advisor.stats.intervals import Interval, Unknown, wilson
from tests.support.intervals import inside


def _pair(n, seed):
    rng = np.random.default_rng(seed)
    first = rng.choice(list("abc"), n, p=[0.5, 0.3, 0.2])
    second = np.where(rng.random(n) < 0.75, first, rng.choice(list("abc"), n))
    return first.tolist(), second.tolist()


def agreement(first, second):
    """Kappa with the interval that Wilson's gives it."""
    same = sum(a == b for a, b in zip(first, second, strict=False))
    return kappa(first, second, wilson(same, len(first)))


def test_kappa_agrees_with_scikit_learn():
    for seed in range(5):
        first, second = _pair(120, seed)
        assert agreement(first, second)[0] == pytest.approx(cohen_kappa_score(first, second))


def test_kappa_by_hand():
    # 2x2 of 20 yes/yes, 5, 10, 15: observed .7, chance .5 -> kappa .4 (the textbook example)
    first = ["y"] * 25 + ["n"] * 25
    second = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    got, interval = agreement(first, second)
    assert got == pytest.approx(0.4) and inside(interval, 0.4)
    # of an observed agreement of 0.5 to 0.8 kappa is 0 to 0.6; nothing known of it is nothing known
    assert kappa(first, second, Interval(low=0.5, high=0.8, level=0.9))[1] == Interval(
        low=0.0, high=pytest.approx(0.6), level=0.9
    )
    assert kappa(first, second, Unknown(reason="3 clusters"))[1] == Unknown(reason="3 clusters")


def test_kappa_interval_agrees_with_a_bootstrap():
    first, second = map(np.array, _pair(400, 9))
    rng = np.random.default_rng(0)
    picks = [rng.integers(0, 400, 400) for _ in range(800)]
    draws = [cohen_kappa_score(first[p], second[p]) for p in picks]
    _, got = agreement(first.tolist(), second.tolist())
    low, high = np.quantile(draws, [0.025, 0.975])
    assert (got.low, got.high) == pytest.approx((low, high), abs=0.012)


def test_agreement_where_nothing_can_be_said():
    for none in ([], ["a"] * 5):
        value, interval = agreement(none, none)
        assert value is None and isinstance(interval, Unknown)
    with pytest.raises(ValueError, match="pairs"):
        agreement(["a"], [])


def test_perfect_agreement_of_a_sample_leaves_a_wide_interval():
    """Wilson at 21 of 21 begins at 21/(21 + 1.96^2) = 0.8454; chance is 1/3, so kappa begins at 0.7681."""
    labels = ["a", "b", "c"] * 7
    got, interval = agreement(labels, labels)
    assert got == 1
    assert interval.low == pytest.approx((21 / (21 + 1.959964**2) - 1 / 3) / (2 / 3), abs=1e-6)
    assert interval.high == 1


@pytest.mark.parametrize("n", [1, 2, 3, 5, 21, 100, 1000])
def test_no_sample_has_an_interval_of_no_width(n):
    rng = np.random.default_rng(n)
    for wrong in {0, 1, n // 2, n}:
        first = ["a", "b", *rng.choice(list("abc"), n).tolist()]
        second = [*first[: len(first) - wrong], *("z" for _ in range(wrong))]
        got = agreement(first, second)[1]
        assert got.high - got.low > 0.5 / len(first)


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.4])
def test_kappa_interval_covers_small_samples(noise):
    """True kappa is 1 - noise: a share `noise` is labelled anew with the same frequencies (0.5, 0.3, 0.2)."""
    rng, shares = np.random.default_rng(3), [0.5, 0.3, 0.2]
    inside = 0
    for _ in range(400):
        first = rng.choice(list("abc"), 40, p=shares)
        second = np.where(rng.random(40) < noise, rng.choice(list("abc"), 40, p=shares), first)
        got = agreement(first.tolist(), second.tolist())[1]
        inside += got.low - 1e-9 <= 1 - noise <= got.high + 1e-9
    assert inside / 400 >= 0.85  # Wilson's own lowest, where about one disagreement is expected


@pytest.mark.parametrize("missing", [None, float("nan"), ""])
def test_a_missing_label_is_named(missing):
    with pytest.raises(ValueError, match="missing"):
        agreement(["a", missing], ["a", "b"])
