"""How training went: loss by step, and the seeds. Pure."""

from __future__ import annotations

from advisor.sentences import capital
from harness.core.wording import seconds
from harness.report import drawings
from harness.report.context import ReportContext
from harness.report.document import Block, Bullets, Chart, Paragraph, Section
from harness.report.topics.arms import title_of
from harness.report.topics.cells import drawn
from harness.report.topics.tuned import billed


def training_section(c: ReportContext) -> Section:
    """The loss of every trained arm, what it was trained on, and its seeds."""
    title = title_of(c)
    trained = [(arm.arm, arm.fitted.artefact) for arm in c.results.arms if arm.fitted.artefact is not None]
    hosted = [(arm.arm, arm.fitted.hosted) for arm in c.results.arms if arm.fitted.hosted is not None]
    elsewhere = tuple(f"{title(arm)}: {billed(made)}" for arm, made in hosted)
    if not trained and elsewhere:
        return Section(key="training", title="How training went", blocks=(Bullets(items=elsewhere),))
    if not trained:
        none = Paragraph(text="No arm of this run was trained.", tone="faint")
        return Section(key="training", title="How training went", blocks=(none,))
    what = "Training loss by optimiser step."
    loss = drawn("losses", drawings.losses(trained), what, "Loss on the training rows, as logged.")
    how = tuple(
        f"{title(arm)}: {made.recipe.method}, {made.train_rows:,} rows, {made.train_tokens:,} tokens, "
        f"{made.steps:,} steps in {seconds(made.train_s)}"
        for arm, made in trained
    )
    how = (*how, *elsewhere)
    blocks: tuple[Block, ...] = (loss, Bullets(items=how, tone="faint"), *_seeds(c))
    return Section(key="training", title="How training went", blocks=blocks)


def _seeds(c: ReportContext) -> tuple[Chart, ...]:
    if not any(len(arm.seeds) > 1 for arm in c.results.arms):
        return ()
    noun = capital(c.metric.noun)
    what, spec = f"{noun} of every training seed.", drawings.seeds(c.results.arms)
    return (drawn("seeds", spec, what, f"{noun} on the test items, by training seed."),)
