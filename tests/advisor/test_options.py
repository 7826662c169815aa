"""One enum and one table of traits: what follows from the table, and names of earlier versions."""

from __future__ import annotations

import pytest

from advisor.options import ADVISED, BY_DEFAULT, Option, current_name, current_names


def having(trait: str) -> set[Option]:
    return {option for option in Option if getattr(option.traits, trait)}


def test_every_option_has_its_traits():
    assert all(option.traits.name and option.traits.about for option in Option)
    assert len({option.traits.colour for option in Option}) == len(Option)


def test_options_stand_from_the_simplest_to_the_most_involved():
    assert [option.simplicity for option in Option] == list(range(len(Option)))
    assert (
        Option.LINEAR.simplicity < Option.PROMPT.simplicity < Option.TUNE.simplicity < Option.ROUTE.simplicity
    )


def test_what_follows_from_the_traits():
    assert having("fitted") == set(Option) - {Option.FLOOR, Option.PROMPT, Option.EXTERNAL}
    assert having("tuned") == {Option.ENCODER, Option.TUNE, Option.TUNE_RETRIEVE}
    assert having("needs_model") == {Option.PROMPT, Option.RETRIEVE, Option.TUNE, Option.TUNE_RETRIEVE}
    assert having("learns") == {
        Option.NEIGHBOURS,
        Option.LINEAR,
        Option.ENCODER,
        Option.RETRIEVE,
        Option.TUNE,
        Option.TUNE_RETRIEVE,
    }
    assert having("robustness_checked") == {
        Option.NEIGHBOURS,
        Option.LINEAR,
        Option.ENCODER,
        Option.TUNE,
        Option.TUNE_RETRIEVE,
    }
    assert having("free") == {Option.FLOOR, Option.NEIGHBOURS, Option.LINEAR, Option.ENCODER}
    assert having("quick") == having("free") - {Option.ENCODER}, "training takes its time"
    assert set(ADVISED) == set(Option) - {Option.FLOOR, Option.EXTERNAL}
    assert set(BY_DEFAULT) == set(Option) - {Option.TUNE_RETRIEVE, Option.EXTERNAL}


def test_only_what_takes_no_model_has_a_name_of_its_own():
    assert {option for option in having("runs") if option.traits.own_model} == having("runs") - having(
        "needs_model"
    )


def test_plans_and_runs_of_earlier_versions_open():
    assert Option("classical") is Option.LINEAR
    assert Option.LINEAR.first_name == "classical" and Option.TUNE.first_name == "tune"
    assert current_name("classical@linear") == "linear@linear" and current_name("tune@m") == "tune@m"
    said = "classical@linear: 68 %; route@classical@linear and a classical answer stay"
    assert current_names(said) == "linear@linear: 68 %; route@classical@linear and a classical answer stay"


@pytest.mark.parametrize("unknown", ["classic", "", 3, None])
def test_an_unknown_option_is_refused(unknown: object):
    with pytest.raises(ValueError, match="is not a valid Option"):
        Option(unknown)
