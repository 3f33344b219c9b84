# Topic of scripts/bench: building a boot image from cached layers, beside writing the same bytes.
# shellcheck shell=bash

need_node_image
build_image >/dev/null 2>&1 # warms bootkit and layers
copy() { cat "$work/node.iso" >"$work/copy" && sync "$work/copy"; }
for _ in $(seq $runs); do
    microseconds build_image >>"$work/build"
    microseconds copy >>"$work/cat"
done
printf 'farmer image build: '; summary "$work/build"
printf 'cat and sync:       '; summary "$work/cat"
printf 'ratio, median of %d pairs: %s\n' $runs "$(ratio "$work/build" "$work/cat")"
