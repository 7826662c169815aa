"""Folders come from the environment that is passed in."""

from pathlib import Path

from harness.models.settings import cache_dir, wheel_dir


def test_the_cache_folder_follows_the_environment():
    assert cache_dir({"TOR_CACHE_DIR": "/a", "XDG_CACHE_HOME": "/b"}) == Path("/a")
    assert cache_dir({"XDG_CACHE_HOME": "/b"}) == Path("/b/tune-or-retrieve")
    assert cache_dir({}) == Path.home() / ".cache" / "tune-or-retrieve"


def test_no_wheel_folder_unless_named():
    assert wheel_dir({}) is None
    assert wheel_dir({"TOR_WHEEL_DIR": "/w"}) == Path("/w")
