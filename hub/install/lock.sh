#!/bin/sh
# Renews every lock from its declaration. UPGRADE=1 raises versions as far as the
# declarations allow; otherwise only what has changed there moves.
set -eu
cd "$(dirname "$0")/../.."
export UV_CUSTOM_COMPILE_COMMAND="make lock"
bin=.venv/bin
upgrade=""
[ -z "${UPGRADE:-}" ] || upgrade="--upgrade"

lock() { # output, then the inputs
  output=$1
  shift
  # rfc3987-syntax only checks the form of internationalised web addresses, which
  # nothing here asks for, and its import doubles the start of every lab.
  "$bin/uv" pip compile "$@" $upgrade --universal --python-version 3.11 \
    --generate-hashes --no-emit-index-url --no-emit-package rfc3987-syntax \
    --quiet --output-file "$output"
  echo "$output"
}

lock hub/install/requirements.txt pyproject.toml --all-extras --group build
lock hub/install/requirements-dev.txt pyproject.toml --all-extras --group dev \
  -c hub/install/requirements.txt
lock hub/install/uv.txt hub/install/uv.in
image=images/lab-small
"$bin/uv" pip compile "$image/requirements.in" pyproject.toml $upgrade \
  -c hub/install/requirements.txt --python-version 3.11 \
  --python-platform x86_64-unknown-linux-gnu --generate-hashes --no-emit-index-url \
  --no-emit-package rfc3987-syntax --quiet --output-file "$image/requirements.txt"
echo "$image/requirements.txt"
lock hub/install/node.txt hub/install/node.in

PATH="$PWD/$bin:$PATH"
cd hub/install/proxy
npm install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund
echo hub/install/proxy/package-lock.json
