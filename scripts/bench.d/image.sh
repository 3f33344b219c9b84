# Topic of scripts/bench: building boot images, beside `cat` of the same files and the recipes others use.
# shellcheck shell=bash

need_packages jq xorriso mtools dosfstools isolinux syslinux-common grub-common grub-pc-bin grub-efi-amd64-bin \
    systemd-boot-efi binutils initramfs-tools-core xfsprogs zstd time
need_node_image
build_image >/dev/null 2>&1 # makes the bootkit

# A cache for this topic alone. It is as new as the files that `cat` reads: how the kernel holds a file
# in memory, and so how fast it is copied, depends on when and how it was written.
users_cache=${XDG_CACHE_HOME:-$HOME/.cache}
copy_cache() { # DIR
    mkdir -p "$1/farmer/bootkits" "$1/farmer/apt"
    cp -r "$bootkit_dir" "$users_cache/farmer/bootkits/.known" "$1/farmer/bootkits/"
    find "$users_cache/farmer/apt" -mindepth 1 -maxdepth 1 ! -name 'suite-*' -exec cp -r -t "$1/farmer/apt" {} +
}
bootkit_dir=$("$farmer" -o json bootkit show 2>/dev/null | jq -r .path)
copy_cache "$work/cache"
export XDG_CACHE_HOME=$work/cache
build_image >/dev/null 2>&1 # makes the layers

# --- The payload as files, and the peers' trees of it --------------------------------------------
"$farmer" image build --force --farm-id 1 --directory https://directory.example --node "$node" \
    --format pxe --out "$work/boot" >/dev/null 2>&1
payload=("$work"/boot/{vmlinuz,base.img,node.img,config.cpio})
cat "${payload[@]:1}" >"$work/initrd.img"
bootkit=$("$farmer" -o json bootkit show 2>/dev/null)
kit=$(jq -r .path <<<"$bootkit")
kernel_version=$(jq -r .kernel <<<"$bootkit")

plain() { build_image --no-sync --no-digest; }
copy() { cat "${payload[@]}" >"$work/copy"; }
copy_and_sync() { copy && sync "$work/copy"; }

# El Torito with ISOLINUX, and an EFI partition with shim and GRUB; kernel and initramfs once.
prepare_xorriso() {
    mkdir -p "$work/tree/isolinux" "$work/tree/boot"
    cp "$kit"/bios/{isolinux.bin,ldlinux.c32} "$work/tree/isolinux/"
    cp "$work/boot/vmlinuz" "$work/initrd.img" "$work/tree/boot/"
    truncate -s 8M "$work/tree/efi.img"
    mkfs.vfat "$work/tree/efi.img" >/dev/null
    mmd -i "$work/tree/efi.img" ::EFI ::EFI/BOOT
    mcopy -i "$work/tree/efi.img" "$kit/efi/shimx64.efi" ::EFI/BOOT/BOOTX64.EFI
    mcopy -i "$work/tree/efi.img" "$kit"/efi/{grubx64,mmx64}.efi ::EFI/BOOT/
}
xorriso_image() {
    xorriso -as mkisofs -quiet -o "$work/xorriso.iso" -isohybrid-mbr "$kit/bios/isohdpfx.bin" \
        -c isolinux/boot.cat -b isolinux/isolinux.bin -no-emul-boot -boot-load-size 4 -boot-info-table \
        -eltorito-alt-boot -e efi.img -no-emul-boot -isohybrid-gpt-basdat "$work/tree"
}

# What Talos' imager does for BIOS and UEFI: a UKI with systemd-boot in an EFI partition, kernel and
# initramfs again for GRUB, and grub-mkrescue around both.
talos_image() {
    local stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub tree=$work/talos
    rm -rf "$tree" "$work/efiboot.img" "$work/talos.iso"
    mkdir -p "$tree/boot/grub" "$tree/EFI/Linux" "$tree/EFI/BOOT"
    echo 'console=ttyS0' >"$work/cmdline"
    objcopy --add-section .osrel=/etc/os-release --change-section-vma .osrel=0x20000 \
        --add-section .cmdline="$work/cmdline" --change-section-vma .cmdline=0x30000 \
        --add-section .linux="$work/boot/vmlinuz" --change-section-vma .linux=0x2000000 \
        --add-section .initrd="$work/initrd.img" --change-section-vma .initrd=0x4000000 \
        "$stub" "$tree/EFI/Linux/node.efi"
    cp /usr/lib/systemd/boot/efi/systemd-bootx64.efi "$tree/EFI/BOOT/BOOTX64.EFI"
    cp "$work/boot/vmlinuz" "$work/initrd.img" "$tree/boot/"
    printf 'linux /boot/vmlinuz\ninitrd /boot/initrd.img\n' >"$tree/boot/grub/grub.cfg"
    truncate -s $(($(stat -c %s "$tree/EFI/Linux/node.efi") / 1000000 + 4))M "$work/efiboot.img"
    mkfs.vfat "$work/efiboot.img" >/dev/null
    mcopy -s -i "$work/efiboot.img" "$tree/EFI" ::
    grub-mkrescue --compress=xz -o "$work/talos.iso" "$tree" -- \
        -append_partition 2 0xef "$work/efiboot.img"
}

