"""Header, pins, times and the files beside the ledger, each against what the ledger says. Reads what it is given."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runner import holdouts
from runner.lab import settings_digest
from runner.record import results
from runner.record.ledger import canonical
from runner.record.run import Header, RunFolder, parse_header
from runner.record.verify_chain import BAD
from runner.record.verify_report import Finder
from runner.trial import Entry, Pins, Status, digest, entry_from_json, to_json

STEP = 300  # seconds that a clock may be set back by, as they are on machines that find out the time
MILLISECOND = 0.0011  # seconds; timings are rounded to one
_FAULTS = (b'{"time"', b'{"folded"')  # how the lines of faults.jsonl begin
AHEAD = 86_400  # seconds in the future that another machine's clock may be


def header(raw: bytes | None, tag: str, found: Finder) -> Header | None:
    """What was fixed at the start, None where it cannot be read."""
    try:
        if raw is None:
            raise ValueError("it is missing")
        read = parse_header(raw, tag)
    except BAD as error:
        found.add("header-unreadable", "run.json", str(error))
        return None
    if read.version != 1:
        found.add("header-unreadable", "run.json", f"its version is {read.version}, and this program knows 1")
    try:
        pinned = settings_digest(read.settings)
    except BAD as error:
        found.add("settings-unreadable", "run.json", f"its settings cannot be read: {error}")
        return read
    if pinned != read.pins.settings:
        said = f"its settings give the digest {pinned[:12]}, and its pins say {read.pins.settings[:12]}"
        found.add("settings-differ", "run.json", said)
    return read


def covered(raw: bytes | None, entries: Sequence[Entry], found: Finder) -> None:
    """The baseline's line has the digest of run.json; older records have none."""
    if raw is None or not entries or entries[0].number or not entries[0].basis:
        return
    told = entries[0].basis.get("header")
    if told != digest(raw):
        said = f"it has the digest {digest(raw)[:12]}, and the baseline was recorded under {str(told)[:12]}"
        found.add("header-differs", "run.json", said)


def timings(entries: Sequence[Entry], found: Finder) -> None:
    """Seconds of training and scoring are those of the trainings, to the millisecond that they are rounded to."""
    for entry in entries:
        sums = {
            "training": sum(attempt.outcome.train_seconds for attempt in entry.attempts),
            "scoring": sum(attempt.score.seconds for attempt in entry.attempts if attempt.score),
        }
        sums["other"] = sum(attempt.wall_seconds for attempt in entry.attempts) - sum(sums.values())
        for name, seconds in sums.items():
            if abs(entry.timings.get(name, seconds) - seconds) > MILLISECOND:
                said = f"{name} took {entry.timings[name]} s, and its trainings give {seconds:.3f}"
                found.add("timings-differ", f"trial {entry.number}", said)
                break


def scored_text(entries: Sequence[Entry], found: Finder) -> None:
    """Under one set of pins every score is of the same tokens and bytes."""
    first: tuple[int, int] | None = None
    for entry in entries:
        for attempt in entry.attempts:
            if attempt.score is None:
                continue
            held = (attempt.score.tokens, attempt.score.bytes)
            first = first or held
            if held != first:
                said = f"a score is of {held[0]} tokens in {held[1]} bytes, and the first of {first[0]} in {first[1]}"
                found.add("text-differs", f"trial {entry.number}", said)


def pins(entries: Sequence[Entry], fixed: Pins, found: Finder) -> None:
    """Every trial was recorded under the pins of the header."""
    for entry in entries:
        changed = [
            f.name for f in dataclasses.fields(Pins) if getattr(entry.pins, f.name) != getattr(fixed, f.name)
        ]
        if changed:
            parts = [
                f"{n} {getattr(entry.pins, n)[:19]} where the run has {getattr(fixed, n)[:19]}" for n in changed
            ]
            found.add("pins-differ", f"trial {entry.number}", ", ".join(parts))


def times(entries: Sequence[Entry], created: str | None, found: Finder) -> None:
    """Trials were decided one after the other, after the start, and not in the future."""
    latest = None if created is None else _time(created, "run.json", found)
    whose = "the run was started"
    for entry in entries:
        where = f"trial {entry.number}"
        at = _time(entry.time, where, found)
        if at is None:
            continue
        if at > time.time() + AHEAD:
            found.add("time-ahead", where, f"it was decided {entry.time}, which is still to come")
        elif latest is not None and at < latest - STEP:
            found.add(
                "time-backwards", where, f"it was decided {entry.time}, {latest - at:.0f} s before {whose}"
            )
        elif latest is not None and at < latest:
            found.note(f"{where} was decided {latest - at:.0f} s before {whose}: a clock was set")
        latest, whose = at, f"trial {entry.number}"


def _time(text: str, where: str, found: Finder) -> float | None:
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        found.add("time-unreadable", where, f"{text!r} is no time")
        return None


