# Topic of scripts/bench: a directory with many nodes, on SQLite and on PostgreSQL, asked over HTTP by
# eight connections on the same machine. Rates are what it does at most; latencies are at half that
# rate. With --full also a million nodes.
# shellcheck shell=bash

need_packages sqlite3 postgresql util-linux
cargo build --locked --profile quick -p directory --features client,server --example load
load=$built/quick/examples/load

sizes=(1000 100000)
[ "${full:-}" ] && sizes+=(1000000)
seconds=${FARMER_BENCH_SECONDS:-3}
now=$(date +%s)

# Runs a command as the user that may run PostgreSQL.
as_postgres() {
    if [ "$(id -u)" -eq 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi
}
pg_bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n1)
pg_dir=$(as_postgres mktemp -d)
trap 'as_postgres "$pg_bin/pg_ctl" -D "$pg_dir/data" -m immediate stop >/dev/null 2>&1 || true; as_postgres rm -rf "$pg_dir"; rm -rf "$work"' EXIT
as_postgres "$pg_bin/initdb" -D "$pg_dir/data" -U farmer -A trust -E UTF8 --locale=C >/dev/null
as_postgres "$pg_bin/pg_ctl" -D "$pg_dir/data" -w -l "$pg_dir/log" \
    -o "-k $pg_dir -c listen_addresses= -c shared_buffers=512MB -c max_wal_size=4GB" start >/dev/null
pg() { psql -qX -v ON_ERROR_STOP=1 -h "$pg_dir" -U farmer "$@"; }

# Starts a server on PLACE and sets `server` to its address; it ends when `stop_server` is called.
start_server() { # PLACE
    local fd
    coproc server_process { exec "$load" serve "$1"; }
    server_input=${server_process[1]} fd=${server_process[0]}
    read -r server <&"$fd" || die "the server does not start"
    server_pid=$server_process_PID
}
stop_server() {
    exec {server_input}>&-
    wait "$server_pid"
}

kinds=(farms nodes pulses)
rows_of() { # KIND NODES
    local count=$2
    [ "$1" != farms ] || count=$((($2 + 99) / 100))
    "$load" rows "$1" "$count" "$now"
}
# SQL that takes the rows of a kind from the table `staging`. A node has its pulse from the start.
take_over() { # KIND
    local columns; columns=$("$load" columns "$1")
    case $1 in
    pulses)
        echo "INSERT INTO node_pulse ($columns) SELECT $columns FROM staging WHERE TRUE
              ON CONFLICT (node) DO UPDATE SET updated = excluded.updated, uptime_secs = excluded.uptime_secs;" ;;
    *) echo "INSERT INTO $1 ($columns) SELECT $columns FROM staging;" ;;
    esac
}
fill_sqlite() { # COUNT DIR
    local file=$2/directory.sqlite kind
    start_server "$2"; stop_server
    for kind in "${kinds[@]}"; do
        rows_of "$kind" "$1" >"$work/rows"
        sqlite3 "$file" >/dev/null <<SQL
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE staging ($("$load" columns "$kind"));
.mode tabs
.import $work/rows staging
$(take_over "$kind")
DROP TABLE staging;
SQL
        rm "$work/rows"
    done
}
fill_postgres() { # COUNT NAME
    local kind table columns
    pg -d postgres -c "CREATE DATABASE $2"
    start_server "postgres://farmer@localhost/$2?host=$pg_dir"; stop_server
    for kind in "${kinds[@]}"; do
        columns=$("$load" columns "$kind") table=$kind
        [ "$kind" != pulses ] || table=node_pulse
        rows_of "$kind" "$1" | pg -d "$2" -c "CREATE TEMP TABLE staging AS SELECT $columns FROM $table LIMIT 0" \
            -c "\\copy staging FROM STDIN" -c "$(take_over "$kind")"
    done
    pg -d "$2" -c 'VACUUM ANALYZE'
}

measure() { # COUNT STORE PLACE
    local name rate half slow limit
    start_server "$3"
    case $1 in 1000000) limit=100 ;; *) limit=20 ;; esac
    say "$1 nodes on $2, $seconds s each; load of the machine $(cut -d' ' -f1-3 /proc/loadavg)"
    while IFS=$'\t' read -r name rate half slow; do
        printf '%-22s %7s/s  p50 %6s ms at half that rate\n' "$name" "$rate" "$half"
        bar "  $name, p99" "$slow" at-most "$limit" ms
    done < <("$load" measure "$server" "$1" "$seconds" || echo "the measurement	failed	-	999999")
    stop_server
}

for size in "${sizes[@]}"; do
    mkdir "$work/data-$size"
    fill_sqlite "$size" "$work/data-$size"
    measure "$size" SQLite "$work/data-$size"
    rm -r "$work/data-$size"
    fill_postgres "$size" "d$size"
    measure "$size" PostgreSQL "postgres://farmer@localhost/d$size?host=$pg_dir"
    pg -d postgres -c "DROP DATABASE d$size"
done
as_postgres "$pg_bin/pg_ctl" -D "$pg_dir/data" -m fast stop >/dev/null
