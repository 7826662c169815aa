"""Which languages the card of a model folder says it reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.models.local.embedding import languages_stated


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("---\nlanguage: en\nlicense: mit\n---\n# A model\n", ("en",)),
        ("---\nlanguage:\n- en\n- de\n---\n", ("en", "de")),
        ("---\nlanguage: multilingual\n---\n", ()),
        ("---\nlicense: mit\n---\n", ()),
        ("---\n- a list\n---\n", ()),
        ("---\nlanguage: {en: 1}\n---\n", ()),
        ("---\n: [\n---\n", ()),
        ("# No head\n", ()),
        (None, ()),
    ],
)
def test_a_card_states_languages_or_nothing(card: str | None, said: tuple[str, ...], tmp_path: Path) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert languages_stated(tmp_path) == said
