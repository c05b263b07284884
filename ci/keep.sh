#!/usr/bin/env bash
# The disk of a machine that runs jobs for months: `runner clean --keep` after each of them. Its faults fail no job.
set -euo pipefail
source "${BASH_SOURCE[0]%/*}/common.sh"

keep=${INPUT_KEEP-14d 40GB}
read -ra specs <<<"${keep//[$'\n\r']/ }"
[ "${#specs[@]}" -gt 0 ] || exit 0
arguments=(--state "$(state_folder)")
for spec in "${specs[@]}"; do arguments+=("--keep=$spec"); done
hold_tool
exec "$RUNNER" --lab "${INPUT_LAB:-.}" clean "${arguments[@]}"
