"""The experiment plan: everything that decides a bake-off, fixed and hashed before any arm sees data.

Pure: text in, plan out; reading and storing files is the store's work. Unknown keys are refused and
all faults of a plan are reported at once.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, model_validator

from advisor.options import Option, TaskKind
from advisor.reading import Unreadable, parse_yaml
from harness.bakeoff.business import BusinessPlan
from harness.core.errors import UsageError
from harness.core.parts import Count, Part, Seed, faults_of
from harness.core.records import ABSTAINING, BEST_SENTENCE, TODAY, ArmId
from harness.data.settings import DataPlan
from harness.models.api.destinations import BATCH_HOSTS
from harness.tasks.classification import ACCURACY, PROMPT_VERSION
from harness.tasks.kinds import facts_of_kind
from harness.tasks.records import PromptLimits
from harness.training.settings import EncoderPlan, TunePlan

Share = Annotated[float, Field(gt=0, lt=1)]

Effort = Literal["", "none", "minimal", "low", "medium", "high", "xhigh"]

LATER_KEYS = (  # added after plans were locked; unset they are not in the digest
    ("tune", "patience"),
    ("tune", "answer"),
    ("tune", "learn_from"),
    ("tune", "drafts"),
    ("data", "limit_out_of_scope"),
    ("data", "after"),
    ("data", "fields"),
    ("data", "answer"),
    ("data", "docs"),
    ("data", "edition"),
    ("data", "free_take_all"),
    ("data", "free_take_dev"),
    *(
        ("data", key)
        for key in ("id", "slices", "records", "sheet", "skip_unlabelled", "no_header", "no_quotes")
    ),
    ("decision", "min_handed_back"),
    ("decision", "min_seed_agreement"),
    ("decision", "looks"),
    *(("retrieve", key) for key in ("embedding_base", "rerank", "rerank_base", "rerank_from")),
    ("cost", "machine"),
    ("cost", "prices"),
)
LATER_ARM_KEYS = ("effort", "batch", "all_documents")


MOST_SHOWN_IN_TRAINING, MOST_READ_IN_TRAINING = 8, 3
"""Training reads every row or passage shown once an epoch, so that more of them cost more than they teach."""
RERANKED = 20
"""Rows that a reranker orders for a query, where a plan does not say."""


class ArmPlan(Part):
    """One arm: an option, and the model where the option needs one.

    `effort` is how hard a served reasoning model is asked to think; '' leaves it to the provider. `batch`
    asks through the provider's batch interface: cheaper, within a day, and without a latency.
    `all_documents` puts every document into the prompt of a question over documents.
    """

    option: Option
    model: str = ""
    api_base: str = ""
    effort: Effort = ""
    batch: bool = False
    all_documents: bool = False

    @model_validator(mode="after")
    def _model_where_needed(self) -> ArmPlan:
        if self.option is Option.EXTERNAL:
            raise ValueError("an external arm is brought into a run by `harness import`, not planned")
        if self.option.traits.needs_model and not self.model:
            raise ValueError(f"the arm '{self.option.value}' needs a model, such as smollm2-135m")
        if self.all_documents and self.option is not Option.PROMPT:
            raise ValueError(f"all_documents is for the arm 'prompt'; got {self.option.value}")
        if self.batch and self.model.partition("/")[0] not in BATCH_HOSTS:
            known = ", ".join(BATCH_HOSTS)
            raise ValueError(f"'{self.model}' answers in no batches that are known; models of {known} do")
        goes_to = ("", self.option.traits.own_model, TODAY)
        if self.option is Option.ROUTE and self.model not in goes_to:
            raise ValueError(f"a route goes to another arm (route) or to today's way (route@{TODAY})")
        return self

    @property
    def id(self) -> ArmId:
        """The arm's name, `option@model`."""
        return ArmId(option=self.option, model=self.model or self.option.traits.own_model)


class PromptPlan(Part):
    """How much text a rendering carries, in characters.

    `version`: the wording; an earlier one stands in the plans of runs that were made with it only.
    """

    version: str = PROMPT_VERSION
    item_chars: Annotated[int, Field(ge=100)] = 2000
    example_chars: Annotated[int, Field(ge=40)] = 400

    @property
    def limits(self) -> PromptLimits:
        """The limits as the prompts room takes them."""
        return PromptLimits(item_chars=self.item_chars, example_chars=self.example_chars)


