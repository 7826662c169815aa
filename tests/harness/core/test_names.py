"""Names that become paths stay in their folder, whatever they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import StoreError, UsageError
from harness.core.names import check_name, file_name, inside

HOSTILE = (
    "", ".", "..", "../x", "a/../../../victim", "/etc", "a/b", "a\\b", "x\0y", "\ud800", "a\nb", "\x1b[2J",
    ".hidden", "-flag", "trailing.", " ", "a b", "ab" * 200, "é" * 65, "con", "NUL.txt", "lpt1", "C:",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_could_be_another_path_is_refused(name: str) -> None:
    with pytest.raises(UsageError) as error:
        check_name(name, "an arm")
    str(error.value).encode()
    assert "an arm" in error.value.what


@pytest.mark.parametrize("name", ["today", "rules-v1.2", "Größe_3", "今日", "a+b", "x" * 64])
def test_a_plain_name_is_taken(name: str) -> None:
    check_name(name, "an arm")


@pytest.mark.parametrize("text", [*HOSTILE, "ok", "tune-org_model-seed17"])
def test_every_text_becomes_one_file_name(text: str, tmp_path: Path) -> None:
    name = file_name(text)
    place = tmp_path / name
    place.mkdir()
    assert place.resolve().parent == tmp_path.resolve() and len(name.encode()) <= 100
    assert name == file_name(text)


def test_different_texts_become_different_files_and_plain_ones_stay() -> None:
    assert len({file_name(text) for text in ("a/b", "a_b", "a\\b", "a b", "A b")}) == 5
    assert file_name("tune-m-seed17") == "tune-m-seed17"
    assert file_name("x" * 300) != file_name("x" * 301)


@pytest.mark.parametrize("relative", ["../x", "/etc/passwd", "a/../../x", ".", "", "a\0b", "link/x", "loop"])
def test_a_record_that_names_a_path_outside_is_refused(relative: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    (root / "loop").symlink_to(root / "loop")
    with pytest.raises(StoreError):
        if inside(root, relative).is_symlink():  # Python 3.13 resolves a circle to itself
            raise StoreError("a circle opens nothing")


def test_a_path_inside_is_given(tmp_path: Path) -> None:
    assert inside(tmp_path, "artefacts/x") == tmp_path / "artefacts/x"
