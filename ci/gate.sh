#!/usr/bin/env bash
# The gate: `runner ci` on the lab of a checkout of the base. The program takes the place of this shell, so that a
# cancelled job's SIGINT and SIGTERM reach it and not a shell that waits.
set -euo pipefail
source "${BASH_SOURCE[0]%/*}/common.sh"

lab=${INPUT_LAB:-.}
out=${INPUT_OUT:-${RUNNER_TEMP:-/tmp}/autoresearch-gate}
for name in LAB OUT BASE HEAD BRANCH COMMIT OBJECTS BUDGET RULE; do
  value=INPUT_$name
  one_line "${name,,}" "${!value:-}"
done
number_checked budget "${INPUT_BUDGET:-}"
[ -f "$lab/runner.toml" ] || fail "lab: $lab holds no runner.toml"
[[ ${INPUT_BASE:-} != -* && ${INPUT_HEAD:-} != -* ]] || fail "base and head are revisions"

if [ -n "${INPUT_OBJECTS:-}" ]; then # the head of a fork, fetched by another checkout; only git's objects of it are read
  git -C "$lab" fetch --quiet --no-tags --no-recurse-submodules "$(realpath -- "$INPUT_OBJECTS")" \
    '+HEAD:refs/autoresearch/ci/head'
fi

if [ -n "${INPUT_COMMIT:-}" ]; then # what somebody has read: its author may have pushed since
  [[ $INPUT_COMMIT =~ ^([0-9a-f]{40}|[0-9a-f]{64})$ ]] || fail "commit: the full hash of the commit that was read is needed"
  [ -n "${INPUT_HEAD:-}" ] || fail "commit needs head"
  [ -n "${INPUT_BRANCH:-}" ] || fail "commit needs branch: the head's, as the request shows it" # no event tells it
  there=$(git -C "$lab" rev-parse --verify --quiet --end-of-options "$INPUT_HEAD^{commit}") ||
    fail "head: there is no such commit"
  [ "$there" = "$INPUT_COMMIT" ] || fail "the head is $there now, not the commit $INPUT_COMMIT that was read: read it again"
fi

arguments=(--out "$out" --state "$(state_folder)")
[ -z "${INPUT_BASE:-}" ] || arguments+=(--base "$INPUT_BASE")
[ -z "${INPUT_HEAD:-}" ] || arguments+=(--head "$INPUT_HEAD")
# Another name than a run's is of no use to the program: the event tells it to people.
[[ ${INPUT_BRANCH:-} != autoresearch/* ]] || arguments+=("--branch=$INPUT_BRANCH")
[ -z "${INPUT_BUDGET:-}" ] || arguments+=(--budget "$INPUT_BUDGET")
[ -z "${INPUT_RULE:-}" ] || arguments+=(--rule "$INPUT_RULE")
[ "${INPUT_FRESH:-false}" != true ] || arguments+=(--fresh)

if [ -n "${INPUT_PATHS:-}" ]; then # does the change concern the lab, or one of these paths?
  [ -n "${INPUT_BASE:-}" ] && [ -n "${INPUT_HEAD:-}" ] || fail "paths needs base and head"
  mapfile -t paths < <(printf '%s\n' "$INPUT_PATHS" | sed '/^[[:space:]]*$/d')
  status=0
  "${RUNNER%/*}/python" -I "${BASH_SOURCE[0]%/*}/concerns.py" "$lab" "$INPUT_BASE" "$INPUT_HEAD" || status=$?
  found=$(git -C "$lab" merge-base --all "$INPUT_BASE" "$INPUT_HEAD") || fail "base and head have no common history"
  mapfile -t since <<<"$found" # several where branches were merged crosswise: the change against one says little
  if [ "$status" = 10 ] && [ "${#since[@]}" = 1 ] && git -C "$lab" --literal-pathspecs diff --quiet --no-ext-diff --no-textconv \
    "${since[0]}" "$INPUT_HEAD" -- "${paths[@]}"; then
    output verdict unchanged
    output out ""
    printf '## Unchanged\n\nThe change leaves the lab as it is: nothing was trained.\n' | summary
    echo "unchanged: nothing of the lab differs"
    exit 0
  fi # where anything is doubtful the runner judges, and says what is wrong
fi

output out "$out" # also where the program is killed: what it has written by then is kept
hold_tool
[ -z "${INPUT_GPU:-}" ] || export AUTORESEARCH_GPU=$INPUT_GPU
exec "$RUNNER" --lab "$lab" ci "${arguments[@]}"
