"""Builds the arms of a plan. Models and the index are opened once and shared by the arms that use them.

A tuned arm gets its tuner here: base model found, recipe chosen, trainer set up.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar, assert_never, cast

from advisor.options import Option, TaskKind
from advisor.reading import read_json
from harness.arms.all_documents import AllDocumentsArm
from harness.arms.base import Arm
from harness.arms.best_sentence import BestSentenceArm
from harness.arms.encoder import EncoderArm, EncoderSettings, TaggerArm
from harness.arms.floor import FloorArm
from harness.arms.linear import LinearArm
from harness.arms.neighbour_values import NeighbourValuesArm
from harness.arms.neighbours import NeighboursArm
from harness.arms.prompt import PromptArm
from harness.arms.reading import ReadingArm
from harness.arms.retrieve import RetrieveArm, RetrieveSettings, passes_of, rows_to_choose_on
from harness.arms.tune import Examples, Shows, TuneArm, Tuner
from harness.arms.tuned_reading import Lessons, Passages
from harness.bakeoff.addresses import embedding_identity, ranking_identity
from harness.bakeoff.budget import RunBudget
from harness.bakeoff.drafts import drafts_of
from harness.bakeoff.evalset import open_passages
from harness.bakeoff.hosted_tuning import Guards, hosted_tuner, is_hosted
from harness.bakeoff.leaving import Leaving
from harness.bakeoff.plan import ArmPlan, ExperimentPlan
from harness.bakeoff.run_folder import RunFolder
from harness.core.context import Context
from harness.core.errors import ModelUnavailable, UsageError
from harness.core.names import file_name
from harness.core.records import ArmId, Evalset, Recipe
from harness.knowledge.index import TrainingIndex
from harness.knowledge.passage_index import PassageIndex
from harness.knowledge.reranking import Reranking
from harness.models.api.client import ServedChat
from harness.models.api.embedding import (
    ServedEmbedding,
    ServedRanking,
    open_served_embedding,
    open_served_ranking,
)
from harness.models.api.shared import SharedCalls
from harness.models.base import ChatModel, EmbeddingModel, Telling
from harness.models.deciding import weights_of
from harness.models.local.precision import trains_in_bf16
from harness.models.open import open_chat, open_embedding
from harness.models.remembering import RememberingEmbedder
from harness.models.resolve import Provider, local_folder, resolve
from harness.models.settings import ModelSettings, Precision, settings_of
from harness.tasks.base import ReadsPassages, Task
from harness.tasks.extraction import ExtractionTask
from harness.tasks.kinds import task_of
from harness.tasks.questions import QuestionTask
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
    base = base_folder(arm.model, opening, "smollm2-135m, a folder with open weights, or a hub id")
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


def base_folder(model: str, opening: ModelSettings, allowed: str | None = None) -> Path:
    """The folder of a model that is tuned here.

    Args:
        allowed: what is, for the refusal of a served model.

    Raises:
        UsageError: the model is served.
        ModelUnavailable: its weights are not there.
    """
    source = resolve(model)
    if isinstance(source, Provider):
        raise UsageError("A model behind an API cannot be tuned here.", got=model, allowed=allowed)
    return local_folder(source, opening)


def encoder_base(model: str, opening: ModelSettings) -> Path:
    """The folder of an encoder. Raises as `base_folder`."""
    allowed = "minilm-l6, a folder with an encoder, or a hub id such as hf:answerdotai/ModernBERT-base"
    return base_folder(model, opening, allowed)


def local_tuner(model: str, recipe: Recipe, adapter: Path, opening: ModelSettings) -> LocalTuner:
    """The tuner that opens an adapter which was trained elsewhere.

    Raises:
        UsageError, ModelUnavailable: as `build_tuner`.
    """
    base = base_folder(model, opening)
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


Finding = TypeVar("Finding", ServedEmbedding, ServedRanking)


class ArmFactory:
    """Opens what arms need, at first use.

    Args:
        embedder: an embedding model that is open already; None opens the plan's.
        keep: linear classifiers are kept in the run folder, to be shipped.
    """

    def __init__(
        self,
        plan: ExperimentPlan,
        evalset: Evalset,
        folder: RunFolder,
        context: Context,
        embedder: EmbeddingModel | None = None,
        *,
        keep: bool = True,
    ) -> None:
        self._plan = plan
        self._evalset = evalset
        self._folder = folder
        self._context = context
        self._chats: dict[tuple[str, str, str, bool], ChatModel] = {}
        self._embedder = embedder
        self._keep = keep
        self._shared = SharedCalls()
        self._searching: list[ServedEmbedding | ServedRanking] = []
        self._ranking: Reranking | None = None
        self._index: TrainingIndex | None = None
        self._passages: PassageIndex | None = None
        self.leaving = Leaving(plan, evalset, folder, context)
        self._budget = RunBudget(plan, context, folder.root / "journal.sqlite")
        self.drafts_in: tuple[Path, ...] = (context.cache / "drafts",)  # as `DraftSettings.places`
        self.prepare: Callable[[Tuner], None] = lambda tuner: None  # is shown every tuner before it trains

    def build(self, arm: ArmPlan, seed: int) -> Arm:
        """The arm of a plan, for one training seed.

        Raises:
            ModelUnavailable, MissingExtra: if what it needs is not there.
            UsageError: for a route, which is composed from other arms' outcomes.
        """
        task = task_of(self._evalset.space, self._plan.prompt.limits)
        match arm.option:
            case Option.FLOOR:
                return FloorArm(arm.id)
            case Option.NEIGHBOURS:
                return self._neighbours(arm, task)
            case Option.LINEAR:
                home = classifier_folder(self._folder, arm.id) if self._keep else None
                return LinearArm(arm.id, self.embedding(), self._plan.seed, home)
            case Option.ENCODER:
                return self._encoder(arm, seed, task)
            case Option.PROMPT:
                return self._prompt(arm, task)
            case Option.RETRIEVE:
                return self._retrieve(arm, task)
            case Option.TUNE:
                put = self.leaving.task(arm, task)
                drafts = drafts_of(arm, self._plan, self._evalset, self._context, self.drafts_in)
                return TuneArm(arm.id, self._tuner(arm, seed), put, drafts=drafts)
            case Option.TUNE_RETRIEVE:
                put = self.leaving.task(arm, task)
                return TuneArm(arm.id, self._tuner(arm, seed), put, self._shows(task, seed))
            case Option.ROUTE:
                raise UsageError("A route is composed from other arms and calls no model of its own.")
            case Option.EXTERNAL:
                raise UsageError("An external arm is brought in by `harness import`, not run.")
            case _:
                assert_never(arm.option)

    def _neighbours(self, arm: ArmPlan, task: Task) -> Arm:
        """What is nearest, without a model: a sentence, the values of rows, or their vote."""
        if isinstance(task, QuestionTask):
            return BestSentenceArm(arm.id, self.passages(), task)
        if not task.choices:
            return NeighbourValuesArm(arm.id, self.index())
        home = classifier_folder(self._folder, arm.id) if self._keep else None
        return NeighboursArm(arm.id, self.index(), home)

    def _prompt(self, arm: ArmPlan, task: Task) -> Arm:
        """A model that is told what to do, alone or with all documents."""
        put = self.leaving.task(arm, task)
        if arm.all_documents:
            return AllDocumentsArm(arm.id, self.chat(arm), self.passages(), cast(ReadsPassages, put))
        return PromptArm(arm.id, self.chat(arm), put)

    def _retrieve(self, arm: ArmPlan, task: Task) -> Arm:
        """A model that reads passages, or training rows."""
        settings, put = self._retrieve_settings(), self.leaving.task(arm, task)
        if isinstance(task, QuestionTask):
            return ReadingArm(arm.id, self.chat(arm), self.passages(), cast(ReadsPassages, put), settings)
        return RetrieveArm(arm.id, self.chat(arm), self.index(), put, settings)

    def _shows(self, task: Task, seed: int) -> Shows:
        """What a tuned model is shown with each item: passages, or training rows."""
        shown = self._plan.shown_in_training
        if isinstance(task, QuestionTask):
            return Passages(self.passages(), shown, seed, self._lessons())
        return Examples(self.index(), shown)

    def _lessons(self) -> Lessons | None:
        """What a reader is tuned on, where that is not the evalset itself; the same whatever embeds it."""
        lessons = self._evalset.lessons
        if lessons is None:
            return None
        index = open_passages(lessons.documents, None, self._context)
        return Lessons(items=self._evalset.learnt_by(Option.TUNE_RETRIEVE), index=index)

    def index(self) -> TrainingIndex:
        """The index over the training rows."""
        if self._index is None:
            cache = self._context.cache / "indexes"
            train, embedder = self._evalset.train, self.embedding()
            self._index = TrainingIndex.load_or_build(cache, train, embedder)
            if isinstance(embedder, RememberingEmbedder) and self._index.vectors is not None:
                embedder.keep([item.text for item in train], self._index.vectors)
        return self._index

    def passages(self) -> PassageIndex:
        """The index over the passages of the documents."""
        if self._passages is None:
            self._passages = open_passages(self._evalset.documents, self.embedding(), self._context)
        return self._passages

    def close(self) -> None:
        """Close every model that was opened."""
        for chat in self._chats.values():
            chat.close()
        self._chats.clear()
        for searching in self._searching:
            searching.close()
        self._searching.clear()
        self._ranking = None
        self._shared.close()
        self._budget.close()

    def chat(self, arm: ArmPlan) -> ChatModel:
        """The chat model of an arm, guarded by the run's budget; the one opened last stays open."""
        key = (arm.model, arm.api_base, arm.effort, arm.batch)
        if key not in self._chats:
            for stale in list(self._chats.values()):
                stale.close()  # one model in memory at a time
            self._chats.clear()
            let_go = self.leaving.let_go if self.leaving.leaves(arm) else lambda request: None
            settings = self._settings(arm)
            if arm.batch:
                settings = dataclasses.replace(settings, batches=self._folder.root / "batches")
            chat = open_chat(arm.model, settings, let_go)
            try:
                self._watch(arm, chat)
            except BaseException:
                chat.close()  # without its guard it is asked nothing
                raise
            self._chats[key] = self._spread(chat, arm, settings)
        return self._chats[key]

    def _spread(self, chat: ChatModel, arm: ArmPlan, settings: ModelSettings) -> ChatModel:
        """The model as it is, or asked by workers where that was asked for and it is served."""
        if self._context.engine != "ray" or not isinstance(chat, ServedChat):
            return chat
        from harness.models.over_ray import RayChat, Spread

        spread = Spread(model=arm.model, settings=settings)
        return RayChat(chat, spread, functools.partial(self._budget.elsewhere, chat.identity))

    def _settings(self, arm: ArmPlan) -> ModelSettings:
        return dataclasses.replace(model_settings(self._context, self._plan, arm), shared=self._shared)

    def _tuner(self, arm: ArmPlan, seed: int) -> Tuner:
        opening = self._settings(arm)
        tuner: Tuner
        if is_hosted(arm):
            task = task_of(self._evalset.space, self._plan.prompt.limits)
            guards = Guards(
                check=self.leaving.check,
                allow=self._budget.allow,
                prepare=lambda chat: self._watch(arm, chat),
            )
            place = self._folder, self._context, opening
            tuner = hosted_tuner(self._plan, (arm, seed), task, place, guards)
        else:
            tuner = build_tuner(self._plan, arm, seed, self._evalset, self._folder, opening)
        self.prepare(tuner)
        return tuner

    def _watch(self, arm: ArmPlan, chat: ChatModel) -> None:
        """Guard a model: what it is sent, and what it may cost."""
        if isinstance(chat, ServedChat) and self.leaving.leaves(arm):
            chat.let_go = self.leaving.let_go
        self._budget.guard(chat)
        if isinstance(chat, Telling):
            chat.say = self._context.progress.waiting

    def _encoder(self, arm: ArmPlan, seed: int, task: Task) -> Arm:
        """One that gives labels, or one that reads fields."""
        opening = model_settings(self._context, self._plan, arm)
        home = encoder_folder(self._folder, arm.id, seed) if self._keep else None
        settings = encoder_settings(self._plan, arm.id, (seed, self._evalset), opening, home)
        if isinstance(task, ExtractionTask):
            return TaggerArm(arm.id, settings, task.fields)
        return EncoderArm(arm.id, settings, task.choices)

    def embedding(self) -> EmbeddingModel | None:
        """The plan's embedding model, guarded by the budget where it is served; None without one."""
        if self._embedder is None:
            opened = self._served_embedding() or open_embedder(self._plan, self._context)
            self._embedder = None if opened is None else RememberingEmbedder(opened)
        return self._embedder

    def _served_embedding(self) -> ServedEmbedding | None:
        """The plan's embedding model where it is behind an API, guarded as chat models are."""
        found = self._plan.retrieve
        if embedding_identity(self._plan) is None:
            return None
        opened = open_served_embedding(found.embedding, self._search_settings(found.embedding_base))
        return self._watched(opened)

    def _watched(self, opened: Finding) -> Finding:
        opened.let_go, opened.say = self.leaving.searched, self._context.progress.waiting
        self._budget.guard(opened)
        self._searching.append(opened)
        return opened

    def _search_settings(self, base: str) -> ModelSettings:
        return dataclasses.replace(
            settings_of(self._context), api_base=base or None, seed=self._plan.seed, shared=self._shared
        )

    def _retrieve_settings(self) -> RetrieveSettings:
        plan, rows = self._plan.retrieve, self._evalset
        passes = passes_of(plan.k, documents=bool(rows.documents))
        most = rows_to_choose_on(passes, plan.dev_items, len(rows.dev), len(rows.test))
        dev_items = most if passes else plan.dev_items
        return RetrieveSettings(
            k=plan.k, max_tokens=plan.max_tokens, dev_items=dev_items, reranking=self._reranking()
        )

    def _reranking(self) -> Reranking | None:
        """The plan's reranker, guarded as chat models are; all retrieve arms share it."""
        found = self._plan.retrieve
        if ranking_identity(self._plan) is not None and self._ranking is None:
            opened = open_served_ranking(found.rerank, self._search_settings(found.rerank_base))
            self._ranking = Reranking(self._watched(opened), found.reranked)
        return self._ranking


