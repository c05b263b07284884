"""What train.py may import, and what train.py itself must be; neither needs torch here."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.agents.annotations import parse

ROOT = Path(__file__).resolve().parents[1]
TRAIN = ROOT / "train" / "train.py"
META = {
    "vocab_size": 300,
    "window": 64,
    "separator": 299,
    "train_tokens": 1000,
    "train_bytes": 3000,
    "source": "here",
}
GRAMMAR = re.compile(r"# (range: -?[\d.e+-]+\.\.-?[\d.e+-]+( log)?|choices: [^,]+(, [^,]+)*)$")


def in_trial(code: str, tmp_path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """`code` in a process of its own, as in a trial: prepare on the path, the three variables set."""
    settings = {
        "RUNNER_BUDGET_SECONDS": "30",
        "RUNNER_SEED": "7",
        "RUNNER_DEVICE": "cpu",
        "PYTHONPATH": str(ROOT),
        "PATH": os.environ["PATH"],
        **env,
    }
    return subprocess.run(
        [sys.executable, "-c", code], env=settings, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )


def value(code: str, tmp_path: Path, **env: str) -> object:
    done = in_trial(f"import json, prepare; print(json.dumps({code}))", tmp_path, **env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    data = tmp_path / "lab" / "data"
    data.mkdir(parents=True)
    (data / "meta.json").write_text(json.dumps(META), encoding="utf-8")
    return tmp_path / "lab"


# ----------------------------------------------------------------------------------------------- prepare


def test_remaining_counts_from_the_start_of_the_process_not_of_the_import(tmp_path: Path) -> None:
    code = "import time; time.sleep(0.5); import prepare; print(prepare.remaining())"
    left = float(in_trial(code, tmp_path, RUNNER_BUDGET_SECONDS="10").stdout)
    assert 0 < left < 9.52  # the clock of /proc/self/stat ticks in hundredths of a second


def test_remaining_agrees_with_an_outside_clock(tmp_path: Path) -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    code = "import prepare, time; print(prepare.elapsed(), time.clock_gettime(time.CLOCK_BOOTTIME))"
    elapsed, now = map(float, in_trial(code, tmp_path).stdout.split())
    assert elapsed <= now - before + 0.02


def test_remaining_goes_negative_when_the_budget_is_over(tmp_path: Path) -> None:
    assert value("prepare.remaining()", tmp_path, RUNNER_BUDGET_SECONDS="0.001") < 0


def test_a_process_name_with_spaces_and_brackets_does_not_shift_the_start_time(tmp_path: Path) -> None:
    python = tmp_path / "a ) 1 2 (b"
    python.symlink_to(sys.executable)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "RUNNER_BUDGET_SECONDS": "10"}
    done = subprocess.run(
        [python, "-c", "import prepare; print(prepare.elapsed())"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert 0 <= float(done.stdout) < 10, done.stderr


def test_seed_budget_and_device_come_from_the_environment(tmp_path: Path) -> None:
    env = {"RUNNER_SEED": "12345678901", "RUNNER_BUDGET_SECONDS": "2.5", "RUNNER_DEVICE": "cuda"}
    assert value("[prepare.seed(), prepare.budget(), prepare.device()]", tmp_path, **env) == [
        12345678901,
        2.5,
        "cuda",
    ]


def test_importing_prepare_imports_no_heavy_library(tmp_path: Path) -> None:
    code = "import prepare, sys; print([m for m in ('numpy', 'torch', 'tokenizers') if m in sys.modules])"
    assert in_trial(code, tmp_path).stdout.strip() == "[]"


def test_meta_is_read_from_the_lab(lab: Path, tmp_path: Path) -> None:
    code = f"""
