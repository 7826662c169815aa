"""The parts of a report that a first reading can do without: every figure behind the verdict. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from harness.bakeoff.results import ArmResult, RouteDesign
from harness.core.records import Estimate
from harness.core.wording import MISSING, decimal, one_line, percent, seconds, share_sentence
from harness.recommendation.records import RunResults
from harness.report.harm import harm_blocks
from harness.report.tables import arm_named, comparisons_table, cost_table, labels_table
from harness.report.view import Block, Bullets, Fact, Section, Sentence, Table

SHORT_DIGEST = 12


class Machine(Protocol):
    """What a report says of the machine; `harness.core.environment.Environment` is one."""

    @property
    def commit(self) -> str:
        """Of the source tree."""
        ...

    @property
    def python(self) -> str:
        """Its version."""
        ...

    @property
    def cpu(self) -> str:
        """The processor's name."""
        ...

    @property
    def cores(self) -> int:
        """How many it could use."""
        ...

    @property
    def memory_gib(self) -> float | None:
        """None when unknown."""
        ...

    @property
    def gpu(self) -> str:
        """'' without one."""
        ...


class Closing(Protocol):
    """The closing record of a complete run; `harness.bakeoff.run_folder.Manifest` is one."""

    @property
    def finished_at(self) -> datetime:
        """When the run ended."""
        ...

    @property
    def wall_s(self) -> float:
        """Seconds since it was last started; a run that was stopped and resumed took longer in all."""
        ...

    @property
    def environment(self) -> Machine:
        """What it ran on."""
        ...


def detail_sections(results: RunResults, closing: Closing | None) -> Iterable[Section]:
    """What a first reading can do without."""
    yield _detail("comparisons", "All comparisons", [comparisons_table(results.comparisons)])
    shipped = arm_named(results, results.recommendation.ship)
    if shipped is not None and shipped.quality.labels:
        title = f"Labels, {one_line(str(shipped.arm))}"
        yield _detail("labels", title, [labels_table(shipped.quality.labels)])
    yield _detail("costs", "Costs per 1,000 queries, line by line", [cost_table(results.arms)])
    yield _detail("settled", "What each arm settled on before it saw test", map(_settled, results.arms))
    yield _detail(
        "harm", "What the arms do with what they should not answer", harm_blocks(results.robustness)
    )
    if results.route is not None:
        yield _detail("route", "Route", [_route(results.route)])
    if closing is not None:
        yield _detail("machine", "Machine", _machine(closing.environment))


def _detail(key: str, title: str, blocks: Iterable[Block]) -> Section:
    kept = tuple(block for block in blocks if not isinstance(block, Table) or block.rows)
    return Section(key=key, title=title, blocks=kept, detail=True)


def _settled(arm: ArmResult) -> Block:
    chosen = [f"{name} = {value}" for name, value in arm.fitted.choices.items()]
    facts = [
        ", ".join(chosen) or "nothing to choose",
        f"dev accuracy {share_sentence(arm.quality.dev_accuracy)}",
        f"accuracy of answered items {share_sentence(arm.quality.accuracy_answered)}",
        f"accuracy without texts that stand in train {share_sentence(arm.quality.accuracy_without_overlap)}",
        f"settled in {seconds(arm.fitted.seconds)}",
        *(f"{seed.seed}: seed's accuracy {share_sentence(seed.accuracy)}" for seed in arm.seeds),
        *arm.fitted.notes,
    ]
    if arm.quality.ece is not None:
        facts.append(f"calibration error (ECE) {_plain_estimate(arm.quality.ece)}")
    if arm.quality.coverage is not None:
        facts.append(f"{arm.quality.coverage.metric}: {share_sentence(arm.quality.coverage)}")
    if arm.peak_memory_mib is not None:
        facts.append(f"peak memory {arm.peak_memory_mib:,.0f} MiB, the whole process")
    if arm.identity is not None:
        who = arm.identity
        facts.append(f"model {who.id} {who.precision} {short(who.revision)} ({who.location})")
    return Bullets(label=one_line(str(arm.arm)), items=lines(facts))


def _plain_estimate(estimate: Estimate) -> str:
    return f"{decimal(estimate.value)} (n={estimate.n:,}, {estimate.method})"


def _route(design: RouteDesign) -> Block:
    first, then = one_line(str(design.first)), one_line(str(design.then))
    if design.threshold is None:
        text = f"{first}, then {then}: no threshold. {one_line(design.reason)}"
    else:
        text = (
            f"{first} keeps answers with a confidence of at least {design.threshold:.3f} and hands the "
            f"rest to {then}; kept {share_sentence(design.kept)}, aimed at a precision of "
            f"{percent(design.precision, 0)}; on dev, with thresholds from other folds, "
            f"{share_sentence(design.dev_precision)} of the kept answers were right"
        )
    return Sentence(text=text)


def _machine(machine: Machine) -> Iterable[Block]:
    memory = MISSING if machine.memory_gib is None else f"{machine.memory_gib:g} GiB"
    yield Fact(label="processor", text=f"{one_line(machine.cpu)}, {machine.cores} cores, {memory}")
    yield Fact(label="GPU", text=one_line(machine.gpu) or "none")
    yield Fact(
        label="source", text=f"commit {one_line(machine.commit) or 'unknown'}, Python {machine.python}"
    )


def lines(texts: Iterable[str]) -> tuple[str, ...]:
    """Harmless lines, each once."""
    return tuple(dict.fromkeys(one_line(text) for text in texts))


def short(digest: str) -> str:
    """The beginning of a digest, as printed."""
    return one_line(digest)[:SHORT_DIGEST]
