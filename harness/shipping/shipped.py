"""Find what ships, a tuned model or a classifier: in a run by its arm, in a registry by its name."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from advisor.options import Option, TaskKind
from harness.arms.base import KEPT
from harness.arms.linear import pin_of, read_linear
from harness.bakeoff.arm_factory import classifier_folder, encoder_folder, weights_digest
from harness.bakeoff.run_folder import RunFolder
from harness.bakeoff.tuning import read_tuned
from harness.core.context import Context
from harness.core.errors import IncompleteRun, ModelUnavailable, StoreError, UsageError, command
from harness.core.names import file_name, inside
from harness.core.records import (
    TODAY,
    ArmId,
    Artefact,
    Estimate,
    FittedArm,
)
from harness.knowledge.kept_vote import pin_of_vote, read_vote
from harness.models import embedded
from harness.models.resolve import Provider, local_folder, resolve
from harness.models.settings import ModelSettings
from harness.shipping.registry.registry import Registry
from harness.training.encoder.artefact import pin_of_encoder, read_encoder
from harness.training.tuned_model import (
    AdapterVersion,
    ClassifierArtefact,
    HandOver,
    Origin,
    TunedTask,
    folder_digest,
)

TO_TODAY = ArmId(option=Option.ROUTE, model=TODAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """A tuned model that was found and is what it was when it was trained.

    Attributes:
        adapter, base: folders.
        run: where it was trained; None for one out of a registry.
        reference: `NAME@VERSION` for one out of a registry, '' otherwise.
    """

    adapter: Path
    base: Path
    artefact: Artefact
    origin: Origin
    task: TunedTask
    run: RunFolder | None = None
    reference: str = ""

    @property
    def served_as(self) -> str:
        """The name a server gives it, in letters every client takes."""
        own = f"{self.origin.arm.option}-{self.origin.arm.model}"
        name = self.reference.partition("@")[0] or (f"{own}-route" if self.task.hand_over else own)
        return re.sub(r"[^a-z0-9._-]+", "-", name.lower().rpartition("/")[2]).strip("-.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedClassifier:
    """A classifier, be it linear, a tuned encoder or a vote, that was found and is what it was when fitted.

    Attributes:
        folder: where its files lie.
        run: where it was fitted; None for one out of a registry.
        reference: `NAME@VERSION` for one out of a registry, '' otherwise.
    """

    folder: Path
    artefact: ClassifierArtefact
    origin: Origin
    task: TunedTask
    run: RunFolder | None = None
    reference: str = ""

    @property
    def served_as(self) -> str:
        """The name a server gives it."""
        kind = self.task.option.value
        return self.reference.partition("@")[0] or (f"{kind}-route" if self.task.hand_over else kind)


Shipped = Tuned | ShippedClassifier


def shipped_in_run(
    folder: RunFolder, arm: str, seed: int | None, context: Context, prefer: ArmId | None = None
) -> Shipped:
    """The tuned model or the classifier of a run.

    Args:
        arm: '' for `prefer`, or the only one there is.
        seed: None for the first training seed.
        prefer: what the run recommends.

    Raises:
        UsageError: if the run has no such arm or seed, or several and none is named.
        StoreError: if it, or the base model, changed since.
        ModelUnavailable: if the base model is not at hand.
    """
    folder.check()
    _only_labels_or_fields(folder)
    wanted = arm or ("" if prefer is None else str(prefer))
    if wanted == str(TO_TODAY):
        return _handing_over(folder, seed, context)
    settled = _settled(folder, arm, seed, prefer)
    artefact = settled.fitted.artefact
    if artefact is None:
        home = _home(folder, settled)
        return ShippedClassifier(
            folder=home,
            artefact=_read(home, settled.arm.option),
            origin=_origin(folder, settled),
            task=task_of(folder, settled.arm, {}),
            run=folder,
        )
    adapter = inside(folder.root, artefact.path)
    if folder_digest(adapter) != artefact.digest:
        raise StoreError("The tuned model was changed after it was trained.", got=str(adapter))
    return Tuned(
        adapter=adapter,
        base=base_of(artefact, context),
        artefact=artefact,
        origin=_origin(folder, settled),
        task=task_of(folder, settled.arm, artefact.codes),
        run=folder,
    )


def _handing_over(folder: RunFolder, seed: int | None, context: Context) -> Shipped:
    """The arm of a run's route to today's way, with the threshold below which it hands over."""
    route = folder.results().route_to_today
    if route is None or route.first is None or route.threshold is None or route.temperature is None:
        raise UsageError(
            f"Run {folder.run_id} has no threshold from which on an arm may answer by itself.",
            got=str(TO_TODAY),
            run=folder.command("report", "--full"),
        )
    found = shipped_in_run(folder, str(route.first), seed, context)
    rule = HandOver(
        threshold=route.threshold,
        temperature=route.temperature,
        coverage=route.coverage,
        precision=route.precision,
    )
    return replace(found, task=replace(found.task, hand_over=rule))


def shipped_in_registry(registry: Registry, reference: str, context: Context) -> Shipped:
    """A version of a registry, copied into the cache and checked.

    Raises:
        UsageError, StoreError, ModelUnavailable: as for a run.
    """
    version = registry.find(reference)
    place = context.cache / "adapters" / file_name(f"{version.name}-{version.artefact.digest[:16]}")
    if not place.is_dir():
        temporary = place.with_name(f".{place.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        registry.fetch(version, temporary)
        temporary.rename(place)
    if not _is_as_added(place, version):
        shutil.rmtree(place, ignore_errors=True)
        raise StoreError(
            f"The cached copy of {reference} was changed; it is removed.", run="the same command again"
        )
    named = f"{version.name}@{version.version}"
    if not isinstance(version.artefact, Artefact):
        return ShippedClassifier(
            folder=place,
            artefact=version.artefact,
            origin=version.origin,
            task=version.task,
            reference=named,
        )
    return Tuned(
        adapter=place,
        base=base_of(version.artefact, context),
        artefact=version.artefact,
        origin=version.origin,
        task=version.task,
        reference=named,
    )


def _is_as_added(place: Path, version: AdapterVersion) -> bool:
    if not isinstance(version.artefact, Artefact):
        with suppress(StoreError):
            return _read(place, version.task.option) == version.artefact
        return False
    return folder_digest(place) == version.artefact.digest


def _home(folder: RunFolder, settled: FittedArm) -> Path:
    """Where a run keeps an arm's classifier, once it is the one that the journal pins."""
    option = settled.arm.option
    if option.traits.encodes:
        home = encoder_folder(folder, settled.arm, settled.seed)
        found = pin_of_encoder(home)
    else:
        home = classifier_folder(folder, settled.arm)
        found = pin_of_vote(home) if option.traits.searches else pin_of(home)
    if found != settled.fitted.choices[KEPT]:
        name = settled.arm.option.traits.name
        raise StoreError(f"Of {name}, files are missing or were changed after it was fitted.", got=home)
    return home


