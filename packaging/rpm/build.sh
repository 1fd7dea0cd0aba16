#!/bin/bash
# Makes .rpm files of folders that install.sh has filled:   build.sh RPM-ARCHITECTURE OUT TANDEM-FOLDER [LIBPAM-FOLDER]
set -euo pipefail
arch=$1 out=$2 tandem=$3 libpam=${4:-}
: "${PACKAGE_VERSION:?}" "${SOURCE_DATE_EPOCH:?}"
# Sources without git say 0, which to rpm means that files keep their own times.
[ "$SOURCE_DATE_EPOCH" != 0 ] || export SOURCE_DATE_EPOCH=1

install -d "$tandem/var/lib/tandem" "$tandem/var/log/tandem"
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
rpmbuild -bb --quiet --target "$arch-linux" \
  --define "_topdir $top" --define "_dbpath $top/db" --define "_rpmdir $out" \
  --define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
  --define '_binary_payload w6.zstdio' --define '_buildhost localhost' --define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1' \
  --define "package_version $PACKAGE_VERSION" --define "tandem_root $tandem" ${libpam:+--define "libpam_root $libpam"} \
  "$(dirname "$0")/tandem.spec"
