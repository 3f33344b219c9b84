# Topic of scripts/bench: what goes into images.
# shellcheck shell=bash

need_packages jq
need_node_image
build_image --with manifest >/dev/null 2>&1
kit=$("$farmer" -o json bootkit show 2>/dev/null)
layers=$(jq '[.layers[].size_bytes] | add' "$work/node.iso.manifest.json")
kernel=$(jq '[.files[] | select(.path == "kernel/vmlinuz") | .size_bytes] | add' <<<"$kit")
loaders=$(jq '[.files[] | select(.path | test("^efi/(shim|grub|mm)x64|^bios/(isolinux|ldlinux|isohdpfx)")) | .size_bytes] | add' <<<"$kit")
image=$(stat -c %s "$work/node.iso")
printf 'image %s bytes: kernel %s, layers %s, loaders %s\n' "$image" "$kernel" "$layers" "$loaders"
bar farm-node "$(stat -c %s "$node")" at-most 6000000 bytes
bar 'default image' "$image" at-most 64000000 bytes
bar 'default image, for what is in it' "$image" at-most $(((kernel + layers + loaders) * 102 / 100 + 5 * 1048576)) bytes
