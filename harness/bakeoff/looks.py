"""Further looks at one question: what earlier runs tested is left out, so that only fresh items count."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from harness.bakeoff.plan import ExperimentPlan
from harness.bakeoff.run_folder import RunFolder, find_run
from harness.core.context import Context
from harness.core.errors import DataError, command
from harness.core.records import Evalset, Finding
from harness.data.leakage import normalise
from harness.data.split import keep_test


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierLooks:
    """The runs that a plan comes after, the latest first, and the texts that they tested, normalised."""

    runs: tuple[str, ...] = ()
    tested: frozenset[str] = frozenset()

    @property
    def look(self) -> int:
        """Which look the plan is, from 1."""
        return len(self.runs) + 1


def earlier_looks(plan: ExperimentPlan, context: Context) -> EarlierLooks:
    """Everything that the run a plan comes after has tested, and those before it.

    Raises:
        UsageError: if there is no such run.
        StoreError: if its items cannot be read.
    """
    runs: list[str] = []
    tested: set[str] = set()
    name = plan.data.after
    while name and name not in runs:
        folder: RunFolder = find_run(context.runs, name)
        runs.append(folder.run_id)
        tested |= {normalise(item.text) for item in folder.items()["test"]}
        name = folder.plan().data.after
    return EarlierLooks(runs=tuple(runs), tested=frozenset(tested))


def only_fresh(evalset: Evalset, before: EarlierLooks) -> Evalset:
    """The evalset without the test items that earlier looks tested, and a finding that says so.

    Raises:
        DataError: if none is left.
    """
    if not before.runs:
        return evalset
    fresh = tuple(item for item in evalset.test if normalise(item.text) not in before.tested)
    latest, gone = before.runs[0], len(evalset.test) - len(fresh)
    if not fresh:
        raise DataError(
            f"Run {latest} and those before it have tested every test item of {evalset.name}.",
            allowed="rows with fresh items: a further look counts only what no earlier one has seen",
            run=command("report", latest),
        )
    left = keep_test(evalset, fresh)
    message = f"Look {before.look}: {gone:,} test items that {latest} or a run before it tested are left out."
    note = Finding(code="further-look", severity="note", message=message)
    return dataclasses.replace(left, findings=(*evalset.findings, note))
