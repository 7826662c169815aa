"""What `harness tune` prints when it is done."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.wording import share_sentence
from harness.report.view import CommandOn, on_run
from harness.training.tuned_model import TunedLane


def tuned_lines(run_id: str, lanes: Sequence[TunedLane], command: CommandOn | None = None) -> list[str]:
    """The trained arms, then what can be done with them."""
    lines: list[str] = []
    for lane in lanes:
        lines += _lane_lines(lane)
    command = command or on_run(run_id)
    arm = ("--arm", str(lanes[0].arm))
    exported = command("export", *arm, "--format", "gguf", "-o", "exported", "--check", "50")
    return [
        *lines,
        "",
        f"The test split was not read. Run: {run_id}. Next:",
        f"  {command('adapters add my-adapter', *arm)}",
        f"  {exported}",
        f"  {command('serve', *arm)}",
        f"  {command('resume')}   # the plan's other arms, and the verdict, with this adapter",
    ]


def _lane_lines(lane: TunedLane) -> list[str]:
    artefact = lane.artefact
    kept = "" if artefact.kept_step is None else f", weights of step {artefact.kept_step} kept"
    lines = [
        f"{lane.arm}, seed {lane.seed}: dev accuracy {share_sentence(lane.dev)}",
        f"  {artefact.steps} steps in {artefact.train_s:.0f} s{kept}; adapter {artefact.path}",
    ]
    for note in artefact.epochs:
        parts = [] if note.dev_loss is None else [f"loss on dev rows {note.dev_loss:.3f}"]
        if note.dev_correct is not None:
            parts.append(f"{note.dev_correct} of {note.dev_items} dev items right")
        if parts:
            lines.append(f"  epoch {note.epoch:g}: {', '.join(parts)}")
    if lane.peak_mib is not None:
        needed = "" if lane.needed_mib is None else f" ({lane.needed_mib / 1024:.1f} estimated)"
        lines.append(f"  peak memory {lane.peak_mib / 1024:.1f} GiB{needed}")
    return lines
