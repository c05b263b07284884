"""Ways to edit the past of a run, each with the finding that must name it.

`Forger` is what someone has who knows the format: hashes, results.tsv and git made anew as he likes. The tamperings
that are `rechained` leave a ledger whose hashes all fit.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tamperlab
from recordlab import git

from runner.record import results
from runner.record.ledger import FIRST, canonical
from runner.trial import entry_from_json

BRANCH, TRIALS = f"refs/heads/autoresearch/{tamperlab.TAG}", f"refs/trials/{tamperlab.TAG}"


class Forger:
    """The record of the run in the lab at `lab`, in the hands of someone who may write everything."""

    def __init__(self, lab: Path) -> None:
        self.lab = lab
        self.folder = lab / "runs" / tamperlab.TAG
        self.ledger = self.folder / "ledger.jsonl"
        self.lines = self.ledger.read_bytes().splitlines()
        self.trials = [json.loads(line) for line in self.lines]
        self.header = json.loads((self.folder / "run.json").read_bytes())

    def put(self) -> None:
        """Write the lines as they are, whatever their hashes."""
        self.ledger.write_bytes(b"".join(line + b"\n" for line in self.lines))

    def rechain(self) -> None:
        """Write the trials with hashes that fit, and everything that is derived from them."""
        self.lines, prev = [], FIRST
        for trial in self.trials:
            self.lines.append(line(trial, prev))
            prev = json.loads(self.lines[-1])["hash"]
        self.put()
        plain = [{k: v for k, v in trial.items() if k not in ("prev", "hash")} for trial in self.trials]
        (self.folder / "results.tsv").write_bytes(results.render(entry_from_json(one) for one in plain))
        shutil.rmtree(self.folder / "trials", ignore_errors=True)

    def write_header(self) -> None:
        (self.folder / "run.json").write_text(json.dumps(self.header))

    def ref(self, number: int, sha: str) -> None:
        git(self.lab, "update-ref", f"{TRIALS}/{number:04d}", sha)

    def commit(
        self, trial: dict[str, Any], *, parents: list[str] | None = None, date: str = "", **files: bytes
    ) -> str:
        """A commit like the trial's own, with other parents or files; `train` and `prepare` are known."""
        index = self.lab.parent / "forged-index"
        environment = {**os.environ, "GIT_INDEX_FILE": str(index)}

        def run(*arguments: str, stdin: bytes = b"") -> str:
            done = subprocess.run(
                ["git", *arguments], cwd=self.lab, env=environment, input=stdin, capture_output=True
            )
            assert done.returncode == 0, done.stderr
            return done.stdout.decode().removesuffix("\n")

        run("read-tree", trial["commit"])
        for name, data in files.items():
            path = {"train": "train/train.py", "prepare": "prepare/__init__.py"}[name]
            run(
                "update-index",
                "--cacheinfo",
                f"100644,{run('hash-object', '-w', '--stdin', stdin=data)},{path}",
            )
        told = subprocess.run(
            ["git", "log", "-1", "--format=%B", trial["commit"]], cwd=self.lab, capture_output=True
        ).stdout
        who = dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "A")
        who |= dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "a@localhost")
        when = date or git(self.lab, "log", "-1", "--format=%cI", trial["commit"])
        environment |= who | {"GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when}
        stands = [trial["parent_commit"]] if parents is None else parents
        given = [part for parent in stands for part in ("-p", parent)]
        return run("commit-tree", run("write-tree"), *given, "-F", "-", stdin=told)

    def replace_commit(self, number: int, sha: str) -> None:
        """The ledger, the ref and later parents say `sha`, and the branch, if it stood there."""
        old = self.trials[number]["commit"]
        self.ref(number, sha)
        if git(self.lab, "rev-parse", BRANCH) == old:
            git(self.lab, "update-ref", BRANCH, sha)
        for trial in self.trials:
            trial["commit"] = sha if trial["commit"] == old else trial["commit"]
            trial["parent_commit"] = sha if trial["parent_commit"] == old else trial["parent_commit"]
        self.rechain()

    def numbers(self, status: str) -> list[int]:
        return [trial["number"] for trial in self.trials if trial["status"] == status]

    @property
    def tip(self) -> str:
        return git(self.lab, "rev-parse", BRANCH)


def line(trial: dict[str, Any], prev: str) -> bytes:
    """A trial as a line with a fitting hash."""
    body = canonical({**{k: v for k, v in trial.items() if k not in ("prev", "hash")}, "prev": prev})
    return body[:-1] + b',"hash":"' + hashlib.sha256(body).hexdigest().encode() + b'"}'


@dataclass(frozen=True)
class Tampering:
    """what: in words. kind: the finding that must be among those found. rechained: whether all hashes fit."""

    name: str
    what: str
    kind: str
    do: Callable[[Forger], None]
    rechained: bool = False


ALL: list[Tampering] = []


def tampering(
    kind: str, what: str, *, rechained: bool = False
) -> Callable[[Callable[[Forger], None]], Callable[[Forger], None]]:
    def listed(do: Callable[[Forger], None]) -> Callable[[Forger], None]:
        ALL.append(Tampering(do.__name__, what, kind, do, rechained))
        return do

    return listed


# The file alone


@tampering("line-edited", "a score is lowered in place")
def score_in_place(forger: Forger) -> None:
    value = b'"val_bpb":' + str(forger.trials[5]["val_bpb"]).encode()
    assert value in forger.lines[5]
    forger.lines[5] = forger.lines[5].replace(value, b'"val_bpb":1.5')
    forger.put()


@tampering("line-rewritten", "a note is changed and the line's own hash made anew")
def own_hash_made_anew(forger: Forger) -> None:
    forger.trials[5]["note"] = "another"
    forger.lines[5] = line(forger.trials[5], forger.trials[4]["hash"])
    forger.put()


@tampering("line-edited", "a key stands twice in the last line, its hash made anew")
def key_twice(forger: Forger) -> None:
    body = forger.lines[-1].rsplit(b',"hash"', 1)[0].replace(b'"note":', b'"note":"innocent","note":') + b"}"
    forger.lines[-1] = body[:-1] + b',"hash":"' + hashlib.sha256(body).hexdigest().encode() + b'"}'
    forger.put()


@tampering("line-unreadable", "a line is overwritten with something else")
def overwritten(forger: Forger) -> None:
    forger.lines[4] = b"nothing to see here"
    forger.put()


@tampering("line-unreadable", "a number becomes a text", rechained=True)
def wrong_type(forger: Forger) -> None:
    forger.trials[4]["attempts"][0]["seed"] = "seven"
    body, prev = forger.trials, FIRST
    forger.lines = []
    for trial in body:
        forger.lines.append(line(trial, prev))
        prev = json.loads(forger.lines[-1])["hash"]
    forger.put()


@tampering("line-removed", "a discarded trial's line is removed")
def line_removed(forger: Forger) -> None:
    del forger.lines[5]
    forger.put()


@tampering("line-removed", "the first line is removed")
def first_line_removed(forger: Forger) -> None:
    del forger.lines[0]
    forger.put()


@tampering("line-moved", "two lines are swapped")
def lines_swapped(forger: Forger) -> None:
    forger.lines[4], forger.lines[5] = forger.lines[5], forger.lines[4]
    forger.put()


@tampering("line-duplicated", "a line stands there twice")
def line_twice(forger: Forger) -> None:
    forger.lines.insert(6, forger.lines[5])
    forger.put()


@tampering("line-inserted", "an invented trial is put between two lines")
def line_inserted(forger: Forger) -> None:
    forger.lines.insert(
        6, line({**forger.trials[5], "number": 6, "note": "invented"}, forger.trials[5]["hash"])
    )
    forger.put()


@tampering("ledger-torn", "the last line is cut in its middle")
def torn(forger: Forger) -> None:
    forger.ledger.write_bytes(forger.ledger.read_bytes()[:-200])


@tampering("trial-unrecorded", "the last two lines are removed, results.tsv made anew", rechained=True)
def two_last_removed(forger: Forger) -> None:
    del forger.trials[-2:]
    forger.rechain()


@tampering("results-differ", "the last line is removed")
def last_removed(forger: Forger) -> None:
    del forger.lines[-1]
    forger.put()


@tampering("ledger-missing", "the ledger is removed")
def no_ledger(forger: Forger) -> None:
    forger.ledger.unlink()


# Scores and verdicts, all hashes fitting


@tampering("value-differs", "all scores of a kept trial are lowered by 0.02", rechained=True)
def scores_lowered(forger: Forger) -> None:
    number = forger.numbers("keep")[-1]
    for attempt in forger.trials[number]["attempts"]:
        attempt["score"]["val_bpb"] -= 0.02
    forger.rechain()


@tampering("message-differs", "a discarded trial's score and value are both raised", rechained=True)
def score_and_value(forger: Forger) -> None:
    trial = forger.trials[1]
    trial["attempts"][0]["score"]["val_bpb"] += 0.01
    trial["val_bpb"] += 0.01
    forger.rechain()


@tampering("numbers-differ", "a score that did not decide is moved within its sigma", rechained=True)
def one_score_moved(forger: Forger) -> None:
    forger.trials[10]["attempts"][0]["score"]["val_bpb"] += 0.001
    forger.rechain()


@tampering("verdict-differs", "a discarded trial becomes a kept one", rechained=True)
def discard_to_keep(forger: Forger) -> None:
    trial = forger.trials[12]
    trial["status"] = trial["verdict"]["action"] = "keep"
    trial["best_bpb"] = trial["val_bpb"]
    git(forger.lab, "update-ref", BRANCH, trial["commit"])
    forger.rechain()


@tampering("verdict-differs", "the last kept trial becomes a discarded one", rechained=True)
def keep_to_discard(forger: Forger) -> None:
    trial = forger.trials[forger.numbers("keep")[-1]]
    trial["status"], trial["verdict"]["action"] = "discard", "discard"
    git(forger.lab, "update-ref", BRANCH, trial["parent_commit"])
    forger.rechain()


@tampering("ending-differs", "a crash becomes an end without fault", rechained=True)
def crash_to_ok(forger: Forger) -> None:
    trial = forger.trials[3]
    trial["ending"], trial["detail"], trial["status"] = "ok", "", "discard"
    forger.rechain()


@tampering("value-differs", "the incumbent's value is said to be another", rechained=True)
def best_moved(forger: Forger) -> None:
    forger.trials[7]["best_bpb"] -= 0.01
    forger.rechain()


@tampering("numbers-differ", "a verdict is said to rest on a smaller sigma", rechained=True)
def sigma_smaller(forger: Forger) -> None:
    forger.trials[2]["verdict"]["numbers"]["sigma"] /= 2
    forger.rechain()


@tampering("trainings-differ", "a training that went badly is left out", rechained=True)
def training_left_out(forger: Forger) -> None:
    del forger.trials[6]["attempts"][1]
    forger.rechain()


@tampering("trainings-differ", "scores that chose a version count as its fresh ones", rechained=True)
def role_changed(forger: Forger) -> None:
    for attempt in forger.trials[6]["attempts"]:
        attempt["role"] = "afresh" if attempt["role"] == "candidate" else "candidate"
    forger.rechain()


@tampering("suspicion-differs", "a suspicious score is no longer set aside", rechained=True)
def suspicion_cleared(forger: Forger) -> None:
    forger.trials[8]["suspicious"] = ""
    forger.rechain()


@tampering("seed-foreign", "a training is given a luckier seed", rechained=True)
def seed_changed(forger: Forger) -> None:
    forger.trials[2]["attempts"][0]["seed"] += 1
    forger.rechain()


@tampering("text-differs", "a score is said to be of less text", rechained=True)
def less_text(forger: Forger) -> None:
    forger.trials[6]["attempts"][0]["score"]["bytes"] -= 1000
    forger.rechain()


@tampering("timings-differ", "a training is said to have been shorter", rechained=True)
def training_shorter(forger: Forger) -> None:
    forger.trials[6]["attempts"][0]["outcome"]["train_seconds"] -= 5
    forger.rechain()


@tampering("basis-missing", "what a verdict rested on beside the scores is left out", rechained=True)
def basis_left_out(forger: Forger) -> None:
    forger.trials[4]["basis"] = {}
    forger.rechain()


@tampering("basis-unreadable", "a verdict is said to rest on settings that there are none of", rechained=True)
def basis_nonsense(forger: Forger) -> None:
    forger.trials[4]["basis"]["rule"] = {"alpha": 7}
    forger.rechain()


@tampering("floor-differs", "a floor for scores is taken away", rechained=True)
def floor_lowered(forger: Forger) -> None:
    forger.trials[8]["basis"]["floor"] = 0.0
    forger.rechain()


# Which trials there were


@tampering("ref-moved", "a discarded trial is removed and the others numbered anew", rechained=True)
def trial_removed_renumbered(forger: Forger) -> None:
    del forger.trials[5]
    for number, trial in enumerate(forger.trials):
        trial["number"] = number
    forger.rechain()


@tampering(
    "seed-foreign", "a discarded trial is removed, the others and their refs numbered anew", rechained=True
)
def trial_removed_with_refs(forger: Forger) -> None:
    del forger.trials[5]
    for number, trial in enumerate(forger.trials):
        trial["number"] = number
        forger.ref(number, trial["commit"])
    git(forger.lab, "update-ref", "-d", f"{TRIALS}/{len(forger.trials):04d}")
    forger.rechain()


@tampering("number-out-of-turn", "a discarded trial and its ref are removed, the numbers left", rechained=True)
def trial_removed_gap(forger: Forger) -> None:
    del forger.trials[5]
    git(forger.lab, "update-ref", "-d", f"{TRIALS}/0005")
    forger.rechain()


@tampering("ref-missing", "a trial is invented at the end", rechained=True)
def trial_invented(forger: Forger) -> None:
    forger.trials.append({**forger.trials[-1], "number": len(forger.trials), "note": "invented"})
    forger.rechain()


@tampering("commit-shared", "an invented trial is given the commit and ref of another", rechained=True)
def commit_shared(forger: Forger) -> None:
    number = len(forger.trials)
    forger.trials.append({**forger.trials[-1], "number": number})
    forger.ref(number, forger.trials[-1]["commit"])
    forger.rechain()


@tampering("branch-order", "two kept trials change places", rechained=True)
def keeps_swapped(forger: Forger) -> None:
    first, second = forger.numbers("keep")[1:3]
    trials = forger.trials
    trials[first], trials[second] = trials[second], trials[first]
    for number in (first, second):
        trials[number]["number"] = number
        forger.ref(number, trials[number]["commit"])
    forger.rechain()


# Pins, header, time


@tampering("pins-differ", "a trial was trained under other data", rechained=True)
def pins_changed(forger: Forger) -> None:
    forger.trials[6]["pins"]["data"] = "f" * 64
    forger.rechain()


@tampering("settings-differ", "the header's budget is said to be another")
def budget_changed(forger: Forger) -> None:
    forger.header["settings"]["trial"]["budget_seconds"] = 30.0
    forger.write_header()


@tampering("settings-unreadable", "the header's settings of the rule are none")
def settings_none(forger: Forger) -> None:
    forger.header["settings"]["ratchet"]["alpha"] = "low"
    forger.write_header()


@tampering("trainings-differ", "the header's rule is said to be a softer one")
def rule_softened(forger: Forger) -> None:
    forger.header["settings"]["ratchet"]["rule"] = "greedy"
    forger.write_header()


@tampering("header-differs", "the header is said to be of another machine and agent")
def header_embellished(forger: Forger) -> None:
    forger.header["machine"] = {"gpu": "a better one"}
    forger.header["settings"]["agent"]["name"] = "other"
    forger.write_header()


@tampering("header-unreadable", "the header is that of another run")
def header_of_another(forger: Forger) -> None:
    forger.header["tag"] = "other"
    forger.write_header()


@tampering("base-missing", "the header names a base that there is not")
def base_invented(forger: Forger) -> None:
    forger.header["base"] = "1" * 40
    forger.write_header()


@tampering("parent-differs", "the header names an earlier commit as the base")
def base_moved(forger: Forger) -> None:
    forger.header["base"] = git(forger.lab, "rev-parse", f"{forger.header['base']}^")
    forger.write_header()


@tampering("seed-foreign", "the header's seed is said to be another")
def run_seed_changed(forger: Forger) -> None:
    forger.header["seed"] += 1
    forger.write_header()


@tampering("time-backwards", "a trial is dated back by a day", rechained=True)
def dated_back(forger: Forger) -> None:
    forger.trials[5]["time"] = "2025-01-01T00:00:00Z"
    forger.rechain()


@tampering("time-ahead", "the last trial is dated ahead", rechained=True)
def dated_ahead(forger: Forger) -> None:
    forger.trials[-1]["time"] = "2999-01-01T00:00:00Z"
    forger.rechain()


@tampering("time-unreadable", "a time is no time", rechained=True)
def no_time(forger: Forger) -> None:
    forger.trials[5]["time"] = "yesterday"
    forger.rechain()


@tampering("message-differs", "a note says that something else was tried", rechained=True)
def note_changed(forger: Forger) -> None:
    forger.trials[5]["note"] = "a wholly different idea"
    forger.rechain()


# Commits and refs


@tampering("ref-moved", "another train.py under a trial's ref")
def ref_at_other_source(forger: Forger) -> None:
    forger.ref(5, forger.commit(forger.trials[5], train=b"SCORE = 1.0\n"))


@tampering("source-differs", "another train.py in ref and ledger", rechained=True)
def other_source(forger: Forger) -> None:
    forger.replace_commit(5, forger.commit(forger.trials[5], train=b"SCORE = 1.0\n"))


@tampering("source-differs", "the digest of a train.py is changed", rechained=True)
def digest_changed(forger: Forger) -> None:
    forger.trials[5]["proposal"] = "0" * 64
    forger.rechain()


@tampering("other-files-changed", "the last kept commit changes prepare/ too", rechained=True)
def prepare_changed(forger: Forger) -> None:
    number = forger.numbers("keep")[-1]
    forger.replace_commit(number, forger.commit(forger.trials[number], prepare=b"WINDOW = 1\n"))


@tampering("parent-differs", "a commit is put on another parent", rechained=True)
def other_parent(forger: Forger) -> None:
    forger.replace_commit(5, forger.commit(forger.trials[5], parents=[forger.header["base"]]))


@tampering("commit-time-differs", "a commit was made years before its trial", rechained=True)
def commit_dated(forger: Forger) -> None:
    forger.replace_commit(5, forger.commit(forger.trials[5], date="2019-05-05T12:00:00Z"))


@tampering("commit-missing", "a ledger line names a commit that there is not", rechained=True)
def commit_invented(forger: Forger) -> None:
    forger.trials[5]["commit"] = "2" * 40
    forger.rechain()


@tampering("commit-missing", "a ledger line has an option for git where its commit should be", rechained=True)
def commit_hostile(forger: Forger) -> None:
    forger.trials[5]["commit"] = "--output=/tmp/x\nHEAD"
    forger.rechain()


@tampering("ref-moved", "the refs of two trials are swapped")
def refs_swapped(forger: Forger) -> None:
    forger.ref(4, forger.trials[5]["commit"])
    forger.ref(5, forger.trials[4]["commit"])


@tampering("ref-missing", "a trial's ref is deleted")
def ref_deleted(forger: Forger) -> None:
    git(forger.lab, "update-ref", "-d", f"{TRIALS}/0005")


@tampering("trial-unrecorded", "a ref of a trial that never was")
def ref_beyond(forger: Forger) -> None:
    forger.ref(40, forger.trials[5]["commit"])


@tampering("ref-unknown", "a ref of another form beside the trials'")
def ref_odd(forger: Forger) -> None:
    git(forger.lab, "update-ref", f"{TRIALS}/5", forger.trials[5]["commit"])


# The branch


@tampering("branch-extra", "a commit is put on top of the branch")
def branch_longer(forger: Forger) -> None:
    sha = forger.commit({**forger.trials[0], "commit": forger.tip}, parents=[forger.tip], train=b"SCORE = 0\n")
    git(forger.lab, "update-ref", BRANCH, sha)


@tampering("branch-extra", "the branch is moved to a discarded trial")
def branch_at_discarded(forger: Forger) -> None:
    git(forger.lab, "update-ref", BRANCH, forger.trials[12]["commit"])


@tampering("branch-lacks", "the branch is set back by one kept commit")
def branch_shorter(forger: Forger) -> None:
    git(forger.lab, "update-ref", BRANCH, f"{forger.tip}^")


@tampering("branch-lacks", "a kept commit is taken out of the branch, the next one put in its place")
def branch_rewritten(forger: Forger) -> None:
    last = forger.trials[forger.numbers("keep")[-1]]
    sha = forger.commit(last, parents=[git(forger.lab, "rev-parse", f"{forger.tip}^^")])
    git(forger.lab, "update-ref", BRANCH, sha)


@tampering("branch-merge", "the branch's tip is a merge")
def branch_merged(forger: Forger) -> None:
    parents = [forger.tip, forger.trials[5]["commit"]]
    git(
        forger.lab,
        "update-ref",
        BRANCH,
        forger.commit({**forger.trials[0], "commit": forger.tip}, parents=parents),
    )


@tampering("branch-base", "the branch is made anew without a past")
def branch_orphan(forger: Forger) -> None:
    git(forger.lab, "update-ref", BRANCH, forger.commit({**forger.trials[0], "commit": forger.tip}, parents=[]))


@tampering("branch-missing", "the branch is deleted")
def branch_deleted(forger: Forger) -> None:
    git(forger.lab, "update-ref", "-d", BRANCH)


# The files beside


@tampering("results-differ", "a score in results.tsv is lowered")
def results_edited(forger: Forger) -> None:
    path = forger.folder / "results.tsv"
    path.write_bytes(path.read_bytes().replace(b"2.0", b"1.0", 1))


@tampering("holdout-differs", "the gain on the holdout text is said to be larger")
def holdout_edited(forger: Forger) -> None:
    path = forger.folder / "holdout.json"
    raw = json.loads(path.read_bytes())
    raw["looks"][-1]["holdout_gain"] += 0.05
    path.write_text(json.dumps(raw))


@tampering("holdout-differs", "the holdout score of the best version is said to be lower")
def holdout_best(forger: Forger) -> None:
    path = forger.folder / "holdout.json"
    raw = json.loads(path.read_bytes())
    raw["best"]["holdout_bpb"] -= 0.1
    path.write_text(json.dumps(raw))


@tampering("holdout-differs", "holdout.json is no JSON")
def holdout_broken(forger: Forger) -> None:
    (forger.folder / "holdout.json").write_text("{")


@tampering("faults-unreadable", "faults.jsonl has a line of another kind")
def faults_edited(forger: Forger) -> None:
    (forger.folder / "faults.jsonl").write_text("all is well\n")


@tampering("trial-file-differs", "trials/0005/train.py is another")
def trial_file(forger: Forger) -> None:
    (forger.folder / "trials" / "0005" / "train.py").write_text("SCORE = 1.0\n")


@tampering("trial-file-differs", "trials/0005/outcome.json says another score")
def outcome_file(forger: Forger) -> None:
    path = forger.folder / "trials" / "0005" / "outcome.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "val_bpb": 1.0}))
