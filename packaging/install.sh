#!/bin/bash
# Puts what belongs to a package where it belongs, under a folder:   install.sh FORMAT PACKAGE PROGRAMS FOLDER
# FORMAT is deb or rpm; PACKAGE is tandem or libpam-tandem; PROGRAMS is where compile.sh has put them.
set -euo pipefail
cd "$(dirname "$0")/.."
format=$1 package=$2 programs=$3 root=$4
built=${BUILT:-build} # where `make man` and `make completion` have put what they made

put() { install -D -m "$1" "${@:3}" -t "$root$2"; } # MODE FOLDER FILE…
as() { install -D -m "$1" "$3" "$root$2"; }         # MODE PATH FILE

need() { # FOLDER TARGET
  if ! compgen -G "$built/$1/*" >/dev/null; then
    echo "$built/$1 is empty: \`make $2\` makes what belongs there" >&2
    exit 1
  fi
}

manual() { # PAGE…
  need man man
  for page; do
    as 644 "/usr/share/man/man${page##*.}/$page" "$built/man/$page"
    gzip -9n "$root/usr/share/man/man${page##*.}/$page"
  done
}

documents() { # PACKAGE FILE…
  local doc=/usr/share/doc/$1
  put 644 "$doc" "${@:2}"
  if [ "$format" = deb ]; then
    as 644 "$doc/copyright" packaging/deb/copyright
    as 644 "$doc/changelog" CHANGELOG.md
    packaging/deb/changelog.sh "$1" >"$root$doc/changelog.Debian"
    chmod 644 "$root$doc/changelog.Debian"
    gzip -9n "$root$doc"/changelog*
    as 644 "/usr/share/lintian/overrides/$1" "packaging/deb/$1/lintian-overrides"
  else
    as 644 "$doc/CHANGELOG.md" CHANGELOG.md
    put 644 "/usr/share/licenses/$1" LICENSE packaging/deb/copyright
  fi
  # Of the programs in this package alone.
  go run ./packaging/sbom -version "$PACKAGE_VERSION" -date "$DATE" -bom "$root$doc/sbom.cdx.json" -notices "$root$doc/THIRD-PARTY" \
    "${contents[@]}"
  gzip -9n "$root$doc/THIRD-PARTY"
}

case $package in
tandem)
  contents=("$programs/tandemd" "$programs/tandem")
  put 755 /usr/sbin "$programs/tandemd"
  put 755 /usr/bin "$programs/tandem"
  put 640 /etc/tandem packaging/etc/config.toml
  chmod 750 "$root/etc/tandem"
  put 644 /etc/logrotate.d packaging/logrotate/tandem
  put 644 /usr/lib/systemd/system packaging/systemd/tandemd.service packaging/systemd/tandemd.socket
  [ "$format" = deb ] && put 644 /etc/apparmor.d packaging/apparmor/usr.sbin.tandemd
  manual tandem.1 tandem.toml.5 tandemd.8
  need completion completion
  zsh=/usr/share/zsh/site-functions
  [ "$format" = deb ] && zsh=/usr/share/zsh/vendor-completions
  put 644 /usr/share/bash-completion/completions "$built"/completion/bash/*
  put 644 $zsh "$built"/completion/zsh/*
  put 644 /usr/share/fish/vendor_completions.d "$built"/completion/fish/*
  documents tandem README.md SECURITY.md docs/*.md
  put 644 /usr/share/doc/tandem/vpn docs/vpn/*.md
  examples=/usr/share/doc/tandem/examples
  put 644 $examples config.toml.example
  put 644 $examples/first packaging/first/config.toml
  put 644 $examples/grafana packaging/grafana/tandem.json
  put 644 $examples/prometheus packaging/prometheus/{tandem.rules.yml,tandem.rules.test.yml}
  put 644 $examples/ldap packaging/ldap/{README.md,acl.conf,acl.ldif,active-directory.ldif,tandem.ldif,tandem.schema}
  put 644 $examples/sms-gateway packaging/examples/sms-gateway/{README.md,config.toml,sms-gateway.curl}
  put 755 $examples/sms-gateway packaging/examples/sms-gateway/send-sms
  put 644 $examples/systemd packaging/systemd/examples/*.conf
  put 644 $examples/selinux packaging/selinux/{README.md,tandem.te,tandem.fc}
  ;;
libpam-tandem)
  contents=("$programs/tandem-pam")
  put 755 /usr/libexec/tandem "$programs/tandem-pam"
  if [ "$format" = deb ]; then
    install -d -m 750 "$root/etc/tandem"
    put 644 "/usr/lib/$TRIPLET/security" "$programs/pam_tandem.so"
    as 644 /usr/share/pam-configs/tandem packaging/pam/tandem.pam-config
  else
    put 755 /usr/lib64/security "$programs/pam_tandem.so"
    put 644 /usr/share/authselect/vendor/tandem packaging/authselect/tandem/*
  fi
  manual tandem-pam.8 pam_tandem.8
  documents libpam-tandem docs/ssh.md docs/pam-protocol.md
  examples=/usr/share/doc/libpam-tandem/examples
  put 644 $examples/pam.d packaging/pam/{sshd,sudo,tandem-password}
  put 644 $examples/sshd_config.d packaging/ssh/50-tandem.conf
  ;;
esac
