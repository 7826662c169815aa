"""The factors: one small pure function each, from a use case to a strength between 0 and 1.

A strength of None means the answers it needs are not known; it then contributes nothing and the advice
says so. Thresholds come from the rubric. Money is no factor: it is a gate (`advisor.judge`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from advisor.case import (
    AnswerKind,
    GeneralModel,
    Problem,
    Residency,
    UseCase,
    asks,
    examples_per_label,
    facts_needed,
    measured_of,
    must_self_host,
    prompts_own_model,
)
from advisor.options import Option
from advisor.rubric.rubric import Factor, Thresholds

Strength = float | None

LIKELY_FACTS = 0.5
"""Strength of 'facts needed' for a question-answering case that does not say: half, and listed as unknown."""


def ramp(value: float, at: Thresholds, *, log: bool = False) -> float:
    """0 at `at.none`, 1 at `at.full`, straight between them (on a log scale if asked), flat beyond."""
    if log:
        value = max(value, 1e-9)
        none, full, here = math.log(at.none), math.log(at.full), math.log(value)
    else:
        none, full, here = at.none, at.full, value
    return min(1.0, max(0.0, (here - none) / (full - none)))


def _at(factor: Factor) -> Thresholds:
    if factor.at is None:
        raise ValueError(f"factor {factor.name} needs thresholds")
    return factor.at


_FIELDS = {
    "shift": "out_of_scope_matters",
    "few_examples": "examples",
    "label_noise": "label_noise",
    "inputs_differ": "inputs_differ",
    "short_of_time": "days_to_ship",
    "deletion": "deletion_on_request",
    "audit": "audit",
    "fast": "p95_ms",
}
"""By function of the rubric, the one field of the use case that it reads."""


def field(case: UseCase, factor: Factor) -> Strength:
    """A yes, or where a number lies between the thresholds, a share straight and all others by factors."""
    value = getattr(case, _FIELDS[factor.function])
    if value is None:
        return 0.0 if factor.unless_said else None
    if isinstance(value, bool):
        return float(value)
    return ramp(value, _at(factor), log=asks()[_FIELDS[factor.function]].unit != "share")


def _yes(answer: bool | None) -> Strength:
    return None if answer is None else float(answer)


def _has(case: UseCase, *problems: Problem) -> Strength:
    if case.problems is None:
        return None
    return float(any(problem in case.problems for problem in problems))


def facts(case: UseCase, factor: Factor) -> Strength:
    """Whether answers need facts from outside."""
    return _yes(facts_needed(case))


def facts_change(case: UseCase, factor: Factor) -> Strength:
    """How often these facts change, where any are needed."""
    if facts_needed(case) is False:
        return 0.0
    changes = case.knowledge_changes_per_month
    return None if changes is None else ramp(changes, _at(factor), log=True)


def citations(case: UseCase, factor: Factor) -> Strength:
    """Whether answers must cite."""
    return 0.0 if facts_needed(case) is False else _yes(case.citations_required)


def knowledge_fits(case: UseCase, factor: Factor) -> Strength:
    """How comfortably small and stable the knowledge is."""
    if facts_needed(case) is not True:
        return 0.0 if facts_needed(case) is False else None
    if case.knowledge_tokens is None:
        return None
    changes, most = case.knowledge_changes_per_month, factor.changes_at_most
    if changes is not None and most is not None and changes > most:
        return 0.0
    return ramp(case.knowledge_tokens, _at(factor), log=True)


def weak_retrieval(case: UseCase, factor: Factor) -> Strength:
    """How often the search misses, where facts are needed."""
    if facts_needed(case) is False:
        return 0.0
    return None if case.retrieval_recall is None else ramp(case.retrieval_recall, _at(factor))


def small_with_facts(case: UseCase, factor: Factor) -> Strength:
    """How small the model is that is shown facts."""
    needed = facts_needed(case)
    if needed is False or prompts_own_model(case) is False:
        return 0.0  # a hosted model is larger than what the studies behind these factors used
    if needed is None or case.open_model_billions is None:
        return None
    return ramp(case.open_model_billions, _at(factor))


def large_with_facts(case: UseCase, factor: Factor) -> Strength:
    """How large the model is that is shown facts; a hosted one is large."""
    if facts_needed(case) is True and prompts_own_model(case) is False:
        return 1.0
    return small_with_facts(case, factor)


def style(case: UseCase, factor: Factor) -> Strength:
    """Whether voice or behaviour does not hold."""
    return _has(case, Problem.STYLE, Problem.DRIFT)


def skill(case: UseCase, factor: Factor) -> Strength:
    """Whether it takes a vocabulary or language of one's own."""
    return _has(case, Problem.SKILL)


def format_only(case: UseCase, factor: Factor) -> Strength:
    """Whether the form is wrong, and neither voice nor skill."""
    if case.problems is None:
        return None
    other = (Problem.STYLE, Problem.DRIFT, Problem.SKILL)
    return float(Problem.FORMAT in case.problems and not any(p in case.problems for p in other))


def narrow(case: UseCase, factor: Factor) -> Strength:
    """Whether the task is narrow: its answers come out of a small space or out of the input."""
    match case.task:
        case None:
            return None
        case AnswerKind.CLASSIFICATION | AnswerKind.EXTRACTION | AnswerKind.TOOL_CALLS:
            return 1.0
        case AnswerKind.SUMMARISATION:
            return 0.3
        case AnswerKind.CODE if case.problems and Problem.SKILL in case.problems:
            return 0.7  # a language or library of one's own is a narrow target
        case _:
            return 0.0


