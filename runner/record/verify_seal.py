"""The seal: a run's record as a commit beside its trials, so that a push carries record and evidence together.

`refs/trials/TAG/record` holds the files of the record that are not in git otherwise. Each seal's parent is the one
before it. Made of git's objects alone, like a trial's commit; the user's checkout and index are untouched. A seal is no
signature: whoever may write the ref may write another one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from runner.errors import InfraError, UsageError
from runner.record import objects
from runner.record.files import explained
from runner.record.repo import TRIALS, LabRepo
from runner.record.run import RunFolder
from runner.record.tags import check_tag
from runner.record.verify_git import SEAL
from runner.record.verify_report import Finder

FILES = (
    "run.json", "ledger.jsonl", "results.tsv", "faults.jsonl", "holdout.json", "floor.json", "calibration.json",
)  # fmt: skip
LARGEST = 1 << 27  # bytes of all of them; a ledger of ten thousand trials has some 40 MB
MOST = 1000  # seals that are looked back


def ref(tag: str) -> str:
    """The full name of a run's seal."""
    return f"{TRIALS}{check_tag(tag)}/{SEAL}"


def of_folder(folder: RunFolder) -> dict[str, bytes]:
    """The files of a run's record. Raises UsageError or InfraError where one is there and cannot be read."""
    files = {}
    for name in FILES:
        path = folder.path / name
        with explained(path):
            if path.is_file():
                files[name] = path.read_bytes()
    return files


def at(repo: LabRepo, tag: str) -> str | None:
    """The newest seal's commit, None where there is none."""
    return repo.git.maybe("rev-parse", "--verify", "--quiet", ref(tag) + "^{commit}")


def of_commit(repo: LabRepo, sha: str, found: Finder) -> dict[str, bytes]:
    """The files of a seal. What is no plain file of FILES, or too large, is a finding and not read."""
    files: dict[str, bytes] = {}
    for line in repo.git.fields("ls-tree", "-z", "-l", "--full-tree", sha):
        facts, name = line.split("\t", 1)
        mode, _, blob, size = facts.split()
        if mode != "100644" or name not in FILES:
            found.add("seal-unreadable", "seal", f"it holds {name!r} ({mode}), which is no file of a record")
        elif not size.isdecimal() or int(size) + sum(map(len, files.values())) > LARGEST:
            found.add("seal-unreadable", "seal", f"its {name} has {size} bytes")
        else:
            files[name] = repo.git.data("cat-file", "blob", blob)
    return files


def write(repo: LabRepo, tag: str, files: Mapping[str, bytes], told: str) -> str:
    """Seal `files`; the seal's commit, the one there is where nothing has changed. Raises InfraError."""
    made = []
    for name in sorted(files):
        blob = repo.git.text("hash-object", "-w", "--no-filters", "--stdin", stdin=files[name])
        made.append(f"100644 blob {blob}\t{name}")
    tree = repo.git.text("mktree", "-z", stdin=b"".join(os.fsencode(line) + b"\0" for line in made))
    before = at(repo, tag)
    if before is not None and repo.git.maybe("rev-parse", f"{before}^{{tree}}") == tree:
        return before
    parents = ["-p", before] if before else []
    sha = repo.git.text("commit-tree", tree, *parents, "-F", "-", stdin=told.encode())
    old = before or "0" * len(sha)
    status, _, err = repo.git.run("update-ref", "-m", "autoresearch: seal", ref(tag), sha, old)
    if status:
        raise InfraError(f"the seal could not be written: {err.strip()}", "Seal again: runner verify --seal")
    return sha


def earlier(repo: LabRepo, tag: str, files: Mapping[str, bytes], found: Finder, *, newest: bool) -> None:
    """Every seal's ledger must be how that of `files` begins, and its header the same.

    newest: whether the newest seal is asked too, or only those before it.
    """
    last = at(repo, tag)
    if last is None:
        return
    shas = repo.git.text("rev-list", "--first-parent", f"--max-count={MOST}", last, "--").split()
    shas = shas if newest else shas[1:]
    ledger = files.get("ledger.jsonl", b"")
    for sha in shas:  # one after the other: seals come from elsewhere, and may be large
        names = [f"{sha}:run.json", f"{sha}:ledger.jsonl"]
        if max(objects.sizes(repo, names)) > LARGEST:
            found.add("seal-unreadable", "seal", f"that of {sha[:12]} is too large")
            continue
        header, sealed = objects.contents(repo, names)
        complete = (sealed or b"").rpartition(b"\n")[0]
        if not ledger.startswith(complete):
            line = _first_difference(complete, ledger)
            said = f"line {line} is not as it was sealed in {sha[:12]}"
            found.add("seal-disagrees", f"ledger line {line}", said)
        if header != files.get("run.json"):
            found.add("seal-disagrees", "run.json", f"it is not as it was sealed in {sha[:12]}")
    found.counts["seals"] = len(shas)


def _first_difference(sealed: bytes, now: bytes) -> int:
    ours = now.split(b"\n")
    for number, line in enumerate(sealed.split(b"\n")):
        if number >= len(ours) or ours[number] != line:
            return number + 1
    return len(ours)


def require(repo: LabRepo, tag: str) -> str:
    """The newest seal. Raises UsageError that says how one is made and fetched."""
    sha = at(repo, tag)
    if sha is None:
        here = f"git fetch origin 'refs/trials/{tag}/*:refs/trials/{tag}/*'"
        raise UsageError(
            f"this repository has no sealed record of {tag}",
            f"Where the run was made: runner verify {tag} --seal, and push it; then here: {here}",
        )
    return sha
