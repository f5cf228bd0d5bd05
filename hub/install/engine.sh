#!/bin/sh
# Installs a container engine, a C compiler and PostgreSQL for the tests of simulated
# nodes and of the ledger, where this account may. It starts nothing.
# Where it may not, those tests say why they are skipped.
set -eu
have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }
wanted=""
need() { # package, then the program by which it is known
  have "$2" || wanted="$wanted $1"
}
need docker.io dockerd
need iptables iptables
need iproute2 ip
need mmdebstrap mmdebstrap
need gcc cc
need openssh-client ssh
[ -e /usr/include/stdio.h ] || wanted="$wanted libc6-dev"
[ -d /usr/lib/postgresql ] || have postgres || wanted="$wanted postgresql"
# Tests of sessions unpack an SSH server for themselves, those of a ClearML Server's files
# nginx. Neither is installed: none is to listen on this machine.
unpacked() { # name, then its packages
  kept="$HOME/.cache/waylab/$1" && shift
  [ ! -d "$kept" ] && [ "$(id -u)" -eq 0 ] && have apt-get || return 0
  part=$(mktemp -d)
  if { apt-get update && cd "$part" && apt-get download "$@"; } >/dev/null 2>&1; then
    mkdir -p "${kept%/*}" && mv "$part" "$kept"
  fi
  cd - >/dev/null 2>&1 || true
}
unpacked sshd openssh-server openssh-sftp-server libwrap0
unpacked nginx nginx
[ -n "$wanted" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "Not here, and this account cannot install it:$wanted. Its tests will be skipped."
  exit 0
fi
# Neither the engine nor the database is to start by itself, and none that runs is to
# be restarted: the tests start their own.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
clusters=/etc/postgresql-common/createcluster.conf
case "$wanted" in
*postgresql*)
  mkdir -p "${clusters%/*}"
  [ -e "$clusters" ] || echo "create_main_cluster = false" >"$clusters"
  ;;
esac
log=$(mktemp)
echo "Installing$wanted for the tests ..."
# shellcheck disable=SC2086 # One word each.
if { apt-get update && apt-get install -y --no-install-recommends $wanted; } \
  >"$log" 2>&1 </dev/null; then
  rm -f "$log"
else
  tail -n 3 "$log"
  echo "Not all could be installed (more in $log): tests that need it will be skipped."
fi
