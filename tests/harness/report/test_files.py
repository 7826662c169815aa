"""Files of a run: what stands in them, that spreadsheets compute nothing, and that bytes do not change."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bakeoff.answers import ItemAnswer
from harness.bakeoff.results import RESULTS_SCHEMA
from harness.core.errors import MissingExtra, StoreError, UsageError
from harness.core.records import PriceBasis
from harness.core.serial import decode
from harness.recommendation.records import RunResults
from harness.report.files import Reported, write_report
from harness.report.tables import formula_safe
from tests.support.results import LINEAR, RETRIEVE, arm_result, dollars, run_results

ATTACK = '=HYPERLINK("http://evil","x")'


def answer(**changes: object) -> ItemAnswer:
    base = ItemAnswer(
        arm=LINEAR,
        item_id="t-1",
        text="charged twice, \u00fcber\nalles",
        label="refund_request",
        raw="refund request",
        answer="refund_request",
        correct=True,
        confidence=0.8125,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def reported(results: RunResults | None = None, *answers: ItemAnswer) -> Reported:
    return Reported(results=results or run_results(), answers=answers or (answer(),))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_json_is_the_results_with_their_schema(tmp_path: Path) -> None:
    (path,) = write_report(reported(), ["json"], tmp_path)
    assert json.loads(path.read_text())["schema"] == RESULTS_SCHEMA
    assert decode(RunResults, path.read_bytes()) == run_results()


def test_csv_has_one_row_an_arm_with_intervals_and_denominators(tmp_path: Path) -> None:
    arms, _ = write_report(reported(), ["csv"], tmp_path)
    found = {row["arm"]: row for row in rows(arms)}
    assert list(found) == [str(arm.arm) for arm in run_results().arms]
    linear = found["linear@linear"]
    assert (linear["accuracy"], linear["accuracy_low"], linear["accuracy_n"]) == (
        "0.8125",
        "0.77",
        "560",
    )
    assert linear["usd_per_1k"] == "0.0123" and linear["usd_per_1k_basis"] == "illustrative"
    assert linear["ship"] == "true" and found["prompt@smollm2-135m"]["vetoes"].startswith("accuracy 12.0 %")


def test_an_unknown_price_is_an_empty_cell_called_unknown(tmp_path: Path) -> None:
    own = arm_result(RETRIEVE, (0.5, 0.4, 0.6))
    cost = replace(own.cost, usd_per_1k=dollars(None, PriceBasis.LIST_PRICE, "no price"))
    arms, _ = write_report(reported(run_results(arms=(replace(own, cost=cost),))), ["csv"], tmp_path)
    (row,) = rows(arms)
    assert row["usd_per_1k"] == "" and row["usd_per_1k_basis"] == "unknown"


def test_predictions_hold_text_labels_and_confidence(tmp_path: Path) -> None:
    failed = answer(item_id="t-2", raw="", answer=None, correct=None, confidence=None, failure="timeout")
    _, path = write_report(reported(None, answer(), failed), ["csv"], tmp_path)
    first, second = rows(path)
    assert first["text"] == "charged twice, \u00fcber\nalles"
    assert (first["label"], first["answer"], first["correct"]) == ("refund_request", "refund_request", "true")
    assert first["confidence"] == "0.8125"
    assert (second["answer"], second["correct"], second["failure"]) == ("", "", "timeout")


@pytest.mark.parametrize("text", [ATTACK, "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", "\uff1d1"])
def test_no_text_is_a_formula(text: str, tmp_path: Path) -> None:
    hostile = answer(text=text, raw=text, label=text, item_id=text)
    _, path = write_report(reported(None, hostile), ["csv"], tmp_path)
    (row,) = rows(path)
    for column in ("item_id", "text", "label", "raw_answer"):
        assert row[column] == f"'{text}"


def test_negative_numbers_stay_numbers(tmp_path: Path) -> None:
    own = arm_result(RETRIEVE, (0.5, -0.1, 0.6))
    arms, _ = write_report(reported(run_results(arms=(own,))), ["csv"], tmp_path)
    assert rows(arms)[0]["accuracy_low"] == "-0.1"


@given(st.text())
def test_formula_safe_never_starts_a_formula(text: str) -> None:
    assert not formula_safe(text).lstrip().startswith(("=", "+", "-", "@"))


def test_nul_and_half_characters_are_written_not_fatal(tmp_path: Path) -> None:
    _, path = write_report(reported(None, answer(text="a\0b \ud800")), ["csv"], tmp_path)
    assert rows(path)[0]["text"] == "a\ufffdb \\ud800"


def test_parquet_has_types_and_exact_money(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    failed = answer(correct=None, confidence=None, answer=None, failure="timeout", text=ATTACK + "\ud800")
    arms, predictions = write_report(reported(None, answer(), failed), ["parquet"], tmp_path)
    table = pq.read_table(arms).to_pylist()
    assert table[1]["usd_per_1k"] == Decimal("0.0123") and table[1]["accuracy"] == 0.8125
    assert table[1]["accuracy_n"] == 560 and table[1]["ship"] is True and table[1]["throughput_qps"] is None
    found = pq.read_table(predictions).to_pylist()
    assert found[1]["text"] == ATTACK + "\\ud800" and found[1]["correct"] is None


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"tune-or-retrieve\[tables\]"):
        write_report(reported(), ["parquet"], tmp_path)


@pytest.mark.parametrize("formats", [["docx"], ["csv", "xlsx"], []])
def test_an_unknown_format_lists_the_known_and_writes_nothing(formats: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="json, csv, md, parquet"):
        write_report(reported(), formats, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    formats = ["json", "csv", "md", "parquet"]
    first = write_report(reported(), formats, tmp_path / "a")
    second = write_report(reported(), [*formats, "csv"], tmp_path / "b")
    assert [path.name for path in first] == [path.name for path in second]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(path.name for path in first)


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"file cannot be made(.|\n)*another folder with -o"):
        write_report(reported(), ["json"], tmp_path / "file")
