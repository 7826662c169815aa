"""What a drill measured is read by the advisor without the harness."""

from __future__ import annotations

from decimal import Decimal

import pytest

from advisor.drill_evidence import updates_of
from advisor.errors import CaseError
from advisor.options import Option
from harness.core.serial import encode
from tests.support.drills import a_drill


def test_seconds_and_dollars_of_an_update_by_option() -> None:
    found = updates_of(encode(a_drill()), "freshness.json")
    assert found[Option.NEIGHBOURS].seconds == 0.1 and found[Option.LINEAR].seconds == 6.0
    assert found[Option.LINEAR].usd == Decimal("0.0002") and found[Option.LINEAR].stale == 0.8
    assert Option.TUNE not in found, "it could not be trained again"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 9, "arms": []}'])
def test_what_is_no_drill_is_refused(text: str) -> None:
    with pytest.raises(CaseError, match=r"freshness\.json is no drill"):
        updates_of(text, "freshness.json")
