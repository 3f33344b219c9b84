# Topic of scripts/bench: building thin media, beside `cat` of the same bytes. The grid's own service compiles
# iPXE for every download, which takes seconds.
# shellcheck shell=bash

need_node_image
thin_image() { # OUT FARMS [FLAG...]
    "$farmer" image build --force --farm-id "$2" --format thin-iso --mirror http://192.0.2.1 --insecure-http \
        --out "$1" "${@:3}"
}
thin_image "$work/thin.iso" 1 >/dev/null 2>&1 # warms the bootkit
cat "$work/thin.iso" >"$work/bytes"
printf 'size %s bytes\n' "$(stat -c %s "$work/bytes")"

thin() { thin_image "$work/thin.iso" 1 --no-sync --no-digest; }
thin_default() { thin_image "$work/thin.iso" 1; }
copy_thin() { cat "$work/bytes" >"$work/copy"; }
copy_thin_and_sync() { copy_thin && sync "$work/copy"; }

# What is known of a file counts two seconds after its last change: see bootkit/stamps.rs.
sleep 3; microseconds thin >/dev/null
for _ in $(seq $runs) $(seq $runs); do
    for program in thin copy_thin thin_default copy_thin_and_sync; do
        rm -f "$work/thin.iso" "$work/copy"
        microseconds "$program" >>"$work/t-$program"
    done
done
for program in thin copy_thin thin_default copy_thin_and_sync; do
    printf '%-18s ' "$program"; summary "$work/t-$program"
done
# 5 ms are for a process of its own.
awk '{print ($1 > 5000) ? $1 - 5000 : 0}' "$work/t-thin" >"$work/t-thin-less"
bar "(--no-sync --no-digest - 5 ms) / cat, median of $((2 * runs)) pairs" \
    "$(ratio "$work/t-thin-less" "$work/t-copy_thin")" at-most 1.2 times

thousand() { thin_image "$work/farms/farm-{farm}.iso" 1..1000 --no-sync --no-digest; }
for _ in 1 2 3; do
    rm -rf "$work/farms"; mkdir "$work/farms"
    microseconds thousand >>"$work/t-thousand"
done
cmp "$work/farms/farm-1.iso" "$work/bytes" || die 'an image made with others differs from one made alone'
printf 'a thousand farms   '; summary "$work/t-thousand"
bar 'images of a thousand farms, --no-sync --no-digest' "$(in_ms "$(median "$work/t-thousand")")" at-most 2000 ms
rm -rf "$work/farms"
