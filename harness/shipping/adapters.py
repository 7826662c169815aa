"""`harness adapters`: put tuned models into a registry, look at them, put them on stages."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.core.context import Context
from harness.core.errors import UsageError
from harness.shipping.registry.hub import Push, hub_token, model_card, push_adapter
from harness.shipping.registry.registry import Registry, checks_of, find_version, stages_of, versions_in
from harness.shipping.tuned import Tuned
from harness.training.tuned_model import AdapterVersion, Event, Parity, folder_digest


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


def add_adapter(registry: Registry, name: str, tuned: Tuned, context: Context) -> AdapterVersion:
    """Take a tuned model into a registry as the next version of `name`."""
    draft = AdapterVersion(
        name=name,
        version=0,
        created_at=context.clock(),
        artefact=dataclasses.replace(tuned.artefact, path=name),
        origin=tuned.origin,
        task=tuned.task,
        files={},
    )
    return registry.add(tuned.adapter, draft)


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
        if folder_digest(folder) != version.artefact.digest:
            raise UsageError(f"{reference} is not what was trained.", got=version.artefact.digest[:12])
        title = f"{version.name} {version.version}"
        card = model_card(title, version.artefact, version.origin, version.task, found.checks)
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
    found: dict[str, object] = {
        "base": version.artefact.base_model,
        "base_digest": version.artefact.base_digest,
        "data_digest": version.artefact.data_digest,
        "digest": version.artefact.digest,
        "train_rows": version.artefact.train_rows,
        "steps": version.artefact.steps,
        "train_s": round(version.artefact.train_s, 1),
        "run": version.origin.run_id,
        "arm": str(version.origin.arm),
        "seed": version.origin.seed,
        "evalset": version.origin.evalset,
        "labels": ", ".join(label.name for label in version.task.labels),
        "prompt": version.task.prompt_version,
        "dev accuracy": None if version.origin.dev is None else version.origin.dev.value,
        "test accuracy": None if version.origin.test is None else version.origin.test.value,
    }
    recipe = dataclasses.asdict(version.artefact.recipe)
    return found | {f"recipe.{name}": value for name, value in recipe.items()}
