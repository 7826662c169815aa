"""A machine that was too busy to time on is noticed, and an idle one is not taken for busy."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest

from advisor.money.machines import NO_MACHINE
from advisor.stats.intervals import Interval
from harness.bakeoff.busy import busy_reason, marked
from harness.bakeoff.cost import ArmPrices, MachineRate, measure_cost
from harness.core.machine import MachineUse
from harness.core.records import ModelIdentity
from harness.tasks.measures import estimate
from harness.tasks.scoring import score
from tests.support.scored import TASK, items, outcomes

LOCAL = ModelIdentity(id="m", location="local")
LOOPBACK = ModelIdentity(id="m", location="loopback")
REMOTE = ModelIdentity(id="m", location="remote")
IDLE = MachineUse(
    wall_s=30,
    cpus=2,
    own_cpus=1.9,
    others_cpus=0.03,
    quiet_cpus=0.05,
    waited_s=0.2,
    load_before=2,
    load_after=2,
)


@pytest.mark.parametrize("identity", [LOCAL, LOOPBACK, REMOTE, None])
def test_an_idle_machine_and_an_unwatched_one_are_not_marked(identity: ModelIdentity | None) -> None:
    assert busy_reason([IDLE], identity) == ""
    assert busy_reason([], identity) == ""


@pytest.mark.parametrize("identity", [LOCAL, None])
def test_another_process_marks_what_is_computed_here(identity: ModelIdentity | None) -> None:
    beside = dataclasses.replace(IDLE, own_cpus=1.0, others_cpus=1.0)
    assert busy_reason([beside], identity) == "other work took 1.0 of 2 CPUs"
    assert busy_reason([IDLE, beside], identity)  # a pass that was interrupted, busy in one part


def test_the_same_process_is_nothing_on_a_large_machine() -> None:
    assert busy_reason([dataclasses.replace(IDLE, cpus=64, others_cpus=1.0)], LOCAL) == ""


def test_a_server_on_this_machine_is_no_other_work() -> None:
    serving = dataclasses.replace(IDLE, own_cpus=0.05, others_cpus=1.9, quiet_cpus=0.04)
    assert busy_reason([serving], LOOPBACK) == ""
    assert busy_reason([dataclasses.replace(serving, quiet_cpus=1.0)], LOOPBACK)


def test_a_model_over_the_network_is_slowed_only_where_this_process_does_not_get_to_run() -> None:
    beside = dataclasses.replace(IDLE, own_cpus=0.02, others_cpus=1.9, waited_s=0.1)
    assert busy_reason([beside], REMOTE) == ""
    assert "waited" in busy_reason([dataclasses.replace(beside, waited_s=6.0)], REMOTE)


def test_waiting_for_our_own_threads_is_no_busy_machine() -> None:
    crowded = dataclasses.replace(IDLE, own_cpus=2.0, waited_s=25.0)
    assert busy_reason([crowded], LOCAL) == ""
    assert "waited" in busy_reason([dataclasses.replace(crowded, others_cpus=0.15)], LOCAL)


def test_one_late_thread_in_a_short_pass_is_chance() -> None:
    short = dataclasses.replace(IDLE, wall_s=0.05, others_cpus=0.1, waited_s=0.02)
    assert busy_reason([short], LOCAL) == ""


def untold(**changed: Any) -> MachineUse:
    bare = MachineUse(wall_s=60, cpus=4, own_cpus=1.0, load_before=1.0, load_after=1.0)
    return dataclasses.replace(bare, **changed)


def test_where_only_the_load_is_told_that_of_the_pass_is_worked_out_from_it() -> None:
    assert busy_reason([untold()], LOCAL) == ""
    assert "load 4.2" in busy_reason([untold(load_after=3.0)], LOCAL)
    assert busy_reason([untold(load_before=9.0, load_after=3.9)], LOCAL) == ""  # it was busy before only
    assert busy_reason([untold(wall_s=2, load_after=3.0)], LOCAL) == ""  # too short to move the average
    assert busy_reason([untold(own_cpus=0.1, load_after=3.0)], LOOPBACK) == ""  # the server's own load


def test_a_pass_that_computes_and_gets_half_a_cpu_is_marked() -> None:
    starved = MachineUse(wall_s=10, cpus=4, own_cpus=0.5)
    assert busy_reason([starved], LOCAL) == "it got 0.5 CPUs while it computed"
    assert busy_reason([starved], REMOTE) == ""


def test_money_by_the_second_is_marked_and_money_by_the_token_is_not() -> None:
    rows = items("aaaa")
    answers = outcomes(rows, "aaaa", seconds=0.2)
    test = score(rows, answers, TASK)
    right = estimate("accuracy", 1.0, Interval(low=0.5, high=1.0, level=0.95), 4, "exact")
    rate = MachineRate(machine=NO_MACHINE.at_price(Decimal(1)), utilisation=0.5)
    timed = measure_cost(test, list(answers.values()), None, right, ArmPrices(answers=rate))
    assert marked(timed, "") == timed
    found = marked(timed, "other work")
    assert found.usd_per_1k.usd == timed.usd_per_1k.usd
    assert (found.usd_per_1k.busy, found.usd_per_1k_correct.busy) == ("other work", "other work")
    by_token = measure_cost(test, list(answers.values()), REMOTE, right, ArmPrices(answers=None))
    assert marked(by_token, "other work") == by_token
