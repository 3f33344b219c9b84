# Topic of scripts/bench: what goes into images.
# shellcheck shell=bash

need_node_image
build_image >/dev/null 2>&1
bar farm-node "$(stat -c %s "$node")" at-most 6000000 bytes
bar 'default image' "$(stat -c %s "$work/node.iso")" at-most 64000000 bytes
