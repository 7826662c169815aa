"""Sums of usage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.money.usage import BUCKETS, CountedBy, Usage, add

COUNT = st.one_of(st.none(), st.integers(0, 10**6))
USAGES = st.lists(
    st.builds(Usage, **dict.fromkeys(BUCKETS, COUNT), counted_by=st.sampled_from(CountedBy)), max_size=5
)


@given(USAGES)
def test_each_bucket_is_summed_and_unknown_stays_unknown(usages):
    total = add(usages)
    for name in BUCKETS:
        counts = [getattr(u, name) for u in usages]
        assert getattr(total, name) == (None if None in counts else sum(counts))


def test_the_weakest_counter_names_the_sum():
    def usage(by):
        return Usage(input_tokens=1, output_tokens=1, counted_by=by)

    assert add([usage(CountedBy.PROVIDER), usage(CountedBy.ESTIMATE)]).counted_by is CountedBy.ESTIMATE
    assert add([usage(CountedBy.TOKENIZER), usage(CountedBy.PROVIDER)]).counted_by is CountedBy.TOKENIZER


def test_nothing_sums_to_a_known_zero_and_negative_counts_are_refused():
    assert add([]).input_tokens == 0
    with pytest.raises(ValueError, match="at least 0"):
        Usage(input_tokens=-1, output_tokens=0, counted_by=CountedBy.PROVIDER)
