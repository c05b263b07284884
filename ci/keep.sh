#!/usr/bin/env bash
# The disk of a machine that runs jobs for months: what fetched heads brought into git goes, then `runner clean --keep`,
# after each of them. Its faults fail no job.
set -euo pipefail
source "${BASH_SOURCE[0]%/*}/common.sh"

# Of the heads that were fetched: any of them may have brought megabytes, and no service removes them (gc.auto is 0 there).
collect() {  # $1: a repository; then settings for git
  git -c core.hooksPath=/dev/null "${@:2}" -C "$1" gc --quiet --prune=now || echo "$1: git gc failed; the next job tries again"
}
lab=${INPUT_LAB:-.}
if git -C "$lab" rev-parse --verify --quiet refs/autoresearch/ci/head >/dev/null; then
  git -C "$lab" -c core.hooksPath=/dev/null update-ref -d refs/autoresearch/ci/head || true
  collect "$lab"
fi
if [ -n "${INPUT_OBJECTS:-}" ]; then # the other checkout, of heads alone: what was checked out before is in its reflog, too
  collect "$INPUT_OBJECTS" -c gc.reflogExpire=now -c gc.reflogExpireUnreachable=now
fi

if [ -n "${NIGHT_TAG:-}" ]; then # the runs of nights are in a clone of their own
  kept=$(night_lab "$lab")
  [ ! -d "$kept" ] || lab=$kept
fi

keep=${INPUT_KEEP-14d 40GB}
read -ra specs <<<"${keep//[$'\n\r']/ }"
[ "${#specs[@]}" -gt 0 ] || exit 0
arguments=(--state "$(state_folder)")
for spec in "${specs[@]}"; do arguments+=("--keep=$spec"); done
hold_tool
exec "$RUNNER" --lab "$lab" clean "${arguments[@]}"
