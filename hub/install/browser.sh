#!/bin/sh
# Installs Chromium and fonts for the browser tests, where this account may.
# Where it may not, those tests say why they are skipped.
set -eu
# The tests look for this name and no other.
if command -v chromium >/dev/null 2>&1; then
  exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "No Chromium here, and this account cannot install it: browser tests will be skipped."
  exit 0
fi
log=$(mktemp)
echo "Installing Chromium for the browser tests ..."
export DEBIAN_FRONTEND=noninteractive
if { apt-get update && apt-get install -y --no-install-recommends \
  chromium fonts-dejavu-core fonts-noto-core; } >"$log" 2>&1 </dev/null; then
  rm -f "$log"
else
  tail -n 3 "$log"
  echo "Chromium could not be installed (all of it in $log): browser tests will be skipped."
fi