def _read(folder: Path, option: Option) -> ClassifierArtefact:
    if option.traits.encodes:
        return read_encoder(folder)
    return read_vote(folder) if option.traits.searches else read_linear(folder)


def _only_labels_or_fields(folder: RunFolder) -> None:
    """Refuse a run whose answers rest on documents, which no export carries."""
    kind = folder.data_facts().task
    if kind is TaskKind.QUESTION_ANSWERING:
        raise UsageError(
            "What is exported and served answers with a label or with fields.",
            got=f"run {folder.run_id}, whose task is {kind.value}",
            allowed=f"a run whose task is {TaskKind.CLASSIFICATION.value} or {TaskKind.EXTRACTION.value}",
        )


def task_of(folder: RunFolder, arm: ArmId, codes: Mapping[str, str]) -> TunedTask:
    """What a run's tuned arm was tuned to do.

    Args:
        codes: of its artefact.
    """
    plan, facts = folder.plan(), folder.data_facts()
    labels = facts.labels
    counts = Counter(item.label for item in folder.items()["train"]) if labels else Counter[str]()
    return TunedTask(
        option=arm.option,
        prompt_version=plan.prompt.version,
        item_chars=plan.prompt.item_chars,
        example_chars=plan.prompt.example_chars,
        labels=labels,
        train_counts={label.name: counts[label.name] for label in labels},
        codes=dict(codes),
        fields=facts.schema,
    )


