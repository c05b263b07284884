"""The pictures in docs/screenshots: the page in Chromium and commands in a terminal, of a run that is there.

    python docs/screenshots.py LAB [TAG] [TRIAL]

LAB is the folder of the lab that has the run; TRIAL (default: the best) is the one shown whole. Nothing in the lab is
changed but its `report.html`. While a program works on the run, its live screen is taken too, once it trains and has
reported. Needs chromium and chromium-driver, and the packages of '.[dev]'.
"""

from __future__ import annotations

import base64
import io
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

import browser  # noqa: E402

from runner.jobs.report import Pages, write  # noqa: E402
from runner.jobs.views import run_folder  # noqa: E402
from runner.record.ledger import Ledger  # noqa: E402
from runner.trial import Status  # noqa: E402

TO = HERE / "screenshots"
DESKTOP, PHONE, COLUMNS = (1200, 800), (390, 844), 110
FOLD = 1500  # CSS pixels of the long page that the pictures show
TALLEST = 2200  # of a picture of a terminal
LIVE_SECONDS = 180  # for a training to come by


def main() -> None:
    lab, tag = Path(sys.argv[1]).resolve(), sys.argv[2] if len(sys.argv) > 2 else ""
    folder = run_folder(lab, tag)
    kept = [entry.number for entry in Ledger(folder.ledger).entries if entry.status is Status.KEEP]
    shown = int(sys.argv[3]) if len(sys.argv) > 3 else kept[-1]
    address = write(Pages(lab, folder)).as_uri()
    TO.mkdir(exist_ok=True)
    with browser.started() as driver:
        if folder.holder():
            live(driver, lab, folder.tag)
        else:
            print("no program works on the run: live.png is left as it is")
        picture(driver, address, "page.png", *DESKTOP, long=FOLD)
        picture(driver, address, "page-dark.png", *DESKTOP, long=FOLD, dark=True)
        picture(driver, address, "page-phone.png", *PHONE, long=1900, scale=2)
        picture(driver, f"{address}#trial-{shown}", "trial.png", *DESKTOP)
        picture(driver, f"{address}#trial-{shown}", "trial-phone.png", *PHONE, scale=2)
        terminal(driver, lab, folder.tag, shown)


def picture(driver: Any, address: str, name: str, width: int, height: int, **more: Any) -> None:
    """The page at `address` from its top. long: more CSS pixels than the window has. scale: device pixels of one."""
    driver.get("about:blank")
    browser.look(driver, width, height, more.get("scale", 1), dark=more.get("dark", False))
    driver.get(address)
    time.sleep(0.5)
    save(driver, name, width, more.get("long") or height)


def save(driver: Any, name: str, width: int, height: int) -> None:
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    (TO / name).write_bytes(base64.b64decode(shot["data"]))
    print(TO / name)


def terminal(driver: Any, lab: Path, tag: str, number: int) -> None:
    """What the commands print in a terminal of COLUMNS columns, in their own colours."""
    for name, command in {
        "status.png": ["status", tag],
        "log.png": ["log", tag, "-n", "20"],
        "show.png": ["show", str(number), tag],
    }.items():
        drawn(driver, name, command, printed(lab, command))


def live(driver: Any, lab: Path, tag: str) -> None:
    """The live screen of the run under way, as another terminal has it, after some readings of a training."""
    command = ["status", "--watch", tag]
    process, ours = opened(lab, command)
    found, deadline = b"", time.monotonic() + LIVE_SECONDS
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.2)[0]:
            found += os.read(ours, 65_536)
        said = frame(found.decode("utf-8", "ignore"))
        if re.search(r"loss.*[▁-█]{5}", said) and "tokens/s" in said and "\nmachine" in plain(said):
            break
    process.send_signal(signal.SIGINT)
    process.wait()
    os.close(ours)
    drawn(driver, "live.png", command, said.replace(str(lab), "~/lab"))


def frame(written: str) -> str:
    """What stands on a terminal to which a live screen was written: lines are cleared, climbed and written anew."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[0-?]*[ -/]*[@-~]|[\r\n]|[^\x1b\r\n]+", written):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part.endswith("A") and part[0] == "\x1b":
            row = max(0, row - int(part[2:-1] or 1))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part.endswith("m") or part[0] not in "\x1b\r":
            lines[row] += part
    return "\n".join(lines).rstrip()


def plain(said: str) -> str:
    """Without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", said)


def drawn(driver: Any, name: str, command: list[str], said: str) -> None:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ runner {' '.join(command)}", style="bold"))
    console.print(Text.from_ansi(said))
    with tempfile.NamedTemporaryFile("w", suffix=".svg", delete=False) as file:
        file.write(console.export_svg(title="runner"))
    try:
        browser.look(driver, 1100, 800)
        driver.get(Path(file.name).as_uri())
        size = driver.execute_script(
            "const b = document.documentElement.viewBox.baseVal; return [b.width, b.height]"
        )
        height = int(1100 * size[1] / size[0])
        browser.look(driver, 1100, height)
        save(driver, name, 1100, min(TALLEST, height))
    finally:
        os.unlink(file.name)


def opened(lab: Path, command: list[str]) -> tuple[subprocess.Popen[bytes], int]:
    """The command in a real terminal, and our end of it."""
    ours, theirs = os.openpty()
    subprocess.run(["stty", "cols", str(COLUMNS), "rows", "50"], stdin=theirs, check=True)
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    for name in ("NO_COLOR", "CI", "COLUMNS", "LINES"):
        environment.pop(name, None)
    program = [sys.executable, "-m", "runner", "--lab", str(lab), *command]
    process = subprocess.Popen(program, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    return process, ours


def printed(lab: Path, command: list[str]) -> str:
    """The bytes that a command writes to a real terminal, as text with its escapes."""
    process, ours = opened(lab, command)
    found = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not part:
            break
        found += part
    process.wait()
    os.close(ours)
    return found.decode("utf-8", "replace").replace("\r\n", "\n").replace(str(lab), "~/lab")


if __name__ == "__main__":
    main()
