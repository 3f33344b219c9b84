#!/usr/bin/env python3
"""Measures the terminal UI through a pty, on a generated cache and a directory that never answers.

    tui.py fill CACHE_FILE NODES        puts so many nodes into the cache of the one source in it
    tui.py measure NODES COMMAND...     prints figures as NAME VALUE lines
    tui.py peer COMMAND...              the same of a program without nodes: only idling
"""

import fcntl
import hashlib
import json
import os
import pty
import select
import signal
import sqlite3
import statistics
import struct
import sys
import termios
import time

SIZE = (40, 120)
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
FRAME_END = b"\x1b[?2026l"
# A picture that is followed by no other for so many seconds is the last one.
QUIET = 0.12


def base58(data):
    number = int.from_bytes(data, "big")
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def node(number, now):
    node_id = base58(hashlib.sha256(str(number).encode()).digest())
    farm = number % 50 + 1
    country = ["BE", "NL", "DE", "FR", "US", "AE"][number % 6]
    cru, mru, sru = 4 * (number % 16 + 1), 8 * (number % 32 + 1), 256 * (number % 9 + 1)
    hru = 2000 * (number % 3)
    reported = now - (number * 7919) % 5400
    state = "pending" if number % 97 == 0 else "approved"
    body = {
        "id": number, "node_id": node_id, "hostname": f"rack-{number % 400}-{number}", "farm_id": farm, "node_id_v1": f"{0xa0369f000000 + number:012x}",
        "os_version": "farm-node/0.1.0", "created": now - 9_000_000, "updated": reported,
        "uptime": 100_000 + number, "location": {"city": f"City {number % 200}", "country": country,
        "continent": "", "latitude": 51.0, "longitude": 3.7},
        "total_resources": {"cru": cru, "mru": float(mru), "sru": float(sru), "hru": float(hru)},
        "approved": state == "approved", "state": state,
        "hardware": {"schema_version": 1, "disks": [{"name": "sda"}, {"name": "sdb"}],
                     "virtualisation": {"is_virtual": number % 50 == 0}},
    }
    gib = 1 << 30
    return (number, node_id, farm, body["hostname"], country, body["location"]["city"], state,
            reported, body["uptime"], cru, mru * gib, sru * gib, hru * gib, json.dumps(body))


