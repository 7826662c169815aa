"""The bound, on distributions made here whose exact probabilities are known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.models.local.choice_tree import EPS, log_sum, to_open

# For each branch: log-probability of its first token, and how the mass below it is shared by its answers;
# the last share is what ends in no answer.
BRANCHES = st.lists(
    st.tuples(st.floats(-40.0, 0.0), st.lists(st.floats(1e-9, 1.0), min_size=2, max_size=5)),
    min_size=1,
    max_size=20,
)


def masses(branches):
    """log P(first token) of each branch and log P of its answers."""
    bounds = [first for first, _ in branches]
    return bounds, [[first + math.log(w / sum(ws)) for w in ws[:-1]] for first, ws in branches]


def search(bounds, answers, eps=EPS):
    opened, rounds, found = set(), 0, []
    wanted = to_open(bounds, (), (), eps)
    while wanted:
        assert not opened & set(wanted)
        opened |= set(wanted)
        rounds += 1
        found = [value for index in opened for value in answers[index]]
        wanted = to_open(bounds, opened, found, eps)
    return opened, rounds


@given(BRANCHES)
def test_the_best_is_found_and_no_probability_is_off_by_more_than_eps(branches):
    bounds, answers = masses(branches)
    opened, rounds = search(bounds, answers)
    assert rounds <= 2
    exact = np.concatenate([np.array(row) for row in answers])
    reported = np.concatenate(
        [
            np.array(row) if index in opened else np.full(len(row), bounds[index] - math.log(len(row)))
            for index, row in enumerate(answers)
        ]
    )
    assert exact[reported.argmax()] == exact.max()
    exact, reported = (np.exp(x - log_sum(list(x))) for x in (exact, reported))
    assert np.abs(exact - reported).max() <= EPS * (1 + 1e-9)
    left = np.concatenate([np.full(len(row), index not in opened) for index, row in enumerate(answers)])
    assert reported[left].sum() <= EPS * (1 + 1e-9)


@given(BRANCHES)
def test_without_a_tolerance_everything_possible_is_opened(branches):
    bounds, answers = masses(branches)
    assert search(bounds, answers, eps=0.0)[0] == set(range(len(bounds)))


def test_a_certain_first_token_leaves_the_others_out():
    # 0.9998 and twice 0.0001: together 0.0002 < 0.001 * 0.9 * 1.0
    bounds = [math.log(0.0001), math.log(0.9998), math.log(0.0001)]
    assert to_open(bounds, (), ()) == [1]
    assert to_open(bounds, {1}, [math.log(0.999)]) == []
    # the answer is hardly ever ended after its first token: 0.0002 > 0.001 * 0.05
    assert to_open(bounds, {1}, [math.log(0.05)]) == [0, 2]


def test_the_best_must_beat_every_bound_even_among_thousands():
    """2,000 answers of equal mass: a branch of 0.001 of them all is within EPS but might hold the best."""
    found = [math.log(1 / 2000)] * 2000
    assert to_open([0.0, math.log(0.0009)], {0}, found) == [1]
    assert to_open([0.0, math.log(0.0002)], {0}, found) == []


@pytest.mark.parametrize("far", [-800.0, -1e5])
def test_masses_too_small_for_a_float_are_still_compared(far):
    assert to_open([-1.0, far], {0}, [far - 1.0]) == [1]


def test_impossible_branches_are_never_opened():
    assert search([-math.inf, 0.0], [[-math.inf], [-1.0]], eps=0.0) == ({1}, 1)
