"""What is told: an event of a run as a JSON-serialisable dict, and the bodies that ntfy and Slack want.

Pure. Notes and reasons come from outside: cleaned and cut here, and escaped where a receiver would read markup.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from runner.record.faults import Faults
from runner.report import lines, text
from runner.report.status import status, totals
from runner.trial import Entry

VERSION = 1
IMPROVEMENT, TROUBLE, END = "improvement", "trouble", "end"
_CHARACTERS = 400  # of a note or a reason
_PRIORITIES = {IMPROVEMENT: "default", TROUBLE: "high", END: "default"}
_CONTENT = {"json": "application/json", "slack": "application/json", "ntfy": "text/plain; charset=utf-8"}


def of_trial(
    event: str, tag: str, entry: Entry, entries: Sequence[Entry], faults: Faults | None = None
) -> dict[str, Any]:
    """A verdict worth telling: a kept version, or one that was set aside for a person to look at."""
    note = text.line(entry.note, _CHARACTERS)
    if event == IMPROVEMENT:
        title = f"{tag}: val_bpb {text.bpb(entry.incumbent_bpb)} → {text.bpb(entry.best_bpb)}"
        said = f"Trial {entry.number} was kept: {note}. {text.line(entry.verdict.reason, _CHARACTERS)}"
    else:
        title = f"{tag}: trial {entry.number} is suspicious"
        why = text.line(entry.suspicious, _CHARACTERS)
        said = f"Not kept, {why}. Look at it: runner diff {entry.number} {tag}"
    return {**_base(event, title, said, status(tag, entries, faults=faults)), "trial": _trial(entry)}


def of_end(
    event: str, tag: str, outcome: str, detail: str, entries: Sequence[Entry], faults: Faults | None = None
) -> dict[str, Any]:
    """The end of an invocation. outcome: `done`, `interrupted` or `failed`; detail: why it failed, else empty."""
    detail = text.line(detail, _CHARACTERS)
    title = f"{tag}: {'ended' if outcome == 'done' else outcome}"
    run = status(tag, entries, faults=faults)
    found = _base(event, title, detail, run)
    if not detail:
        gain = text.gain(run["baseline_bpb"], run["best_bpb"])
        best = (
            f"best {text.bpb(run['best_bpb'])}, a gain of {gain}"
            if run["best_bpb"] is not None
            else "no score yet"
        )
        found["message"] = f"{best}; {totals(run)}"
    return {**found, "outcome": outcome, "detail": detail}


def _base(event: str, title: str, said: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """found: where the run stands, of `status`."""
    keys = ("proposals", "kept", "discarded", "crashed", "baseline_bpb", "best_bpb", "best_trial", "gain_bpb")
    return {
        "version": VERSION,
        "event": event,
        "title": title,
        "message": said,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "tag": found["tag"],
        "run": {key: found[key] for key in (*keys, "gain_percent", "cost_usd")},
    }


def _trial(entry: Entry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "note": text.line(entry.note, _CHARACTERS),
        "agent": text.line(entry.agent, 60),
        "status": lines.status_word(entry),
        "val_bpb": text.finite(entry.val_bpb),
        "incumbent_bpb": text.finite(entry.incumbent_bpb),
        "commit": entry.commit,
    }


def body(found: dict[str, Any], form: str) -> bytes:
    """The bytes to send, in UTF-8; form as in `[notify]`."""
    if form == "ntfy":
        return f"{found['title']}\n{found['message']}".encode()
    if form == "slack":  # the three characters with which a note could call a whole channel
        said = f"{found['title']}\n{found['message']}"
        for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            said = said.replace(character, entity)
        return json.dumps({"text": said}).encode()
    return json.dumps(found).encode()


def headers(found: dict[str, Any], form: str) -> dict[str, str]:
    """Of the POST that carries `body`."""
    extra = {"Priority": _PRIORITIES[found["event"]]} if form == "ntfy" else {}
    return {"Content-Type": _CONTENT[form], **extra}
