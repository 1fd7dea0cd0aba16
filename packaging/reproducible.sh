#!/bin/bash
# Builds the packages twice, here and from a copy of the sources in another folder, and compares them octet by octet:
#   reproducible.sh ARCHITECTURE…
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

packaging/build.sh "$work/first" "$@" >/dev/null
mkdir -p "$work/another place"
tar -c --exclude=.git --exclude=./bin --exclude=build/{packages,man,completion} . | tar -x -C "$work/another place"
(
  umask 077
  cd "$work/another place"
  export TZ=Asia/Kathmandu LC_ALL=C GOFLAGS=
  make -s man completion # these too
  packaging/build.sh "$work/second" "$@" >/dev/null
)
diff -r "$work/first" "$work/second"
(cd "$work/first" && sha256sum -- *)
