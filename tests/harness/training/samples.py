"""Rows and a recipe small enough to train on in a test."""

from harness.core.records import Conversation, Recipe
from harness.tasks.classification import tune_messages
from harness.tasks.labels import answer_text
from harness.tasks.records import PromptLimits
from harness.training.recipe import TARGET_MODULES

_TEXTS = {
    "login_problem": ["I cannot sign in", "the reset mail never came", "my password is refused again"],
    "refund_request": ["money back please", "charged twice, refund me", "I want my 40 euros returned"],
    "data_export": [
        "how do I download everything",
        "need a backup as CSV",
        "archive of all invoices, please",
    ],
    "complaint": ["nobody answers me", "third mail, no reply, get me a manager", "this is a disgrace"],
}


def conversations(copies=1):
    """Twelve rows of four labels, of different lengths, `copies` times."""
    rows = []
    for copy in range(copies):
        for place in range(3):
            for label, texts in _TEXTS.items():
                text = texts[place] + " now" * (place + 2 * copy)
                rows.append(
                    Conversation(
                        item_id=f"{label}-{place}-{copy}",
                        prompt=tune_messages(text, PromptLimits()),
                        completion=answer_text(label),
                    )
                )
    return rows


def recipe(**changes):
    """Three epochs on the upper two layers of four."""
    base = {
        "method": "lora-fp32",
        "rank": 4,
        "alpha": 8,
        "dropout": 0.0,
        "target_modules": TARGET_MODULES,
        "learning_rate": 1e-2,
        "warmup_ratio": 0.1,
        "epochs": 3.0,
        "batch_size": 4,
        "max_tokens": 96,
        "seed": 11,
        "tuned_layers": 2,
    }
    return Recipe(**{**base, **changes})
