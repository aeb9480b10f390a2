#!/bin/sh
# For RUSTC_WORKSPACE_WRAPPER: compiles this workspace's own crates so that sealing can be switched off, which one
# test does to show that it would notice (tests/tests/sealing.rs). Dependencies are not built again.
exec "$@" --cfg mesh_sealing_switch
