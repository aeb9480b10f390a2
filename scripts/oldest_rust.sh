#!/usr/bin/env bash
# Checks that the crates build with the oldest Rust that Cargo.toml promises. Needs rustup, which installs it.
set -euo pipefail
cd "$(dirname "$0")/.."

oldest=$(awk -F'"' '/^rust-version/ { print $2 }' Cargo.toml)
rustup toolchain install "$oldest" --profile minimal --no-self-update
# A target directory of its own: what another compiler has made is of no use, and would be made anew.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/oldest-rust \
  cargo +"$oldest" check -p mesh-macros -p mesh-runtime --features mesh-runtime/operator,mesh-runtime/redis,mesh-runtime/testing --locked