class RetrievePlan(Part):
    """The retrieval of similar training rows.

    `k` lists the candidates; the best on dev is used, and with it what is said of the labels and which of
    them may be answered are chosen. `max_tokens` bounds the whole prompt, and the farthest examples are left
    out first. `dev_items` is how many dev rows each way of asking is tried on: at most as many as test items
    are asked, and so few that choosing takes no more than two thirds of the questions.

    `embedding_base` is the address of one's own server where `embedding` is a served model. `rerank` is a
    served model that puts the first `rerank_from` rows found (20, or the largest `k`) into a better order
    before `k` of them are shown; `rerank_base` the address of one's own.
    """

    k: Annotated[tuple[Count, ...], Field(min_length=1)] = (2, 8, 32)
    max_tokens: Annotated[int, Field(ge=64)] = 1500
    dev_items: Count = 100
    embedding: str = "minilm-l6"
    embedding_base: str = ""
    rerank: str = ""
    rerank_base: str = ""
    rerank_from: Count | None = None

    @model_validator(mode="after")
    def _with_a_reranker(self) -> RetrievePlan:
        if not self.rerank and (self.rerank_base or self.rerank_from):
            raise ValueError("rerank_from and rerank_base need `rerank`, such as cohere/rerank-v3.5")
        if self.rerank and self.reranked < max(self.k):
            raise ValueError(f"rerank_from must be at least the largest k; got {self.reranked}")
        return self

    @property
    def reranked(self) -> int:
        """Rows that a reranker orders for a query."""
        return self.rerank_from or max(RERANKED, *self.k)


class LatencyPlan(Part):
    """Which pass latency comes from: always warm, uncached, one query at a time.

    `shared`: a local model answers the test items one by one, and that pass is the timed one (on a CPU
    batches are no faster). `separate`: local models answer in batches, then `items` once more alone.
    Served models and arms without a language model always get the separate pass.
    """

    mode: Literal["shared", "separate"] = "shared"
    items: Annotated[int, Field(ge=0)] = 200
    concurrency: Literal[1] = 1


class DecisionPlan(Part):
    """What counts as better, fixed before the run.

    `margin` is the non-inferiority margin on the metric; a difference inside it does not matter.
    `alpha` is the risk of a wrong word about the pair, `looks` how many times it may be asked, each time on
    fresh items: alpha is split over them.
    `min_handed_back`: of inputs out of scope, the share that an arm with a confidence must reject or give the
    catch-all label; `min_seed_agreement`: of test items, the share on which all training seeds must agree.
    """

    metric: str = ACCURACY.name
    margin: Share = 0.02
    alpha: Share = 0.05
    power: Share = 0.8
    bootstrap_draws: Annotated[int, Field(ge=200)] = 10_000
    route_precision: Share = 0.9
    quality_floor: Share | None = None
    max_p95_ms: Annotated[float, Field(gt=0)] | None = None
    max_usd_per_1k: Annotated[Decimal, Field(gt=0)] | None = None
    max_failure_rate: Annotated[float, Field(ge=0, lt=1)] = 0.02
    min_handed_back: Share | None = None
    min_seed_agreement: Share | None = None
    looks: Annotated[int, Field(ge=1, le=20)] | None = None

    @property
    def alpha_each(self) -> float:
        """The risk that one look may take."""
        return self.alpha / (self.looks or 1)


class CostPlan(Part):
    """Prices and volume.

    `machine` is what the local arms, and a server on this machine, run on: a name of
    advisor/money/gpu_prices.toml, or any name with a `machine_hour_usd`. Left out, local arms are priced as a
    machine with two virtual CPUs, and what runs on a server here has no known price. `prices` are those that
    were stated with the command: `MODEL=INPUT/OUTPUT` in dollars a million tokens.
    """

    price_date: date
    machine: str = ""
    machine_hour_usd: Annotated[Decimal, Field(gt=0)] | None = None
    utilisation: Annotated[float, Field(gt=0, le=1)] = 0.3
    queries_per_month: Count = 10_000
    wrong_answer_usd: Annotated[Decimal, Field(ge=0)] | None = None
    prices_file: str = ""
    prices: tuple[str, ...] = ()
    frontier: tuple[str, ...] = ("openai/gpt-6-luna", "anthropic/claude-sonnet-5-5", "openai/gpt-6-astra")


class PrivacyPlan(Part):
    """Where the data may go.

    `self-host-only` allows this machine and hosts of one's own; `region` also hosts whose name promises that
    they stand in `region`.
    """

    residency: Literal["anywhere", "region", "self-host-only"] = "anywhere"
    region: str = "EU"


class Predicted(Part):
    """What the advice expects of one option, before anything is measured; None where it cannot say."""

    option: Option
    model: str
    accuracy_low: Annotated[float, Field(ge=0, le=1)] | None = None
    accuracy_high: Annotated[float, Field(ge=0, le=1)] | None = None
    usd_per_1k_low: Decimal | None = None
    usd_per_1k_high: Decimal | None = None
    p95_ms_low: float | None = None
    p95_ms_high: float | None = None


