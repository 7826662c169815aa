"""The answers a language model may give, from the labels."""

from __future__ import annotations

import pytest

from harness.arms.asking import choices_of
from harness.core.errors import DataError
from harness.core.records import Label


def labels(*names: str) -> tuple[Label, ...]:
    return tuple(Label(name=name) for name in names)


def test_underscores_are_read_as_blanks() -> None:
    assert choices_of(labels("log_in", "pay", "+", "-")) == ("log in", "pay", "+", "-")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("_", "__", "pay"), "blank to a language model: '_', '__'"),
        (("pay", "log_in", "log in"), "'log_in' and 'log in' are both 'log in'"),
    ],
)
def test_labels_that_a_model_cannot_tell_apart_are_named(names: tuple[str, ...], words: str) -> None:
    with pytest.raises(DataError) as caught:
        choices_of(labels(*names))
    assert words in str(caught.value)
