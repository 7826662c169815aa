"""Tuned models: how training went, what the registry holds, whether an export answers the same. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from advisor.sentences import capital
from harness.core.artefacts import EncoderRecipe, LinearArtefact, VoteArtefact
from harness.core.records import Estimate, HostedModel
from harness.core.wording import MISSING, money, one_line, percent, seconds, share_sentence
from harness.report import drawings
from harness.report.context import ReportContext
from harness.report.document import (
    Block,
    Bullets,
    Chart,
    Command,
    CommandOn,
    Document,
    Fact,
    Facts,
    Paragraph,
    Row,
    Section,
    Table,
    on_run,
    section,
)
from harness.report.topics.cells import columns, drawn, row
from harness.shipping.registry.card import parity_line, parity_word
from harness.training.tuned_model import AdapterVersion, Event, Parity, TunedLane


def training_section(c: ReportContext) -> Section:
    """The loss of every trained arm, what it was trained on, and its seeds."""
    trained = [(arm.arm, arm.fitted.artefact) for arm in c.results.arms if arm.fitted.artefact is not None]
    hosted = [(arm.arm, arm.fitted.hosted) for arm in c.results.arms if arm.fitted.hosted is not None]
    how = (
        *(
            f"{c.title(arm)}: {made.recipe.method}, {made.train_rows:,} rows, {made.train_tokens:,} tokens, "
            f"{made.steps:,} steps in {seconds(made.train_s)}"
            for arm, made in trained
        ),
        *(f"{c.title(arm)}: {billed(made)}" for arm, made in hosted),
    )
    what, caption = "Training loss by optimiser step.", "Loss on the training rows, as logged."
    none = Paragraph(text="No arm of this run was trained.", tone="faint")
    return section(
        "training",
        "How training went",
        drawn("losses", drawings.losses(trained), what, caption) if trained else None,
        Bullets(items=how, tone="faint") if how else none,
        _seeds(c) if trained else None,
    )


def _seeds(c: ReportContext) -> Chart | None:
    if not any(len(arm.seeds) > 1 for arm in c.results.arms):
        return None
    noun = capital(c.metric.noun)
    what, spec = f"{noun} of every training seed.", drawings.seeds(c.results.arms)
    return drawn("seeds", spec, what, f"{noun} on the test items, by training seed.")


_SHORT = 16
_MOST_OF_A_CELL = 60


def tuned_document(run_id: str, lanes: Sequence[TunedLane], command: CommandOn | None = None) -> Document:
    """The trained arms, then what can be done with them."""
    on = command or on_run(run_id)
    arm = ("--arm", str(lanes[0].arm))
    shipped = (
        Command(command=on("adapters add my-adapter", *arm), purpose="keeps it in the registry"),
        Command(
            command=on("export", *arm, "--format", "gguf", "-o", "exported", "--check", "50"),
            purpose="writes it for others to serve",
        ),
        Command(command=on("serve", *arm), purpose="answers requests with it"),
    )
    steps = (
        Paragraph(text=f"The test split was not read. Run: {run_id}."),
        *(shipped if lanes[0].artefact is not None else ()),
        Command(
            command=on("resume"), purpose="the plan's other arms, and the recommendation, with this model"
        ),
    )
    trained = (section(str(lane.arm), f"{lane.arm.label}, seed {lane.seed}", *_lane(lane)) for lane in lanes)
    return Document(title="Trained", sections=(*trained, section("next", "Next steps", *steps)))


def _lane(lane: TunedLane) -> tuple[Facts | Bullets | None, ...]:
    artefact, hosted = lane.artefact, lane.hosted
    if artefact is None:
        return (Facts(rows=_at_provider(lane.dev, hosted)),)
    kept = "" if artefact.kept_step is None else f", weights of step {artefact.kept_step} kept"
    rows = [
        Fact(label=lane.dev.metric, text=share_sentence(lane.dev)),
        Fact(label="training", text=f"{artefact.steps} steps in {artefact.train_s:.0f} s{kept}"),
        Fact(label="adapter", text=str(artefact.path)),
    ]
    if lane.peak_mib is not None:
        needed = "" if lane.needed_mib is None else f" ({lane.needed_mib / 1024:.1f} estimated)"
        rows.append(Fact(label="peak memory", text=f"{lane.peak_mib / 1024:.1f} GiB{needed}"))
    epochs = []
    for note in artefact.epochs:
        parts = [] if note.dev_loss is None else [f"loss on dev rows {note.dev_loss:.3f}"]
        if note.dev_correct is not None:
            parts.append(f"{note.dev_correct} of {note.dev_items} dev items right")
        epochs += [f"epoch {note.epoch:g}: {', '.join(parts)}"] if parts else []
    return Facts(rows=tuple(rows)), Bullets(items=tuple(epochs)) if epochs else None


def _at_provider(dev: Estimate, made: HostedModel | None) -> tuple[Fact, ...]:
    rows = [Fact(label=dev.metric, text=share_sentence(dev))]
    if made is not None:
        rows += [
            Fact(label="tuned model", text=one_line(made.model)),
            Fact(label="training", text=billed(made)),
        ]
    return tuple(rows)


def billed(made: HostedModel) -> str:
    """What a training at a provider took."""
    return (
        f"{made.train_rows:,} rows, {made.epochs} times over: {made.train_tokens:,} tokens, "
        f"{money(made.usd, exact=True)} ({made.price}); job {one_line(made.job)} at {made.provider}, "
        f"{seconds(made.train_s)}"
    )


def adapters_document(rows: Iterable[tuple[AdapterVersion, Sequence[str], Sequence[Parity]]]) -> Document:
    """One row a version: name, stages, accuracy, parity, base."""
    table = Table(
        columns=columns("adapter", "stage", "dev", "test", "parity", "base", "made", left=(0, 1, 4, 5, 6)),
        rows=tuple(_version(*row) for row in rows),
    )
    blocks: tuple[Block, ...] = (
        (table,)
        if table.rows
        else (
            Paragraph(text="No adapter yet."),
            Command(command="harness adapters add my-adapter latest", purpose="adds one"),
        )
    )
    return Document(title="Adapters", sections=(section("adapters", "Versions", *blocks),))


def _version(version: AdapterVersion, stages: Sequence[str], checks: Sequence[Parity]) -> Row:
    origin = version.origin
    return row(
        f"{version.name}@{version.version}",
        ", ".join(stages) or MISSING,
        MISSING if origin.dev is None else percent(origin.dev.value),
        MISSING if origin.test is None else percent(origin.test.value),
        parity_word(checks),
        _stands_on(version),
        f"{version.created_at:%Y-%m-%d %H:%M}",
    )


def _stands_on(version: AdapterVersion) -> str:
    artefact = version.artefact
    match artefact:
        case LinearArtefact():
            return artefact.classifier
        case VoteArtefact():
            return artefact.named
        case _:
            return artefact.base_model


def adapter_document(
    version: AdapterVersion, stages: Sequence[str], checks: Sequence[Parity], events: Sequence[Event]
) -> Document:
    """Everything about one version."""
    artefact, origin = version.artefact, version.origin
    name = f"{version.name}@{version.version}"
    made = f"{version.created_at:%Y-%m-%d %H:%M} from run {origin.run_id}, {origin.arm}, seed {origin.seed}"
    facts = (
        ("stage", ", ".join(stages) or "none"),
        ("made", made),
        (
            "data",
            f"{origin.evalset}, sha256 {artefact.data_digest[:_SHORT]}, {artefact.train_rows} rows, "
            f"licence {origin.data_licence or MISSING}",
        ),
        *_made_from(version),
        ("dev", share_sentence(origin.dev)),
        ("test", share_sentence(origin.test)),
        ("labels", str(len(version.task.labels))),
        ("digest", f"sha256 {artefact.digest[:_SHORT]}, {len(version.files)} files"),
        *(("parity", parity_line(check)) for check in checks),
        *([] if checks else [("parity", f"not checked: harness export {name} -o exported --check 50")]),
    )
    rows = tuple(Fact(label=label, text=text) for label, text in facts)
    history = tuple(f"{event.at:%Y-%m-%d %H:%M}  {event_line(event)}" for event in events)
    past = Bullets(label="history", items=history) if history else None
    return Document(title=name, sections=(section("adapter", "The adapter", Facts(rows=rows), past),))


def _made_from(version: AdapterVersion) -> list[tuple[str, str]]:
    artefact, origin = version.artefact, version.origin
    if isinstance(artefact, LinearArtefact):
        vectors = f", vectors of {artefact.embedding.id}" if artefact.embedding else ""
        return [("classifier", f"{artefact.classifier}{vectors}")]
    if isinstance(artefact, VoteArtefact):
        vectors = f", vectors of {artefact.embedding.id}" if artefact.embedding else ""
        return [("vote", f"{artefact.named}{vectors}; the rows are in it as they are")]
    recipe, licence = artefact.recipe, origin.licence or MISSING
    how = recipe.tuned if isinstance(recipe, EncoderRecipe) else f"{recipe.method}, rank {recipe.rank}"
    layers = "all layers" if recipe.tuned_layers is None else f"upper {recipe.tuned_layers} layers"
    return [
        ("base", f"{artefact.base_model}, sha256 {artefact.base_digest[:_SHORT]}, licence {licence}"),
        (
            "recipe",
            f"{how}, {layers}, {artefact.steps} steps, "
            f"learning rate {recipe.learning_rate:g}, seed {recipe.seed}",
        ),
    ]


def diff_document(a: str, b: str, found: Mapping[str, tuple[object, object]]) -> Document:
    """Every field that differs, both values."""
    table = Table(
        columns=columns("field", a, b, left=(0, 1, 2)),
        rows=tuple(row(name, _cell(one), _cell(other)) for name, (one, other) in found.items()),
    )
    shown = table if found else Paragraph(text=f"{a} and {b} differ in nothing.")
    return Document(title="Two adapters", sections=(section("diff", "Where they differ", shown),))


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


def _cell(value: object) -> str:
    match value:
        case None:
            return MISSING
        case float():
            return f"{value:g}"
        case _:
            text = str(value)
            return text if len(text) <= _MOST_OF_A_CELL else f"{text[: _MOST_OF_A_CELL - 3]}..."
