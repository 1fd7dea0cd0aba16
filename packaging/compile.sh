#!/bin/bash
# Compiles the programs and the PAM module for an architecture, as Debian calls it.   compile.sh ARCHITECTURE FOLDER
# The Makefile says version, commit and date (GO_LDFLAGS). What comes out depends on nothing else: not on the folder
# that it is compiled in (-trimpath, -ffile-prefix-map, no -buildid), and not on the time.
set -euo pipefail
cd "$(dirname "$0")/.."
arch=$1 out=$2
: "${GO_LDFLAGS:?is set by the Makefile: make packages}"
source packaging/architecture.sh "$arch"
mkdir -p "$out"

export GOOS=linux GOARCH=$arch GOFLAGS="${GOFLAGS:-} -trimpath -buildvcs=false"
CGO_ENABLED=0 go build -ldflags "$GO_LDFLAGS -buildid=" -o "$out/" ./cmd/tandemd ./cmd/tandem

if ! command -v "$TRIPLET-gcc" >/dev/null; then
  rm -f "$out"/pam_tandem.so "$out"/tandem-pam
  echo "NOTE: there is no $TRIPLET-gcc, so there will be no libpam-tandem for $arch (on Debian: apt-get install gcc-${TRIPLET//_/-} libc6-dev-$arch-cross)" >&2
  exit 0
fi
module=$(mktemp -d)
trap 'rm -rf "$module"' EXIT
cc=$TRIPLET-gcc
if [ "$arch" != "$(dpkg --print-architecture)" ]; then
  packaging/sysroot.sh "$arch" "build/sysroot/$arch"
  # By a name without spaces, as CC is split at them; and in CC, not in CGO_CFLAGS, which Go writes into the program.
  root=$module/sysroot
  ln -s "$PWD/build/sysroot/$arch" "$root"
  cc+=" -isystem $root/usr/include -L$root/usr/lib/$TRIPLET -Wl,-rpath-link,$root/lib/$TRIPLET:$root/usr/lib/$TRIPLET"
fi
cp -r pamhelper/module/Makefile pamhelper/module/src "$module"
make -s -C "$module" CC="$cc" CFLAGS="-O2 -g -ffile-prefix-map=$module=."
"$TRIPLET-strip" --strip-unneeded -o "$out/pam_tandem.so" "$module/pam_tandem.so"
CGO_ENABLED=1 CC="$cc" go build -ldflags "$GO_LDFLAGS -buildid= -extldflags=-Wl,-z,relro,-z,now" \
  -o "$out/" ./cmd/tandem-pam
