#!/usr/bin/env bash
# A night's bundle, looked at and then pushed, with a pull request. Runs in a job of its own that may write to the
# repository and runs no code of a proposal or an agent: of the night's job it takes git's objects and a tag, and
# believes neither. With FORGE=gitlab it works in a fresh clone of INPUT_REMOTE: that service unpacks what the night left
# over the job's own folder. Step outputs: tag, kept, pull-request.
set -euo pipefail
source "${BASH_SOURCE[0]%/*}/common.sh"

lab=${INPUT_LAB:-.}
tag=$(tag_checked "${INPUT_TAG:?}")
base=${INPUT_BASE:?}
bundle=${INPUT_BUNDLE:?}
target=${INPUT_TARGET:-main}
remote=${INPUT_REMOTE:-origin}
branch=refs/heads/autoresearch/$tag
trials=refs/trials/$tag
plot=refs/autoresearch/$tag/plot
most=$((256 << 20))

refuse() { # $1: what is wrong with what the night handed over
  local said=${*//[$'\n\r']/ }
  printf '::error title=autoresearch::not published: %s\n' "${said:0:500}"
  exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The token is in this program's environment and a helper's, in no argument and no file.
# shellcheck disable=SC2016
helper='!f() { test "$1" = get && printf "username=x-access-token\npassword=%s\n" "$GH_TOKEN"; }; f'
if [ "${FORGE:-github}" = gitlab ]; then
  bundle=$(realpath -s -- "$bundle")
  cd "$work" # before any git: it would read the .git of the folder that it is started in
  git -c credential.helper= -c credential.helper="$helper" clone --quiet --no-tags --branch="$target" -- "$remote" clone ||
    fail "the repository could not be cloned"
  lab=$work/clone/$lab
  remote=origin
fi

said=${bundle%/*}/kept # by a machine that nothing else is believed of: all that it can do with it is to have nothing published
if [[ $bundle == */* && -f $said && ! -L $said && $(head -c 2 "$said") == 0 ]]; then
  echo "the night kept nothing: there is nothing to publish"
  output kept 0
  exit 0
fi

[[ $base =~ ^[0-9a-f]{40,64}$ ]] || refuse "the base is no commit"
git check-ref-format "refs/heads/$target" || fail "target: no name of a branch"
[ -f "$bundle" ] && [ ! -L "$bundle" ] || refuse "there is no bundle"
[ "$(stat -c %s "$bundle")" -le "$most" ] || refuse "the bundle is larger than 256 MiB"
git -C "$lab" merge-base --is-ancestor "$base" HEAD 2>/dev/null || refuse "the night did not start from $target"

git -C "$lab" -c fetch.fsckObjects=true fetch --quiet --no-tags --no-recurse-submodules \
  "$(realpath -- "$bundle")" "$branch:$branch" "$trials/*:$trials/*" ||
  refuse "the bundle cannot be read, or holds broken objects, or not what was asked for"
git -C "$lab" rev-parse --verify --quiet "$trials/0000" >/dev/null || # the lab's own train.py: no commit of its own
  git -C "$lab" update-ref "$trials/0000" "$base"

# Nothing but train.py differs, in no commit of the branch or of a trial: whatever the record says.
prefix=$(git -C "$lab" rev-parse --show-prefix)
mapfile -t refs < <(git -C "$lab" for-each-ref --format='%(refname)' "$branch" "$trials/")
tips=()
kinds=$(git -C "$lab" for-each-ref --format='%(objecttype)' "$branch" "$trials/" | sort -u)
[ "$kinds" = commit ] || refuse "the bundle holds a ref of something else than a commit" # nothing below sees a tag's text
for ref in "${refs[@]}"; do
  [[ $ref == "$trials/record" ]] && continue # no version: the ledger, which is verified below
  [[ $ref == "$branch" || ${ref#"$trials/"} =~ ^[0-9]{4,9}$ ]] || refuse "the bundle holds a ref that is no trial"
  tips+=("$ref")
done
mapfile -t commits < <(git -C "$lab" rev-list "${tips[@]}" "^$base")
[ "${#commits[@]}" -gt 0 ] || refuse "nothing was tried"
for commit in "${commits[@]}"; do
  read -ra parents < <(git -C "$lab" rev-list --parents --max-count=1 "$commit")
  [ "${#parents[@]}" = 2 ] || refuse "the commit $commit has not one parent"
  changed=$(git -C "$lab" -c core.quotePath=false diff-tree -r --no-renames --raw --abbrev=64 "${parents[1]}" "$commit")
  [[ -z $changed || $changed =~ ^:100(644|755)\ 100644\ [0-9a-f]+\ [0-9a-f]+\ M$'\t'"${prefix}train/train.py"$ ]] ||
    refuse "the commit $commit changes something else than ${prefix}train/train.py"
done
kept=$(git -C "$lab" rev-list --count "$base..$branch")
[ "$kept" -gt 0 ] || refuse "no version was kept"

# Verifies the sealed record against the commits, draws the plot from it and writes the text: nothing of the night's
# own words is taken as Markdown.
address=${GITHUB_SERVER_URL:-}/${GITHUB_REPOSITORY:-}
"${RUNNER%/*}/python" -I "${BASH_SOURCE[0]%/*}/night_summary.py" "$lab" "$tag" --verify \
  --plot "$work/progress.png" --title "$work/title" --run "${GITHUB_RUN_ID:+$address/actions/runs/$GITHUB_RUN_ID}" \
  >"$work/body" || refuse "the record does not verify"

# The record as a commit of ours: of the night's own the files were verified, but not its parents and what hangs under
# them.
fresh=$(git -C "$lab" -c user.name='AutoResearch runner' -c user.email=runner@localhost \
  commit-tree "$trials/record^{tree}" -m "Record of $tag")
git -C "$lab" update-ref "$trials/record" "$fresh"

# The plot as a commit of its own, on a ref beside the branch: a pull request's text can only show what has an address.
blob=$(git -C "$lab" hash-object -w --no-filters "$work/progress.png")
tree=$(printf '100644 blob %s\tprogress.png\n' "$blob" | git -C "$lab" mktree)
picture=$(git -C "$lab" -c user.name='AutoResearch runner' -c user.email=runner@localhost \
  commit-tree "$tree" -m "Plot of $tag")
git -C "$lab" update-ref "$plot" "$picture"
[ -z "${GITHUB_REPOSITORY:-}" ] ||
  printf '\n![How the score fell](%s/blob/%s/progress.png?raw=true)\n' "$address" "$picture" >>"$work/body"

# Nothing is pushed where the branch is there already: the lease on a ref that must not exist.
push=(push --quiet --atomic "--force-with-lease=$branch:")
if [ "${FORGE:-github}" = gitlab ]; then # the request is opened by the push itself, and has no room for the text
  push+=(-o merge_request.create -o "merge_request.target=$target" -o "merge_request.title=$(head -c 200 "$work/title")")
fi
git -C "$lab" -c credential.helper= -c credential.helper="$helper" -c core.hooksPath=/dev/null "${push[@]}" \
  "$remote" "$branch:$branch" "$trials/*:$trials/*" "$plot:$plot" ||
  refuse "the push failed; is there a branch autoresearch/$tag already?"

output tag "$tag"
output kept "$kept"
summary <"$work/body"
if [ "${FORGE:-github}" = gitlab ]; then
  cat "$work/body"
else
  (cd "$lab" && gh pr create --base "$target" --head "autoresearch/$tag" --title "$(head -c 200 "$work/title")" \
    --body-file "$work/body") | tee "$work/created"
  output pull-request "$(grep -Eo 'https://[^[:space:]]+/pull/[0-9]+' "$work/created" | tail -n 1 || true)"
fi
