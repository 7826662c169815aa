"""Whether a machine was too busy for the seconds timed on it to be believed. One rule, with its reasons.

What counts depends on who does the work:

- A model in this process shares the CPUs with everything else, so the pass is marked when other work took
  `OTHERS` of them or more while it ran, for a second at least. One other process that
  never rests is 50 % of two CPUs and 12 % of eight; an idle machine shows 1 to 3 %. Where CPUs are counted
  by thread the slowest one decides, so a tenth is much already. CPU seconds decide rather than the load
  average: that one lags by a minute, and counts what this run did just before.
- A server on this machine works in a process of its own, which from here looks like other work. There only
  the half seconds before and after count, when no query is on its way.
- A model over the network is not slowed by this machine, unless our own threads do not get to run.
- Everywhere, threads that stood ready without a CPU for `WAITED` of the time mark a pass; on a machine where
  nothing else works that is our own doing (more threads than CPUs) and no mark.

Where a system tells neither, the load average of the pass is worked out from those before and after it, and
a pass that computes is marked when it got far less than one CPU. Nothing known, nothing marked.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from advisor.money.ledger import Money
from harness.bakeoff.results import Cost
from harness.core.context import Context, Watch
from harness.core.machine import MachineUse
from harness.core.records import ModelIdentity

OTHERS = 0.10
WAITED = 0.10
STARVED = 0.7
_AT_WORK = 0.02  # of the CPUs; below it nobody else is at work
_LONG_S = 20.0  # from which a pass moves the 1-minute load average enough to be read from it
_COUNTED_S = 1.0  # a shorter pass can be late by chance once


def busy_reason(uses: Sequence[MachineUse], identity: ModelIdentity | None) -> str:
    """Why the seconds of a pass are not to be believed, in a few words; '' if they are, or nothing is known.

    Args:
        uses: of each part of the pass, more than one where it was interrupted.
        identity: the model that was timed; None for an arm without one.
    """
    location = identity.location if identity else "local"
    return next((why for use in uses if (why := _reason(use, location))), "")


def watched(context: Context, identity: ModelIdentity | None) -> Watch | None:
    """Begins to watch the machine while a model is timed; None where nobody watches."""
    beside = identity is not None and identity.location == "loopback"
    return None if context.watch is None else context.watch(beside)


def marked(cost: Cost, reason: str) -> Cost:
    """The cost with its sums marked, if seconds are among what is paid for."""
    if not reason or not any(line.unit == "hours" for line in cost.lines):
        return cost
    return dataclasses.replace(
        cost,
        usd_per_1k=_marked(cost.usd_per_1k, reason),
        usd_per_1k_correct=_marked(cost.usd_per_1k_correct, reason),
    )


def _marked(money: Money, reason: str) -> Money:
    return money if money.usd is None else dataclasses.replace(money, busy=reason)


def _reason(use: MachineUse, location: str) -> str:
    others = {"local": use.others_cpus, "loopback": use.quiet_cpus}.get(location)
    if others is not None and others >= OTHERS * use.cpus:
        return f"other work took {others:.1f} of {use.cpus} CPUs"
    waited = use.waited_s
    alone = use.others_cpus is not None and use.others_cpus < _AT_WORK * use.cpus
    if waited is not None and use.wall_s >= _COUNTED_S and waited >= WAITED * use.wall_s and not alone:
        return f"it waited for a CPU for {100 * waited / use.wall_s:.0f} % of the time"
    if location != "local" or use.others_cpus is not None:
        return ""
    return _by_load(use)


def _by_load(use: MachineUse) -> str:
    """For systems that count no CPU seconds of others."""
    if use.load_before is not None and use.load_after is not None and use.wall_s >= _LONG_S:
        kept = math.exp(-use.wall_s / 60)
        load = (use.load_after - kept * use.load_before) / (1 - kept)
        if load - use.own_cpus >= max(1.0, OTHERS * use.cpus):
            return f"load {load:.1f} on {use.cpus} CPUs, {use.own_cpus:.1f} of it this run's"
    if use.wall_s >= _COUNTED_S and use.own_cpus < STARVED:
        return f"it got {use.own_cpus:.1f} CPUs while it computed"
    return ""
