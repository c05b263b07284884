# shellcheck shell=bash
# Of the action's scripts: sourced, not run. Everything they are told comes in the environment (INPUT_…), never as text
# of a script, so that no name or title can be read as a command.
set -euo pipefail
export LC_ALL=C.UTF-8 GIT_TERMINAL_PROMPT=0
unset -v "${!PYTHON@}" # no PYTHONPATH of a job's variables: it might name a folder that a head brought

one_line() {  # $1: what it is, $2: its value; ends with 2 where it holds a line break
  case $2 in *[$'\n\r']*) fail "$1 holds a line break" ;; esac
}

fail() {  # wrong usage: a line for the log, and 2 as the runner has it
  local said=${*//[$'\n\r']/ }
  said=${said//%/%25}
  printf '::error title=autoresearch::%s\n' "${said:0:500}"
  exit 2
}

output() {  # a step output of one line
  one_line "$1" "$2"
  printf '%s=%s\n' "$1" "$2" >>"${GITHUB_OUTPUT:-/dev/null}"
}

summary() { cat >>"${GITHUB_STEP_SUMMARY:-/dev/null}"; }

state_folder() {
  local given=${INPUT_STATE:-}
  one_line state "$given"
  local cache=$HOME/.cache # as runner ci has it
  [[ ${XDG_CACHE_HOME:-} != /* ]] || cache=$XDG_CACHE_HOME
  printf '%s' "${given:-$cache/autoresearch-ci}"
}

night_lab() {  # $1: the lab of a checkout; where its nights are: a clone in the state, which no checkout cleans
  local top prefix
  top=$(git -C "$1" rev-parse --show-toplevel) || fail "lab: no git repository"
  prefix=$(git -C "$1" rev-parse --show-prefix)
  printf '%s/nights/%s/%s' "$(state_folder)" "$(realpath -- "$top" | sha256sum | cut -c1-16)" "$prefix"
}

tag_checked() {  # $1 itself, where it can be a run's tag: the grammar of runner/record/tags.py
  [[ $1 =~ ^[a-z0-9][a-z0-9._-]{0,63}$ && $1 != *..* && $1 != *. && $1 != *.lock ]] ||
    fail "the tag must be 1 to 64 of a-z 0-9 . _ -"
  printf '%s' "$1"
}

number_checked() {  # $1: what it is, $2: a number without a sign, or nothing
  [[ $2 =~ ^([0-9]{1,9}(\.[0-9]{1,6})?)?$ ]] || fail "$1 must be a number"
}

hold_tool() {  # keep `runner clean` of another job away from the installed runner until this process has ended
  if [ -e "${RUNNER_LOCK:-}" ]; then
    exec 9<"$RUNNER_LOCK"
    flock --shared 9
  fi
}
