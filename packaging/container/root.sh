#!/bin/bash
# Fills a folder with all that the image consists of, as root:   root.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$1
: "${GO_LDFLAGS:?is set by the Makefile: make container-root ROOT=$root}"
umask 022

install -d "$root"/{usr/bin,usr/sbin,etc/ssl/certs,tmp}
chmod 1777 "$root/tmp"
export CGO_ENABLED=0
go build -trimpath -buildvcs=false -ldflags "$GO_LDFLAGS -buildid=" -o "$root/usr/sbin/" ./cmd/tandemd
go build -trimpath -buildvcs=false -ldflags "$GO_LDFLAGS -buildid=" -o "$root/usr/bin/" ./cmd/tandem
install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
# Whoever hands the image on hands these on too.
doc=$root/usr/share/doc/tandem
install -D -m 644 -t "$doc" LICENSE packaging/deb/copyright
go run ./packaging/sbom -version "$PACKAGE_VERSION" -date "$DATE" -bom "$doc/sbom.cdx.json" -notices "$doc/THIRD-PARTY" \
  "$root/usr/sbin/tandemd" "$root/usr/bin/tandem"
gzip -9n "$doc/THIRD-PARTY"
echo 'tandem:x:10001:10001::/var/lib/tandem:/sbin/nologin' >"$root/etc/passwd"
echo 'tandem:x:10001:' >"$root/etc/group"
install -d -m 750 -g 10001 "$root/etc/tandem"
install -d -m 700 -o 10001 -g 10001 "$root/var/lib/tandem"
install -d -m 755 -o 10001 -g 10001 "$root/run/tandem"