def broad(case: UseCase, factor: Factor) -> Strength:
    """Whether the task is open reasoning or general code."""
    own = bool(case.problems and Problem.SKILL in case.problems)
    match case.task:
        case None:
            return None
        case AnswerKind.REASONING:
            return 1.0
        case AnswerKind.CODE if own:
            return 0.1
        case AnswerKind.CODE:  # general code; a thousand examples of one kind make it a narrow target
            return 0.4 * (1 - ramp(case.examples or 0, _at(factor), log=True))
        case _:
            return 0.0


def label_examples(case: UseCase, factor: Factor) -> Strength:
    """How many examples a typical label has, or how few: the thresholds say which."""
    if case.task is not AnswerKind.CLASSIFICATION:
        return None if case.task is None else 0.0
    each = examples_per_label(case)
    return None if each is None else ramp(each, _at(factor), log=True)


def many_examples(case: UseCase, factor: Factor) -> Strength:
    """How many examples there are, for tasks without a label set."""
    if case.task is AnswerKind.CLASSIFICATION:
        return 0.0
    if case.task is None or case.examples is None:
        return None
    return ramp(case.examples, _at(factor), log=True)


def many_labels(case: UseCase, factor: Factor) -> Strength:
    """How many labels there are."""
    if case.task is not AnswerKind.CLASSIFICATION:
        return None if case.task is None else 0.0
    return None if case.labels is None else ramp(case.labels, _at(factor), log=True)


def label_churn(case: UseCase, factor: Factor) -> Strength:
    """Which share of the labels changes in a month."""
    if case.task is not AnswerKind.CLASSIFICATION:
        return None if case.task is None else 0.0
    changes = case.label_changes_per_month
    if changes is None or (changes and case.labels is None):
        return None
    return ramp(changes / case.labels, _at(factor), log=True) if changes and case.labels else 0.0


def written_rows(case: UseCase, factor: Factor) -> Strength:
    """How far rows that a strong model writes stand in for examples that are few; nothing unless said."""
    if not case.model_writes_rows:
        return 0.0
    return 1.0 if case.examples is None else ramp(case.examples, _at(factor), log=True)


WEAK_REFERENCES_IN_SUMMARIES = 0.5
"""Strength of 'weak references' for summaries where nobody says how good they are: half."""


def weak_references(case: UseCase, factor: Factor) -> Strength:
    """Whether the answers to learn from are worse than those wanted; nothing unless said or summaries."""
    if case.references_good is not None:
        return float(not case.references_good)
    return WEAK_REFERENCES_IN_SUMMARIES if case.task is AnswerKind.SUMMARISATION else 0.0


def many_right_answers(case: UseCase, factor: Factor) -> Strength:
    """Whether many answers are good, so that a model that writes is needed; nothing unless said."""
    return float(case.one_right_answer is False)


def own_model(case: UseCase, factor: Factor) -> Strength:
    """Whether the open model itself would be prompted."""
    return _yes(prompts_own_model(case))


def frontier(case: UseCase, factor: Factor) -> Strength:
    """Whether a large hosted model would be prompted."""
    if prompts_own_model(case) is True:
        return 0.0
    return _yes(None if case.general_model is None else case.general_model is GeneralModel.FRONTIER)


FLOOR_IF_NONE = 0.95


def _above_floor(case: UseCase) -> float | None:
    measured = measured_of(case, Option.PROMPT)
    if measured is None:
        return None
    floor = FLOOR_IF_NONE if case.quality_floor is None else case.quality_floor
    return measured[0] - floor


def prompting_enough(case: UseCase, factor: Factor) -> Strength:
    """How far the measured prompt is above the floor."""
    above = _above_floor(case)
    return None if above is None else ramp(above, _at(factor))


def prompting_short(case: UseCase, factor: Factor) -> Strength:
    """How far the measured prompt is below the floor."""
    above = _above_floor(case)
    return None if above is None else ramp(-above, _at(factor))


def private(case: UseCase, factor: Factor) -> Strength:
    """How much speaks against sending data out."""
    if must_self_host(case):
        return 0.0  # a veto already: every option left runs on own machines
    strengths = []
    if case.residency is not None:
        strengths.append(0.5 if case.residency is Residency.REGION else 0.0)
    if case.pii is not None:
        strengths.append(0.5 if case.pii else 0.0)
    if case.problems is not None and Problem.PRIVACY in case.problems:
        strengths.append(1.0)
    return max(strengths) if strengths else None


def effort(case: UseCase, factor: Factor) -> Strength:
    """Always there."""
    return 1.0


_FUNCTIONS: Mapping[str, Callable[[UseCase, Factor], Strength]] = {
    **dict.fromkeys(_FIELDS, field),
    "thin_labels": label_examples,
} | {
    function.__name__: function
    for function in (
        facts, facts_change, citations, knowledge_fits, weak_retrieval, small_with_facts,
        large_with_facts, style, skill, format_only, narrow, broad, label_examples, many_examples,
        many_labels, label_churn, written_rows, weak_references, many_right_answers,
        own_model, frontier, prompting_enough, prompting_short, private, effort,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A factor with its strength, None when not known, and why it counts in this case."""

    factor: Factor
    strength: Strength
    reason: str


def measure(case: UseCase, factor: Factor) -> Measured:
    """The strength of one factor.

    Raises:
        ValueError: if the rubric names a function that does not exist.
    """
    function = _FUNCTIONS.get(factor.function)
    if function is None:
        raise ValueError(f"factor {factor.name}: there is no function {factor.function}")
    strength = function(case, factor)
    if strength is None and factor.function == "facts" and case.task is AnswerKind.QUESTION_ANSWERING:
        strength = LIKELY_FACTS
    assumed = function in (prompting_enough, prompting_short) and case.quality_floor is None
    of = f" ({100 * FLOOR_IF_NONE:.0f} %, as none is stated)" if assumed else ""
    return Measured(factor=factor, strength=strength, reason=factor.reason + of)