def fill(path, count):
    now = int(time.time())
    base = sqlite3.connect(path)
    (source,) = base.execute("SELECT id FROM sources").fetchone()
    base.execute("DELETE FROM nodes")
    base.execute("DELETE FROM totals")
    base.execute("DELETE FROM farms")
    base.executemany(
        f"INSERT INTO farms (source, id, generation, body) VALUES ({source}, ?, 1, ?)",
        ((farm, json.dumps({"id": farm, "name": f"farm-{farm}"})) for farm in range(1, 51)))
    base.executemany(
        "INSERT INTO nodes (source, generation, id, node_id, farm_id, hostname, country, city, state,"
        " reported, uptime, cru, mru, sru, hru, body)"
        f" VALUES ({source}, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (node(number, now) for number in range(1, count + 1)))
    base.execute(
        "INSERT INTO totals SELECT source, farm_id, COUNT(*), SUM(state = 'pending'),"
        " SUM(state = 'blocked'), SUM(cru), SUM(mru), SUM(sru), SUM(hru) FROM nodes GROUP BY 1, 2")
    base.execute("UPDATE sources SET refreshed = ?, generation = 1", (now - 60,))
    base.commit()
    base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    base.close()


class Program:
    """A program in a pty."""

    def __init__(self, command):
        self.begun = time.monotonic()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # The size is the terminal's business; a program that asks at once must see it.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
            os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8")
            os.environ.pop("NO_COLOR", None)
            os.execvp(command[0], command)

    def read(self, seconds):
        """What comes within this time; nothing if nothing does."""
        if not select.select([self.fd], [], [], max(seconds, 0))[0]:
            return b""
        try:
            return os.read(self.fd, 1 << 16)
        except OSError:
            return b""

    def wait_for(self, text, seconds=30):
        """Seconds since the start until `text` and a whole frame came; None if they do not."""
        seen, until = b"", time.monotonic() + seconds
        while time.monotonic() < until:
            seen += self.read(until - time.monotonic())
            at = seen.find(text)
            if at >= 0 and (text == FRAME_END or seen.find(FRAME_END, at) >= 0):
                return time.monotonic() - self.begun
        return None

    def settle(self, seconds):
        until = time.monotonic() + seconds
        bytes_read = 0
        while (left := until - time.monotonic()) > 0:
            bytes_read += len(self.read(left))
        return bytes_read

    def key(self, key):
        """Seconds from a key to the end of its first frame, and to the end of its last: until nothing
        more comes for a while, as for somebody who looks at what a key does before the next one."""
        while self.read(0):
            pass
        begun = time.monotonic()
        os.write(self.fd, key)
        seen, first, last, count = b"", None, None, 0
        while data := self.read(QUIET if first else 5):
            count += len(data)
            # The end may come in two pieces.
            seen = seen[-len(FRAME_END):] + data
            if FRAME_END in data or FRAME_END in seen:
                last = time.monotonic() - begun
                first = first or last
                seen = b""
        return first or 5, last or 5, count

    def ticks(self):
        with open(f"/proc/{self.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def switches(self):
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/status") as status:
                total += sum(int(line.split()[1]) for line in status if line.startswith("voluntary"))
        return total

    def rss_mib(self):
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

    def idle(self, seconds=20):
        ticks, switches = self.ticks(), self.switches()
        output = self.settle(seconds)
        busy = (self.ticks() - ticks) / os.sysconf("SC_CLK_TCK") / seconds
        return busy * 100, (self.switches() - switches) / seconds, output / seconds

    def end(self, key=b"q"):
        """Seconds from a key to the end of the process."""
        begun = time.monotonic()
        os.write(self.fd, key)
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            self.read(0.001)
            if time.monotonic() > begun + 10:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                break
        os.close(self.fd)
        return time.monotonic() - begun


# What a person does: moves, sorts, filters, looks around. Every key draws a frame.
KEYS = ([b"j"] * 12 + [b"k"] * 4 + [b"\x1b[6~"] * 4 + [b"s", b"r", b"s", b"G", b"g", b"*", b"\\"]
        + [b"/"] + [bytes([c]) for c in b"country:be state:up rack"] + [b"\r", b"j", b"\x1b"]
        + [b"4", b"j", b"r", b"r", b"1", b"3", b"2", b"?", b"\x1b", b"f"]
        + [bytes([c]) for c in b"rack12"] + [b"\r"])


def measure(count, command):
    # Blank cells are skipped, so words may come apart.
    text = str(count).encode()
    firsts, quits = [], []
    for _ in range(11):
        program = Program(command)
        firsts.append(program.wait_for(text))
        quits.append(program.end())
    if None in firsts:
        sys.exit(f"the first frame does not show {text.decode()!r}")
    program = Program(command)
    program.wait_for(text)
    program.settle(5)
    cpu, wakes, output = program.idle()
    print("first_frame_ms", round(statistics.median(firsts) * 1000, 1))
    print("rss_mib", round(program.rss_mib(), 1))
    print("idle_cpu_percent", round(cpu, 2))
    print("idle_wakeups", round(wakes, 1))
    print("idle_bytes", round(output))
    times = []
    while len(times) < 500:
        for key in KEYS:
            times.append((*program.key(key), key))
    for name, at in ("key", 0), ("settled", 1):
        sorted_times = sorted(time[at] for time in times)
        print(f"{name}_p50_ms", round(sorted_times[len(times) // 2] * 1000, 1))
        print(f"{name}_p99_ms", round(sorted_times[len(times) * 99 // 100] * 1000, 1))
    sizes = sorted(time[2] for time in times)
    print("key_bytes_p50", sizes[len(sizes) // 2])
    print("key_bytes_max", sizes[-1])
    slowest = sorted(times, key=lambda time: -time[1])[:8]
    print("slowest_keys", ", ".join(
        f"{key.decode()!r} {first * 1000:.0f} then {last * 1000:.0f} ms" for first, last, _, key in slowest))
    print("rss_after_keys_mib", round(program.rss_mib(), 1))
    quits.append(program.end())
    print("quit_ms", round(max(quits) * 1000, 1))


def peer(command):
    program = Program(command)
    begun = time.monotonic()
    program.read(10)
    print("first_byte_ms", round((time.monotonic() - begun) * 1000, 1))
    program.settle(5)
    cpu, wakes, output = program.idle()
    print("rss_mib", round(program.rss_mib(), 1))
    print("idle_cpu_percent", round(cpu, 2))
    print("idle_wakeups", round(wakes, 1))
    print("idle_bytes", round(output))
    print("quit_ms", round(program.end() * 1000, 1))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["fill", path, count]:
            fill(path, int(count))
        case ["measure", count, *command]:
            measure(int(count), command)
        case ["peer", *command]:
            peer(command)
        case _:
            sys.exit(__doc__)
