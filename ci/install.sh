#!/usr/bin/env bash
# Installs the runner from the action's own folder into a virtual environment outside of the workspace; once for each
# version of it, for all jobs of this machine. Step outputs: runner (its path), lock.
set -euo pipefail
source "${BASH_SOURCE[0]%/*}/common.sh"

home=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
parts=(pyproject.toml README.md LICENSE Dockerfile images prepare program.md runner.toml runner train ci)

if [ -n "${INPUT_RUNNER:-}" ]; then
  [ -x "$INPUT_RUNNER" ] || fail "runner: $INPUT_RUNNER is no program"
  output runner "$INPUT_RUNNER"
  output lock ""
  exit 0
fi

python=${INPUT_PYTHON:-python3}
one_line python "$python"
found=$(command -v -- "$python") || fail "python: $python is not installed on this machine"
[[ $found == /* ]] || fail "python: a name that is found on PATH, or an absolute path"
python=$found
# Every Python is started with -I: none of it comes from the current folder, which is the workspace, or the environment.
"$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$python is older than 3.11"

digest=$(cd "$home" && { find "${parts[@]}" -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
                         "$python" -I -VV; } | sha256sum | cut -c1-16)
tools=$(state_folder)/tools
tool=$tools/$digest
mkdir -p "$tools"
exec 8>"$tools/$digest.lock"
flock 8 # two jobs that start at once: one installs, the other waits
if [ ! -x "$tool/venv/bin/runner" ] || [ ! -f "$tool/complete" ]; then
  echo "installing the runner into $tool"
  rm -rf "$tool"
  mkdir -p "$tool/source"
  (cd "$home" && tar -c --exclude='*.pyc' --exclude=__pycache__ --exclude='*.egg-info' "${parts[@]}") |
    tar -x -C "$tool/source"
  # From this folder alone: neither a sitecustomize nor a package of the workspace is looked at.
  (cd "$tool" && "$python" -I -m venv ./venv && ./venv/bin/python -I -m pip install --quiet --disable-pip-version-check --editable ./source)
  touch "$tool/complete"
fi
touch "$tool" # for `runner clean --keep`: used now
output runner "$tool/venv/bin/runner"
output lock "$tools/$digest.lock"