class AdvicePlan(Part):
    """The advice that the plan tests, locked with it: a prediction made before any arm runs.

    `ranking` holds the options from first to last, vetoed ones left out.
    """

    case: str
    case_sha256: str
    rubric: str
    answer: str
    ranking: tuple[Option, ...]
    predictions: tuple[Predicted, ...]


_OVER_DOCUMENTS: dict[TaskKind, dict[str, str]] = {
    TaskKind.QUESTION_ANSWERING: {
        Option.FLOOR.value: ABSTAINING,
        Option.NEIGHBOURS.value: BEST_SENTENCE,
    }
}
"""What stands for the model of an arm without one, where that arm does another thing."""


def _over_documents(arms: Any) -> Any:
    """Arms of a plan over documents: those without a model by what they do."""
    stands = _OVER_DOCUMENTS[TaskKind.QUESTION_ANSWERING]
    if not isinstance(arms, list | tuple):
        return arms
    return [
        {**arm, "model": stands[arm["option"]]}
        if isinstance(arm, dict) and arm.get("option") in stands and not arm.get("model")
        else arm
        for arm in arms
    ]


class ExperimentPlan(Part):
    """A whole bake-off; `task` is what is asked about the rows."""

    title: str = ""
    task: TaskKind = TaskKind.CLASSIFICATION
    seed: Seed
    data: DataPlan
    arms: Annotated[tuple[ArmPlan, ...], Field(min_length=1)]
    prompt: PromptPlan = PromptPlan()
    retrieve: RetrievePlan = RetrievePlan()
    tune: TunePlan = TunePlan()
    encoder: EncoderPlan | None = None
    latency: LatencyPlan = LatencyPlan()
    decision: DecisionPlan = DecisionPlan()
    cost: CostPlan
    advice: AdvicePlan | None = None
    business: BusinessPlan | None = None
    privacy: PrivacyPlan | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_its_kind(cls, raw: Any) -> Any:
        """What a kind of task decides stands in the plan, where it is not written."""
        if not isinstance(raw, dict) or raw.get("task") in (None, *TaskKind.CLASSIFICATION):
            return raw
        try:
            kind = TaskKind(raw["task"])
        except ValueError:
            return raw
        parts = (
            ("prompt", "version", facts_of_kind(kind).prompt_versions[-1]),
            ("decision", "metric", facts_of_kind(kind).primary.name),
        )
        filled = {
            part: {key: value} | (raw.get(part) or {})
            for part, key, value in parts
            if isinstance(raw.get(part) or {}, dict)
        }
        return raw | filled | ({"arms": _over_documents(raw.get("arms"))} if kind in _OVER_DOCUMENTS else {})

    @model_validator(mode="after")
    def _prompts_and_metric(self, info: ValidationInfo) -> ExperimentPlan:
        versions = facts_of_kind(self.task).prompt_versions
        allowed = versions if (info.context or {}).get("locked") else versions[-1:]
        if self.prompt.version not in allowed:
            raise ValueError(
                f"prompt.version: it is {versions[-1]} now; got {self.prompt.version}: leave the line out"
            )
        metric = facts_of_kind(self.task).primary.name
        if self.decision.metric != metric:
            raise ValueError(f"decision.metric: arms are compared by {metric}; got {self.decision.metric}")
        return self

    @model_validator(mode="after")
    def _distinct_arms(self) -> ExperimentPlan:
        names = [str(arm.id) for arm in self.arms]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"arms named twice: {', '.join(twice)}")
        if self.task is not TaskKind.QUESTION_ANSWERING and any(arm.all_documents for arm in self.arms):
            raise ValueError("all_documents is for questions over documents")
        unable = [str(arm.id) for arm in self.arms if self.task not in arm.option.traits.tasks]
        if unable:
            raise ValueError(
                f"arms that cannot do {self.task.value}: {', '.join(unable)}{self._why_unable()}"
            )
        if all(arm.option is Option.ROUTE for arm in self.arms):
            raise ValueError("a route is made of other arms; name at least one that answers by itself")
        return self

    @model_validator(mode="after")
    def _learns_elsewhere(self) -> ExperimentPlan:
        lessons, data = self.tune.learn_from, self.data
        if lessons is None:
            return self
        if self.task is not TaskKind.QUESTION_ANSWERING:
            raise ValueError("tune.learn_from is for questions over documents")
        if not any(arm.option is Option.TUNE_RETRIEVE for arm in self.arms):
            raise ValueError("tune.learn_from is what tune+retrieve learns from, and no arm is that")
        if (lessons.evalset, lessons.file) == (data.evalset, data.file) or lessons.after:
            raise ValueError("tune.learn_from names other questions than `data`, whole")
        return self

    @model_validator(mode="after")
    def _learns_drafts(self) -> ExperimentPlan:
        if self.tune.drafts is None:
            return self
        if self.task is not TaskKind.QUESTION_ANSWERING:
            raise ValueError("tune.drafts is for questions over documents")
        if not any(arm.option is Option.TUNE for arm in self.arms):
            raise ValueError("tune.drafts is what tune learns from, and no arm is that")
        return self

    def _why_unable(self) -> str:
        """Why a route is not among the arms of questions; '' where none is asked for."""
        routed = any(arm.option is Option.ROUTE for arm in self.arms)
        if self.task is not TaskKind.QUESTION_ANSWERING or not routed:
            return ""
        return "; a route needs an arm that says how likely its answer is right, and none of questions does"

    @property
    def to_today(self) -> bool:
        """Whether a route is planned that leaves the rest to what is done today."""
        return any(arm.id.to_today for arm in self.arms)

    @property
    def shown_in_training(self) -> int:
        """Rows or passages that `tune+retrieve` shows with each row it trains on and answers."""
        reads = self.task is TaskKind.QUESTION_ANSWERING
        return min(MOST_READ_IN_TRAINING if reads else MOST_SHOWN_IN_TRAINING, max(self.retrieve.k))

    @property
    def training_seeds(self) -> tuple[int, ...]:
        """The seeds a tuned arm is trained with; the plan's seed when none are named."""
        return self.tune.seeds or (self.seed,)

    @property
    def digest(self) -> str:
        """Sha256 (hex) over the plan's canonical JSON, defaults included."""
        return _canonical_digest(self.model_dump(mode="json"))


