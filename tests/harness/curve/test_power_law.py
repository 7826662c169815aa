"""The inverse power law: known curves are found again, bounds hold, no finer search fits better."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.curve.fit import C_RANGE, fit_power_laws

SIZES = (50, 100, 200, 400, 800)


def law(a: float, b: float, c: float, sizes: tuple[int, ...] = SIZES) -> np.ndarray:
    return a - b * np.array(sizes, dtype=float) ** -c


@settings(max_examples=30)
@given(a=st.floats(0.3, 0.99), start=st.floats(0.05, 0.9), c=st.floats(0.2, 1.8))
def test_a_curve_without_noise_is_found_again(a: float, start: float, c: float) -> None:
    b = a * start * 50**c  # so that the smallest size has accuracy a * (1 - start) > 0
    found = fit_power_laws(SIZES, law(a, b, c)[None, :])
    assert found.at(SIZES)[0] == pytest.approx(law(a, b, c), abs=2e-3)
    assert found.limit[0] == pytest.approx(a, abs=0.02)
    assert found.at([2400])[0, 0] == pytest.approx(a - b * 2400**-c, abs=0.01)


def test_the_parameters_are_those_of_the_law() -> None:
    found = fit_power_laws(SIZES, law(0.9, 2.0, 0.5)[None, :])
    assert found.limit[0] == pytest.approx(0.9, abs=1e-3)
    assert found.scale[0] == pytest.approx(2.0, rel=0.02)
    assert found.exponent[0] == pytest.approx(0.5, rel=0.01)
    # by hand: 0.9 - 2 n^-0.5 = 0.8 at n = 20^2
    assert found.size_for(0.8)[0] == pytest.approx(400, rel=0.01)
    assert np.isinf(found.size_for(0.91)[0])


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_no_finer_search_fits_better(values: list[float]) -> None:
    """A second implementation: a fine grid over a and c, with b in closed form."""
    y = np.array(values)
    found = fit_power_laws(SIZES, y[None, :])
    ours = float(((found.at(SIZES)[0] - y) ** 2).sum())
    x = np.array(SIZES)[None, :] ** -np.geomspace(*C_RANGE, 200)[:, None]
    limits = np.linspace(0, 1, 101)[:, None, None]
    b = np.maximum(0, ((limits - y) * x).sum(axis=2, keepdims=True) / (x**2).sum(axis=1)[None, :, None])
    theirs = float(((limits - b * x - y) ** 2).sum(axis=2).min())
    assert ours <= theirs + 1e-4
    assert 0 <= found.limit[0] <= 1 and found.drop[0] >= 0
    assert C_RANGE[0] - 1e-9 <= found.exponent[0] <= C_RANGE[1] + 1e-9


def test_falling_accuracies_are_a_flat_line() -> None:
    found = fit_power_laws(SIZES, np.array([[0.9, 0.8, 0.7, 0.6, 0.5]]))
    assert found.drop[0] == 0 and found.limit[0] == pytest.approx(0.7)


def test_many_curves_at_once_are_each_alone() -> None:
    rng = np.random.default_rng(3)
    many = np.sort(rng.random((7, 5)), axis=1)
    together = fit_power_laws(SIZES, many)
    for row in range(7):
        alone = fit_power_laws(SIZES, many[row : row + 1])
        assert alone.limit[0] == together.limit[row] and alone.exponent[0] == together.exponent[row]


def test_three_sizes_fit_anything_and_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 4"):
        fit_power_laws((1, 2, 3, 3), np.zeros((1, 4)))
