#!/bin/bash
# Fetches what is needed to link PAM modules for another architecture into a folder: nothing of this machine changes,
# and its own package lists stay as they are.   sysroot.sh ARCHITECTURE FOLDER
set -euo pipefail
arch=$1 root=$2
[ -e "$root/complete" ] && exit 0

apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$root"
: >"$apt/status"
echo "deb http://deb.debian.org/debian bookworm main" >"$apt/sources.list"
options=(-q -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o APT::Sandbox::User="$(id -un)"
  -o Dir::State="$apt" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt"
  -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null)
apt-get "${options[@]}" update >/dev/null
(cd "$apt" && apt-get "${options[@]}" download libpam0g libpam0g-dev libaudit1 libcap-ng0 >/dev/null)
for package in "$apt"/*.deb; do
  dpkg-deb -x "$package" "$root"
done
# The links that name files of the host's own folders are made to name these.
for library in libpam libpam_misc; do
  file=$(cd "$root" && ls lib/*/$library.so.0)
  ln -sfr "$root/$file" "$root/usr/$(dirname "$file")/$library.so"
done
touch "$root/complete"
