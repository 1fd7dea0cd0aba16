#!/bin/bash
# Builds .deb and .rpm of tandem and libpam-tandem for architectures, as Debian calls them:   build.sh OUT ARCHITECTURE…
# `make packages` calls it, and says version and date. README.md explains the parts.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1
shift
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

for arch; do
  source packaging/architecture.sh "$arch"
  export TRIPLET
  programs=$work/$arch/programs
  packaging/compile.sh "$arch" "$programs"
  packages=(tandem)
  [ ! -e "$programs/pam_tandem.so" ] || packages+=(libpam-tandem)
  folders=()
  for package in "${packages[@]}"; do
    packaging/install.sh deb "$package" "$programs" "$work/$arch/deb/$package"
    packaging/deb/build.sh "$package" "$arch" "$work/$arch/deb/$package" "$out"
    packaging/install.sh rpm "$package" "$programs" "$work/$arch/rpm/$package"
    folders+=("$work/$arch/rpm/$package")
  done
  packaging/rpm/build.sh "$RPM_ARCH" "$out" "${folders[@]}"
done
ls "$out"
