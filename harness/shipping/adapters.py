"""`harness adapters`: put what ships into a registry, look at them, put them on stages."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.core.artefacts import EncoderArtefact, LinearArtefact, VoteArtefact
from harness.core.context import Context
from harness.core.errors import UsageError
from harness.core.records import Artefact
from harness.shipping.registry.card import card_of
from harness.shipping.registry.registry import (
    Push,
    Registry,
    checks_of,
    find_version,
    hub_token,
    push_adapter,
    stages_of,
    versions_in,
)
from harness.shipping.shipped import Shipped, Tuned
from harness.training.tuned_model import AdapterVersion, Artefacts, Event, Parity, folder_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelved:
    """One version as it is shown.

    Attributes:
        stages: where it stands.
        checks: its parity checks, oldest first, failed ones included.
    """

    version: AdapterVersion
    stages: tuple[str, ...]
    checks: tuple[Parity, ...]


def open_registry(address: str, context: Context) -> Registry:
    """The registry at an address; `runs/registry` where none is named."""
    return Registry(address or str(context.runs / "registry"), context.clock)


def add_adapter(registry: Registry, name: str, found: Shipped, context: Context) -> AdapterVersion:
    """Take a tuned model or a classifier into a registry as the next version of `name`."""
    artefact: Artefacts = found.artefact
    if isinstance(artefact, Artefact):
        artefact = dataclasses.replace(artefact, path=name)
    draft = AdapterVersion(
        name=name,
        version=0,
        created_at=context.clock(),
        artefact=artefact,
        origin=found.origin,
        task=found.task,
        files={},
    )
    return registry.add(found.adapter if isinstance(found, Tuned) else found.folder, draft)


def shelved(registry: Registry, name: str = "") -> tuple[Shelved, ...]:
    """Every version, oldest first; of one adapter where a name is given."""
    events = registry.history()
    return tuple(_shelved(events, version) for version in versions_in(events, name))


def shelved_as(registry: Registry, reference: str) -> Shelved:
    """One version by its reference."""
    events = registry.history()
    return _shelved(events, find_version(events, reference))


def history_of(registry: Registry, name: str) -> tuple[Event, ...]:
    """What happened to an adapter, oldest first."""
    return tuple(event for event in registry.history() if event.name == name)


def differences(registry: Registry, a: str, b: str) -> dict[str, tuple[object, object]]:
    """Every field in which two versions differ: name -> (of a, of b)."""
    events = registry.history()
    one, other = (_flat(find_version(events, reference)) for reference in (a, b))
    names = sorted(one.keys() | other.keys())
    return {name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)}


def push(registry: Registry, reference: str, repo: str, environ: Mapping[str, str], *, private: bool) -> str:
    """Push a version with its model card to the Hugging Face Hub; returns the commit's address.

    Raises:
        UsageError: without a token.
        ModelUnavailable: if the hub refuses.
    """
    token = hub_token(environ)
    found = shelved_as(registry, reference)
    version = found.version
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "adapter"
        registry.fetch(version, folder)
        tuned = isinstance(version.artefact, Artefact)  # the files of others were compared by `fetch`
        if tuned and folder_digest(folder) != version.artefact.digest:
            raise UsageError(f"{reference} is not what was trained.", got=version.artefact.digest[:12])
        if isinstance(version.artefact, VoteArtefact) and not private:
            raise UsageError(
                f"{reference} holds {version.artefact.train_rows:,} training rows as they are, which anybody "
                "could read.",
                got="--public",
                allowed="a private repository",
            )
        title = f"{version.name} {version.version}"
        card = card_of(title, version.artefact, version.origin, version.task, found.checks)
        (folder / "README.md").write_text(card, encoding="utf-8")
        shutil.rmtree(folder / ".cache", ignore_errors=True)
        how = Push(repo=repo, token=token, private=private, message=f"{version.name}@{version.version}")
        return push_adapter(folder, how)


def _shelved(events: tuple[Event, ...], version: AdapterVersion) -> Shelved:
    standing = stages_of(events, version.name)
    return Shelved(
        version=version,
        stages=tuple(stage for stage, number in standing.items() if number == version.version),
        checks=tuple(checks_of(events, version.name, version.version)),
    )


def _flat(version: AdapterVersion) -> dict[str, object]:
    """The fields one would ask about, by dotted name."""
    artefact, dev, test = version.artefact, version.origin.dev, version.origin.test
    found: dict[str, object] = {
        "data_digest": artefact.data_digest,
        "digest": artefact.digest,
        "train_rows": artefact.train_rows,
        "run": version.origin.run_id,
        "arm": str(version.origin.arm),
        "seed": version.origin.seed,
        "evalset": version.origin.evalset,
        "labels": ", ".join(label.name for label in version.task.labels),
        "prompt": version.task.prompt_version,
        "dev accuracy" if dev is None else dev.metric: None if dev is None else dev.value,
        f"test {'accuracy' if test is None else test.metric}": None if test is None else test.value,
    }
    if isinstance(artefact, LinearArtefact):
        embedding = artefact.embedding.id if artefact.embedding else None
        return found | {"classifier": artefact.classifier, "embedding": embedding} | artefact.packages
    if isinstance(artefact, VoteArtefact):
        embedding = artefact.embedding.id if artefact.embedding else None
        return found | {"vote": artefact.named, "embedding": embedding} | artefact.packages
    found |= {"base": artefact.base_model, "base_digest": artefact.base_digest}
    if isinstance(artefact, EncoderArtefact):
        found |= {"temperature": artefact.temperature, **artefact.packages}
    found |= {"steps": artefact.steps, "train_s": round(artefact.train_s, 1)}
    recipe = dataclasses.asdict(artefact.recipe)
    return found | {f"recipe.{name}": value for name, value in recipe.items()}
