"""From a command line, and a use case where one is named, to a plan, before any arm sees data.

With a time budget the plan is sized to this machine: it is timed once, then the number of training epochs
and of test items is fixed in the plan. After that nothing depends on the clock, so that the plan gives the
same answers again. What is stated of money is laid over the plan: its figures, and assumed ranges for all
others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from advisor.advice import Advice, OptionPrediction
from advisor.assumed import load_assumptions
from advisor.case import AnswerKind, GeneralModel, Residency, UseCase, asks_for_labels, must_self_host
from advisor.commands import CommandPrices, advise, open_market
from advisor.economics import named_machine
from advisor.errors import CaseError
from advisor.money.money import CostError, ExchangeRate
from advisor.options import ADVISED, BY_DEFAULT, Option, TaskKind, Way
from advisor.predict import predict
from advisor.rubric.rubric import load_bands
from advisor.ways import fitting
from harness.bakeoff.business_of_case import business_part, hour_usd, wrong_answer_usd
from harness.bakeoff.evalset import kind_of
from harness.bakeoff.plan import ExperimentPlan, build_plan
from harness.bakeoff.prices import check_price_day
from harness.bakeoff.sizing import CANDIDATES, FEW_OUT_OF_SCOPE, TRIED, Sized, size_plan, time_machine
from harness.core.context import Context
from harness.core.errors import UsageError
from harness.core.records import TODAY
from harness.models.local.precision import choose_precision
from harness.models.resolve import Provider, resolve
from harness.models.settings import ModelSettings
from harness.models.tuning_api.providers import provider_of
from harness.training.settings import EncoderPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedMoney:
    """Figures that a plan does not hold yet, or that replace its own; None leaves the plan's.

    Attributes:
        machine: what runs here, or on a server here, runs on.
        volume: queries a month.
        today_cost: of an item today, in the currency of the plan.
        today_accuracy: share of right answers today.
        wrong_answer_usd: what a wrong answer costs, in dollars.
        exchange: of the currency a reader is shown.
    """

    machine: str = ""
    machine_hour_usd: Decimal | None = None
    volume: int | None = None
    today_cost: Decimal | None = None
    today_accuracy: float | None = None
    wrong_answer_usd: Decimal | None = None
    exchange: ExchangeRate | None = None

    @property
    def of_business(self) -> bool:
        """Whether anything is stated beyond the machine."""
        given = (self.volume, self.today_cost, self.today_accuracy, self.wrong_answer_usd, self.exchange)
        return any(value is not None for value in given)


NOTHING_STATED = StatedMoney()


def laid_over(raw: Mapping[str, Any], stated: StatedMoney) -> dict[str, Any]:
    """A raw plan with the figures in it. What a month then hangs on beside them is assumed, and marked so."""
    cost = {
        "machine": stated.machine or None,
        "machine_hour_usd": stated.machine_hour_usd,
        "queries_per_month": stated.volume,
        "wrong_answer_usd": stated.wrong_answer_usd,
    }
    found = {**raw, "cost": {**raw["cost"], **{name: v for name, v in cost.items() if v is not None}}}
    if not stated.of_business:
        return found
    bare = UseCase(name="as stated", task=AnswerKind.CLASSIFICATION, needs_facts=False)
    business = dict(raw.get("business") or business_part(bare, load_assumptions()))
    if stated.volume is not None:
        business["assumed"] = [one for one in business["assumed"] if one["field"] != "queries_per_month"]
    if (rate := stated.exchange) is not None:
        dated = {"per_usd": rate.per_usd, "as_of": rate.as_of, "source": rate.source}
        business |= {"currency": rate.currency, "rate": dated}
    today = {"usd_per_item": _dollars(stated.today_cost, business), "accuracy": stated.today_accuracy}
    known = {name: value for name, value in today.items() if value is not None}
    if known:
        business["incumbent"] = {**(business.get("incumbent") or {}), **known}
    return found | {"business": business}


def _dollars(amount: Decimal | None, business: Mapping[str, Any]) -> Decimal | None:
    rate = business.get("rate")
    if amount is None or rate is None:
        return amount
    return amount / Decimal(str(rate["per_usd"]))


_BILLIONS = {"smollm2-135m": 0.135}


def advised(
    raw: Mapping[str, Any], case_file: Path, model: str, prices: CommandPrices
) -> tuple[dict[str, Any], tuple[Way, ...]]:
    """A raw plan with a use case's advice locked into it, and its limits and money where none were named;
    and the ways that fit its options, those of the first one first.

    Vetoed options run too: a veto is about shipping, and a run may object to it.

    Args:
        model: the general model that runs, for which the prediction is made.

    Raises:
        UsageError: if the use case or a price cannot be used.
    """
    try:
        advice = advise(case_file, prices)
        expected = _expected(advice, model, prices)
        wrong_usd = wrong_answer_usd(advice.case)
        business = business_part(advice.case, load_assumptions())
    except (CaseError, CostError) as error:
        raise UsageError(str(error)) from error
    case = advice.case
    kind = AnswerKind(raw["task"])
    if not (asks_for_labels(case) if kind is AnswerKind.CLASSIFICATION else case.task is kind):
        raise UsageError(
            f"These rows are for {kind.value}; this use case asks for something else.",
            got=f"task: {case.task}",
            allowed=f"task: {kind.value}",
            run=f"advisor assess {case_file}   # the advice, without a measurement",
        )
    limits: dict[str, object] = {}
    if case.quality_floor is not None and 0 < case.quality_floor < 1:
        limits["quality_floor"] = case.quality_floor
    if case.p95_ms is not None:
        limits["max_p95_ms"] = case.p95_ms
    named = {name: value for name, value in raw["cost"].items() if value is not None}
    plan = {
        **raw,
        "title": case.name,
        "decision": limits | raw["decision"],
        "cost": {
            "queries_per_month": max(1, round(case.queries_per_month or 10_000)),
            "wrong_answer_usd": wrong_usd,
            "machine": named_machine(case) or "",
            "machine_hour_usd": hour_usd(case),
            **named,
        },
        "advice": _advice(advice, expected),
        "business": business,
        "privacy": raw.get("privacy") or _residency_of(case),
    }
    ranked = (option.option for option in advice.options if option.place is not None)
    return plan, tuple(way for option in ranked for way in fitting(case, option))


def _residency_of(case: UseCase) -> dict[str, object] | None:
    """Where a use case lets its data go; None where it does not say."""
    if must_self_host(case):
        return {"residency": Residency.SELF_HOST.value}
    return None if case.residency is None else {"residency": case.residency.value}


def _expected(advice: Advice, model: str, prices: CommandPrices) -> list[tuple[Option, OptionPrediction]]:
    """A prediction for every option, on the models that will run rather than on those the case names."""
    case, own = advice.case, advice.case
    if not isinstance(resolve(model), Provider):
        billions = _BILLIONS.get(model, case.open_model_billions)
        own = replace(case, general_model=GeneralModel.OWN, api_model=None, open_model_billions=billions)
    market, bands = open_market(own, prices), load_bands()
    return [(option, predict(own, option, market, bands)) for option in ADVISED]


def _advice(advice: Advice, expected: Sequence[tuple[Option, OptionPrediction]]) -> dict[str, object]:
    ranked = [option for option in advice.options if option.place is not None]
    return {
        "case": advice.case.name,
        "case_sha256": advice.case_sha256,
        "rubric": f"{advice.rubric_version} ({advice.rubric_sha256[:12]})",
        "answer": advice.pair.answer.value,
        "ranking": [option.option.value for option in sorted(ranked, key=lambda o: o.place or 0)],
        "predictions": [_predicted(option, found) for option, found in expected],
    }


def _predicted(option: Option, expected: OptionPrediction) -> dict[str, object]:
    """The ranges of one option. Advice prices an own model by the dedicated machine, a run by its busy
    seconds: those are two different figures, so the price of an own model is left out.
    """
    own = expected.where.startswith("own")
    return {
        "option": option.value,
        "model": expected.model,
        "accuracy_low": expected.accuracy_low,
        "accuracy_high": expected.accuracy_high,
        "usd_per_1k_low": None if own else expected.usd_per_1k.low,
        "usd_per_1k_high": None if own else expected.usd_per_1k.high,
        "p95_ms_low": expected.p95_ms.low,
        "p95_ms_high": expected.p95_ms.high,
    }


EMBEDDED_CHAT = "smollm2-135m"
_TO_TODAY: dict[str, object] = {"option": Option.ROUTE.value, "model": TODAY}
EMBEDDED_ENCODER = "minilm-l6"
_SHORT_EXAMPLE = 200  # characters of a ticket shown as an example, where time is short
_SHORT_ITEM = 400  # characters of a ticket that language models read, where the machine is slow as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of a bake-off is run.

    Attributes:
        candidates: those for k.
        epochs: of training; None where nothing is tuned.
        short: language models read the beginning and the end of a long text only.
        encoder: how encoders are trained; None by the rules.
    """

    test_items: int
    dev_items: int
    candidates: tuple[int, ...]
    epochs: float | None
    short: bool
    encoder: EncoderPlan | None = None


