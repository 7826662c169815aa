"""What rules an option out before anything is scored: one small function a rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from advisor.advice import Veto
from advisor.case import AnswerKind, UseCase, facts_needed, must_self_host, prompts_own_model
from advisor.options import ADVISED, Option
from advisor.rubric.rubric import VetoRules

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
    """A linear model chooses among labels; similar rows and an encoder give the fields of a text as well."""
    if case.task in (None, AnswerKind.CLASSIFICATION):
        return {}
    assert case.task is not None
    why = f"{case.task.value} has no closed label set to choose from"
    found = {Option.LINEAR: why}
    if case.task is not AnswerKind.EXTRACTION:
        found |= dict.fromkeys((Option.NEIGHBOURS, Option.ENCODER), why)
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
