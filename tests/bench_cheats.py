"""Every cheat of tests/attacks/score as a whole trial in real containers, as a table; pytest does not collect it.

    PYTHONPATH=. python tests/bench_cheats.py [NAME ...] [--repeats N]

Each cheat is the honest train.py of that folder and the cheat, and is trained with the same seed on the same tales;
the gain is the honest score less the cheat's, in bits per byte, where there is one. Needs the engine and the image.
"""

from __future__ import annotations

import argparse
import ast
import tempfile
from pathlib import Path

from scoring_lab import ATTACKS
from test_cheats import ROOT, bench
from test_loop import Quiet

from runner import config
from runner.evaluate import Evaluator, Job
from runner.sandbox.engine import Engine
from runner.sandbox.images import trial_image
from runner.trial import Attempt


def what_it_tries(path: Path) -> str:
    """The first sentence of the attack's own docstring."""
    told = " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split())
    return told.split(". ")[0].rstrip(".")


def outcome(done: Attempt, honest: float) -> tuple[str, float | None]:
    """One cell of the table, and the gain in bits per byte where the trial was scored."""
    if done.score is None:
        return f"`{done.ending}`: {done.detail.split(': ')[0]}", None
    gain = honest - done.score.val_bpb
    return f"scored, gain {gain:+.1e}", gain


def table(evaluator: Evaluator, folder: Path, names: list[str], repeats: int) -> None:
    every = sorted(path for path in ATTACKS.glob("*.py") if path.stem != "honest")
    chosen = [path for path in every if not names or path.stem in names]

    def run(path: Path, number: int) -> Attempt:
        return evaluator.attempt(
            Job("cheats", number, 0, path.read_bytes(), 7, folder / f"{path.stem}-{number}")
        )

    base = run(ATTACKS / "honest.py", 0)
    assert base.score is not None, base.detail
    honest = base.score.val_bpb
    print(f"honest: {honest:.4f} bits per byte, {base.score.positions} audited\n")
    print("| cheat | what it tries | outcome |\n| --- | --- | --- |")
    gains: dict[str, float] = {}
    tried = refused = 0
    for path in chosen:
        for number in range(1, repeats + 1):
            told, gain = outcome(run(path, number), honest)
            tried, refused = tried + 1, refused + (gain is None)
            if gain is not None:
                gains[path.stem] = max(gain, gains.get(path.stem, gain))
            print(f"| `{path.stem}` | {what_it_tries(path)} | {told} |", flush=True)
    print(f"\n{len(chosen)} cheats, {tried} trials, {refused} refused")
    if gains:
        most = max(gains, key=lambda name: gains[name])
        print(f"largest gain of those that were scored: {gains[most]:+.2e} bits per byte, {most}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--repeats", type=int, default=1)
    given = parser.parse_args()
    engine = Engine()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        image = trial_image(engine, ROOT, config.from_dict({}).image, cuda=False, progress=lambda *said: None)
        try:
            with bench(engine, image, root) as (lab, sandbox):
                table(Evaluator(lab, sandbox, Quiet()), root, given.names, given.repeats)
        finally:
            engine.close()


if __name__ == "__main__":
    main()