DEMO_SIZE = Size(
    test_items=100,
    dev_items=30,
    candidates=(2,),
    epochs=1.5,
    short=True,
    encoder=EncoderPlan(trials=1, epochs=3, max_tokens=64),
)
"""What two virtual cores without fast bf16 units do in about seven minutes; the same on every machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What a user asked for; empty means the default.

    Attributes:
        data: the data part of the plan: which rows, how they are read, and limits.
        case: a use case; its advice is locked with the plan, and its limits and money hold.
        models: of prompt and retrieve.
        all_documents: the prompt holds every document.
        money: what is stated of it; it goes before what a use case says.
        residency, region: where the data may go; they go before what a use case says.
        size: how much of the bake-off is run, where no time is named to which it is sized.
    """

    data: Mapping[str, object]
    case: Path | None = None
    options: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    all_documents: bool = False
    tune_model: str = EMBEDDED_CHAT
    encoder_model: str = EMBEDDED_ENCODER
    api_base: str = ""
    effort: str = ""
    batch: bool = False
    minutes: float | None = None
    size: Size | None = None
    seed: int = 17
    train_seeds: tuple[str, ...] = ()
    margin: float | None = None
    floor: float | None = None
    money: StatedMoney = NOTHING_STATED
    price_date: str = ""
    residency: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """A plan, and what is to be said of it.

    Attributes:
        remarks: on the advice in it, and on how it was sized.
        expected_s: how long each arm takes, where the plan was sized to a time; empty where it was not.
    """

    plan: ExperimentPlan
    remarks: tuple[str, ...]
    expected_s: Mapping[str, float] = field(default_factory=dict)


