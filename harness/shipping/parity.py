"""Whether an exported model, as served, still answers what the adapter answered in its run.

The same dev items are put to the served model over the same `Service` that `harness serve` puts behind its
HTTP server: the client's turn in, a label out. The reference is the run's journal, in which the adapter
answered them as it was trained and scored. Nothing is chosen by it; a failed check is kept like any other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.arms import linear
from harness.arms.base import KEPT
from harness.bakeoff.journal import Lane
from harness.bakeoff.quality import measuring
from harness.bakeoff.run_folder import RunFolder
from harness.core.artefacts import LinearArtefact
from harness.core.context import Context
from harness.core.errors import UsageError
from harness.core.files import write_atomically
from harness.core.records import Completion, Failure, FailureKind, FittedArm, Item, Message, Outcome, Timing
from harness.core.serial import decode, encode
from harness.knowledge import kept_vote
from harness.shipping.adapters import open_registry
from harness.shipping.agreement import parity_holds, parity_rule, side_by_side
from harness.shipping.exporting import CHECKS, export_digest, read_export
from harness.shipping.registry.registry import versions_in
from harness.shipping.serve.service import Service
from harness.shipping.serve.wire import BadRequest, CompletionRequest
from harness.shipping.serving import Engine, ServeRequest, open_service
from harness.tasks.base import Task
from harness.tasks.kinds import task_of
from harness.tasks.measures import Measuring
from harness.tasks.scoring import score
from harness.training.encoder.artefact import RECORD_FILE
from harness.training.tuned_model import Export, Parity

_ENGINE: dict[str, Engine] = {
    "adapter": "transformers",
    "merged": "transformers",
    "gguf": "llamacpp",
}
_RECORDS = (linear.RECORD_FILE, kept_vote.RECORD_FILE, RECORD_FILE)
_ANSWERED_BY = {"safetensors": "transformers", "onnx": "onnxruntime", "rows": "vote"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What the two are compared on."""

    items: tuple[Item, ...]
    reference: dict[str, Outcome]
    messages: dict[str, tuple[Message, ...]]
    task: Task
    how: Measuring
    margin: float


def check_export(
    out: Path, run: RunFolder, count: int, context: Context, registry: str = ""
) -> tuple[Parity, ...]:
    """Serve the export in `out`, compare it on `count` dev items of its run, and keep what comes out.

    A GGUF file that gives labels is checked twice: by whole labels, as `harness serve` answers, and token by
    token, as llama.cpp's own server and Ollama do. Fields are written token by token everywhere.

    Raises:
        UsageError: if the run has no dev answers of the export's arm.
    """
    export = read_export(out)
    case = _case(run, export, count)
    ways = (False, True) if export.format == "gguf" and not export.task.fields else (False,)
    found = tuple(_check(out, export, case, greedy, context) for greedy in ways)
    write_atomically(out / CHECKS, encode((*read_checks(out), *found), indent=1) + "\n")
    shelf = open_registry(registry, context)
    mine = [v for v in versions_in(shelf.history()) if v.artefact.digest == export.artefact.digest]
    for version in mine:
        for parity in found:
            shelf.note_check(version, parity)
    return found


def read_checks(out: Path) -> tuple[Parity, ...]:
    """Every check of an exported folder, oldest first."""
    try:
        return decode(tuple[Parity, ...], (out / CHECKS).read_bytes())
    except FileNotFoundError:
        return ()


def _check(out: Path, export: Export, case: _Case, greedy: bool, context: Context) -> Parity:
    if isinstance(export.artefact, LinearArtefact):
        engine = "linear"
    else:
        engine = _ANSWERED_BY.get(export.format) or _ENGINE[export.format]
    wish = ServeRequest(targets=(str(out),), engine=_ENGINE.get(export.format, "transformers"), greedy=greedy)
    with closing(open_service(wish, context)) as service:
        served = _answers(service, export.served_as, case, context)
    found = _parity(case, served, export, context.clock())
    return dataclasses.replace(found, engine=f"{engine}, token by token" if greedy else engine)


def _parity(case: _Case, served: dict[str, Outcome], export: Export, now: datetime) -> Parity:
    reference = score(case.items, case.reference, case.task)
    found = side_by_side(reference, score(case.items, served, case.task), case.how, case.task.kind)
    return Parity(
        format=export.format,
        precision=export.precision,
        engine="",
        reference=found.reference,
        served=found.served,
        difference=found.difference,
        agreement=found.agreement,
        failures=found.failures,
        passed=parity_holds(found, case.margin),
        rule=parity_rule(case.margin, case.task.kind),
        checked_at=now,
        export_digest=export_digest(export),
    )


def _case(run: RunFolder, export: Export, count: int) -> _Case:
    run.check()
    plan, rows = run.plan(), run.items()
    task = task_of(run.data_facts().space, plan.prompt.limits)
    with run.journal(read_only=True) as journal:
        settled = _settled(journal.settled(), export)
        lane = Lane(arm=settled.arm, seed=settled.seed, split="dev", config=settled.config)
        reference = journal.outcomes(lane, rows["dev"])
    there = [item for item in rows["dev"] if item.id in reference]
    if not there:
        raise UsageError(
            f"Run {run.run_id} has no dev answers of {settled.arm} to compare with.",
            run=run.command("tune --resume"),
        )
    picked = there if count >= len(there) else [there[i * len(there) // count] for i in range(count)]
    train = {item.id: item for item in rows["train"]}
    messages = {}
    for item in picked:
        outcome = reference[item.id]
        near = outcome.neighbours if isinstance(outcome, Completion) else ()
        messages[item.id] = (
            (Message(role="user", content=item.text),)
            if not settled.arm.option.traits.needs_model
            else task.messages(settled.arm.option, item, [train[n.item_id] for n in reversed(near)])
        )
    return _Case(
        items=tuple(picked),
        reference={item.id: reference[item.id] for item in picked},
        messages=messages,
        task=task,
        how=measuring(plan),
        margin=plan.decision.margin,
    )


def _settled(found: Sequence[FittedArm], export: Export) -> FittedArm:
    for settled in found:
        artefact = settled.fitted.artefact
        pinned = settled.fitted.choices.get(KEPT)
        if (
            artefact.digest == export.artefact.digest
            if artefact
            else pinned in [export.files[name] for name in _RECORDS if name in export.files]
        ):
            return settled
    raise UsageError(
        "The run has no such model.",
        got=f"{export.origin.arm}, seed {export.origin.seed}, from run {export.origin.run_id}",
        allowed="the run the export was made from",
    )


def _answers(service: Service, name: str, case: _Case, context: Context) -> dict[str, Outcome]:
    context.progress.stage("asking the export as it is served", len(case.items))
    found: dict[str, Outcome] = {}
    for item in case.items:
        asked = CompletionRequest(
            model=name, messages=case.messages[item.id], choices=None, wrapped_in="", top=None, stream=False
        )
        try:
            reply, _ = service.answer(asked)
            found[item.id] = Completion(
                item_id=item.id, text=reply.text, timing=Timing(model_s=reply.model_s), usage=reply.usage
            )
        except BadRequest as fault:
            found[item.id] = Failure(item_id=item.id, kind=FailureKind.BAD_RESPONSE, message=str(fault)[:200])
        context.progress.advance(1)
    return found