def classifier_folder(folder: RunFolder, arm: ArmId) -> Path:
    """Where a run keeps a classifier that is fitted once, whatever the training seed."""
    return folder.artefacts / file_name(str(arm))


def encoder_folder(folder: RunFolder, arm: ArmId, seed: int) -> Path:
    """Where a run keeps the encoder that it trained with a seed."""
    return folder.artefacts / file_name(f"{arm}-seed{seed}".replace("/", "_"))


def open_embedder(plan: ExperimentPlan, context: Context) -> EmbeddingModel | None:
    """The plan's embedding model; None, and it is said, where there is none or it is not at hand.

    Raises:
        UsageError: it is behind an API, which an `ArmFactory` opens with its guards.
    """
    if not plan.retrieve.embedding:
        return None
    if embedding_identity(plan) is not None:
        raise UsageError(
            "A drill counts an update by its machine time, so its texts are embedded on this machine.",
            got=plan.retrieve.embedding,
            allowed="retrieve.embedding: minilm-l6, a folder or a hub id",
        )
    try:
        opening = ModelSettings(cache=context.cache, offline=context.offline, threads=context.threads)
        return open_embedding(plan.retrieve.embedding, opening)
    except ModelUnavailable as error:
        context.progress.waiting(f"no embedding model, lexical search only: {error.what}")
        return None


def model_settings(context: Context, plan: ExperimentPlan, arm: ArmPlan) -> ModelSettings:
    """How the model of an arm is opened."""
    return dataclasses.replace(
        settings_of(context), api_base=arm.api_base or None, seed=plan.seed, effort=arm.effort
    )


def lanes_of(plan: ExperimentPlan) -> Iterator[tuple[ArmPlan, int]]:
    """Every (arm, seed) that runs: tuned arms once a training seed, routes not at all."""
    for arm in plan.arms:
        match arm.option:
            case Option.ROUTE | Option.EXTERNAL:
                continue
            case Option.ENCODER | Option.TUNE | Option.TUNE_RETRIEVE:
                for seed in plan.training_seeds:
                    yield arm, seed
            case Option.FLOOR | Option.NEIGHBOURS | Option.LINEAR | Option.PROMPT | Option.RETRIEVE:
                yield arm, plan.seed
            case _:
                assert_never(arm.option)
