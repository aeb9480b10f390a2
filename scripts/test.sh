#!/usr/bin/env bash
# Installs what the tests need, then runs all of them. Needs Rust; on Debian and Ubuntu the rest is installed with
# apt-get (as root or through sudo), elsewhere it is said what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

# What the tests need: a command or pkg-config name, the Debian package, and what for.
missing_packages() {
  command -v cc >/dev/null || echo "gcc"
  command -v pkg-config >/dev/null || echo "pkg-config"
  { command -v pkg-config >/dev/null && pkg-config --exists openssl; } || echo "libssl-dev"
  command -v node >/dev/null || echo "nodejs"
  command -v npm >/dev/null || echo "npm"
  command -v redis-server >/dev/null || echo "redis-server"
  { command -v prometheus && command -v promtool; } >/dev/null || echo "prometheus"
}

install_packages() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "test.sh: not root and no sudo: install by hand: $*" >&2; return 1; }
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

mapfile -t packages < <(missing_packages)
if [ "${#packages[@]}" -gt 0 ]; then
  if command -v apt-get >/dev/null; then
    echo "test.sh: installing ${packages[*]}"
    install_packages "${packages[@]}"
  else
    echo "test.sh: please install these (Debian's names), then run it again: ${packages[*]}" >&2
    echo "test.sh: libssl-dev: OpenSSL's headers, for rust_socketio, which only the interop tests use" >&2
    echo "test.sh: nodejs, npm: for the interop tests with the official socket.io-client" >&2
    echo "test.sh: redis-server (7.0 or newer, with redis-cli): for the tests of durable queues" >&2
    echo "test.sh: prometheus (with promtool): for the tests of metrics, dashboard and alerts" >&2
    exit 1
  fi
fi

echo "test.sh: installing socket.io-client for the interop tests"
npm --prefix tests/js ci --no-audit --no-fund --silent

echo "test.sh: the protocol's test vectors, by a second implementation"
if command -v python3 >/dev/null; then
  python3 docs/check_vectors.py
else
  echo "test.sh: skipped, there is no python3"
fi

# All of them, whichever fails; and an error at the end if one did.
failed=()
run() {
  echo "test.sh: $*"
  "$@" || failed+=("$*")
}

# One workspace build for all test binaries; doctests are not among the targets of the first command.
run cargo test --workspace --features mesh-examples/full --locked --all-targets --no-fail-fast
run cargo test --workspace --locked --doc --no-fail-fast
# The sealing test once more, where it can switch sealing off and so show that it would notice.
run env RUSTC_WORKSPACE_WRAPPER="$PWD/scripts/rustc_with_sealing_switch.sh" \
  cargo test --workspace --locked --test sealing

if [ "${#failed[@]}" -gt 0 ]; then
  printf 'test.sh: failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
