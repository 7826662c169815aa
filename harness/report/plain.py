"""Arms and answers in words for readers who never saw one. Pure.

Stored sentences name arms as `option@model`; `in_plain_words` puts everyday names in their place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import assert_never

from advisor.options import Option
from harness.bakeoff.results import Answer, Verdict
from harness.core.records import ArmId
from harness.core.wording import one_line
from harness.recommendation.records import RunResults
from harness.report.paper import outside
from harness.report.tables import arm_named

MOST_OF_A_SENTENCE = 420


def plain_name(arm: ArmId, among: Sequence[ArmId] = ()) -> str:
    """An arm in everyday words; its model is named where several arms share the option."""
    name = arm.option.traits.name
    twins = [other for other in among if other.option is arm.option and other != arm]
    return f"{name} ({one_line(arm.model)})" if twins else name


def option_name(option: str) -> str:
    """An option in everyday words, by its stored name; an unknown one as it is."""
    try:
        return Option(option).traits.name
    except ValueError:
        return one_line(option)


def capital(text: str) -> str:
    """The text with a large first letter, unless it begins with the name of a model."""
    return text if "/" in text.split(" ", 1)[0] else text[:1].upper() + text[1:]


def in_plain_words(sentence: str, results: RunResults) -> str:
    """A stored sentence with everyday names for the run's arms, cut where it would fill a page.

    Only whole names are replaced, all in one pass: neither a longer name that begins like an arm's, nor what
    was put in another's place.
    """
    among = arm_ids(results)
    names = {one_line(str(arm)): plain_name(arm, among) for arm in among}
    if not names:
        return outside(sentence, MOST_OF_A_SENTENCE)
    longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    whole = rf"(?P<opens>^|(?<=[.!?] ))?(?<![\w/@+.-])(?P<arm>{longest_first})(?![\w/@+-]|\.\w)"

    def plain(found: re.Match[str]) -> str:
        name = names[found["arm"]]
        return name if found["opens"] is None else capital(name)

    return outside(re.sub(whole, plain, one_line(sentence)), MOST_OF_A_SENTENCE)


def arm_ids(results: RunResults) -> tuple[ArmId, ...]:
    """The run's arms, in its order."""
    return tuple(arm.arm for arm in results.arms)


def all_barred(results: RunResults) -> bool:
    """Whether every arm that could be shipped breaks a limit."""
    barred = results.verdict.barred
    ours = {arm for arm in arm_ids(results) if arm.option not in (Option.FLOOR, Option.EXTERNAL)}
    return bool(ours) and barred >= ours


def decision(results: RunResults) -> str:
    """What to do and the answer to the title's question, in one sentence."""
    verdict, advised = results.verdict, results.recommendation
    ship = arm_named(results, advised.ship)
    if advised.pilot is not None:
        pilot = plain_name(advised.pilot, arm_ids(results))
        return f"Pilot {pilot}, with a limit not shown yet: {_answer(verdict)}."
    if ship is None:
        why = "each breaks a limit; " if all_barred(results) else ""
        return f"Use none of them yet: {why}{_answer(verdict)}."
    name = plain_name(ship.arm, arm_ids(results))
    if verdict.pair is not None and ship.arm in verdict.pair and verdict.answer is not Answer.TIED:
        return f"Use {name}: {_answer(verdict)}."
    return f"Use {name}; {_answer(verdict)}."


def _answer(verdict: Verdict) -> str:
    if verdict.pair is None:
        return "RAG and fine-tuning were not both run"
    match verdict.answer:
        case Answer.RETRIEVE:
            return "RAG beats fine-tuning"
        case Answer.RETRIEVE_AS_GOOD:
            return "RAG is at least as good as fine-tuning"
        case Answer.TUNE_AS_GOOD:
            return "fine-tuning is at least as good as RAG"
        case Answer.TUNE:
            return "fine-tuning beats RAG"
        case Answer.TIED:
            return "RAG and fine-tuning are tied"
        case Answer.NOT_ENOUGH_EVIDENCE:
            return "the evidence does not yet choose between RAG and fine-tuning"
        case _:
            assert_never(verdict.answer)