# New files for everyone: removing or replacing an old one is work of its own, and ext4 writes a file
# out when it replaces another.
fresh() { rm -f "$work"/{node,xorriso}.iso "$work/copy"; }

prepare_xorriso
for program in plain copy build_image copy_and_sync xorriso_image; do microseconds "$program" >/dev/null; done
xorriso_bytes=$(stat -c %s "$work/xorriso.iso")
# What is known of a file counts two seconds after its last change: see bootkit/stamps.rs.
sleep 3; microseconds plain >/dev/null
in_turn=(plain copy build_image copy_and_sync xorriso_image)
for _ in $(seq $runs); do
    # All in turn, there and back: what else the machine does hits them alike, and so does what is left
    # to write of the one before.
    for program in "${in_turn[@]}"; do
        fresh
        microseconds "$program" >>"$work/t-$program"
    done
    mapfile -t in_turn < <(printf '%s\n' "${in_turn[@]}" | tac)
done
for program in plain copy build_image copy_and_sync xorriso_image; do
    printf '%-14s ' "$program"; summary "$work/t-$program"
done
bar "--no-sync --no-digest / cat, median of $runs pairs" "$(ratio "$work/t-plain" "$work/t-copy")" at-most 1.5 times
bar "default / cat and sync, median of $runs pairs" \
    "$(ratio "$work/t-build_image" "$work/t-copy_and_sync")" at-most 2 times

# Processor seconds of several runs in a row, children included.
processor_ms() {
    local TIMEFORMAT='%U %S'
    for _ in $(seq $runs); do fresh; { time "$@" >/dev/null 2>&1; } 2>&1; done |
        awk '{all += $1 + $2} END {printf "%.1f", all * 1000 / NR}'
}
ours=$(processor_ms plain) theirs=$(processor_ms xorriso_image)
printf 'processor time: farmer %s ms (%s ms with digest and sync), xorriso %s ms, cat %s ms\n' \
    "$ours" "$(processor_ms build_image)" "$theirs" "$(processor_ms copy)"
bar 'processor time / xorriso' "$(awk -v a="$ours" -v b="$theirs" 'BEGIN {printf "%.3f", a / b}')" at-most 0.7 times

build_image >/dev/null 2>&1
for _ in 1 2 3; do
    microseconds talos_image >>"$work/t-talos"
    microseconds build_image >>"$work/t-beside-talos"
done
printf 'talos recipe   '; summary "$work/t-talos"
bar 'talos recipe / default' "$(ratio "$work/t-talos" "$work/t-beside-talos")" at-least 20 times
printf 'sizes: farmer %s, xorriso %s, talos recipe %s bytes\n' "$(stat -c %s "$work/node.iso")" \
    "$xorriso_bytes" "$(stat -c %s "$work/talos.iso")"

/usr/bin/time -o "$work/rss" -f %M "$farmer" image build --force --farm-id 1 --directory https://directory.example \
    --node "$node" --out "$work/node.iso" >/dev/null 2>&1
bar 'most memory, from cached layers' "$(cat "$work/rss")" at-most 32768 KiB

# --- A file system that shares blocks ------------------------------------------------------------
measure_reflink() {
    local mount=$work/xfs
    truncate -s 1G "$work/xfs.img"
    mkfs.xfs -q -m reflink=1 "$work/xfs.img"
    mkdir "$mount"
    as_root mount -o loop "$work/xfs.img" "$mount" || { echo 'no loop mount here: reflink is not measured'; return; }
    trap 'as_root umount "$work/xfs"; rm -rf "$work"' EXIT
    as_root chown "$(id -u)" "$mount"
    copy_cache "$mount/cache"
    local files=("${payload[@]/#$work\/boot/$mount}")
    cp "${payload[@]}" "$mount/"
    shared() {
        XDG_CACHE_HOME=$mount/cache "$farmer" image build --force --no-sync --no-digest --farm-id 1 \
            --directory https://directory.example --node "$node" --out "$mount/node.iso"
    }
    # Appending: cat of coreutils 9 shares blocks too when it may.
    copied() { cat "${files[@]}" >>"$mount/copy"; }
    # The least there can be: the finished image in one call.
    cloned() { cp --reflink=always "$mount/finished" "$mount/clone"; }
    shared >/dev/null 2>&1; sleep 3; shared >/dev/null 2>&1; sync
    mv "$mount/node.iso" "$mount/finished"
    for _ in $(seq $runs); do
        rm -f "$mount/node.iso" "$mount/copy" "$mount/clone"
        microseconds copied >>"$work/t-copied"
        microseconds shared >>"$work/t-shared"
        microseconds cloned >>"$work/t-cloned"
    done
    printf 'XFS, shared    '; summary "$work/t-shared"
    printf 'XFS, cat       '; summary "$work/t-copied"
    printf 'XFS, cp clone  '; summary "$work/t-cloned"
    printf 'cat / cp --reflink=always of the finished image, which is all a build can reach: %s\n' \
        "$(ratio "$work/t-copied" "$work/t-cloned")"
    cmp "$mount/node.iso" "$work/node.iso" || die 'the shared image differs'
    bar 'XFS with reflink: cat / --no-sync --no-digest' "$(ratio "$work/t-copied" "$work/t-shared")" at-least 5 times
    as_root umount "$mount"
    trap 'rm -rf "$work"' EXIT
}
measure_reflink

