"""The short ways (answers only, fused adapters, kept frozen, shortened last layer) against plain PEFT.

The reference is the ordinary forward pass of the PEFT model with transformers' own loss over all
positions and an attention mask. Both compute in float64.
"""

from contextlib import ExitStack

import pytest

from harness.training.fast import fused_adapters
from harness.training.progress import quiet
from harness.training.trl_trainer import Session, TrainingJob
from tests.harness.training.samples import conversations, recipe
from tests.support.float64 import float64

pytestmark = pytest.mark.models


@pytest.fixture(scope="module", params=[1, 2, 4], ids=lambda n: f"{n}-of-4-layers")
def session(request, tiny, tmp_path_factory):
    import torch

    place = tmp_path_factory.mktemp("session")
    job = TrainingJob(
        base=tiny,
        work=place / "work",
        out=place / "out",
        recipe=recipe(tuned_layers=request.param),
        train=conversations(),
        dev=(),
        threads=1,
    )
    with quiet():
        session = Session(job, lambda line: None)
    for parameter in _tuned(session):
        torch.nn.init.normal_(parameter, std=0.05)  # B starts at zero, where A has no gradient
    session.trainer.model.double()
    with float64():
        yield session


def _tuned(session):
    return [parameter for parameter in session.trainer.model.parameters() if parameter.requires_grad]


def _run(session, loss_of):
    session.trainer.model.zero_grad()
    loss = loss_of()
    loss.backward()
    return loss.item(), [parameter.grad.clone() for parameter in _tuned(session)]


def _plain(session, batch):
    return _run(session, lambda: session.trainer.model(**batch).loss)


def _close(got, reference):
    assert got[0] == pytest.approx(reference[0], rel=1e-9)
    for ours, theirs in zip(got[1], reference[1], strict=True):
        assert (ours - theirs).abs().max() <= 1e-9 * theirs.abs().max()


def test_each_short_way_gives_the_plain_loss_and_gradients(session):
    batch = session._batch(session.rows[:7])
    reference = _plain(session, batch)
    _close(_run(session, lambda: session.loss(batch)), reference)
    with ExitStack() as stack:
        assert (
            stack.enter_context(fused_adapters(session.trainer.model)) == 7 * session.job.recipe.tuned_layers
        )
        _close(_run(session, lambda: session.loss(batch)), reference)
        stack.enter_context(session._short)
        session._share()
        assert len(session.prefix) >= 8  # the chat template stands in front of every row
        _close(_run(session, lambda: session.loss(batch)), reference)
        session._freeze()
        assert (session.frozen is None) == (session.job.recipe.tuned_layers == 4)
        _close(_run(session, lambda: session.loss(batch)), reference)
        session._shorten()
        assert session.last is not None
        _close(_run(session, lambda: session.loss(batch)), reference)
        with session._whole():
            _close(_plain(session, batch), reference)
        _close(_run(session, lambda: session.loss(batch)), reference)
        session.frozen = session.last = None
        session.prefix = ()
    _close(_plain(session, batch), reference)  # and nothing stays changed afterwards


def test_a_kept_trunk_is_bit_for_bit_what_it_replaces(session):
    """On the batch the states were computed in; other batch-mates change them by rounding only."""
    import torch

    from harness.training.fast import FrozenLayers

    decoder = session.model.model
    depth = len(decoder.layers) - session.job.recipe.tuned_layers
    if depth == 0:
        assert not FrozenLayers(decoder, 0).fits(session.rows[0].ids, [session.rows[0].ids])
        return
    rows = [row.ids for row in session.rows]
    frozen = FrozenLayers(decoder, depth)
    frozen.keep(rows)
    order = sorted(rows, key=lambda row: (-len(row), row))
    length = -(-len(order[0]) // 16) * 16
    ids = torch.tensor([[*row, *([0] * (length - len(row)))] for row in order])
    with torch.no_grad():
        whole = decoder(input_ids=ids).last_hidden_state
        with frozen.skipped():
            upper = frozen.upper(frozen.states(order, length))
    for place, row in enumerate(order):
        assert torch.equal(whole[place, : len(row)], upper[place, : len(row)])


def test_rows_that_do_not_fit_in_memory_are_not_kept(session):
    from harness.training.fast import FrozenLayers

    ids = [row.ids for row in session.rows]
    assert not FrozenLayers(session.model.model, 1).fits(ids[0], ids, max_bytes=1000)


def test_bf16_adapters_follow_peft_within_bf16(session):
    import copy

    import torch

    model = copy.deepcopy(session.trainer.model)
    for module in model.modules():
        if hasattr(module, "base_layer"):
            module.base_layer.to(torch.bfloat16)
    layer = next(m for m in model.modules() if hasattr(m, "lora_A"))
    x = torch.randn(3, 5, 64, generator=torch.Generator().manual_seed(1)).to(torch.bfloat16)
    plain = layer(x)
    with fused_adapters(model):
        short = layer(x)
    assert short.dtype == torch.bfloat16
    assert (plain - short).abs().max() <= 2**-6 * plain.abs().max()


def test_every_short_way_is_taken_in_bf16(tiny, tmp_path):
    """Its rounding was once taken for another mathematics, and all layers of all rows were computed."""
    job = TrainingJob(
        base=tiny,
        work=tmp_path / "work",
        out=tmp_path / "out",
        recipe=recipe(tuned_layers=2, method="lora-bf16"),
        train=conversations(),
        dev=(),
        threads=1,
    )
    with quiet():
        session = Session(job, lambda line: None)
    with session._short:
        session._share()
        session._freeze()
        session._shorten()
        assert len(session.prefix) >= 8 and session.frozen is not None and session.last is not None
