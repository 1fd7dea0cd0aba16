#!/bin/bash
# Debian's changelog of a package: what has changed in Tandem itself stands in CHANGELOG.md.   changelog.sh PACKAGE
set -euo pipefail
: "${PACKAGE_VERSION:?}" "${SOURCE_DATE_EPOCH:?}"
cat <<END
$1 ($PACKAGE_VERSION-1) stable; urgency=medium

  * Version $PACKAGE_VERSION of Tandem: see changelog.gz.

 -- Tandem maintainers <maintainers@tandem.example>  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END