# --- From packages ------------------------------------------------------------------------------
# Both begin with the same .deb files, compress with zstd of one level and as many threads as zstd -T0
# takes here, and end with an image. mkinitramfs wants its modules below /lib/modules and the kernel's
# configuration in /boot: links, for as long as it runs.
level=9
mkdir "$work/debs"
(cd "$work/debs" && jq -r '.packages[] | "\(.name)=\(.version)"' <<<"$bootkit" | xargs apt-get -qq download 2>/dev/null) ||
    die 'cannot download the packages of the bootkit'
cold() {
    rm -rf "$work/cold"
    XDG_CACHE_HOME=$work/cold "$farmer" image build --force --farm-id 1 --directory https://directory.example \
        --node "$node" --compression-level $level --deb "$work"/debs/*.deb --out "$work/cold.iso"
}
cold_peer() {
    rm -rf "$work/peer"
    mkdir -p "$work/peer/iso/boot/grub" "$work/peer/conf"
    dpkg-deb -x "$work"/debs/linux-image-*.deb "$work/peer/x"
    as_root mkdir -p /lib/modules
    as_root ln -s "$work/peer/x/lib/modules/$kernel_version" "/lib/modules/$kernel_version"
    as_root ln -s "$work/peer/x/boot/config-$kernel_version" "/boot/config-$kernel_version"
    cp -r /etc/initramfs-tools/. "$work/peer/conf/"
    printf 'MODULES=most\nBUSYBOX=n\nCOMPRESS=zstd\nCOMPRESSLEVEL=%s\nRESUME=none\n' $level >"$work/peer/conf/initramfs.conf"
    depmod -b "$work/peer/x" "$kernel_version"
    local code=0
    mkinitramfs -d "$work/peer/conf" -o "$work/peer/iso/boot/initrd.img" "$kernel_version" || code=$?
    as_root rm "/lib/modules/$kernel_version" "/boot/config-$kernel_version"
    [ $code = 0 ] || return 1
    cp "$work/peer/x/boot/vmlinuz-$kernel_version" "$work/peer/iso/boot/vmlinuz"
    printf 'linux /boot/vmlinuz\ninitrd /boot/initrd.img\n' >"$work/peer/iso/boot/grub/grub.cfg"
    grub-mkrescue -o "$work/peer.iso" "$work/peer/iso"
}
if [ -e "/lib/modules/$kernel_version" ] || [ -e "/boot/config-$kernel_version" ]; then
    echo "parts of $kernel_version are installed here: the cold build has no peer"
else
    for _ in 1 2 3; do
        microseconds cold >>"$work/t-cold"
        microseconds cold_peer >>"$work/t-cold-peer"
    done
    printf 'cold build     '; summary "$work/t-cold"
    printf 'mkinitramfs    '; summary "$work/t-cold-peer"
    bar 'dpkg-deb, mkinitramfs and grub-mkrescue / cold build' "$(ratio "$work/t-cold-peer" "$work/t-cold")" at-least 3 times
fi

# --- In place ------------------------------------------------------------------------------------
if "$farmer" image customize --help >/dev/null 2>&1; then
    customize() { "$farmer" image customize --in-place --farm-id "$1" "$work/node.iso"; }
    rewrite() { dd if=/dev/zero of="$work/copy" bs=64K count=1 conv=notrunc,fsync; }
    # Another farm every time: what is there already is not written.
    for farm in $(seq 2 $((runs + 1))); do
        microseconds customize "$farm" >>"$work/t-customize"
        microseconds rewrite >>"$work/t-rewrite"
    done
    begin() { "$farmer" --version; }
    for _ in $(seq $runs); do microseconds begin >>"$work/t-begin"; done
    printf 'customize      '; summary "$work/t-customize"
    printf 'its start-up   '; summary "$work/t-begin"
    printf 'dd of 64 KiB   '; summary "$work/t-rewrite"
    bar 'customize --in-place / dd conv=fsync' "$(ratio "$work/t-customize" "$work/t-rewrite")" at-most 1.2 times
else
    echo 'customize --in-place: not measured, this farmer has no image customize'
fi
export XDG_CACHE_HOME=$users_cache
