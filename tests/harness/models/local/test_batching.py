"""Batches hold every item once and stay inside their budget."""

from hypothesis import given
from hypothesis import strategies as st

from harness.models.local.choice_tree import batches, common_prefix

LENGTHS = st.lists(st.integers(1, 60), max_size=40)


@given(LENGTHS, st.integers(1, 200))
def test_every_item_is_in_one_group_within_the_budget(lengths, budget):
    groups = batches(lengths, budget)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or len(group) * max(lengths[index] for index in group) <= budget


@given(LENGTHS, st.integers(1, 200))
def test_groups_fall_in_length(lengths, budget):
    flat = [lengths[index] for group in batches(lengths, budget) for index in group]
    assert flat == sorted(lengths, reverse=True)


SEQUENCES = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=6).map(tuple), min_size=1, max_size=6)


@given(SEQUENCES)
def test_common_prefix_is_the_longest_that_leaves_everyone_a_token(sequences):
    longest = max(
        n for n in range(min(map(len, sequences))) if len({sequence[:n] for sequence in sequences}) == 1
    )
    assert common_prefix(sequences) == longest


def test_nothing_has_no_common_prefix():
    assert common_prefix([]) == 0
    assert common_prefix([(1, 2), ()]) <= 0
