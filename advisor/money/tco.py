"""What an option costs over a horizon, everything counted, and what that is against the incumbent.

Everything: queries and machines, index hosting, each change of knowledge or labels (re-indexing,
retraining, labelling, evaluation), building, running, and wrong answers. What is left out of a line's
inputs is 0 only if it was given as 0; what is not known makes the total unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from advisor.money.ledger import LedgerLine, PriceBasis, line, scaled, total_usd
from advisor.money.money import CostError

HOURS_PER_DAY = Decimal(8)
STALE_LINE = "stale answers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What holds for every option of a use case.

    Attributes:
        wrong_usd: what a wrong answer costs to notice and repair; None when not known.
        day_rate_usd: of an engineer.
    """

    queries_per_month: Decimal
    horizon_months: Decimal
    wrong_usd: Decimal | None
    day_rate_usd: Decimal | None

    def __post_init__(self) -> None:
        """Refuse settings for which nothing can be said.

        Raises:
            CostError: if the volume is negative or the horizon is not above 0.
        """
        if self.queries_per_month < 0:
            raise CostError("The volume must be at least 0.", got=self.queries_per_month)
        if self.horizon_months <= 0:
            raise CostError("The horizon must be longer than 0 months.", got=self.horizon_months)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionCosts:
    """What one option costs; the incumbent is one too.

    Attributes:
        method, model: kept apart, so that a change of both is not read as an effect of one.
        accuracy: share of right answers, None when not known.
        per_query: ledger of one query.
        monthly: ledger of a month without queries: machines, index hosting.
        one_off: ledger of what is paid once: training with failed runs, labels, first index, evaluation.
        per_change: ledger of one change of knowledge or labels: re-indexing, retraining, labels.
        changes_per_month: None when not known.
        stale: of all answers, the share that is wrong because an update was not done yet, beside those that
            are wrong anyway.
        build_days, run_hours_per_month: of an engineer.
    """

    method: str
    model: str
    accuracy: float | None
    per_query: tuple[LedgerLine, ...] = ()
    monthly: tuple[LedgerLine, ...] = ()
    one_off: tuple[LedgerLine, ...] = ()
    per_change: tuple[LedgerLine, ...] = ()
    changes_per_month: Decimal | None = Decimal(0)
    stale: Decimal = Decimal(0)
    build_days: Decimal | None = Decimal(0)
    run_hours_per_month: Decimal | None = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tco:
    """Cost over the horizon.

    Attributes:
        one_off, monthly: ledgers of what is paid once, and of a mean month.
        horizon_usd: one-off and all months; None when a line is not known.
        usd_per_1k, usd_per_1k_correct: horizon cost by queries, and by right answers.
    """

    option: OptionCosts
    setting: Setting
    one_off: tuple[LedgerLine, ...]
    monthly: tuple[LedgerLine, ...]
    one_off_usd: Decimal | None
    monthly_usd: Decimal | None
    horizon_usd: Decimal | None
    usd_per_1k: Decimal | None
    usd_per_1k_correct: Decimal | None


def total_cost(option: OptionCosts, setting: Setting) -> Tco:
    """Add everything up for one option.

    Raises:
        CostError: if accuracy is no share.
    """
    one_off = (*option.one_off, *_work("building", option.build_days, setting))
    monthly = _month(option, setting)
    once, month = total_usd(one_off), total_usd(monthly)
    horizon = None if once is None or month is None else once + month * setting.horizon_months
    queries = setting.queries_per_month * setting.horizon_months
    per_1k = None if horizon is None or not queries else horizon / queries * 1000
    right = per_1k / Decimal(str(option.accuracy)) if per_1k is not None and option.accuracy else None
    return Tco(
        option=option,
        setting=setting,
        one_off=one_off,
        monthly=monthly,
        one_off_usd=once,
        monthly_usd=month,
        horizon_usd=horizon,
        usd_per_1k=per_1k,
        usd_per_1k_correct=right,
    )


def _month(option: OptionCosts, setting: Setting) -> tuple[LedgerLine, ...]:
    hours = option.run_hours_per_month
    return (
        *scaled(option.per_query, setting.queries_per_month),
        *option.monthly,
        *_changes(option),
        *_work("running", None if hours is None else hours / HOURS_PER_DAY, setting),
        _wrong_answers(option, setting),
        *_stale_answers(option, setting),
    )


