#!/bin/bash
# A version of git's as Debian and RPM sort it:   version.sh VERSION EPOCH
#   v1.2.0 → 1.2.0    v1.2.0-rc.1 → 1.2.0~rc.1    v1.2.0-3-gabc1234 → 1.2.0+3.gabc1234    abc1234 → 0~20261121.213510.abc1234
set -euo pipefail
if [[ $1 =~ ^v?[0-9]+\.[0-9]+ ]]; then
  sed -E 's/^v//; s/-(alpha|beta|rc)/~\1/; s/-([0-9]+)-g/+\1.g/; s/-/+/g' <<<"$1"
else
  echo "0~$(date -u -d "@$2" +%Y%m%d.%H%M%S).${1//-/+}"
fi
