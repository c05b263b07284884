#!/usr/bin/env bash
# What leaves the machine after a night: a git bundle of the run's branch, trials and sealed record, and the page and
# plot for people. Runs however the night ended. Step outputs: out (a folder), kept (versions kept).
set -euo pipefail
source "${BASH_SOURCE[0]%/*}/common.sh"

lab=${INPUT_LAB:-.}
tag=$(tag_checked "${NIGHT_TAG:?}")
kept=$(night_lab "$lab")
[ ! -d "$kept" ] || lab=$kept # where night.sh has worked
run=$lab/runs/$tag
out=${INPUT_OUT:-${RUNNER_TEMP:-/tmp}/autoresearch-night}
rm -rf "$out"
mkdir -p "$out"
base=$(git -C "$lab" rev-parse --verify "${NIGHT_BASE:?}^{commit}")
if [ ! -f "$run/ledger.jsonl" ]; then
  echo "the night ended before its first trial: nothing to pack"
  echo 0 >"$out/kept"
  output kept 0
  exit 0
fi
hold_tool

[ -f "$run/report.html" ] || "$RUNNER" --lab "$lab" report "$tag" >/dev/null || true
for name in report.html progress.png results.tsv runner.log; do
  [ ! -f "$run/$name" ] || cp "$run/$name" "$out/"
done
output out "$out"
output report "$out/report.html"

if ! "$RUNNER" --lab "$lab" verify "$tag" --seal; then
  cp "$run/ledger.jsonl" "$run/run.json" "$out/" # for a person: nothing of it is published
  echo "::error title=autoresearch::the night's own record does not verify: nothing is packed for publishing"
  output kept 0
  exit 1
fi
git -C "$lab" bundle create --quiet "$(realpath -- "$out")/run.bundle" "refs/heads/autoresearch/$tag" \
  --glob="refs/trials/$tag/*" "^$base"

kept=$(git -C "$lab" rev-list --count "$base..refs/heads/autoresearch/$tag")
output kept "$kept"
echo "$kept" >"$out/kept" # for a service whose jobs hand over files and no outputs
"${RUNNER%/*}/python" -I "${BASH_SOURCE[0]%/*}/night_summary.py" "$lab" "$tag" | summary
echo "kept $kept; packed into $out"
