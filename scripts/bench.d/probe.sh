# Topic of scripts/bench: hw-probe's whole JSON report of this machine and of large ones, beside the
# programs that people use for it.
# shellcheck shell=bash

need_packages lshw hwinfo inxi util-linux time zstd
cargo build --locked --profile quick -p hw-probe --bin hw-probe
cargo build --locked -p hw-probe --example big_machine
probe=$built/quick/hw-probe

hw-probe() { "$probe" -o json "$@"; }
lshw-json() { lshw -json -quiet; }
hwinfo-all() { hwinfo; }
inxi-full() { inxi -F; }
# Where a machine has no memory blocks lsmem says so and fails: it has still been run.
three-lists() { lscpu -J && lsblk -O -J -b && { lsmem -J || true; }; }
programs=(hw-probe lshw-json hwinfo-all inxi-full three-lists)

# Most memory a program held, in KiB, and its processor seconds.
held() { /usr/bin/time -o "$work/time" -f '%M' "$@" >/dev/null 2>&1 || die "$* failed"; cat "$work/time"; }
processor_ms() {
    local TIMEFORMAT='%U %S'
    { time for _ in $(seq 20); do "$@" >/dev/null; done; } 2>&1 | awk '{printf "%.1f", ($1 + $2) * 1000 / 20}'
}

for program in "${programs[@]}"; do microseconds "$program" >/dev/null; done # warms the page cache
for _ in $(seq $runs); do
    # All in turn: what else the machine does hits them alike.
    for program in "${programs[@]}"; do microseconds "$program" >>"$work/$program"; done
done
for program in "${programs[@]}"; do
    printf '%-14s ' "$program"; summary "$work/$program"
done
printf 'hw-probe uses %s ms of processor time\n' "$(processor_ms "$probe" -o json)"
bar 'hw-probe, median' "$(in_ms "$(median "$work/hw-probe")")" at-most 30 ms
bar 'hw-probe, most memory' "$(held "$probe" -o json)" at-most 8192 KiB
bar "lshw / hw-probe, median of $runs pairs" "$(ratio "$work/lshw-json" "$work/hw-probe")" at-least 5 times

measure_tree() { # WHAT DIR
    for _ in $(seq $runs); do microseconds hw-probe --sysroot "$2" >>"$work/tree"; done
    printf '%-14s ' "$1"; summary "$work/tree"
    bar "$1, median" "$(in_ms "$(median "$work/tree")")" at-most 100 ms
    rm "$work/tree"
}
"$built/debug/examples/big_machine" "$work/big"
measure_tree '128 threads, 36 disks' "$work/big"
if [ -n "$corpus" ]; then
    mkdir "$work/captures"
    tar --zstd -xf "$corpus" -C "$work/captures"
    # The captures with the most processors.
    while read -r _ tree; do
        measure_tree "capture $(basename "$tree")" "$tree"
    done < <(find "$work/captures" -path '*/sys/devices/system/cpu/cpu*' -prune -name 'cpu[0-9]*' -printf '%h\n' |
        sed 's|/sys/devices/system/cpu$||' | sort | uniq -c | sort -rn | head -n 3)
fi
