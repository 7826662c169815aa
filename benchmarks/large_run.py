"""A run folder of any size, for measuring what reads it: rows and answers are drawn, conclusions are real.

No model answered anything here: each arm is right with a fixed chance. The folder is good for nothing but
timing. Run: python benchmarks/large_run.py FOLDER [TEST_ITEMS]   (five arms, so 20,000 items are 100,000
predictions; takes a few minutes)
"""

from __future__ import annotations

import hashlib
import math
import random
import resource
import sys
from datetime import UTC, datetime
from pathlib import Path

from advisor.money.usage import CountedBy, Usage
from advisor.options import Option
from harness.bakeoff.evalset import facts_of
from harness.bakeoff.journal import Journal, Lane, Pass
from harness.bakeoff.plan import build_plan
from harness.bakeoff.run_folder import RunFolder, create_run
from harness.core.context import Context, Quiet
from harness.core.environment import describe_environment
from harness.core.records import (
    ArmId,
    Completion,
    Evalset,
    Fitted,
    FittedArm,
    Item,
    Label,
    ModelIdentity,
    Neighbour,
    Timing,
)
from harness.recommendation.conclude import conclude_and_store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LABELS = tuple(f"queue_{number:02d}" for number in range(77))
RIGHT = {
    Option.FLOOR: 0.03,
    Option.LINEAR: 0.88,
    Option.PROMPT: 0.31,
    Option.RETRIEVE: 0.79,
    Option.TUNE: 0.91,
}
WORDS = [hashlib.sha256(str(number).encode()).hexdigest()[:6] for number in range(4000)]


def build(runs: Path, test_items: int, seed: int = 17) -> RunFolder:
    """Write the run and conclude it; the same arguments give the same answers."""
    rng = random.Random(seed)
    arms = [{"option": option.value, "model": "drawn"} for option in RIGHT]
    plan = build_plan(
        {
            "seed": seed,
            "data": {"file": "drawn.csv", "text": ["text"], "label": "label"},
            "arms": arms,
            "decision": {"bootstrap_draws": 200},
            "cost": {"price_date": "2026-11-23"},
        },
        "the drawn plan",
    )
    context = Context(runs=runs, cache=runs, environ={}, clock=lambda: NOW, progress=Quiet())
    folder = create_run(runs, plan, NOW)
    evalset = _evalset(rng, test_items)
    folder.write_items(evalset)
    folder.write_data_facts(facts_of(evalset))
    with folder.journal() as journal:
        for arm in plan.arms:
            _answer(journal, arm.id, seed, evalset, rng)
    conclude_and_store(folder, 1, context)
    folder.write_manifest(finished_at=NOW, wall_s=1.0, environment=describe_environment(NOW))
    return folder


def _evalset(rng: random.Random, test_items: int) -> Evalset:
    splits = {"train": 5000, "dev": 500, "test": test_items}
    rows = {name: tuple(_item(rng, name, number) for number in range(n)) for name, n in splits.items()}
    return Evalset(
        name="drawn",
        title="Drawn rows, for timing only",
        licence="none",
        provenance="drawn at random; no text of anybody",
        labels=tuple(Label(name=name) for name in LABELS),
        digests={name: hashlib.sha256(repr(part).encode()).hexdigest() for name, part in rows.items()},
        **rows,
    )


def _item(rng: random.Random, split: str, number: int) -> Item:
    return Item(
        id=f"{split}-{number:06d}",
        text=" ".join(rng.choices(WORDS, k=40)),
        target=rng.choice(LABELS),
        cluster=f"{split}-{number // 3}",
        slices=(("language", rng.choice(("de", "en", "es", "fr"))),),
    )


def _answer(journal: Journal, arm: ArmId, seed: int, evalset: Evalset, rng: random.Random) -> None:
    local = arm.option not in {Option.FLOOR, Option.LINEAR}
    identity = ModelIdentity(id="drawn", precision="none", location="local") if local else None
    fitted = Fitted(choices={}, seconds=1.0)
    journal.settle(FittedArm(arm=arm, seed=seed, config="drawn", identity=identity, fitted=fitted))
    passes: tuple[tuple[Pass, tuple[Item, ...]], ...] = (
        ("dev", evalset.dev),
        ("test", evalset.test),
        ("latency", evalset.test[:200]),
    )
    for split, items in passes:
        lane = Lane(arm=arm, seed=seed, split=split, config="drawn")
        for first in range(0, len(items), 2000):
            part = items[first : first + 2000]
            journal.put(lane, [(item, _prediction(rng, arm, item, evalset)) for item in part])


def _prediction(rng: random.Random, arm: ArmId, item: Item, evalset: Evalset) -> Completion:
    right = rng.random() < RIGHT[arm.option]
    said = item.label if right else rng.choice(LABELS)
    scores = [rng.gauss(0, 1) + (6 if label == said else 0) for label in LABELS]
    total = math.log(sum(math.exp(score) for score in scores))
    near = rng.sample(range(len(evalset.train)), 4) if arm.option is Option.RETRIEVE else []
    return Completion(
        item_id=item.id,
        text=said,
        choice_logprobs=tuple(score - total for score in scores),
        usage=Usage(
            input_tokens=150 + int(item.id[-6:]) % 200, output_tokens=3, counted_by=CountedBy.TOKENIZER
        )
        if arm.option not in {Option.FLOOR, Option.LINEAR}
        else None,
        timing=Timing(model_s=rng.lognormvariate(-3, 0.5)),
        neighbours=tuple(
            Neighbour(item_id=evalset.train[number].id, score=1 / (rank + 1), rank=rank)
            for rank, number in enumerate(near, start=1)
        ),
    )


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20_000).root)
    spent = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{spent.ru_utime + spent.ru_stime:.1f} CPU s, {spent.ru_maxrss / 1024:,.0f} MiB at most (Linux)")
