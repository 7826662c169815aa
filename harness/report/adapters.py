"""What `harness adapters` prints. Computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.core.records import LinearArtefact
from harness.core.wording import MISSING, percent, share_sentence
from harness.training.tuned_model import AdapterVersion, Event, Parity

if TYPE_CHECKING:
    from collections.abc import Iterable


def list_lines(rows: Iterable[tuple[AdapterVersion, Sequence[str], Sequence[Parity]]]) -> list[str]:
    """One line a version: name, stages, accuracy, parity, base."""
    head = f"{'adapter':28} {'stage':12} {'dev':>8} {'test':>8} {'parity':10} {'base':20} made"
    lines = [head, "-" * len(head)]
    for version, stages, checks in rows:
        origin = version.origin
        dev = MISSING if origin.dev is None else percent(origin.dev.value)
        test = MISSING if origin.test is None else percent(origin.test.value)
        name, standing = f"{version.name}@{version.version}", ", ".join(stages) or "-"
        lines.append(
            f"{name:28} {standing:12} {dev:>8} {test:>8} "
            f"{parity_word(checks):10} {_stands_on(version):20} {version.created_at:%Y-%m-%d %H:%M}"
        )
    return lines if len(lines) > 2 else ["No adapter yet. Add one: harness adapters add my-adapter latest"]


def show_lines(
    version: AdapterVersion, stages: Sequence[str], checks: Sequence[Parity], events: Sequence[Event]
) -> list[str]:
    """Everything about one version."""
    artefact, origin = version.artefact, version.origin
    lines = [
        f"{version.name}@{version.version}, {', '.join(stages) or 'on no stage'}",
        f"  made        {version.created_at:%Y-%m-%d %H:%M} from run {origin.run_id}, {origin.arm}, "
        f"seed {origin.seed}",
        f"  data        {origin.evalset}, sha256 {artefact.data_digest[:16]}, {artefact.train_rows} rows, "
        f"licence {origin.data_licence or MISSING}",
        *_made_from(version),
        f"  dev         {share_sentence(origin.dev)}",
        f"  test        {share_sentence(origin.test)}",
        f"  labels      {len(version.task.labels)}",
        f"  digest      sha256 {artefact.digest[:16]}, {len(version.files)} files",
    ]
    lines += [f"  parity      {parity_line(check)}" for check in checks] or [
        f"  parity      not checked: harness export {version.name}@{version.version} -o exported --check 50"
    ]
    lines += [f"  {event.at:%Y-%m-%d %H:%M}  {event_line(event)}" for event in events]
    return lines


def _stands_on(version: AdapterVersion) -> str:
    artefact = version.artefact
    return artefact.classifier if isinstance(artefact, LinearArtefact) else artefact.base_model


def _made_from(version: AdapterVersion) -> list[str]:
    artefact, origin = version.artefact, version.origin
    if isinstance(artefact, LinearArtefact):
        vectors = f", vectors of {artefact.embedding.id}" if artefact.embedding else ""
        return [f"  classifier  {artefact.classifier}{vectors}"]
    recipe = artefact.recipe
    layers = "all layers" if recipe.tuned_layers is None else f"upper {recipe.tuned_layers} layers"
    return [
        f"  base        {artefact.base_model}, sha256 {artefact.base_digest[:16]}, "
        f"licence {origin.licence or MISSING}",
        f"  recipe      {recipe.method}, rank {recipe.rank}, {layers}, {artefact.steps} steps, "
        f"learning rate {recipe.learning_rate:g}, seed {recipe.seed}",
    ]


def diff_lines(a: str, b: str, found: Mapping[str, tuple[object, object]]) -> list[str]:
    """Every field that differs, both values."""
    if not found:
        return [f"{a} and {b} differ in nothing."]
    width = max(len(name) for name in found)
    lines = [f"{'':{width}}  {a}  |  {b}"]
    return lines + [
        f"{name:{width}}  {_cell(one)}  |  {_cell(other)}" for name, (one, other) in found.items()
    ]


def event_line(event: Event) -> str:
    """An event in words."""
    name = f"{event.name}@{event.version}"
    match event.what:
        case "added":
            return f"{name} added"
        case "promoted":
            return f"{name} promoted to {event.stage}" + (f", was {event.previous}" if event.previous else "")
        case "rolled back":
            return f"{event.stage} rolled back to {name}, was {event.previous}"
        case "checked":
            return f"{name} checked: {parity_word([event.parity] if event.parity else [])}"


def parity_word(checks: Sequence[Parity]) -> str:
    """The last check in a word."""
    if not checks:
        return "unchecked"
    return {True: "holds", False: "FAILED", None: "not shown"}[checks[-1].passed]


def parity_line(check: Parity) -> str:
    """A check with its figures; a failed one says so first."""
    word = {True: "holds", False: "FAILED", None: "not shown"}[check.passed]
    return (
        f"{word}: {check.format} {check.precision} by {check.engine}, same label on "
        f"{share_sentence(check.agreement)}, accuracy {percent(check.served.value)} against "
        f"{percent(check.reference.value)} of the adapter as trained, {check.failures} failures; {check.rule}"
    )


def _cell(value: object) -> str:
    match value:
        case None:
            return MISSING
        case float():
            return f"{value:g}"
        case _:
            text = str(value)
            return text if len(text) <= 60 else text[:57] + "..."
