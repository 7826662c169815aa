"""Vetoes, a small function each, and scores: contributions that add up exactly, and the answer to the pair.

The fast core of the advice, called many times when looking for what would change it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from advisor.advice import AdvisedAnswer, Contribution, Veto
from advisor.case import (
    AnswerKind,
    UseCase,
    facts_needed,
    measured_of,
    must_self_host,
    prompts_own_model,
)
from advisor.options import ADVISED, Option
from advisor.rubric.factors import Measured, measure
from advisor.rubric.rubric import LIKELY, ConfidenceBand, Rubric, VetoRules, points

Found = Mapping[Option, str]
_TRAINED = tuple(option for option in ADVISED if option.traits.trained)


def facts_not_by_training(case: UseCase, rules: VetoRules) -> Found:
    """Facts that change, or have to be cited, are not to be stored by training."""
    if facts_needed(case) is not True:
        return {}
    changes = case.knowledge_changes_per_month
    if changes is not None and changes >= rules.changes_per_month:
        return {Option.TUNE: f"facts that change {changes:g} times a month cannot be kept in the weights"}
    return {}


def citations_need_sources(case: UseCase, rules: VetoRules) -> Found:
    """Only what was shown can be cited."""
    if not case.citations_required:
        return {}
    why = "answers must cite, and only what is shown can be cited"
    found = dict.fromkeys((Option.TUNE, Option.NEIGHBOURS, Option.LINEAR, Option.ENCODER, Option.ROUTE), why)
    if case.knowledge_tokens is not None and case.knowledge_tokens > rules.knowledge_tokens:
        found[Option.PROMPT] = "answers must cite, and the knowledge does not fit a prompt"
    return found


def rights_not_in_weights(case: UseCase, rules: VetoRules) -> Found:
    """What is stored in weights is shown to everyone; only what is looked up can be held back from a user."""
    if not case.access_rights or facts_needed(case) is not True:
        return {}
    return {Option.TUNE: "not everyone may see every fact, and what is in the weights cannot be held back"}


def search_finds_nothing(case: UseCase, rules: VetoRules) -> Found:
    """A search that never finds the right passage shows nothing that an answer could rest on."""
    if case.retrieval_recall != 0 or facts_needed(case) is False:
        return {}
    why = "the search was measured to find the right passage never; mend the search before all else"
    return dict.fromkeys((Option.RETRIEVE, Option.TUNE_RETRIEVE), why)


def closed_labels_only(case: UseCase, rules: VetoRules) -> Found:
    """A linear model chooses among labels; similar rows and an encoder give the fields of a text as well.

    What answers questions without a model is the best sentence of the documents, which runs compare with.
    """
    if case.task in (None, AnswerKind.CLASSIFICATION):
        return {}
    assert case.task is not None
    why = f"{case.task.value} has no closed label set to choose from"
    found = {Option.LINEAR: why}
    if case.task is not AnswerKind.EXTRACTION:
        found |= dict.fromkeys((Option.NEIGHBOURS, Option.ENCODER), why)
    if case.task is AnswerKind.QUESTION_ANSWERING:
        known = measured_of(case, Option.NEIGHBOURS)
        how = "" if known is None else f", and was measured: {100 * known[0]:.3g} % right"
        found[Option.NEIGHBOURS] = (
            "for questions it is the best sentence of the documents, a baseline that a run measures beside "
            f"the others{how}"
        )
    return found


def training_needs_examples(case: UseCase, rules: VetoRules) -> Found:
    """Nothing is trained on nothing."""
    if case.examples != 0 or case.model_writes_rows:
        return {}
    found = dict.fromkeys(_TRAINED, "there are no examples to train on")
    if facts_needed(case) is False or (facts_needed(case) is None and case.task is AnswerKind.CLASSIFICATION):
        found[Option.RETRIEVE] = "there are neither documents nor examples to retrieve"
    return found


def data_stay_here(case: UseCase, rules: VetoRules) -> Found:
    """A route hands the hard part to a hosted model."""
    if must_self_host(case):
        return {Option.ROUTE: "the hard part would go to a hosted model, and data may not leave"}
    return {}


def hundred_milliseconds(case: UseCase, rules: VetoRules) -> Found:
    """No hosted call, and no long answer, comes back this fast."""
    if case.p95_ms is None or case.p95_ms >= rules.p95_hosted_ms:
        return {}
    target = f"{case.p95_ms:g} ms"
    found: dict[Option, str] = {}
    if prompts_own_model(case) is not True:
        found = dict.fromkeys(
            (Option.PROMPT, Option.RETRIEVE, Option.ROUTE), f"a hosted call does not answer within {target}"
        )
    if case.output_tokens is not None and case.output_tokens > rules.short_output_tokens:
        long = f"{case.output_tokens} tokens are not written within {target}"
        for option in ADVISED:
            if not option.traits.free:
                found.setdefault(option, long)
    return found


def model_fits_machine(case: UseCase, rules: VetoRules) -> Found:
    """An open model larger than the GPU it is to run on, even at four bits a weight, runs there in no way."""
    size, room = case.open_model_billions, rules.gpu_gb.get((case.hardware or "").lower())
    if size is None or room is None or _least_gb(size) <= room:
        return {}
    enough = [gb for gb in rules.gpu_gb.values() if _least_gb(size) <= gb]
    larger = f"take a machine with {min(enough):g} GB, or" if enough else "no machine listed holds it; take"
    why = (
        f"at four bits a weight {size:g} billion parameters take {_least_gb(size):.0f} GB; {case.hardware} "
        f"has {room:g}: {larger} a model below {room / _least_gb(1):.0f} billion"
    )
    own = [option for option in ADVISED if option.traits.tuned]
    if prompts_own_model(case) is True:
        own += [Option.PROMPT, Option.RETRIEVE]
    if case.task not in (None, AnswerKind.CLASSIFICATION):
        own.append(Option.ROUTE)
    return dict.fromkeys(own, why)


def _least_gb(billions: float) -> float:
    """GiB that the weights alone take at four bits each."""
    return billions * 1e9 / 2 / 2**30


_RULES: tuple[Callable[[UseCase, VetoRules], Found], ...] = (
    facts_not_by_training,
    citations_need_sources,
    rights_not_in_weights,
    search_finds_nothing,
    closed_labels_only,
    training_needs_examples,
    data_stay_here,
    hundred_milliseconds,
    model_fits_machine,
)


def vetoes(case: UseCase, rules: VetoRules) -> dict[Option, tuple[Veto, ...]]:
    """The vetoes against each option, none for most."""
    found: dict[Option, list[Veto]] = {option: [] for option in ADVISED}
    for rule in _RULES:
        for option, reason in rule(case, rules).items():
            found[option].append(Veto(rule=rule.__name__.replace("_", " "), reason=reason))
    return {option: tuple(reasons) for option, reasons in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionScores:
    """All options scored.

    Attributes:
        ranked: options without a veto, best first; equal scores keep the simpler option first.
        totals: every option's score, the vetoed ones' too.
        unknown: names of factors whose answers are not known.
        unknown_share: their weight as a share of all weight.
    """

    measured: tuple[Measured, ...]
    totals: Mapping[Option, Decimal]
    vetoes: Mapping[Option, tuple[Veto, ...]]
    ranked: tuple[Option, ...]
    unknown: tuple[str, ...]
    unknown_share: float


def score(case: UseCase, rubric: Rubric) -> OptionScores:
    """Score every option by what the description says; money has its say later, as a gate."""
    fallen = vetoes(case, rubric.veto)
    measured = tuple(measure(case, factor) for factor in rubric.factors)
    totals = {
        option: sum((points(m.factor, option, m.strength or 0.0) for m in measured), Decimal(0))
        for option in ADVISED
    }
    ranked = sorted(
        (option for option in ADVISED if not fallen[option]),
        key=lambda option: (-totals[option], option.simplicity),
    )
    unknown = [m.factor for m in measured if m.strength is None]
    weight = sum(factor.weight for factor in rubric.factors if not factor.unless_said)
    return OptionScores(
        measured=measured,
        totals=totals,
        vetoes=fallen,
        ranked=tuple(ranked),
        unknown=tuple(factor.name for factor in unknown),
        unknown_share=sum(factor.weight for factor in unknown) / weight,
    )


def contributions(scores: OptionScores, option: Option) -> tuple[Contribution, ...]:
    """What adds to an option's score, largest first; factors that add nothing are left out."""
    values = ((m, points(m.factor, option, m.strength or 0.0)) for m in scores.measured)
    found = [_contribution(m, value) for m, value in values if value]
    return tuple(sorted(found, key=lambda c: (-abs(c.points), c.factor)))


