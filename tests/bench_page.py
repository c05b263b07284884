"""What the page costs: how long `runner report` takes, how large it is, and how soon a browser can be used on it.

    python tests/bench_page.py [TRIALS] [FOLDER]

Makes a run of TRIALS (default: 500) through the real record in FOLDER (default: a temporary one), with diffs, logs,
curves and samples of a plausible size. The browser's numbers are left out where there is none.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import browser
import pagelab
import recordlab
from _pytest.monkeypatch import MonkeyPatch
from _pytest.outcomes import Skipped

from runner.jobs.report import Pages, write
from runner.jobs.serve import Live
from runner.record.run import RunFolder

OPENINGS = 5


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with tempfile.TemporaryDirectory() as temporary, MonkeyPatch.context() as patch:
        place = Path(sys.argv[2] if len(sys.argv) > 2 else temporary)
        place.mkdir(exist_ok=True)
        recordlab.isolate(place / "home", patch)
        lab = place / "lab"
        folder = RunFolder(lab, "nov23") if lab.exists() else pagelab.make(lab, trials)
        began = time.perf_counter()
        path = write(Pages(lab, folder))
        print(f"{trials} trials")
        say("write report.html", f"{time.perf_counter() - began:8.2f} s")
        say("size", f"{path.stat().st_size / 1e6:8.2f} MB")
        serving(lab, folder, trials)
        try:
            opening(path)
        except Skipped as reason:
            say("browser", str(reason))


def say(what: str, found: str) -> None:
    print(f"{what:44} {found}")


def serving(lab: Path, folder: RunFolder, trials: int) -> None:
    live = Live(lab, folder)
    began = time.perf_counter()
    page = live.page()
    say("serve: the first page", f"{time.perf_counter() - began:8.2f} s")
    began = time.perf_counter()
    for _ in range(1000):
        live.page()
    say("serve: a page again, 1000 times", f"{time.perf_counter() - began:8.2f} s")
    began = time.perf_counter()
    news = live.data(trials)
    say(
        "serve: news without a verdict",
        f"{time.perf_counter() - began:8.2f} s, {len(news.content) / 1e3:.1f} kB",
    )
    say("serve: the page as it is sent", f"{len(page.packed) / 1e6:8.2f} MB")


def opening(path: Path) -> None:
    """From the start of the navigation until the page's script is done, and until the browser has painted it."""
    ready, painted = [], []
    with browser.started() as driver:
        for _ in range(OPENINGS):
            driver.get("about:blank")
            driver.get(path.as_uri())
            ready.append(float(driver.execute_script("return document.documentElement.dataset.ready")))
            painted.append(float(driver.execute_async_script(
                "requestAnimationFrame(() => requestAnimationFrame(() => arguments[0](performance.now())))"
            )))  # fmt: skip
    say("browser: usable", f"{statistics.median(ready):8.0f} ms")
    say("browser: painted and idle, at most", f"{statistics.median(painted):8.0f} ms")


if __name__ == "__main__":
    main()
