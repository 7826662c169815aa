"""From a command line to a plan, before any arm sees data.

With a time budget the plan is sized to this machine: it is timed once, then the number of training
epochs and of test items is fixed in the plan. After that nothing depends on the clock, so that the
plan gives the same answers again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.errors import UsageError
from harness.pipelines.context import Context
from harness.pipelines.sizing import CANDIDATES, TRIED, size_plan, time_machine
from harness.plan import ExperimentPlan, build_plan
from harness.records import Option

DEFAULT_OPTIONS = ("floor", "classical", "prompt", "retrieve", "tune", "route")
EMBEDDED_CHAT = "smollm2-135m"
_SHORT_EXAMPLE = 200  # characters of a ticket shown as an example, where time is short


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What a user asked for on the command line; empty means the default."""

    evalset: str = ""
    file: str = ""
    text: tuple[str, ...] = ()
    label: str = ""
    group: tuple[str, ...] = ()
    encoding: str = "utf-8"
    options: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    tune_model: str = EMBEDDED_CHAT
    api_base: str = ""
    limit_test: int | None = None
    limit_train: int | None = None
    minutes: float | None = None
    seed: int = 17
    train_seeds: tuple[str, ...] = field(default=())
    margin: float = 0.02
    machine_hour_usd: str | None = None
    price_date: str = ""


def draft_plan(request: PlanRequest, context: Context) -> tuple[ExperimentPlan, tuple[str, ...]]:
    """The plan of a request, and remarks about how it was sized.

    Raises:
        UsageError: if the request names something that does not exist.
    """
    plan = build_plan(_raw(request, context), "the command line")
    if request.minutes is None:
        return plan, ()
    seconds = request.minutes * 60
    raw = plan.model_dump(mode="json")
    raw["retrieve"] |= {"k": list(CANDIDATES), "dev_items": TRIED}
    raw["prompt"] |= {"example_chars": _SHORT_EXAMPLE}
    plan = build_plan(raw, "the sized plan")
    sized = size_plan(time_machine(plan, seconds, context), seconds)
    raw["data"] |= {
        "limit_test": request.limit_test or sized.test_items,
        "limit_dev": sized.dev_items,
    }
    raw["tune"] |= {"epochs": sized.epochs}
    return build_plan(raw, "the sized plan"), (sized.remark,)


def _raw(request: PlanRequest, context: Context) -> dict[str, object]:
    date = request.price_date or f"{context.clock():%Y-%m-%d}"
    return {
        "title": "",
        "seed": request.seed,
        "data": {
            "evalset": request.evalset,
            "file": request.file,
            "text": list(request.text),
            "label": request.label,
            "group": list(request.group),
            "encoding": request.encoding,
            "limit_test": request.limit_test,
            "limit_train": request.limit_train,
        },
        "arms": _arms(request),
        "tune": {"seeds": [_whole(seed) for seed in request.train_seeds]},
        "decision": {"margin": request.margin},
        "cost": {"price_date": date, "machine_hour_usd": request.machine_hour_usd},
    }


def _arms(request: PlanRequest) -> list[dict[str, str]]:
    options = request.options or DEFAULT_OPTIONS
    known = {option.value for option in Option}
    unknown = [option for option in options if option not in known]
    if unknown:
        raise UsageError("There is no such arm.", got=", ".join(unknown), allowed=", ".join(sorted(known)))
    prompted = request.models or (EMBEDDED_CHAT,)
    arms: list[dict[str, str]] = []
    for option in options:
        match Option(option):
            case Option.PROMPT | Option.RETRIEVE:
                arms += [_served(option, model, request.api_base) for model in prompted]
            case Option.TUNE | Option.TUNE_RETRIEVE:
                arms.append({"option": option, "model": request.tune_model})
            case Option.FLOOR | Option.CLASSICAL | Option.ROUTE:
                arms.append({"option": option})
    return arms


def _served(option: str, model: str, api_base: str) -> dict[str, str]:
    arm = {"option": option, "model": model}
    return arm | {"api_base": api_base} if api_base else arm


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise UsageError(
            "A training seed is no whole number.", got=text, allowed="numbers, such as 17,18"
        ) from error