def _changes(option: OptionCosts) -> tuple[LedgerLine, ...]:
    if not option.per_change:
        return ()
    if option.changes_per_month is None:
        unknown = line("changes", None, "changes", None, PriceBasis.ESTIMATE, "how often is not known")
        return (unknown,)
    return scaled(option.per_change, option.changes_per_month)


def _work(name: str, days: Decimal | None, setting: Setting) -> tuple[LedgerLine, ...]:
    if days == 0:
        return ()
    return (line(name, days, "days", setting.day_rate_usd, PriceBasis.ESTIMATE, "engineering day rate"),)


def _wrong_answers(option: OptionCosts, setting: Setting) -> LedgerLine:
    if option.accuracy is not None and not 0 <= option.accuracy <= 1:
        raise CostError("Accuracy lies within [0, 1].", got=option.accuracy)
    wrong = None
    if option.accuracy is not None:
        wrong = setting.queries_per_month * (1 - Decimal(str(option.accuracy)))
    source = "cost of a wrong answer as given"
    if setting.wrong_usd == 0:
        wrong = Decimal(0)
    return line("wrong answers", wrong, "answers", setting.wrong_usd, PriceBasis.ESTIMATE, source)


def _stale_answers(option: OptionCosts, setting: Setting) -> tuple[LedgerLine, ...]:
    """What is wrong only until an update is done, where that was measured and wrong answers are counted."""
    if not option.stale or option.accuracy is None or setting.wrong_usd == 0:
        return ()
    stale = setting.queries_per_month * option.stale
    return (line(STALE_LINE, stale, "answers", setting.wrong_usd, PriceBasis.ESTIMATE, "drill"),)


class PaidBack(StrEnum):
    """Whether and when the extra cost of building is earned back; `advisor.money.words` words it."""

    WITHIN = "within the horizon"
    LATE = "after the horizon"
    NEVER = "never"  # it costs no less by the month
    AHEAD = "ahead at first"  # it costs less at first and no less by the month
    UNKNOWN = "unknown"  # a cost is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """An option against another one, usually the incumbent.

    Attributes:
        monthly_saving_usd: positive when the option is cheaper by the month.
        payback_months: until its extra one-off cost is earned back; None when never or not known.
        horizon_saving_usd: over the horizon, one-off costs included.
        horizon_months: over how many months it was reckoned.
        confounded: method and model both differ, so the difference is that of the pair.
    """

    monthly_saving_usd: Decimal | None
    payback_months: Decimal | None
    paid_back: PaidBack
    horizon_saving_usd: Decimal | None
    horizon_months: Decimal
    confounded: bool

    @property
    def pays_back(self) -> bool | None:
        """Within the horizon; None where that is not known."""
        if self.paid_back in (PaidBack.UNKNOWN, PaidBack.AHEAD):
            return None
        return self.paid_back is PaidBack.WITHIN


def against(option: Tco, other: Tco) -> Against:
    """Monthly saving, payback and horizon total of `option` over `other`.

    Raises:
        CostError: if they were not computed for the same setting.
    """
    if option.setting != other.setting:
        raise CostError("The two totals are for different volumes, horizons or rates.")
    a, b = option.option, other.option
    saving, extra = (
        _minus(other.monthly_usd, option.monthly_usd),
        _minus(option.one_off_usd, other.one_off_usd),
    )
    months, paid_back = _payback(saving, extra, option.setting.horizon_months)
    return Against(
        monthly_saving_usd=saving,
        payback_months=months,
        paid_back=paid_back,
        horizon_saving_usd=_minus(other.horizon_usd, option.horizon_usd),
        horizon_months=option.setting.horizon_months,
        confounded=a.method != b.method and a.model != b.model,
    )


def _payback(
    saving: Decimal | None, extra: Decimal | None, horizon: Decimal
) -> tuple[Decimal | None, PaidBack]:
    if saving is None or extra is None:
        return None, PaidBack.UNKNOWN
    if saving <= 0:
        return None, PaidBack.AHEAD if extra < 0 else PaidBack.NEVER
    months = max(Decimal(0), extra / saving)
    return months, PaidBack.WITHIN if months <= horizon else PaidBack.LATE


def _minus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one - other
