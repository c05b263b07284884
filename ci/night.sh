#!/usr/bin/env bash
# The night's research: `runner go` on the lab of the checkout, in a new run. As in gate.sh the program takes the place
# of this shell. What it found is packed by pack.sh, whatever the end.
# A checkout is cleaned by the next one, and with it would go what is made once and ignored by git: data/ with the
# secret that the held-out texts are drawn by, and runs/. So a night works in a clone in the state folder, brought to
# the very revision of the checkout, and the scores of many nights are of the same texts.
set -euo pipefail
source "${BASH_SOURCE[0]%/*}/common.sh"

lab=${INPUT_LAB:-.}
for name in LAB STATE TAG AGENT MODEL BUDGET RULE MAX_HOURS MAX_TRIALS MAX_COST; do
  value=INPUT_$name
  one_line "${name,,}" "${!value:-}"
done
for name in BUDGET MAX_HOURS MAX_TRIALS MAX_COST; do
  value=INPUT_$name
  number_checked "${name,,}" "${!value:-}"
done
[ -f "$lab/runner.toml" ] || fail "lab: $lab holds no runner.toml"
[ -n "${INPUT_MAX_HOURS:-}${INPUT_MAX_TRIALS:-}" ] || fail "a night needs max-hours or max-trials"
tag=$(tag_checked "${INPUT_TAG:-night-$(date -u +%Y%m%d)-${GITHUB_RUN_NUMBER:-0}-${GITHUB_RUN_ATTEMPT:-1}}")

arguments=(--tag "$tag" --new-tag)
for pair in "agent:AGENT" "model:MODEL" "budget:BUDGET" "rule:RULE" "max-hours:MAX_HOURS" "max-trials:MAX_TRIALS" \
            "max-cost:MAX_COST"; do
  value=INPUT_${pair#*:}
  [ -z "${!value:-}" ] || arguments+=("--${pair%%:*}=${!value}")
done

base=$(git -C "$lab" rev-parse --verify 'HEAD^{commit}')
top=$(git -C "$lab" rev-parse --show-toplevel)
prefix=$(git -C "$lab" rev-parse --show-prefix)
lab=$(night_lab "$lab")
kept=${lab%"/$prefix"}
mkdir -p "$kept"
exec 7>"$kept.lock" # held until the program has ended
flock --nonblock 7 || fail "another night of this lab is under way on this machine"
[ -d "$kept/.git" ] || git init --quiet "$kept"
git -C "$kept" fetch --quiet --no-tags --no-recurse-submodules "$top" '+HEAD:refs/autoresearch/ci/night'
git -C "$kept" -c core.hooksPath=/dev/null checkout --quiet --force --detach "$base"
git -C "$kept" clean -ffdq # not what git ignores

output tag "$tag"
output base "$base"
hold_tool
[ -z "${INPUT_GPU:-}" ] || export AUTORESEARCH_GPU=$INPUT_GPU
exec "$RUNNER" --lab "$lab" go "${arguments[@]}"
