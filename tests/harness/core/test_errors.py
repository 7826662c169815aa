"""Imports of optional packages: what is missing is named, and the collector is as it was."""

import gc

import pytest

from harness.core.errors import MissingExtra, needs


def test_a_missing_package_is_named_with_the_extra_that_brings_it():
    with pytest.raises(MissingExtra, match="'scikit-learn' is not installed") as raised, needs("linear"):
        raise ImportError("no", name="sklearn.svm")
    assert raised.value.run == "pip install 'tune-or-retrieve[linear]'"


@pytest.mark.parametrize("before", [True, False])
def test_the_collector_rests_while_modules_are_imported_and_is_as_it_was_afterwards(before):
    kept = gc.isenabled()
    try:
        (gc.enable if before else gc.disable)()
        with needs("local"):
            assert not gc.isenabled()
            with needs("train"):
                pass
            assert not gc.isenabled()
        assert gc.isenabled() is before
        with pytest.raises(MissingExtra), needs("train"):
            raise ImportError("no", name="peft")
        assert gc.isenabled() is before
    finally:
        (gc.enable if kept else gc.disable)()
