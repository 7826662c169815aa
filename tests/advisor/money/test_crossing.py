"""Where one staircase falls under a line: against a search over every volume, which knows no formula."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.money.crossing import Shape, crossing, volumes_around

D = Decimal
MOST = 400


def own(fixed: int, query: str, machine: int = 0, capacity: int | None = None) -> Shape:
    return Shape(
        fixed_usd=D(fixed),
        query_usd=D(query),
        machine_usd=D(machine),
        capacity=None if capacity is None else D(capacity),
    )


@pytest.mark.parametrize(
    ("mine", "theirs", "outcome", "volume"),
    [
        (own(100, "0"), own(0, "0.1"), "at", 1000),
        (own(0, "0"), own(0, "0.1"), "always", 0),
        (own(10, "0.2"), own(0, "0.1"), "never", None),
        # behind by nothing up front, dearer by the query: cheaper until the 900 are used up
        (own(100, "0.2"), own(1000, "0.1"), "up to", 9000),
        (own(100, "0.1"), own(1000, "0.1"), "always", 0),
        # one machine of 50 is more than the 40 ahead: (50 - 40) / 0.1
        (own(0, "0", 50, 1000), own(40, "0.1"), "at", 100),
        # ahead of the first machine, and a full one earns 100: always
        (own(0, "0", 50, 1000), own(60, "0.1"), "always", 0),
        # ahead by 60, a machine of 50 earns 40 when full: dearer once the second is paid
        (own(0, "0", 50, 1000), own(60, "0.04"), "up to", 2000),
        # 0.05 a query more and 50 a machine: 60 - 50 = 10 are used up after 200 queries
        (own(0, "0.1", 50, 1000), own(60, "0.05"), "up to", 200),
        # a machine of 50 is more than 40, and saves at most 5: never
        (own(0, "0", 50, 1000), own(40, "0.005"), "never", None),
        # 1,000 queries of 0.06 on one machine of 100 do not do, two machines of 100 never do
        (own(0, "0", 100, 1000), own(10, "0.06"), "never", None),
    ],
)
def test_every_outcome_by_hand(mine: Shape, theirs: Shape, outcome: str, volume: int | None) -> None:
    found = crossing(mine, theirs)
    assert (found.outcome, found.volume) == (outcome, volume)


def test_an_unknown_cost_is_an_unknown_answer() -> None:
    unknown = Shape(fixed_usd=None, query_usd=D(1))
    assert crossing(unknown, own(0, "1")).outcome == "unknown"
    assert crossing(own(0, "1"), unknown).outcome == "unknown"


@given(
    fixed=st.integers(0, 60),
    query=st.integers(0, 6),
    machine=st.integers(0, 40),
    capacity=st.integers(3, 40),
    rival=st.tuples(st.integers(0, 60), st.integers(0, 6)),
)
def test_against_a_search_over_all_volumes(
    fixed: int, query: int, machine: int, capacity: int, rival: tuple[int, int]
) -> None:
    mine = own(fixed, str(query), machine, capacity if machine else None)
    theirs = own(rival[0], str(rival[1]))
    found = crossing(mine, theirs)

    def cheaper(volume: int) -> bool:
        one, other = mine.month_usd(volume), theirs.month_usd(volume)
        assert one is not None and other is not None
        return one <= other

    seen = [cheaper(volume) for volume in range(1, MOST)]
    match found.outcome:
        case "always":
            assert all(seen)
        case "never":
            assert not any(seen)
        case "up to":
            assert found.volume is not None
            last = found.volume
            assert all(seen[: min(last, MOST - 1)])
            if last + 1 < MOST:
                assert not seen[last]
        case _:
            assert found.volume is not None
            if found.volume < MOST:
                assert cheaper(max(1, found.volume))
                assert not any(seen[: max(0, found.volume - 1)]) or found.outcome == "beyond one machine"


@given(volume=st.integers(1, 10**8), also=st.one_of(st.none(), st.integers(1, 10**9)))
def test_a_curve_shows_the_volume_and_the_crossing(volume: int, also: int | None) -> None:
    found = volumes_around(volume, also)
    assert list(found) == sorted(set(found)) and found[0] >= 1 and len(found) <= 27
    assert volume in found and (also is None or also in found)
    assert found[0] <= max(1, volume // 100) and found[-1] >= volume * 100
