"""How busy a machine was while something was timed on it. A record; `harness.core.environment` fills it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineUse:
    """How busy the machine was while a pass was timed; None where the system does not tell.

    Attributes:
        wall_s: seconds the pass took.
        cpus: CPUs that this process may use.
        own_cpus: CPUs that this process and its ended children kept busy during the pass, on average.
        others_cpus: CPUs that everything else kept busy, the hypervisor's other guests included; of a short
            pass, or one that a server here answers, the moments beside it are counted in.
        quiet_cpus: the same of these moments only, when nothing of this run was at work; None without any.
        waited_s: seconds that threads of this process stood ready to run and got no CPU.
        load_before, load_after: 1-minute load averages.
    """

    wall_s: float
    cpus: int
    own_cpus: float
    others_cpus: float | None = None
    quiet_cpus: float | None = None
    waited_s: float | None = None
    load_before: float | None = None
    load_after: float | None = None
