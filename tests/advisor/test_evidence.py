"""The published figures load, are cited, and say that they were not measured here."""

from datetime import date

import pytest

from advisor import evidence as ev

FIGURES = ev.load_evidence()


def test_every_figure_is_cited_and_dated():
    assert len(FIGURES) >= 100
    assert all(f.study and f.task and f.metric and f.source for f in FIGURES)
    assert {f.checked for f in FIGURES} == {date(2026, 11, day) for day in (23, 25, 27)}
    assert {f.tag for f in FIGURES} == set(ev.Tag)


def test_a_public_repository_has_an_address_and_what_was_not_found_again_says_so():
    assert all("https://" in f.source for f in FIGURES if f.tag is ev.Tag.REPOSITORY)
    assert all(f.source.startswith("unverified") for f in FIGURES if f.tag is ev.Tag.UNVERIFIED)


def test_accuracies_are_shares():
    shares = [f for f in FIGURES if f.metric.startswith("accuracy")]
    assert len(shares) > 40 and all(0 <= f.value <= 1 for f in shares)


@pytest.mark.parametrize(
    ("task", "option", "low", "high"),
    [  # read off the published tables by eye
        ("banking77", "linear", 0.885, 0.934),
        ("banking77", "encoder", 0.919, 0.9477),
        ("banking77", "prompt", 0.62, 0.857),
        ("banking77", "retrieve", 0.855, 0.9347),
        ("banking77", "tune", 0.863, 0.946),
        ("popqa", "tune+retrieve", 0.784, 0.821),
        ("current-events", "tune", 0.504, 0.588),
    ],
)
def test_published_ranges(task, option, low, high):
    values = [figure.value for figure in ev.published(task, option)]
    assert (values[0], values[-1]) == (low, high) and values == sorted(values)


def test_nothing_published_is_nothing_and_never_a_guess():
    assert ev.published("banking77", "tune+retrieve") == ()
    assert ev.published("banking77", "tune", metric="usd_per_1k")[-1].value == 0.0074
    assert ev.published("banking77", "tune", evidence=()) == ()


ROW = 'key="a"\nstudy="s"\ntask="t"\noption=""\nmodel=""\nmetric="m"\nsource="x"\ntag="P"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"[[figure]]\n{ROW}value=1\n[[figure]]\n{ROW}value=2\n", "doubled"),
        (f"[[figure]]\n{ROW}value=1\ncolour=3\n", "colour: unknown key"),
        (f"[[figure]]\n{ROW}", "0.value: is missing"),
        (f"[[figure]]\n{ROW}value=1\nlow=2\n", "low <= value"),
    ],
)
def test_files_that_are_wrong(text, words):
    with pytest.raises(ValueError, match=words):
        ev.parse_evidence("checked = 2026-11-23\n" + text)
