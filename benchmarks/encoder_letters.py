"""What letter groups add to the encoder that a run kept: dev and test accuracy with and without them.

Run: python benchmarks/encoder_letters.py RUN_FOLDER
The letters are fitted anew on the run's training rows, and their share is chosen on its dev rows, as the arm
does; test rows are read last. It works for runs whose encoder was trained without letters too.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.arms.encoder import share_on
from harness.bakeoff.evalset import load_rows
from harness.bakeoff.run_folder import RunFolder
from harness.cli.options import HereOptions
from harness.core.records import Item
from harness.tasks.classification import clip
from harness.training.encoder.artefact import RECORD_FILE, open_kept
from harness.training.encoder.letters import fit_letters, times


def main() -> None:
    """Print a table, a line for each encoder in the run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    folder = RunFolder(root=parser.parse_args().run.resolve())
    plan = folder.plan()
    evalset = load_rows(plan, HereOptions(threads=1).context(quiet=True))

    def texts(items: Sequence[Item]) -> list[str]:
        return [clip(item.text, plan.prompt.item_chars) for item in items]

    print("| encoder | share | dev | dev with letters | test | test with letters | only with, without |")
    print("|---|---|---|---|---|---|---|")
    for home in sorted(folder.artefacts.glob("encoder*")):
        if not (home / RECORD_FILE).is_file():
            continue
        encoder = dataclasses.replace(open_kept(home, threads=1), letters=None)
        place = {label: number for number, label in enumerate(encoder.labels)}
        truth = {
            split: np.array([place[item.label] for item in items])
            for split, items in (("train", evalset.train), ("dev", evalset.dev), ("test", evalset.test))
        }
        letters = fit_letters(texts(evalset.train), truth["train"].tolist(), len(place), plan.seed)
        scores = encoder.scores(texts(evalset.dev))
        margins = letters.scores(texts(evalset.dev))
        share, _ = share_on(scores, margins, truth["dev"].tolist())
        tested = encoder.scores(texts(evalset.test))
        added = tested + times(letters, share).scores(texts(evalset.test))
        alone, both = (found.argmax(axis=1) == truth["test"] for found in (tested, added))
        figures = (
            (scores.argmax(axis=1) == truth["dev"]).mean(),
            ((scores + share * margins).argmax(axis=1) == truth["dev"]).mean(),
            alone.mean(),
            both.mean(),
        )
        told = " | ".join(f"{100 * figure:.1f} %" for figure in figures)
        won, lost = int((both & ~alone).sum()), int((alone & ~both).sum())
        print(f"| {home.name} | {share:g} | {told} | {won}, {lost} |", flush=True)


if __name__ == "__main__":
    main()