def table(raw: bytes | None, entries: Sequence[Entry], found: Finder) -> None:
    """results.tsv is what the ledger gives."""
    wanted = results.render(entries)
    if raw == wanted or (raw is None and not entries):
        return
    if raw is None:
        found.add("results-differ", "results.tsv", "it is missing")
        return
    lines, ours = raw.split(b"\n"), wanted.split(b"\n")
    if len(lines) != len(ours):
        said = f"it has {len(lines) - 2} trials, and the ledger {len(ours) - 2}"
        found.add("results-differ", "results.tsv", said)
    for number, (theirs, own) in enumerate(zip(lines, ours, strict=False)):
        if theirs != own:
            said = f"it says {theirs.decode('utf-8', 'replace')!r}, and the ledger gives {own.decode()!r}"
            found.add("results-differ", f"results.tsv, line {number + 1}", said)
            return


def holdout(raw: bytes | None, entries: Sequence[Entry], found: Finder) -> None:
    """Each look is at a kept trial, at its commit and its score, and its gaps follow from its blocks."""
    if raw is None:
        return
    try:
        read = json.loads(raw)
        looks, before = read["looks"], read.get("baseline")
        for look in [*looks, *([before] if before else [])]:
            _look(look, entries, found)
        for look in looks:
            for name, value in holdouts.gap(before, look).items():
                if (value is None) != (look[name] is None) or (
                    value is not None and abs(value - look[name]) > 1e-9
                ):
                    said = f"{name} is {look[name]}, and its blocks give {value}"
                    found.add("holdout-differs", f"holdout.json, trial {look['trial']}", said)
        if looks:
            latest = {"scored": len(looks), "optimism": looks[-1]["optimism"]}
            latest |= {"best": {name: looks[-1][name] for name in read["best"]}}
            for name, value in latest.items():
                if read[name] != value:
                    found.add("holdout-differs", "holdout.json", f"its {name} is not that of its latest look")
    except BAD as error:
        found.add("holdout-differs", "holdout.json", f"it cannot be read: {type(error).__name__} {error}")


def _look(look: Mapping[str, Any], entries: Sequence[Entry], found: Finder) -> None:
    number = look["trial"]
    where = f"holdout.json, trial {number}"
    entry = next((e for e in entries if e.number == number), None)
    if entry is None or entry.status is not Status.KEEP:
        found.add("holdout-differs", where, "the ledger has no such kept trial")
        return
    if look["commit"] != entry.commit:
        said = f"it is of commit {str(look['commit'])[:12]}, and the trial's is {entry.commit[:12]}"
        found.add("holdout-differs", where, said)
    if abs(look["validation_bpb"] - holdouts.checkpoint_score(entry)) > 1e-9:
        said = (
            f"it compares with {look['validation_bpb']}, and the ledger has {holdouts.checkpoint_score(entry)}"
        )
        found.add("holdout-differs", where, said)
    weighed = sum(b * n for b, n in zip(look["blocks"], look["bytes"], strict=True)) / sum(look["bytes"])
    if abs(weighed - look["holdout_bpb"]) > 1e-9:
        found.add("holdout-differs", where, f"it says {look['holdout_bpb']}, and its blocks give {weighed}")


def faults(raw: bytes | None, found: Finder) -> None:
    """Whole lines are JSON objects; what a crash cut short is a note."""
    for number, line in enumerate((raw or b"").split(b"\n"), 1):
        if not line:
            continue
        try:
            good = isinstance(json.loads(line), dict)
        except BAD:
            good = False
            if line.startswith(_FAULTS) or any(begun.startswith(line) for begun in _FAULTS):
                found.note(f"faults.jsonl, line {number} is half-written, as a crash leaves it")
                continue
        if not good:
            found.add("faults-unreadable", f"faults.jsonl, line {number}", "it is no fault")


def trial_files(folder: RunFolder, entries: Sequence[Entry], found: Finder) -> None:
    """train.py and outcome.json of each trial, where they are still there: old ones may have been cleared away."""
    for entry in entries:
        place = folder.trial(entry.number)
        source, outcome = _bytes(place / "train.py"), _bytes(place / "outcome.json")
        if source is not None and digest(source) != entry.proposal:
            said = f"it has the digest {digest(source)[:12]}, and the ledger says {entry.proposal[:12]}"
            found.add("trial-file-differs", f"trials/{entry.number:04d}/train.py", said)
        if outcome is not None and not _same(outcome, entry):
            said = "it is not what the ledger says of this trial"
            found.add("trial-file-differs", f"trials/{entry.number:04d}/outcome.json", said)


def _same(raw: bytes, entry: Entry) -> bool:
    try:
        return canonical(to_json(entry_from_json(json.loads(raw)))) == canonical(to_json(entry))
    except BAD:
        return False


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.is_file() else None
    except OSError:
        return None


def floor(raw: bytes | None, found: Finder) -> float:
    """What floor.json says, 0 where there is none."""
    if raw is None:
        return 0.0
    try:
        return max(0.0, float(json.loads(raw)["bpb"]))
    except BAD as error:
        found.add("floor-differs", "floor.json", f"it cannot be read: {type(error).__name__} {error}")
        return 0.0
