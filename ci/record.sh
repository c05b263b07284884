#!/usr/bin/env bash
# Brings the record of a run whose branch is judged (autoresearch/TAG), so that `runner ci` can verify it. In a step of its
# own: the token that reads a private repository is in the environment of this one and not of what trains.
set -euo pipefail
source "${BASH_SOURCE[0]%/*}/common.sh"

branch=${INPUT_BRANCH:-} # somebody's words, until they are seen to be a tag
tag=${branch#autoresearch/}
[[ $branch == autoresearch/* && $tag =~ ^[a-z0-9][a-z0-9._-]{0,63}$ && $tag != *..* && $tag != *.lock ]] || exit 0
user=x-access-token
if [ "${GITLAB_CI:-}" = true ]; then # the job's own token, which may read its project
  user=gitlab-ci-token GH_TOKEN=${CI_JOB_TOKEN:-}
fi
export user GH_TOKEN="${GH_TOKEN:-}"
# shellcheck disable=SC2016
helper='!f() { test "$1" = get && printf "username=%s\npassword=%s\n" "$user" "$GH_TOKEN"; }; f'
git -C "${INPUT_LAB:-.}" -c credential.helper= -c credential.helper="$helper" fetch --quiet --no-tags \
  --no-recurse-submodules origin "+refs/trials/$tag/*:refs/trials/$tag/*" || {
  echo "::error title=autoresearch::the record of the run could not be fetched"
  exit 4 # no verdict: it might be that it does not verify
}