def draft(
    request: PlanRequest,
    context: Context,
    keep: Callable[[Sized, Sized], bool] = lambda every_arm, fewer: False,
) -> Drafted:
    """The plan of a request.

    Args:
        keep: asked where a time is too short for every arm, see `size_plan`.

    Raises:
        UsageError: if the request names something that does not exist, or its use case cannot be used.
    """
    raw = _raw(request, context)
    said: tuple[str, ...] = ()
    if request.case is not None:
        prices = CommandPrices(
            price_at=request.price_date or None,
            overrides=context.price_overrides,
            exchange=request.money.exchange,
        )
        general = request.models[0] if request.models else EMBEDDED_CHAT
        raw, ways = advised(raw, request.case, general, prices)
        raw |= {"arms": [*raw["arms"], *_advised_arms(request, raw)]}
        raw |= {"arms": [_with_whole_text(arm, ways, raw["task"]) for arm in raw["arms"]]}
        said = (advice_remark(raw["advice"]), *_not_run(ways, raw))
    raw = laid_over(raw, request.money)
    if not request.options and _today_is_stated(raw) and raw["task"] in Option.ROUTE.traits.tasks:
        raw |= {"arms": [*raw["arms"], _TO_TODAY]}
    plan = build_plan(raw, "the command line")
    if request.price_date:
        check_price_day(plan.cost.price_date, context)
    if request.minutes is not None:
        sized = _sized_to(request.minutes * 60, plan, context, keep)
        return replace(sized, remarks=(*said, *sized.remarks))
    if request.size is not None:
        plan = _of_size(plan.model_dump(mode="json"), request.size)
    return Drafted(plan=plan, remarks=said)