def _settled(folder: RunFolder, arm: str, seed: int | None, prefer: ArmId | None) -> FittedArm:
    if not (folder.root / "journal.sqlite").exists():
        raise IncompleteRun(f"Run {folder.run_id} has trained nothing yet.", run=folder.command("resume"))
    with folder.journal(read_only=True) as journal:
        kept = [one for one in journal.settled() if one.fitted.artefact or KEPT in one.fitted.choices]
    names = list(dict.fromkeys(str(settled.arm) for settled in kept))
    wanted_arm = arm or _default(kept, prefer)
    mine = [settled for settled in kept if _is_named(settled.arm, wanted_arm)]
    if not mine or len({settled.arm for settled in mine}) > 1:
        raise UsageError(
            f"Run {folder.run_id} has no such arm that can be shipped." if arm else "Which arm?",
            got=arm or None,
            allowed=", ".join(names) or "none; nothing in the run was trained here and kept",
            run=folder.command("export", "--arm", names[0])
            if names
            else command("run", folder.root / "plan.yaml"),
        )
    if len(mine) == 1 and seed is None:
        return mine[0]
    wanted = folder.plan().training_seeds[0] if seed is None else seed
    for settled in mine:
        if settled.seed == wanted:
            return settled
    seeds = ", ".join(str(settled.seed) for settled in mine)
    raise UsageError(f"{mine[0].arm} was not trained with this seed.", got=wanted, allowed=seeds)


def _is_named(arm: ArmId, name: str) -> bool:
    """Whether an arm is meant: by its whole name, or its option alone; '' means any."""
    return name in ("", str(arm), arm.option.value)


def _default(kept: Sequence[FittedArm], prefer: ArmId | None) -> str:
    """The arm that is preferred, where it can be shipped; else the only tuned arm; else ''."""
    if prefer in {settled.arm for settled in kept}:
        return str(prefer)
    tuned = {settled.arm for settled in kept if settled.arm.option.traits.tuned}
    return str(next(iter(tuned))) if len(tuned) == 1 else ""


def base_of(artefact: Artefact, context: Context) -> Path:
    """The folder of the base model an adapter was trained on, once its weights are the same.

    Raises:
        ModelUnavailable: if it is not at hand.
        StoreError: if it is another.
    """
    source = resolve(artefact.base_model)
    if isinstance(source, Provider):
        raise ModelUnavailable("A base model behind an API cannot be opened here.", got=artefact.base_model)
    base = local_folder(source, ModelSettings(cache=context.cache, offline=context.offline))
    found = weights_digest(base, context.cache)
    if found != artefact.base_digest:
        raise StoreError(
            "The base model is not the one the adapter was trained on.",
            got=f"{base}: {found[:12]}",
            allowed=artefact.base_digest[:12],
        )
    return base


def _origin(folder: RunFolder, settled: FittedArm) -> Origin:
    facts = folder.data_facts()
    model = embedded.embedded(settled.arm.model)
    dev, test = _measured(folder, settled)
    return Origin(
        run_id=folder.run_id,
        plan_digest=folder.lock().plan_digest,
        arm=settled.arm,
        seed=settled.seed,
        evalset=facts.name,
        data_licence=facts.licence,
        provenance=facts.provenance,
        licence=model.licence if model else "",
        dev=dev,
        test=test,
    )


def _measured(folder: RunFolder, settled: FittedArm) -> tuple[Estimate | None, Estimate | None]:
    """Accuracy on dev and test, where the run came to it."""
    alone = [one.dev for one in read_tuned(folder) if (one.arm, one.seed) == (settled.arm, settled.seed)]
    dev = alone[0] if alone else None
    if not (folder.root / "results.json").exists():
        return dev, None
    for result in folder.results().arms:
        if result.arm != settled.arm:
            continue
        of_seed = [found.primary for found in result.seeds if found.seed == settled.seed]
        if not result.seeds:  # it is not trained by seeds: there is one of it
            return result.quality.dev, result.quality.primary
        first = settled.seed == folder.plan().training_seeds[0]
        return (result.quality.dev if first else dev), (of_seed[0] if of_seed else None)
    return dev, None
