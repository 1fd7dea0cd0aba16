#!/bin/bash
# Runs the micro-benchmarks here and at another revision, in turn, and has benchstat compare them.  compare.sh BASE [PATTERN]
set -euo pipefail

base=${1:?which revision is it compared with? make bench-compare BASE=REVISION}
pattern=${2:-.}
benchstat=golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da # pinned
rooms=(./directory ./radiusd/... ./verify/... ./store/bolt)

folder=$(mktemp -d)
trap 'git worktree remove --force "$folder/base" 2>/dev/null; rm -rf "$folder"' EXIT
git worktree add --quiet --detach "$folder/base" "$base"

# Benchmarks that are newer than BASE are not there: benchstat shows those in one column.
for round in 1 2 3 4 5 6; do
  echo "round $round of 6" >&2
  go test -run '^$' -bench "$pattern" -benchtime 200ms "${rooms[@]}" >>"$folder/new.txt"
  (cd "$folder/base" && go test -run '^$' -bench "$pattern" -benchtime 200ms "${rooms[@]}") >>"$folder/old.txt"
done
go run "$benchstat" "$base=$folder/old.txt" "here=$folder/new.txt"
