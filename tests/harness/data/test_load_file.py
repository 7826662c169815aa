"""A user's own file: what is read, and every bad input as one clear error that lists all faults."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from harness.core.errors import DataError, UsageError
from harness.core.records import Evalset, Item
from harness.data.load import load_file
from harness.data.settings import DataPlan

FORM = DataPlan(file="t.csv", text=("subject", "body"), label="queue")
SEED = 7


def form(**changes: object) -> DataPlan:
    return FORM.model_copy(update=changes)


NOUNS = [
    "anchor",
    "basket",
    "candle",
    "dragon",
    "engine",
    "feather",
    "guitar",
    "hammer",
    "island",
    "jacket",
    "kettle",
    "ladder",
    "magnet",
]


def table(count: int = 40) -> list[dict[str, str]]:
    return [
        {
            "subject": f"about the {NOUNS[n % 13]}",
            "body": f"{NOUNS[(n * 5 + 1) % 13]} number {n * 7919} is odd",
            "queue": ("billing", "login")[n % 2],
            "customer": f"customer {n // 3}",
        }
        for n in range(count)
    ]


def as_csv(rows: list[dict[str, str]], delimiter: str = ",") -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys(), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def load(tmp_path: Path, content: str | bytes, name: str = "t.csv", options: DataPlan = FORM) -> Evalset:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_file(path, options, SEED)


def refused(tmp_path: Path, content: str | bytes, name: str = "t.csv", options: DataPlan = FORM) -> str:
    with pytest.raises(DataError) as caught:
        load(tmp_path, content, name, options)
    return str(caught.value)


def items(evalset: Evalset) -> dict[str, Item]:
    return {item.id: item for item in evalset.train + evalset.dev + evalset.test}


def codes(evalset: Evalset) -> set[str]:
    return {finding.code for finding in evalset.findings}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_csv_of_any_delimiter_with_and_without_mark(tmp_path: Path, delimiter: str, encoding: str) -> None:
    evalset = load(tmp_path, as_csv(table(), delimiter).encode(encoding))
    found = items(evalset)
    assert len(found) == 40
    assert found["row-00000"].text == "about the anchor\n\nbasket number 0 is odd"
    assert evalset.label_names == ("billing", "login")
    assert (len(evalset.train), len(evalset.dev), len(evalset.test)) == (20, 4, 16)


def test_csv_jsonl_and_json_give_the_same_rows(tmp_path: Path) -> None:
    rows = table()
    from_csv = load(tmp_path, as_csv(rows))
    from_jsonl = load(tmp_path, "\n".join(json.dumps(row) for row in rows) + "\n\n", "t.jsonl")
    from_json = load(tmp_path, json.dumps(rows), "t.json")
    assert from_csv.digests == from_jsonl.digests == from_json.digests


def test_customers_and_near_duplicates_stay_in_one_split(tmp_path: Path) -> None:
    rows = table()
    rows[39] = rows[0] | {"subject": rows[0]["subject"].upper(), "customer": "someone else"}
    evalset = load(tmp_path, as_csv(rows), options=form(group=("customer",)))
    home = {item.id: name for name in ("train", "dev", "test") for item in getattr(evalset, name)}
    for first in range(0, 39, 3):
        own = [n for n in range(first, first + 3) if n < 39]
        assert len({home[f"row-{n:05d}"] for n in own}) == 1
    assert home["row-00039"] == home["row-00000"]


def test_empty_subject_leaves_no_blank_line(tmp_path: Path) -> None:
    rows = table()
    rows[0]["subject"] = "  "
    assert items(load(tmp_path, as_csv(rows)))["row-00000"].text == "basket number 0 is odd"


def test_own_ids_and_slices(tmp_path: Path) -> None:
    rows = [{"id": f"T{n}", "lang": "de"} | row for n, row in enumerate(table())]
    evalset = load(tmp_path, as_csv(rows), options=form(slices=("lang",)))
    assert items(evalset)["T3"].slices == (("lang", "de"),)
    assert evalset.label_names == ("billing", "login")


def test_html_emoji_formulas_and_quoted_line_breaks_are_just_text(tmp_path: Path) -> None:
    rows = table()
    rows[0]["body"] = '<b>Help</b> \U0001f621 =HYPERLINK("x")\r\n"quoted", comma'
    assert items(load(tmp_path, as_csv(rows)))["row-00000"].text.endswith(rows[0]["body"])


def test_a_100_kb_ticket_is_kept_whole_and_reported(tmp_path: Path) -> None:
    rows = table()
    rows[0]["body"] = "word " * 60_000
    limit = csv.field_size_limit()
    evalset = load(tmp_path, as_csv(rows))
    assert len(items(evalset)["row-00000"].text) > 290_000
    assert "long-text" in codes(evalset)
    assert csv.field_size_limit() == limit


def test_a_few_nuls_are_dropped_with_a_finding(tmp_path: Path) -> None:
    content = as_csv(table()).encode().replace(b"basket number 0", b"bask\x00et number 0")
    evalset = load(tmp_path, content)
    assert "basket number 0" in items(evalset)["row-00000"].text
    assert "nul-characters" in codes(evalset)


def test_half_surrogates_are_replaced_with_a_finding(tmp_path: Path) -> None:
    rows = table()
    lines = [json.dumps(row) for row in rows]
    lines[0] = lines[0].replace("basket", "b\\ud83dsket")
    evalset = load(tmp_path, "\n".join(lines), "t.jsonl")
    assert "b\ufffdsket" in items(evalset)["row-00000"].text
    assert "half-surrogates" in codes(evalset)


def test_rare_labels_are_reported(tmp_path: Path) -> None:
    rows = table()
    rows[5]["queue"] = "refund"
    evalset = load(tmp_path, as_csv(rows))
    assert [f.item_ids for f in evalset.findings if f.code == "rare-label"] == [("row-00005",)]
    assert items(evalset)["row-00005"] in evalset.train


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"\x00\x00"])
def test_empty_file(tmp_path: Path, content: bytes) -> None:
    assert "t.csv is empty" in refused(tmp_path, content)


def test_header_alone(tmp_path: Path) -> None:
    assert "no rows below the header" in refused(tmp_path, "subject,body,queue\n")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_file(tmp_path / "none.csv", FORM, SEED)
    with pytest.raises(DataError, match="is a folder"):
        load_file(tmp_path, FORM, SEED)


def test_not_utf8_names_byte_line_and_flag(tmp_path: Path) -> None:
    rows = table()
    rows[1]["body"] = "Zahlung f\u00fcr M\u00e4rz"
    content = as_csv(rows).encode("cp1252")
    message = refused(tmp_path, content)
    assert "not valid utf-8" in message
    assert "0xfc" in message and "line 3" in message
    assert "--encoding cp1252" in message
    read = load(tmp_path, content, options=form(encoding="cp1252"))
    assert items(read)["row-00001"].text.endswith("Zahlung f\u00fcr M\u00e4rz")


def test_utf16_is_recognised_and_readable(tmp_path: Path) -> None:
    content = as_csv(table()).encode("utf-16")
    assert "--encoding utf-16" in refused(tmp_path, content)
    assert len(items(load(tmp_path, content, options=form(encoding="utf-16")))) == 40


def test_many_nuls_mean_another_encoding(tmp_path: Path) -> None:
    assert "NUL characters" in refused(tmp_path, as_csv(table()).encode("utf-16-le"))


@pytest.mark.parametrize(
    "encoding", ["utf-9", "utf\0", "\ud800", "", "x" * 5000, "hex", "rot13", "undefined"]
)
def test_unknown_encoding(tmp_path: Path, encoding: str) -> None:
    options = form(encoding=encoding)
    with pytest.raises(UsageError, match="encoding") as caught:
        load(tmp_path, as_csv(table()), options=options)
    assert caught.value.exit_code == 2


def test_missing_column_lists_the_others_and_the_nearest(tmp_path: Path) -> None:
    options = form(label="Queu", group=("thread",))
    message = refused(tmp_path, as_csv(table()), options=options)
    assert "no column 'Queu'; did you mean 'queue'?" in message
    assert "no column 'thread'" in message
    assert "allowed: a column of the file: 'subject', 'body', 'queue', 'customer'" in message


def test_duplicated_header(tmp_path: Path) -> None:
    message = refused(tmp_path, as_csv(table()).replace("customer", "body", 1))
    assert "column named twice in the header: 'body'" in message


def test_key_written_twice_in_json(tmp_path: Path) -> None:
    line = '{"subject": "a", "body": "b", "queue": "x", "queue": "y"}'
    assert "key written twice: line 1 ('queue')" in refused(tmp_path, line, "t.jsonl")


def test_one_class(tmp_path: Path) -> None:
    rows = [row | {"queue": "billing"} for row in table()]
    assert "one label, 'billing'; there is nothing to classify" in refused(tmp_path, as_csv(rows))


def test_too_few_rows_for_three_splits(tmp_path: Path) -> None:
    assert "dev and test splits have no rows" in refused(tmp_path, as_csv(table(2)))


def test_ragged_rows_empty_labels_and_duplicate_ids_all_at_once(tmp_path: Path) -> None:
    rows = [{"id": f"T{n}"} | row for n, row in enumerate(table())]
    rows[3]["id"] = "T2"
    rows[8]["queue"] = " "
    lines = as_csv(rows).split("\r\n")
    lines[11] += ",one,more"
    lines[13] = "T12,short"
    message = refused(tmp_path, "\r\n".join(lines), options=form(id="id"))
    assert "3 problems" in message
    assert "line 12 has 7, line 14 has 2" in message
    assert "label column 'queue' is empty: line 10" in message
    assert "id used more than once: 'T2' (2 times)" in message


@pytest.mark.parametrize("value", ["same", ""])
def test_a_column_called_id_that_nobody_named_does_no_harm(tmp_path: Path, value: str) -> None:
    rows = [{"id": value if n < 2 else f"T{n}"} | row for n, row in enumerate(table())]
    evalset = load(tmp_path, as_csv(rows))
    assert "row-00039" in items(evalset)
    assert "ids" in codes(evalset)
    assert "id" in refused(tmp_path, as_csv(rows), options=form(id="id"))


def test_ids_of_a_named_column(tmp_path: Path) -> None:
    rows = [{"number": f"INC{n}"} | row for n, row in enumerate(table())]
    assert "INC7" in items(load(tmp_path, as_csv(rows), options=form(id="number")))
    assert "no column 'nr'" in refused(tmp_path, as_csv(rows), options=form(id="nr"))


def test_line_numbers_count_quoted_line_breaks(tmp_path: Path) -> None:
    rows = table()
    rows[0]["body"] = "two\nlines"
    rows[1]["queue"] = ""
    assert "is empty: line 4" in refused(tmp_path, as_csv(rows))


def test_unclosed_quote(tmp_path: Path) -> None:
    assert "not readable as CSV" in refused(tmp_path, as_csv(table()) + '"open,quote')


def test_bad_json_lines(tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in table()]
    lines[4] = "{not json"
    lines[6] = "[1, 2]"
    lines[7] = lines[7].replace('"billing"', '{"name": "billing"}').replace('"login"', '{"name": "login"}')
    message = refused(tmp_path, "\n".join(lines), "t.jsonl")
    for part in (
        "not valid JSON: line 5",
        "not a JSON object: line 7",
        "value is neither text nor a number: line 8 ('queue')",
    ):
        assert part in message


def test_many_faults_of_a_kind_are_folded(tmp_path: Path) -> None:
    rows = [row | {"queue": "" if n else "pay"} for n, row in enumerate(table(30))]
    message = refused(tmp_path, as_csv(rows))
    assert "line 10 and 21 more" in message


def test_two_loads_agree(tmp_path: Path) -> None:
    content = as_csv(table())
    assert load(tmp_path, content) == load(tmp_path, content)


def test_rows_without_a_label_are_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    rows = table()
    for n in range(0, 40, 10):
        rows[n]["queue"] = " "
    message = refused(tmp_path, as_csv(rows))
    assert "is empty: line 2, line 12" in message and "--skip-unlabelled, which leaves out 4 of 40" in message
    evalset = load(tmp_path, as_csv(rows), options=form(skip_unlabelled=True))
    assert len(items(evalset)) == 36 and "row-00039" in items(evalset)
    assert next(f.message for f in evalset.findings if f.code == "unlabelled").startswith("4 of 40 rows")


def test_a_label_column_without_any_label_is_not_left_out_row_by_row(tmp_path: Path) -> None:
    rows = [row | {"queue": ""} for row in table()]
    for skip in (False, True):
        message = refused(tmp_path, as_csv(rows), options=form(skip_unlabelled=skip))
        assert "'queue' is empty in every row" in message and "--skip-unlabelled" not in message


def test_a_label_of_two_columns(tmp_path: Path) -> None:
    rows = [row | {"topic": ("", "refund")[n // 2 % 2]} for n, row in enumerate(table())]
    evalset = load(tmp_path, as_csv(rows), options=form(label=("queue", "topic")))
    assert evalset.label_names == ("billing", "billing > refund", "login", "login > refund")


def test_the_label_among_the_texts_is_refused_however_it_is_spelled(tmp_path: Path) -> None:
    for text in ("queue", "Queue", " queue"):
        message = refused(tmp_path, as_csv(table()), options=form(text=("body", text)))
        assert "label column is among the text columns" in message


def test_devices_are_not_read() -> None:
    with pytest.raises(DataError, match="is a device"):
        load_file(Path("/dev/zero"), FORM, SEED)


def test_rows_without_ids_are_numbered_and_that_is_said(tmp_path: Path) -> None:
    rows = [{"number": f"INC{n:06}", "body": f"basket {n}", "queue": "ab"[n % 2]} for n in range(20)]
    for row, usual in zip(rows, table(20), strict=True):
        row["body"] = usual["body"]  # texts that are no near-duplicates of each other
    evalset = load(tmp_path, as_csv(rows), options=form(text=("body",)))
    (said,) = [finding for finding in evalset.findings if finding.code == "ids"]
    assert said.severity == "note" and "row-00000" in said.message and "'number'" in said.message
    named = load(tmp_path, as_csv(rows), options=form(text=("body",), id="number"))
    assert "INC000003" in items(named) and all(finding.code != "ids" for finding in named.findings)
