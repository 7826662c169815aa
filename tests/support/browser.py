"""Headless Chromium driven by Selenium, and the pages served as a user starts them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
PATIENCE_S = 240.0
_BUSY = """
const app = document.querySelector('[data-testid="stApp"]');
return !document.querySelector('h1')
  || !app || app.getAttribute('data-test-script-state') !== 'notRunning'
  || !!document.querySelector('[data-testid="stStatusWidget"]')
  || !!document.querySelector('[data-testid="stSkeleton"]')
  || !!document.querySelector('[data-stale="true"]');
"""
_PROBES = ("/_stcore/health", "/_stcore/host-config")


def missing() -> str:
    """Why no browser can be driven here; '' if one can."""
    if find_spec("selenium") is None:
        return "selenium is not installed"
    if _chromium() is None:
        return "no chromium on this machine"
    return "" if shutil.which("chromedriver") else "no chromedriver on this machine"


def _chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Served:
    """`harness view` on a free port, stopped at the end."""

    def __init__(self, runs: Path, **environ: str) -> None:
        self._runs = runs
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        code = "from harness.cli import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, "view", "--port", str(port), "--runs", str(self._runs)],
            env=os.environ | self._environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        address = f"http://127.0.0.1:{port}"
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5):
                    return address
            except OSError:
                assert self._process.poll() is None, "the server ended by itself"
                time.sleep(0.1)
        raise TimeoutError("the pages were not served in time")

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=30)


@contextmanager
def open_browser(width: int, *, dark: bool = False, downloads: Path | None = None) -> Iterator[Any]:
    """A fresh Chromium of this width, nothing kept."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = Options()
        options.binary_location = _chromium() or ""
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},900"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        if downloads is not None:
            options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        driver.set_page_load_timeout(PATIENCE_S)
        resize(driver, width, 900)
        prefer(driver, dark)
        try:
            yield driver
        finally:
            driver.quit()


def prefer(driver: Any, dark: bool) -> None:
    """The theme that the person at this browser prefers."""
    media = {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


def resize(driver: Any, width: int, height: int) -> None:
    """Give the page this size; narrower than a window can be."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def settled(driver: Any, what: Callable[[Any], bool] | None, start: float | None = None) -> float:
    """Wait until `what` holds, or until the page is done; seconds since `start`."""
    start = time.perf_counter() if start is None else start
    end = time.monotonic() + PATIENCE_S
    calm = 0
    while time.monotonic() < end:
        done = what(driver) if what is not None else not driver.execute_script(_BUSY)
        calm = calm + 1 if done else 0
        if calm >= (1 if what is not None else 3):
            return time.perf_counter() - start
        time.sleep(0.03)
    raise TimeoutError(f"the page is not done; it says: {driver.find_element('tag name', 'body').text[:600]}")


def faults(driver: Any) -> list[str]:
    """What the console holds against the page.

    Streamlit asks below the address of a page where its server is before it asks above it; those two
    questions are answered with 404 and are no fault of the page.
    """
    found = []
    for entry in driver.get_log("browser"):
        probe = any(f"{name} - Failed to load resource" in entry["message"] for name in _PROBES)
        if entry["level"] == "SEVERE" and not probe:
            found.append(entry["message"])
    return found
