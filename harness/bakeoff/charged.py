"""Which pass latency and money of an arm come from: the newest timing, and if the machine was busy then."""

from __future__ import annotations

from collections.abc import Container, Sequence

from harness.bakeoff.answer_sets import AnswerSet, StoredRun
from harness.bakeoff.busy import busy_reason
from harness.bakeoff.cost import cost_lines
from harness.bakeoff.journal import Pass
from harness.bakeoff.latency import measure_latency, measure_throughput
from harness.bakeoff.prices import by_tokens, prices_for
from harness.bakeoff.results import Latency
from harness.core.records import CostLine, Outcome


def latency_of(answers: AnswerSet) -> Latency:
    """An arm's latency from its newest timing."""
    identity = answers.settled.identity
    batches = answers.batches or answers.test.outcomes
    watched = answers.machine.get("throughput" if answers.batches else "test", ())
    throughput = measure_throughput(batches, identity, watched)
    return measure_latency(answers.warm, answers.test, identity, answers.timed, throughput)


def either_busy(*sides: AnswerSet) -> str:
    """Why the latency of arms that answer one after the other is not to be believed; '' where it is."""
    return next((why for a in sides if (why := busy_reason(a.timed, a.settled.identity))), "")


def _paid(answers: AnswerSet, desk: StoredRun) -> Pass:
    """The pass whose seconds or tokens are paid for.

    Concurrent calls to a server on this machine each hold the time of the others, so their seconds would
    be paid several times: its queries are charged as the warm pass timed them, one by one. So is whatever
    runs here where local models answer one by one, or arms without a language model would look cheaper by
    batching. The newest timing counts.
    """
    identity = answers.settled.identity
    location = identity.location if identity else "local"
    if by_tokens(identity, desk.book):
        return "test"
    if location == "loopback" or (desk.plan.latency.mode == "shared" and answers.warm):
        return "latency"
    return "throughput" if answers.batches else "test"


def charged(answers: AnswerSet, desk: StoredRun, ids: Container[str] = ()) -> Sequence[Outcome]:
    """The outcomes that are paid for.

    Args:
        ids: of the items that count; all where the pass holds none of them.
    """
    timings = {"latency": tuple(answers.warm.values()), "throughput": answers.batches}
    paid = timings.get(_paid(answers, desk), answers.test.outcomes)
    return ([one for one in paid if one.item_id in ids] if ids else ()) or paid


def paid_busy(answers: AnswerSet, desk: StoredRun) -> str:
    """Why the seconds that are paid for are not to be believed; '' where they are."""
    identity = answers.settled.identity
    return busy_reason(answers.machine.get(_paid(answers, desk), ()), identity)


def paid_lines(answers: AnswerSet, outcomes: Sequence[Outcome], desk: StoredRun) -> tuple[CostLine, ...]:
    """The ledger of 1,000 queries like these outcomes."""
    identity = answers.settled.identity
    return cost_lines(outcomes, identity, prices_for(identity, desk.plan, desk.book))
