"""Each finding of the gate: there when its cause is, absent when not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from advisor.options import TaskKind
from harness.core.errors import DataError
from harness.core.records import Evalset, Item, Label
from harness.core.references import Reference
from harness.data.gate import GateLimits, check, of_what_is_left, require_usable

SUBJECTS = [
    "amber",
    "bison",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "heron",
    "ivory",
    "jolly",
    "kayak",
    "lemon",
    "mango",
    "north",
    "ocean",
]


def rows(prefix: str, count: int) -> tuple[Item, ...]:
    """Rows without a common 8-gram or near-duplicate, two labels by turns."""
    return tuple(
        Item(
            id=f"{prefix}{n}",
            text=f"{prefix} {SUBJECTS[n % 15]} {SUBJECTS[(n * 7 + 3) % 15]} {n * 7919}",
            target=("pay", "login")[n % 2],
        )
        for n in range(count)
    )


def clean(**changes: object) -> Evalset:
    evalset = Evalset(
        name="sample",
        title="Sample",
        licence="CC0-1.0",
        provenance="written for this test",
        labels=(Label(name="pay"), Label(name="login")),
        train=rows("learn", 40),
        dev=rows("choose", 12),
        test=rows("judge", 400),
        digests={},
    )
    return replace(evalset, **changes)  # type: ignore[arg-type]


def codes(evalset: Evalset, limits: GateLimits | None = None) -> dict[str, str]:
    return {found.code: found.severity for found in check(evalset, limits or GateLimits())}


def with_test(*extra: Item) -> Evalset:
    return clean(test=rows("judge", 400) + extra)


def new(own: str, text: str, label: str = "pay") -> Item:
    return Item(id=own, text=text, target=label)


def test_clean_rows_raise_only_the_power_note() -> None:
    assert codes(clean()) == {"power": "note"}


@pytest.mark.parametrize(
    ("evalset", "code"),
    [
        (clean(dev=()), "empty-split"),
        (with_test(new("learn0", "a text of its own")), "duplicate-id"),
        (with_test(new("x", "a text of its own", "refund")), "unknown-label"),
        (clean(second_labels={"nobody": "pay"}), "second-label"),
        (clean(second_labels={"judge1": "refund"}), "second-label"),
        (clean(train=tuple(r for r in rows("learn", 40) if r.label == "pay")), "label-only-in-test"),
    ],
)
def test_errors(evalset: Evalset, code: str) -> None:
    assert codes(evalset)[code] == "error"


def test_one_class() -> None:
    only = {part: tuple(r for r in rows(part, 20) if r.label == "pay") for part in ("train", "dev", "test")}
    [found] = [f for f in check(clean(**only)) if f.code == "one-class"]
    assert found.severity == "error" and "one label, 'pay';" in found.message


def test_all_errors_are_raised_at_once() -> None:
    findings = check(clean(dev=(), second_labels={"nobody": "pay"}))
    with pytest.raises(DataError) as caught:
        require_usable("sample", findings)
    assert "2 problems" in str(caught.value)
    assert "dev split has no rows" in str(caught.value)
    assert "names no test row (nobody)" in str(caught.value)
    require_usable("sample", check(clean()))


def test_overlap_is_counted_and_named_and_the_rows_stay() -> None:
    copied = new("copy", rows("learn", 1)[0].text.upper())
    evalset = with_test(copied)
    [found] = [f for f in check(evalset) if f.code == "train-test-overlap"]
    assert (found.severity, found.item_ids) == ("warning", ("copy",))
    assert "1 of 401 test rows" in found.message
    assert copied in evalset.test


def test_near_duplicates_across_splits() -> None:
    long = "the quarterly report of our branch office shows wrong totals since the update"
    evalset = clean(
        train=(*rows("learn", 40), new("l", long)), test=(*rows("judge", 40), new("t", long + "!"))
    )
    assert codes(evalset)["train-test-near-duplicates"] == "note"
    assert "train-test-overlap" not in codes(evalset)


def test_conflicting_labels_and_repeats() -> None:
    found = codes(with_test(new("x", "same words"), new("y", "Same words", "login")))
    assert found["conflicting-labels"] == "warning"
    assert found["repeated-text"] == "note"


def test_empty_long_and_personal_rows() -> None:
    found = codes(with_test(new("x", ""), new("y", "z" * 8001), new("z", "mail me at a.b@example.com")))
    assert (found["empty-text"], found["long-text"], found["personal-data"]) == ("warning", "note", "warning")


def test_personal_data_of_machine_written_rows_is_a_note() -> None:
    evalset = replace(
        with_test(new("z", "mail me at a.b@example.com")), provenance="machine-written, not customer data"
    )
    assert codes(evalset)["personal-data"] == "note"
    assert codes(evalset)["machine-written"] == "note"


def test_thin_support_imbalance_and_untested_label() -> None:
    labels = (*clean().labels, Label(name="rare"), Label(name="unseen"))
    train = (*rows("learn", 80), new("r", "one of a kind", "rare"))
    found = codes(clean(labels=labels, train=train))
    assert found["thin-support-train"] == "warning"
    assert found["imbalance"] == "note"
    assert found["label-not-in-test"] == "warning"


def test_labels_that_differ_in_spelling_only() -> None:
    labels = (Label(name="pay"), Label(name="login"), Label(name="Log-in"), Label(name="log in"))
    assert codes(clean(labels=labels))["label-spelling"] == "warning"


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ("Billing", "billing", "'Billing' (0 rows) and 'billing' (0 rows) differ in case"),
        (
            "pay",
            "pay\u200b",
            "'pay' (226 rows) and 'pay\\u200b' (0 rows) differ in characters that take no room",
        ),
        ("M\u00dcLL", "M\u00fcll", "'M\u00dcLL' (0 rows) and 'M\u00fcll' (0 rows) differ in case"),
        ("1", "1.0", "how a number is written"),
        ("A  b", "A b", "blanks"),
        (
            "\uff21\uff22",
            "AB",
            "'\\uff21\\uff22' (0 rows) and 'AB' (0 rows) differ in the form of their characters",
        ),
        ("log-in", "log_in", "hyphens or underscores"),
    ],
)
def test_look_alikes_are_named_with_their_rows_and_their_difference(one: str, other: str, words: str) -> None:
    labels = (*clean().labels, Label(name=one), Label(name=other))
    messages = [found.message for found in check(clean(labels=labels)) if found.code == "label-spelling"]
    assert len(messages) == 1 and words in messages[0]


@pytest.mark.parametrize("pair", [("+", "-"), ("007", "7"), ("-1", "1"), ("_", "-"), ("c", "c++")])
def test_labels_of_signs_and_numbers_of_their_own_are_no_look_alikes(pair: tuple[str, str]) -> None:
    labels = (*clean().labels, *(Label(name=name) for name in pair))
    assert "label-spelling" not in codes(clean(labels=labels))


def test_labels_that_read_like_a_missing_value_are_named() -> None:
    labels = (*clean().labels, Label(name="NaN"))
    [found] = [f for f in check(clean(labels=labels)) if f.code == "label-missing"]
    assert "'NaN'" in found.message and found.severity == "warning"


def test_a_text_that_names_its_label_is_found_out() -> None:
    telling = {
        part: tuple(replace(r, text=f"{r.text} queue: {r.label.upper()}") for r in rows(part, 40))
        for part in ("learn", "choose", "judge")
    }
    evalset = clean(train=telling["learn"], dev=telling["choose"], test=telling["judge"])
    [found] = [f for f in check(evalset) if f.code == "label-in-text"]
    assert found.severity == "warning" and "120 of 120 rows name their own label" in found.message
    both = clean(train=tuple(replace(r, text=f"{r.text} pay or login") for r in rows("learn", 40)))
    assert "label-in-text" not in codes(both)


def test_a_part_of_the_text_that_settles_the_label_is_found_out() -> None:
    teams = {"pay": "Team Amber", "login": "Team Birch"}
    evalset = clean(
        train=tuple(replace(r, text=f"{teams[r.label]}\n\n{r.text}") for r in rows("learn", 40)),
        dev=tuple(replace(r, text=f"{teams[r.label]}\n\n{r.text}") for r in rows("choose", 12)),
        test=tuple(replace(r, text=f"{teams[r.label]}\n\n{r.text}") for r in rows("judge", 60)),
    )
    [found] = [f for f in check(evalset) if f.code == "label-settled"]
    assert (
        "The first part of the text ('Team Amber', 'Team Birch') decides the label in 112 of 112"
        in found.message
    )


def test_where_one_cluster_swallows_a_split_the_cause_is_named() -> None:
    message = "A user of the portal has sent a request through the web form on Monday, number {}"
    alike = tuple(
        Item(id=f"n{n}", text=message.format(n), target=("pay", "login")[n % 2], cluster="cluster-n0")
        for n in range(40)
    )
    [found] = [f for f in check(clean(train=alike, dev=(), test=())) if f.code == "empty-split"]
    assert found.message.startswith("The dev and test splits have no rows: 40 of 40 rows are near-duplicates")
    assert (
        "40 rows hold 'A user of the portal has sent a request" in found.message and "--text" in found.message
    )
    assert "near-duplicates" not in check(clean(dev=()))[0].message


def test_one_row_a_label_is_told_with_a_way_out() -> None:
    single = tuple(Item(id=f"n{n}", text=f"question {n}", target=f"topic {n}") for n in range(40))
    names = tuple(Label(name=item.label) for item in single)
    [found] = [
        f for f in check(clean(train=single, dev=(), test=(), labels=names)) if f.code == "empty-split"
    ]
    assert found.message.startswith("The dev and test splits have no rows: each row has a label of its own")
    assert "--label" in found.message and "from 3 on" in found.message


def test_two_rows_a_label_are_told_with_a_way_out() -> None:
    pairs = tuple(replace(row, target=f"topic {n // 2}") for n, row in enumerate(rows("learn", 40)))
    names = tuple(Label(name=f"topic {n}") for n in range(20))
    [found] = [f for f in check(clean(train=pairs, dev=(), test=(), labels=names)) if f.code == "empty-split"]
    assert "no label has more than 2 rows" in found.message and "join labels that are alike" in found.message


@pytest.mark.parametrize(
    ("labels", "joined"),
    [
        (("pay", "login", "pay;login"), "'pay;login'"),
        (("pay", "login", "['login', 'pay']"), "'pay'"),
        (("pay|login", "pay|ship", "ship|login"), "'pay|login'"),
        (("pay", "login", "pay/later"), ""),
        (("hardware/screen", "hardware/mouse", "hardware"), ""),
    ],
)
def test_labels_that_hold_several_others_are_named(labels: tuple[str, ...], joined: str) -> None:
    parts = {
        part: tuple(replace(r, target=labels[n % 3]) for n, r in enumerate(rows(part, 60)))
        for part in ("train", "dev", "test")
    }
    found = check(clean(**parts, labels=tuple(Label(name=name) for name in labels)))
    said = [f.message for f in found if f.code == "label-joined"]
    assert (joined in said[0]) if joined else not said


def test_letters_of_a_wrong_encoding_are_named_as_they_were_meant() -> None:
    meant = "Rückgabe für Köln – 5 €, São Paulo"
    odd = Item(id="odd", text=meant.encode().decode("cp1252"), target="pay")
    fine = Item(id="fine", text=meant + " Ã â€", target="pay")
    [found] = [
        f for f in check(clean(train=(odd, fine), test=rows("judge", 20))) if f.code == "misread-letters"
    ]
    assert found.item_ids == ("odd",) and "'RÃ¼ckgabe' for 'Rückgabe'" in found.message
    assert found.severity == "warning"


def test_wrong_letters_in_less_than_a_row_of_a_hundred_are_a_note() -> None:
    odd = Item(id="odd", text="für".encode().decode("cp1252"), target="pay")
    [found] = [f for f in check(clean(train=(*rows("learn", 200), odd))) if f.code == "misread-letters"]
    assert found.severity == "note" and "In 1 of 613 rows" in found.message


def test_clusters_torn_between_splits() -> None:
    one = Item(id="p", text="first of the pair", target="pay", cluster="acme")
    two = Item(id="q", text="a second and other text", target="pay", cluster="acme")
    evalset = clean(train=(*rows("learn", 40), one), test=(*rows("judge", 40), two))
    assert codes(evalset)["cluster-across-splits"] == "warning"


def test_shared_8_grams() -> None:
    phrase = "we kindly ask you to look into this"
    extra = [new(f"s{n}", f"{phrase} {SUBJECTS[n]} {n * 31}" * 2) for n in range(10)]
    evalset = clean(test=(*rows("judge", 40), *extra))
    assert codes(evalset)["shared-8-grams"] == "note"


def test_power_is_a_warning_where_few_rows_show_nothing() -> None:
    [found] = [f for f in check(clean(test=rows("judge", 40))) if f.code == "power"]
    assert found.severity == "warning"
    # by hand: 0.44 * (1.959964 + 1.281552)^2 / 0.02^2 = 11,558.3, and 0.10 for 0.44 gives 2,626.9
    assert "a tie within 2 points takes about 2,627 and 11,559 rows" in found.message
    assert "40 test rows show no difference if they disagree on 10 % of them" in found.message


def test_what_a_limit_leaves_has_a_power_of_its_own() -> None:
    whole = clean(test=rows("judge", 40))
    left = replace(whole, findings=check(whole), test=whole.test[:10])
    before = {finding.code: finding.message for finding in left.findings}
    after = {finding.code: finding.message for finding in of_what_is_left(left)}
    assert "40 test rows" in before["power"] and "10 test rows" in after["power"]
    assert before.keys() == after.keys()


def test_labels_that_a_limit_leaves_untested_are_counted() -> None:
    whole = clean()
    left = replace(whole, findings=check(whole), test=tuple(r for r in whole.test if r.label == "pay")[:4])
    assert "label-not-in-test" not in {finding.code for finding in left.findings}
    after = {finding.code: finding.message for finding in of_what_is_left(left)}
    assert after["label-not-in-test"] == (
        "4 test rows do not measure 2 labels: 1 label has no test row: 'login'."
    )
    assert "1 label has fewer than 5 test rows" in after["thin-support-test"]
    again = replace(left, findings=of_what_is_left(left), test=whole.test)
    assert {finding.code for finding in of_what_is_left(again)} == {
        finding.code for finding in whole.findings
    } | {"power"}


def test_at_most_20_ids_are_named() -> None:
    [found] = [f for f in check(with_test(*(new(f"e{n}", "") for n in range(30)))) if f.code == "empty-text"]
    assert len(found.item_ids) == 20
    assert found.message.startswith("30 rows")


@pytest.mark.parametrize(
    "day", ["2026-{m:02}-{d:02}", "{d}.{m}.2026", "{m}/{d}/26 10:{d:02}", "{d} March 20{m:02}"]
)
def test_a_column_of_dates_is_no_label(day: str) -> None:
    labels = [day.format(d=d, m=m) for m in (10, 11) for d in range(1, 11)]
    found = check(clean(labels=tuple(Label(name=one) for one in labels)))
    assert [finding.code for finding in found] == ["label-dates"] and found[0].severity == "error"
    assert "20 different dates" in found[0].message and "--label" in found[0].message


def test_labels_that_hold_numbers_are_no_dates() -> None:
    labels = [f"TKT-2026-{number}" for number in range(20)] + [f"{number}.10" for number in range(20)]
    assert "label-dates" not in {
        finding.code for finding in check(clean(labels=tuple(Label(name=one) for one in labels)))
    }


@pytest.mark.parametrize(("long", "severity"), [(0, None), (1, "note"), (200, "warning")])
def test_answers_that_are_paragraphs_are_told_of(long: int, severity: str | None) -> None:
    """A short way to say it beside the paragraph will do; so does twenty words, and no answer at all."""
    twenty = " ".join([*SUBJECTS, *SUBJECTS[:5]])
    paragraph = f"{twenty} more"

    def answered(items: tuple[Item, ...], long: int) -> tuple[Item, ...]:
        ways = [(paragraph,)] * long + [(paragraph, "room 4"), (twenty,), ()] * len(items)
        return tuple(
            replace(one, target=Reference(answers=way, answerable=bool(way)))
            for one, way in zip(items, ways, strict=False)
        )

    judged = clean().test
    questions = clean(
        task=TaskKind.QUESTION_ANSWERING,
        labels=(),
        train=answered(clean().train, 0),
        dev=answered(clean().dev, 0),
        test=answered(judged, long),
    )
    assert codes(questions).get("long-answers") == severity