import json, prepare
from pathlib import Path
prepare.LAB = Path({str(lab)!r})
print(json.dumps([prepare.vocab_size(), prepare.window(), prepare.separator(), prepare.train_tokens()]))
"""
    assert json.loads(in_trial(code, tmp_path).stdout) == [300, 64, 299, 1000]


def test_checkpoint_dir_is_made_and_is_the_contracts(tmp_path: Path) -> None:
    code = f"import prepare; from pathlib import Path; print(prepare.checkpoint_dir(Path({str(tmp_path)!r})))"
    for _ in range(2):
        assert in_trial(code, tmp_path).stdout.strip() == str(tmp_path / "checkpoint")
    assert (tmp_path / "checkpoint").is_dir()
    assert value("str(prepare.OUT)", tmp_path) == "/out"


def test_report_is_one_json_line_after_an_at_sign(tmp_path: Path) -> None:
    done = in_trial("import prepare; prepare.report(3, 2.123456, 4096, 1234.56)", tmp_path)
    mark, _, line = done.stdout.partition(" ")
    assert (mark, json.loads(line)) == ("@", {"step": 3, "loss": 2.1235, "tokens": 4096, "rate": 1235})


def test_report_of_a_loss_that_is_no_number_is_still_json(tmp_path: Path) -> None:
    done = in_trial("import prepare; prepare.report(3, float('nan'), 4096, float('inf'))", tmp_path)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    assert json.loads(done.stdout[2:], parse_constant=refuse) == {
        "step": 3,
        "loss": None,
        "tokens": 4096,
        "rate": None,
    }


def test_report_names_the_learning_rate_where_it_is_told_one(tmp_path: Path) -> None:
    code = "import prepare; prepare.report(3, 2.0, 4096, 1.0, learning_rate=0.0123456789)"
    assert json.loads(in_trial(code, tmp_path).stdout[2:])["lr"] == 0.01235
    assert "lr" not in in_trial("import prepare; prepare.report(3, 2.0, 1, 1.0, float('nan'))", tmp_path).stdout


def test_report_is_rate_limited(tmp_path: Path) -> None:
    code = """
import prepare, time
end = time.monotonic() + 0.7
count = 0
while time.monotonic() < end:
    prepare.report(1, 1.0, 1, 1.0)
    count += 1
assert count > 1000, count
"""
    done = in_trial(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert 2 <= len(done.stdout.splitlines()) <= 5


# ---------------------------------------------------------------------------------------------- train.py


@pytest.fixture(scope="module")
def tree() -> ast.Module:
    return ast.parse(TRAIN.read_text(encoding="utf-8"))


def constants(tree: ast.Module) -> dict[str, object]:
    """The file's constants by name: what is assigned a literal at its top level, one name a line."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def annotated() -> dict[str, str]:
    """Name and comment of each constant that carries a search range."""
    lines = TRAIN.read_text(encoding="utf-8").splitlines()
    pattern = re.compile(r"^([A-Z][A-Z0-9_]*) = \S+  (# (?:range|choices): .*)$")
    return {match[1]: match[2] for line in lines if (match := pattern.match(line))}


def test_load_model_is_a_function_of_directory_and_device(tree: ast.Module) -> None:
    found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "load_model"]
    assert [a.arg for a in found[0].args.args] == ["directory", "device"]


def test_importing_train_py_starts_nothing(tree: ast.Module) -> None:
    """At its top level stand only definitions, imports, constants, two variables of the environment and the guard."""
    quiet = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign)
    rest = [ast.unparse(node) for node in tree.body if not isinstance(node, quiet)][
        1:
    ]  # the first: its docstring
    assert rest[-1] == "if __name__ == '__main__':\n    main()"
    assert all(line.startswith("os.environ.setdefault(") for line in rest[:-1])


def test_the_seed_is_prepares(tree: ast.Module) -> None:
    seeded = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and "seed" in ast.unparse(node.func).rpartition(".")[2]
    ]
    assert sorted(seeded) == ["prepare.seed()", "torch.manual_seed(prepare.seed())"]
    assert not [name for name in constants(tree) if "SEED" in name]


def test_weights_are_loaded_without_unpickling_code(tree: ast.Module) -> None:
    loads = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "torch.load"]
    assert loads
    assert all("weights_only=True" in ast.unparse(call) for call in loads)


def test_every_annotation_is_in_the_plain_grammar() -> None:
    found = annotated()
    assert len(found) >= 10
    assert [name for name, comment in found.items() if not GRAMMAR.match(comment)] == []


def test_no_comment_that_looks_like_an_annotation_is_missed() -> None:
    text = TRAIN.read_text(encoding="utf-8")
    assert len(re.findall(r"#\s*(?:range|choices)\s*:", text)) == len(annotated())


def test_every_constants_own_value_lies_in_its_domain(tree: ast.Module) -> None:
    values = constants(tree)
    for name, comment in annotated().items():
        domain = parse(comment, values[name])
        assert domain is not None, name
        assert not domain.outside, f"{name} = {values[name]} is not in {comment}"


def test_every_constant_is_used(tree: ast.Module) -> None:
    text = TRAIN.read_text(encoding="utf-8")
    assert [name for name in constants(tree) if len(re.findall(rf"\b{name}\b", text)) < 2] == []


def test_the_sweep_finds_the_same_constants() -> None:
    from runner.agents import constants as sweep

    found = sweep.find(TRAIN.read_bytes())
    assert {c.name for c in found} == set(annotated())
