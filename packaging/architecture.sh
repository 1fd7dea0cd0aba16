# What the tools call an architecture of Debian's.   source architecture.sh amd64
case $1 in
amd64) TRIPLET=x86_64-linux-gnu RPM_ARCH=x86_64 ;;
arm64) TRIPLET=aarch64-linux-gnu RPM_ARCH=aarch64 ;;
*)
  echo "architecture $1 is not one of amd64, arm64" >&2
  exit 2
  ;;
esac