def _sized_to(
    seconds: float, plan: ExperimentPlan, context: Context, keep: Callable[[Sized, Sized], bool]
) -> Drafted:
    """The plan sized to what this machine does in so many seconds."""
    raw = plan.model_dump(mode="json")
    raw["retrieve"] |= {"k": list(CANDIDATES), "dev_items": TRIED}
    slow = choose_precision(ModelSettings(cache=context.cache).device, None) != "bf16"
    raw["prompt"] |= _shortened(slow)
    sized = size_plan(time_machine(build_plan(raw, "the sized plan"), seconds, context), seconds, keep)
    gone = {str(arm) for arm in sized.dropped}
    raw["arms"] = [arm.model_dump(mode="json") for arm in plan.arms if str(arm.id) not in gone]
    size = Size(
        test_items=sized.test_items,
        dev_items=sized.dev_items,
        candidates=sized.candidates,
        epochs=sized.epochs,
        short=slow,
        encoder=sized.encoder,
    )
    cut = f" Language models read at most {_SHORT_ITEM} characters of a ticket." if slow else ""
    fitting = _of_size(raw, size)
    return Drafted(plan=fitting, remarks=(sized.remark + cut,), expected_s=sized.by_arm(fitting))


def _of_size(raw: dict[str, Any], size: Size) -> ExperimentPlan:
    """A plan cut to a size; arms that cost nothing answer every row unless the plan limits them itself."""
    limit = raw["data"]["limit_test"]
    raw["data"] |= {
        "limit_test": limit or size.test_items,
        "limit_dev": size.dev_items,
        "free_take_all": limit is None,
        "limit_out_of_scope": FEW_OUT_OF_SCOPE,
    }
    raw["retrieve"] |= {"k": list(size.candidates), "dev_items": TRIED}
    raw["prompt"] |= _shortened(size.short)
    raw["tune"] |= {"epochs": size.epochs}
    if size.encoder is not None:
        raw["encoder"] = size.encoder.model_dump(mode="json")
    return build_plan(raw, "the sized plan")


def _shortened(items: bool) -> dict[str, int]:
    """How much of a text language models read where time is short: of examples, and of items too."""
    return {"example_chars": _SHORT_EXAMPLE} | ({"item_chars": _SHORT_ITEM} if items else {})


def _today_is_stated(raw: Mapping[str, Any]) -> bool:
    """Whether something is known of what is done today that a route to it could be judged by."""
    today = (raw.get("business") or {}).get("incumbent") or {}
    return any(today.get(known) is not None for known in ("usd_per_item", "accuracy"))


_EXPECTED = {
    "retrieve": "RAG to win",
    "tune": "fine-tuning to win",
    "tied": "a tie",
    "measure": "no winner before both are measured",
    "neither": "neither to be allowed",
}


def advice_remark(advice: Mapping[str, Any]) -> str:
    """A plan's advice in one line."""
    first = (
        Option(advice["ranking"][0]).traits.name if advice["ranking"] else "no option (a rule forbids each)"
    )
    pair = _EXPECTED.get(advice["answer"], advice["answer"])
    return f"The advice, locked before the run: try {first} first. Of RAG and fine-tuning it expects {pair}."


def _raw(request: PlanRequest, context: Context) -> dict[str, Any]:
    date = request.price_date or f"{context.clock():%Y-%m-%d}"
    kind = kind_of(request.data, context)
    return {
        "title": "",
        "task": kind.value,
        "seed": request.seed,
        "data": dict(request.data),
        "arms": _arms(request, kind),
        "tune": {"seeds": [_whole(seed) for seed in request.train_seeds]},
        "decision": {
            name: share
            for name, share in (("margin", request.margin), ("quality_floor", request.floor))
            if share is not None
        },
        "cost": {"price_date": date},
        "privacy": _privacy(request),
    }


