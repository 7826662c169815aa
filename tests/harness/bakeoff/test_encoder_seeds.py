"""An encoder that is trained with several seeds: each one's result stands beside the first."""

from __future__ import annotations

from pathlib import Path

from advisor.options import Option
from harness.bakeoff.plan import build_plan
from harness.recommendation.store import read_results
from tests.harness.bakeoff.test_run import context
from tests.support.bakeoff import start_bakeoff
from tests.support.desk import write_tickets
from tests.support.tiny_encoder import tiny_base


def test_every_training_seed_of_an_encoder_is_told(tmp_path: Path) -> None:
    raw = {
        "seed": 17,
        "data": {
            "file": str(write_tickets(tmp_path / "tickets.csv", each=30)),
            "text": ["subject", "body"],
            "label": "queue",
        },
        "arms": [{"option": "floor"}, {"option": "encoder", "model": str(tiny_base())}],
        "tune": {"seeds": [17, 18]},
        "encoder": {"trials": 1, "epochs": 1, "learning_rate": 1e-3, "max_tokens": 32},
        "decision": {"bootstrap_draws": 200},
        "cost": {"price_date": "2026-11-23"},
    }
    folder, _ = start_bakeoff(build_plan(raw, "test"), context(tmp_path))
    results = read_results(folder)
    floor, encoder = results.arms
    assert floor.seeds == () and [one.seed for one in encoder.seeds] == [17, 18]
    assert encoder.seeds[0].primary.value == encoder.quality.primary.value
    (harm,) = (one for one in results.robustness if one.arm.option is Option.ENCODER)
    assert harm.agreement is not None and harm.agreement.seeds == (17, 18)