def parse_plan(text: str, source: str, *, locked: bool = False) -> ExperimentPlan:
    """Read a plan from YAML text.

    Args:
        source: the file's name, for messages.
        locked: it is the plan of a run that was made, so that what is refused since then is let pass.

    Raises:
        UsageError: with every fault of the plan, each on its own line.
    """
    try:
        raw = parse_yaml(text)
    except Unreadable as error:
        raise UsageError(f"{source} is not valid YAML.", got=error) from error
    if not isinstance(raw, dict):
        raise UsageError(f"{source} holds no plan.", got=type(raw).__name__, allowed="a YAML mapping")
    return build_plan(raw, source, locked=locked)


def written_digest(text: str) -> str:
    """The digest of a plan as `dump_plan` wrote it, keys that this version added since left out.

    So a run stays readable when a later version knows more keys than its locked plan names.
    """
    raw = parse_yaml(text)
    return _canonical_digest(raw) if isinstance(raw, dict) else ""


def _canonical_digest(raw: dict[str, Any]) -> str:
    """The digest of a plan; what is younger than the first locked plans stands in it only where it is set."""
    kept = {key: dict(part) if isinstance(part, dict) else part for key, part in raw.items()}
    for part in ("business", "encoder", "privacy"):
        if kept.get(part) is None:
            kept.pop(part, None)
    if kept.get("task") == TaskKind.CLASSIFICATION:
        kept.pop("task")
    arms = [{key: arm[key] for key in arm if key not in LATER_ARM_KEYS or arm[key]} for arm in kept["arms"]]
    kept["arms"] = arms
    for part, key in LATER_KEYS:
        if isinstance(kept.get(part), dict) and not kept[part].get(key):
            kept[part].pop(key, None)
    canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def build_plan(raw: dict[str, object], source: str, *, locked: bool = False) -> ExperimentPlan:
    """Check a plan given as a mapping; `locked` as in `parse_plan`.

    Raises:
        UsageError: with every fault of the plan.
    """
    try:
        return ExperimentPlan.model_validate(raw, context={"locked": locked})
    except ValidationError as error:
        raise UsageError(
            f"{source} is not a usable plan: {faults_of(error, 'plan')}",
            run="harness init --example tickets   # writes a commented plan to start from",
        ) from error


def dump_plan(plan: ExperimentPlan) -> str:
    """The plan as YAML with every default spelled out; parses back to an equal plan.

    Letters of any script stay as they are, unless a character is in it that YAML reads as a line end
    (U+0085, for one): then all beyond ASCII are escaped.
    """
    import yaml

    raw = plan.model_dump(mode="json")
    readable: str = yaml.safe_dump(raw, sort_keys=False, allow_unicode=True, width=100)
    if parse_yaml(readable) == raw:
        return readable
    escaped: str = yaml.safe_dump(raw, sort_keys=False, allow_unicode=False, width=100)
    return escaped
