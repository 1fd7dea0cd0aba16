#!/bin/bash
# Installs the Debian packages that the tests drive Tandem with. Nothing is started by installing
# them: the tests start what they need themselves, in folders of their own.  deps.sh [bench | packages]
set -euo pipefail

# program → package
declare -A need=(
  [slapd]=slapd [ldapsearch]=ldap-utils [radclient]=freeradius-utils [oathtool]=oathtool
  [openssl]=openssl [mkfs.ext4]=e2fsprogs [gcc]=gcc [mkpasswd]=whois [argon2]=argon2
  [make]=make [sshd]=openssh-server [ssh]=openssh-client [sudo]=sudo [pamtester]=pamtester [valgrind]=valgrind
  [scan-build-14]=clang-tools-14 [clang-14]=clang-14 [nm]=binutils [unshare]=util-linux [etcd]=etcd-server [mount]=mount
  [yubiserver]=yubiserver [freeradius]=freeradius [samba]=samba [samba-tool]=samba-common-bin
  [mandoc]=mandoc [man]=man-db [zsh]=zsh [fish]=fish [logrotate]=logrotate [promtool]=prometheus [curl]=curl
  [strace]=strace [systemd-analyze]=systemd [apparmor_parser]=apparmor [checkmodule]=checkpolicy [semodule_package]=semodule-utils
  [zbarimg]=zbar-tools [rsvg-convert]=librsvg2-bin [pskctool]=pskctool [google-authenticator]=libpam-google-authenticator
  [ip]=iproute2 [ocserv]=ocserv [openconnect]=openconnect [openvpn]=openvpn [charon-systemd]=charon-systemd [swanctl]=strongswan-swanctl
)
# file → package
declare -A files=([/usr/include/security/pam_modules.h]=libpam0g-dev [/usr/include/stdio.h]=libc6-dev
  [/usr/lib/openvpn/radiusplugin.so]=openvpn-auth-radius [/usr/lib/ipsec/plugins/libstrongswan-eap-radius.so]=libcharon-extra-plugins
  [/usr/lib/ipsec/plugins/libstrongswan-openssl.so]=libstrongswan-standard-plugins
  [/usr/share/samba/setup/provision.ldif]=samba-ad-provision
  [/usr/lib/$(uname -m)-linux-gnu/samba/vfs/acl_xattr.so]=samba-vfs-modules
  [/usr/lib/$(uname -m)-linux-gnu/samba/ldb/password_hash.so]=samba-dsdb-modules
  [/usr/lib/python3/dist-packages/aiosmtpd/smtp.py]=python3-aiosmtpd)
if [ "${1:-}" = bench ]; then
  lib=/lib/$(uname -m)-linux-gnu/security
  files[$lib/pam_google_authenticator.so]=libpam-google-authenticator
  files[$lib/pam_oath.so]=libpam-oath
  files[/usr/lib/freeradius/rlm_ldap.so]=freeradius-ldap
  need+=([taskset]=util-linux)
fi
if [ "${1:-}" = packages ]; then
  need+=([rpmbuild]=rpm [lintian]=lintian [debootstrap]=debootstrap [aarch64-linux-gnu-gcc]=gcc-aarch64-linux-gnu)
  files[/usr/aarch64-linux-gnu/include/stdio.h]=libc6-dev-arm64-cross
fi
PATH=$PATH:/usr/sbin:/sbin
missing=()
for program in "${!need[@]}"; do
  command -v "$program" >/dev/null || missing+=("${need[$program]}")
done
for file in "${!files[@]}"; do
  [ -e "$file" ] || missing+=("${files[$file]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "The tests need more programs. As root: apt-get install ${missing[*]}" >&2
  exit 1
fi
echo "Installing ${missing[*]} …"
# A policy that lets no freshly installed service start, for as long as this runs.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
  trap 'rm -f '$policy EXIT
fi
apt-get update -q >/dev/null
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
