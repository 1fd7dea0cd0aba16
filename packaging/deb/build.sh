#!/bin/bash
# Makes a .deb of a folder that install.sh has filled:   build.sh PACKAGE ARCHITECTURE FOLDER OUT
set -euo pipefail
cd "$(dirname "$0")"
package=$1 arch=$2 root=$3 out=$4
: "${PACKAGE_VERSION:?}" "${SOURCE_DATE_EPOCH:?}"

control=$root/DEBIAN
size=$(du -k -s --apparent-size "$root" | cut -f 1)
(cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$root.md5sums"
(cd "$root" && [ ! -d etc ] || find etc -type f -printf '/%p\n' | LC_ALL=C sort) >"$root.conffiles"
install -d "$control"
sed "s/@VERSION@/$PACKAGE_VERSION-1/; s/@ARCH@/$arch/; s/@SIZE@/$size/" "$package/control" >"$control/control"
mv "$root.md5sums" "$control/md5sums"
mv "$root.conffiles" "$control/conffiles"
[ -s "$control/conffiles" ] || rm "$control/conffiles"
chmod 644 "$control"/*
for script in preinst postinst prerm postrm; do
  [ ! -e "$package/$script" ] || install -m 755 "$package/$script" "$control"
done
# dpkg-deb takes SOURCE_DATE_EPOCH for all times that are later; xz in one thread packs the same each time.
dpkg-deb --root-owner-group --threads-max=1 -Zxz -z3 --build "$root" "$out/${package}_$PACKAGE_VERSION-1_$arch.deb" >/dev/null