def leads(scores: OptionScores, option: Option, other: Option | None) -> tuple[Contribution, ...]:
    """What an option has over another one, largest first; `points` is the lead of that factor."""
    theirs = {} if other is None else {c.factor: c.points for c in contributions(scores, other)}
    found = []
    for m in scores.measured:
        mine = points(m.factor, option, m.strength or 0.0)
        lead = mine - theirs.get(m.factor.name, Decimal(0))
        if lead > 0:
            found.append(_contribution(m, lead))
    return tuple(sorted(found, key=lambda c: (-c.points, c.factor)))


def _contribution(m: Measured, value: Decimal) -> Contribution:
    return Contribution(
        factor=m.factor.name,
        weight=m.factor.weight,
        strength=round(m.strength or 0.0, 3),
        points=value,
        reason=m.reason,
        source=m.factor.source,
    )


def between(
    scores: OptionScores, rubric: Rubric, one: Option, other: Option, chance: float | None = None
) -> AdvisedAnswer | Option:
    """The better of two options, or 'tied', 'measure', 'neither'.

    A veto decides, and then a lead of `close` points. Below that the expected accuracies speak: where neither
    is likely better the two are tied, where the one that leads is likely better it is named, and where the
    two speak against each other nothing but a measurement tells; nor where too much is not known.

    Args:
        chance: that `one` gets more answers right; None where that is not known.
    """
    down, other_down = bool(scores.vetoes[one]), bool(scores.vetoes[other])
    if down and other_down:
        return AdvisedAnswer.NEITHER
    if down or other_down:
        return other if down else one
    gap = scores.totals[one] - scores.totals[other]
    rules = rubric.decision
    if abs(gap) >= Decimal(str(rules.close)):
        return one if gap > 0 else other
    if chance is None or scores.unknown_share > rules.unknown_share:
        return AdvisedAnswer.MEASURE
    if 1 - LIKELY < chance < LIKELY:
        return AdvisedAnswer.TIED
    better = one if chance >= LIKELY else other
    leader = one if gap > 0 else other
    return better if better is leader or not gap else AdvisedAnswer.MEASURE


def pair_answer(scores: OptionScores, rubric: Rubric, chance: float | None = None) -> AdvisedAnswer:
    """Retrieve or tune; `chance` is that of retrieving to get more right."""
    found = between(scores, rubric, Option.RETRIEVE, Option.TUNE, chance)
    return found if isinstance(found, AdvisedAnswer) else AdvisedAnswer(found.value)


def combines(scores: OptionScores, rubric: Rubric) -> bool:
    """Whether tuning on top of retrieving leads both by enough to be named."""
    both = Option.TUNE_RETRIEVE
    if scores.vetoes[both]:
        return False
    single = [scores.totals[o] for o in (Option.RETRIEVE, Option.TUNE) if not scores.vetoes[o]]
    return bool(single) and scores.totals[both] - max(single) >= Decimal(str(rubric.decision.combine))


def band_of(gap: Decimal, rubric: Rubric) -> ConfidenceBand:
    """How sure a score gap is."""
    return [band for band in rubric.confidence if gap >= Decimal(str(band.gap))][-1]
