"""The tuner of a tuned arm: base model found, recipe chosen, trainer set up."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from advisor.options import Option, TaskKind
from advisor.reading import read_json
from harness.arms.recipe_search import EncoderSettings
from harness.bakeoff.plan import ArmPlan, ExperimentPlan
from harness.bakeoff.run_folder import RunFolder
from harness.core.errors import ModelUnavailable, UsageError
from harness.core.names import file_name
from harness.core.records import ArmId, Evalset, Recipe
from harness.models.deciding import weights_of
from harness.models.local.precision import trains_in_bf16
from harness.models.resolve import Provider, local_folder, resolve
from harness.models.settings import ModelSettings, Precision
from harness.training.encoder.recipe import recipes_for, tagger_recipes_for
from harness.training.recipe import TrainingHardware, choose_recipe
from harness.training.settings import EncoderPlan
from harness.training.tuner import LocalTuner, TunerSettings

_PASSAGE_AS_ROWS = 3
"""A passage of 800 characters takes the room of so many rows of 128 tokens, in German too."""


def build_tuner(
    plan: ExperimentPlan, arm: ArmPlan, seed: int, evalset: Evalset, folder: RunFolder, opening: ModelSettings
) -> LocalTuner:
    """The tuner for one training seed of an arm.

    Args:
        evalset: its labels, and how many training rows there are.
        opening: how local models are opened.

    Raises:
        UsageError: if the model is served and cannot be tuned here, or cannot learn what the plan asks for.
        ModelUnavailable: if its weights are not there.
    """
    source = resolve(arm.model)
    if isinstance(source, Provider):
        raise UsageError(
            "A model behind an API cannot be tuned here.",
            got=arm.model,
            allowed="smollm2-135m, a folder with open weights, or a hub id",
        )
    base = local_folder(source, opening)
    shown = plan.shown_in_training if arm.option is Option.TUNE_RETRIEVE else 0
    if evalset.documents:
        shown *= _PASSAGE_AS_ROWS
    recipe = recipe_for(plan, base, rows_learnt(plan, arm.option, evalset), seed, opening, shown=shown)
    name = file_name(f"{arm.option.value}-{arm.model}-seed{seed}".replace("/", "_").replace("+", "-"))
    codes = arm.option is Option.TUNE and bool(evalset.labels)
    reader = arm.option is Option.TUNE_RETRIEVE and evalset.lessons is not None
    settings = TunerSettings(
        base=base,
        model=arm.model,
        base_digest=weights_digest(base, opening.cache),
        artefacts=folder.artefacts,
        name=name,
        recipe=recipe if codes else dataclasses.replace(recipe, answer="words"),
        opening=opening,
        labels=evalset.labels,
        keep_in=opening.cache / "readers" if reader and opening.cache else None,
    )
    return LocalTuner(settings)


def rows_learnt(plan: ExperimentPlan, option: Option, evalset: Evalset) -> int:
    """The rows that an option learns from, with those that a model is to draft at most."""
    own, drafts = len(evalset.learnt_by(option)), plan.tune.drafts
    return drafts.rows(own) if drafts is not None and option is Option.TUNE else own


def encoder_settings(
    plan: ExperimentPlan,
    arm: ArmId,
    training: tuple[int, Evalset],
    opening: ModelSettings,
    home: Path | None,
) -> EncoderSettings:
    """How the encoder of an arm is tuned, and the recipes to try.

    Args:
        training: its seed, and the evalset: its training rows are counted, its labels' definitions learnt.
        home: where it is kept; None keeps it nowhere.

    Raises:
        UsageError: if the model is served and cannot be tuned here.
        ModelUnavailable: if its weights are not there.
    """
    base = encoder_base(arm.model, opening)
    seed, evalset = training
    weights = sum(path.stat().st_size for path in base.glob("*.safetensors")) // 4
    recipes = tagger_recipes_for if evalset.task is TaskKind.EXTRACTION else recipes_for
    return EncoderSettings(
        base=base,
        model=arm.model,
        recipes=recipes(
            plan.encoder or EncoderPlan(), len(evalset.train), weights, _training_precision(opening), seed
        ),
        item_chars=plan.prompt.item_chars,
        opening=opening,
        definitions={label.name: label.definition for label in evalset.labels if label.definition},
        keep_in=home,
    )


def encoder_base(model: str, opening: ModelSettings) -> Path:
    """The folder of an encoder.

    Raises:
        UsageError, ModelUnavailable: as `encoder_settings`.
    """
    source = resolve(model)
    if isinstance(source, Provider):
        raise UsageError(
            "A model behind an API cannot be tuned here.",
            got=model,
            allowed="minilm-l6, a folder with an encoder, or a hub id such as hf:answerdotai/ModernBERT-base",
        )
    return local_folder(source, opening)


def local_tuner(model: str, recipe: Recipe, adapter: Path, opening: ModelSettings) -> LocalTuner:
    """The tuner that opens an adapter which was trained elsewhere.

    Raises:
        UsageError, ModelUnavailable: as `build_tuner`.
    """
    source = resolve(model)
    if isinstance(source, Provider):
        raise UsageError("A model behind an API cannot be tuned here.", got=model)
    base = local_folder(source, opening)
    settings = TunerSettings(
        base=base,
        model=model,
        base_digest=weights_digest(base, opening.cache),
        artefacts=adapter.parent,
        name=adapter.name,
        recipe=recipe,
        opening=opening,
    )
    return LocalTuner(settings)


def recipe_for(
    plan: ExperimentPlan, base: Path, rows: int, seed: int, opening: ModelSettings, *, shown: int = 0
) -> Recipe:
    """The recipe for this base model on this machine; `shown` examples stand in each training prompt."""
    hardware = TrainingHardware(
        device="cpu" if opening.device == "cpu" else "cuda",
        precision=_training_precision(opening),
        layers=_layers(base),
    )
    return choose_recipe(plan.tune, rows, hardware, seed, shown)


def _training_precision(opening: ModelSettings) -> Precision:
    """What matrices are multiplied in while training; answers may be computed in another format."""
    return opening.precision or ("bf16" if trains_in_bf16(opening.device) else "fp32")


def weights_digest(base: Path, cache: Path | None = None) -> str:
    """The sha256 of a base model's weights, computed from its files; see `deciding.file_digest`."""
    return "+".join(weights_of(base, cache))


def _layers(base: Path) -> int:
    try:
        config = read_json(base / "config.json")
        return int(config["num_hidden_layers"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelUnavailable(
            f"{base} has no config.json that states its number of layers.", got=str(error)
        ) from error