def _privacy(request: PlanRequest) -> dict[str, str] | None:
    """Where the data may go, where the request says so; a region alone asks for hosts there."""
    if not request.residency and not request.region:
        return None
    region = {"region": request.region.upper()} if request.region else {}
    return {"residency": request.residency or "region"} | region


def _arms(request: PlanRequest, kind: TaskKind) -> list[dict[str, object]]:
    options = request.options or tuple(option for option in BY_DEFAULT if kind in option.traits.tasks)
    to_today = f"{Option.ROUTE}@{TODAY}"
    known = {option.value for option in Option if option.traits.runs} | {to_today}
    unknown = [option for option in options if option not in known]
    if unknown:
        raise UsageError("There is no such arm.", got=", ".join(unknown), allowed=", ".join(sorted(known)))
    prompted = request.models or (EMBEDDED_CHAT,)
    arms: list[dict[str, object]] = []
    for option in options:
        if option == to_today:
            arms.append(_TO_TODAY)
            continue
        match Option(option):
            case Option.PROMPT | Option.RETRIEVE:
                whole = {"all_documents": True} if request.all_documents and option == Option.PROMPT else {}
                arms += [_served(option, model, request) | whole for model in prompted]
            case Option.TUNE | Option.TUNE_RETRIEVE:
                arms.append(_tuned(option, request))
            case Option.ENCODER:
                arms.append({"option": option, "model": request.encoder_model})
            case Option.FLOOR | Option.NEIGHBOURS | Option.LINEAR | Option.ROUTE | Option.EXTERNAL:
                arms.append({"option": option})
    return arms


def _advised_arms(request: PlanRequest, raw: Mapping[str, Any]) -> list[dict[str, object]]:
    """Arms of the two best options of the advice that a plan leaves out unless told otherwise."""
    kind, named = TaskKind(raw["task"]), {arm["option"] for arm in raw["arms"]}
    first = (Option(option) for option in raw["advice"]["ranking"][:2])
    missing = tuple(o.value for o in first if o not in named and kind in o.traits.tasks)
    if request.options or not missing:
        return []
    return _arms(replace(request, options=missing), kind)


def _with_whole_text(arm: Mapping[str, Any], ways: tuple[Way, ...], task: str) -> dict[str, Any]:
    """A prompt carries every document where the advice says that they fit and a served model reads them, so
    that what runs is what was predicted; the models that run here read too little at once.
    """
    asks = arm["option"] == Option.PROMPT and task == TaskKind.QUESTION_ANSWERING
    whole = asks and Way.WHOLE_TEXT in ways and isinstance(resolve(arm["model"]), Provider)
    return {**arm, "all_documents": True} if whole else dict(arm)


def _not_run(ways: tuple[Way, ...], raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Of the ways that fit the two best options, those that no arm of the plan is, and why."""
    best = {Option(option) for option in raw["advice"]["ranking"][:2]}
    whole = any(arm.get("all_documents") for arm in raw["arms"])
    found = []
    for way in ways:
        why = way.traits.not_run
        if way is Way.WHOLE_TEXT and not whole:
            why = "it takes a served model that reads all of it at once: name one with --model"
        if why and way.traits.option in best:
            found.append(f"Not in this plan: {way.value}; {why}. {way.traits.measured_as} stands in.")
    return tuple(found)


def _served(option: str, model: str, request: PlanRequest) -> dict[str, object]:
    stated = {"api_base": request.api_base, "effort": request.effort, "batch": request.batch}
    return {"option": option, "model": model} | {key: value for key, value in stated.items() if value}


def _tuned(option: str, request: PlanRequest) -> dict[str, object]:
    """An arm that is tuned here, or at its provider.

    Raises:
        UsageError: its provider tunes nothing.
    """
    if isinstance(resolve(request.tune_model), Provider):
        provider_of(request.tune_model)
        return _served(option, request.tune_model, replace(request, effort="", batch=False))
    return {"option": option, "model": request.tune_model}


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise UsageError(
            "A training seed is no whole number.", got=text, allowed="numbers, such as 17,18"
        ) from error
