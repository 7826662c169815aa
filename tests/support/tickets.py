"""A small evalset written by hand: three queues, a few words that give each of them away."""

from __future__ import annotations

import hashlib

from harness.core.records import Evalset, Item, Label
from harness.tasks.classification import ClassificationTask
from harness.tasks.records import PromptLimits

LABELS = (
    Label(name="billing", definition="invoices, charges and refunds"),
    Label(name="sign_in", definition="passwords and accounts"),
    Label(name="shipping", definition="parcels and delivery"),
)
TASK = ClassificationTask(LABELS, PromptLimits())
_TEXTS = {
    "billing": (
        "invoice shows wrong charge",
        "refund the double charge please",
        "billing invoice missing tax",
    ),
    "sign_in": (
        "password reset mail never comes",
        "cannot sign in to my account",
        "sign in loops after password",
    ),
    "shipping": ("parcel is late", "shipping parcel to wrong street", "delivery came broken in the parcel"),
}


def rows(split: str, times: int) -> tuple[Item, ...]:
    """`times` variants of every text; each split gets words of its own, so that no text is in two."""
    return tuple(
        Item(
            id=f"{split}-{label}-{variant}-{number}",
            text=f"{text} {split} case {variant}",
            target=label,
            cluster=f"{split}-customer-{(variant + number) % 5}",
            slices=(("language", "en" if number else "de"),),
        )
        for variant in range(times)
        for label, texts in _TEXTS.items()
        for number, text in enumerate(texts)
    )


def evalset(train: int = 4, dev: int = 2, test: int = 3) -> Evalset:
    """Splits of 9 rows times the given number."""
    parts = {"train": rows("train", train), "dev": rows("dev", dev), "test": rows("test", test)}
    digests = {name: hashlib.sha256(repr(part).encode()).hexdigest() for name, part in parts.items()}
    return Evalset(
        name="tickets-by-hand",
        title="Tickets written by hand",
        licence="Apache-2.0",
        provenance="written for the tests",
        labels=LABELS,
        digests=digests,
        **parts,
    )
