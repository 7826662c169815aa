"""Cards: the shipped ones parse, and every fault of a bad one is named at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import DataError
from harness.data.card import parse_card
from harness.data.load import builtin_evalsets, load_card

GOOD = """
name = "sample"
title = "Sample"
licence = "CC0-1.0"
provenance = "written for this test"
[columns]
text = ["subject", "body"]
label = "queue"
[files]
train = "train.csv"
dev = "dev.csv"
test = "test.csv"
[labels]
pay = "Payments."
other = "The rest."
"""


def test_all_shipped_cards_parse() -> None:
    found = builtin_evalsets()
    assert {"banking77", "clinc150", "support-tickets"} <= set(found)
    for name, folder in found.items():
        card, at = load_card(name)
        assert card.name == name
        assert at == folder
        assert card.licence and card.provenance


def test_labels_keep_their_order() -> None:
    guide = parse_card(GOOD, "card.toml").label_guide
    assert [(label.name, label.definition) for label in guide] == [
        ("pay", "Payments."),
        ("other", "The rest."),
    ]


def test_all_faults_at_once() -> None:
    bad = GOOD.replace('licence = "CC0-1.0"', 'license = "CC0-1.0"')
    bad = bad.replace('train = "train.csv"', 'train = "../train.csv"')
    with pytest.raises(DataError) as caught:
        parse_card(bad, "card.toml")
    message = str(caught.value)
    assert "3 faults" in message
    for part in (
        "license: unknown key",
        "licence: is missing",
        "files.train",
    ):
        assert part in message


def test_a_card_has_the_columns_of_its_kind() -> None:
    """Which column holds what is right depends on the kind, so it is looked at once the rest is well."""
    without = GOOD.replace('label = "queue"', "")
    with pytest.raises(DataError, match=r"a card for classification needs columns\.label"):
        parse_card(without, "card.toml")
    fields = GOOD.replace('label = "queue"', 'fields = "queue"')
    with pytest.raises(DataError, match=r"a card for classification needs columns\.label"):
        parse_card(fields, "card.toml")
    extraction = 'task = "extraction"\n' + fields.partition("[labels]")[0]
    with pytest.raises(DataError, match="a card for extraction needs schema"):
        parse_card(extraction, "card.toml")
    with pytest.raises(DataError, match=r"a card for classification has no columns\.fields"):
        parse_card(GOOD.replace('label = "queue"', 'label = "queue"\nfields = "queue"'), "card.toml")
    card = parse_card('schema = "schema.json"\n' + extraction, "card.toml")
    assert (card.target, card.schema_file) == ("queue", "schema.json")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (('dev = "dev.csv"', ""), "[split] must say"),
        (('[files]\ntrain = "train.csv"\ndev = "dev.csv"\ntest = "test.csv"', ""), "where the rows are"),
        (('title = "Sample"', 'title = "Sample"\nout_of_scope = "oos"'), "not in [labels]: oos"),
        (("[labels]", '[sha256]\n"train.csv" = "12ab"\n[labels]'), "sha256.train.csv"),
    ],
)
def test_single_faults(change: tuple[str, str], part: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_card(GOOD.replace(*change), "card.toml")
    assert part in str(caught.value)


def test_no_toml() -> None:
    with pytest.raises(DataError, match="not valid TOML"):
        parse_card("name = ", "card.toml")


def test_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_card("bankin77")
    assert "banking77, clinc150" in str(caught.value)
    with pytest.raises(DataError):
        load_card(tmp_path)


def test_card_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_bytes(b'name = "caf\xe9"')
    with pytest.raises(DataError, match="not valid UTF-8"):
        load_card(tmp_path)
