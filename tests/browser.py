"""A real browser for the tests of the page: Chromium without a window, driven by selenium. Skips without one."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip


def installed() -> tuple[str, str] | None:
    """Chromium and its driver, or None."""
    found = shutil.which("chromium"), shutil.which("chromedriver")
    return (found[0], found[1]) if found[0] and found[1] else None


@contextlib.contextmanager
def started(width: int = 1280, height: int = 900, scale: float = 1.0, dark: bool = False) -> Iterator[Any]:
    """A fresh Chromium with a profile of its own; every request it makes is in its performance log.

    Skips the test, with a reason, where Chromium, its driver or selenium is not installed.
    """
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="selenium is not installed: pip install '.[dev]'"
    )
    programs = installed()
    if programs is None:
        pytest.skip("no Chromium: apt-get install chromium chromium-driver")
    with tempfile.TemporaryDirectory(prefix="runner-browser-", ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = programs[0]
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(programs[1]))
        try:
            look(driver, width, height, scale, dark=dark)
            yield driver
        finally:
            driver.quit()


def look(driver: Any, width: int, height: int, scale: float = 1.0, *, dark: bool = False) -> None:
    """The size of the window in CSS pixels (below 600 as a phone), and which theme the person has chosen."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def requests(driver: Any) -> list[str]:
    """The addresses that were asked for since the last call, what the page carries itself (`data:`) left out."""
    messages = (json.loads(line["message"])["message"] for line in driver.get_log("performance"))
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [url for url in sent if not url.startswith("data:")]


def complaints(driver: Any) -> list[str]:
    """What the browser's console said since the last call: errors of scripts, refusals of the policy."""
    return [line["message"] for line in driver.get_log("browser")]
