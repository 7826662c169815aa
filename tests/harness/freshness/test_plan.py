"""The plan of a drill: what changes, and what it must state."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from advisor.bundled import bundled
from harness.core.errors import UsageError
from harness.freshness.plan import parse_drill

CHANGE = {"labels": {"added": {"a": "b"}}}


def text(**changes: Any) -> str:
    raw: dict[str, Any] = {
        "seed": 1,
        "data": {"evalset": "support-tickets"},
        "arms": [{"option": "neighbours"}, {"option": "linear"}],
        "cost": {"price_date": "2026-11-23", "wrong_answer_usd": 0.5},
        "freshness": CHANGE,
    }
    return yaml.safe_dump({key: value for key, value in (raw | changes).items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"freshness": None}, "no second edition"),
        ({"freshness": {}}, "no second edition"),
        ({"freshness": {"retrain_wait_hours": 2}}, "there is no second edition"),
        ({"freshness": CHANGE | {"second": {"edition": "2"}}}, "there is no second edition"),
        ({"freshness": {"second": {"label": "x"}}}, "second names label"),
        ({"freshness": {"labels": {}}}, "no label changes"),
        ({"freshness": {"labels": {"split": {"a": ["b"]}}}}, "at least 2"),
        ({"freshness": {"labels": {"added": {"a": "b"}, "withdrawn": {"a": "c"}}}}, "change twice"),
        ({"freshness": {"labels": {"added": {"a": "b"}, "withdrawn": {"b": "c"}}}}, "change themselves"),
        ({"freshness": CHANGE | {"wait": 1}}, "wait"),
        ({"cost": {"price_date": "2026-11-23"}}, "no cost of a wrong answer"),
        ({"arms": [{"option": "linear"}, {"option": "route"}]}, "route"),
        ({"arms": [{"option": "floor"}]}, "no arm that has to keep up"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_drill(text(**changes), "plan.yaml")
    assert says in str(error.value)


def test_an_edition_may_be_a_bare_day() -> None:
    """YAML reads 2021-01-01 as a day."""
    bare = text(freshness={"second": {"edition": "DAY"}}).replace("DAY", "2024-07-01")
    bare = bare.replace("evalset: support-tickets", "evalset: handbook\n  edition: 2021-01-01")
    drill = parse_drill(bare, "plan")
    assert drill.experiment.data.edition == "2021-01-01" and drill.change.second == {"edition": "2024-07-01"}


def test_the_change_is_in_the_digest() -> None:
    one = parse_drill(text(), "plan.yaml")
    other = parse_drill(text(freshness={"labels": {"added": {"a": "c"}}}), "plan.yaml")
    assert one.experiment.digest == other.experiment.digest and one.digest != other.digest
    assert one.digest == parse_drill(text(), "elsewhere.yaml").digest


def test_the_example_is_a_plan() -> None:
    example = bundled("harness", "evalsets") / "support-tickets" / "drill.yaml"
    found = parse_drill(example.read_text(encoding="utf-8"), "drill.yaml")
    assert found.change.labels is not None and found.change.labels.withdrawn == {"complaint": "other"}
