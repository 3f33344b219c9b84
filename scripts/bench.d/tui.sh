# Topic of scripts/bench: the terminal UI in a pty, with 10 000 and 100 000 nodes and a hung directory.
# shellcheck shell=bash

need_packages python3 btop
cargo build --locked --profile quick -p farmer-cli
tui_py=$root/scripts/bench.d/tui.py
export XDG_CACHE_HOME=$work/cache XDG_STATE_HOME=$work/state FARMER_INSECURE_HTTP=1

# A directory that takes connections and never answers.
python3 -c 'import socket, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
time.sleep(3600)' >"$work/port" &
hung=$!
trap 'kill $hung 2>/dev/null; rm -rf "$work"' EXIT
until [ -s "$work/port" ]; do sleep 0.1; done
FARMER_DIRECTORY=http://127.0.0.1:$(cat "$work/port")
export FARMER_DIRECTORY

# Makes the cache file with its schema.
timeout 2 "$built/quick/farmer" dash --once >/dev/null 2>&1 || true
for nodes in 10000 100000; do
    rss=30
    [ "$nodes" = 10000 ] || rss=120
    python3 "$tui_py" fill "$work/cache/farmer/directories.sqlite" "$nodes"
    while read -r name value; do
        case $name in
        first_frame_ms) bar "first frame, $nodes nodes" "$value" at-most 50 ms ;;
        key_p99_ms) bar "key to frame p99, $nodes nodes" "$value" at-most 16 ms ;;
        settled_p99_ms) bar "key to the last of its frames p99, $nodes nodes" "$value" at-most 50 ms ;;
        idle_cpu_percent) bar "idle, $nodes nodes" "$value" at-most 0.2 '% CPU' ;;
        idle_wakeups) bar "idle, $nodes nodes" "$value" at-most 2 wake-ups/s ;;
        rss_mib) bar "memory, $nodes nodes" "$value" at-most "$rss" MiB ;;
        quit_ms) bar "quit with hung requests, $nodes nodes" "$value" at-most 50 ms ;;
        *) echo "$name, $nodes nodes: $value" ;;
        esac
    done < <(python3 "$tui_py" measure "$nodes" "$built/quick/farmer" tui)
done
echo "btop, for comparison:"
python3 "$tui_py" peer btop || true
kill "$hung"
