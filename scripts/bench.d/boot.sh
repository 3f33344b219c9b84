# Topic of scripts/bench: boots of emulated machines until the node is in a directory.
# shellcheck shell=bash

need_packages qemu-system-x86 ovmf
need_node_image
FARM_NODE=$node cargo test --locked -p farmer-cli --test it boot:: -- --nocapture --test-threads=1 2>&1 |
    grep -E 'boot took|test result'
