"""300 connections that announce 100 MiB and stop. Apache Kafka with 1 GiB of heap dies of it, so it is not asked."""

import statistics
import time

import wire

CONNECTIONS = 300
ANNOUNCED_BYTES = 100 << 20
RSS_BYTES_MAX = 256 << 20
HOLD_SECONDS = 5


def rss_bytes(pid):
    """Resident memory of a process."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS:"))


def round_trips_ms(connection, seconds):
    """Round trip times of a calm client that asks every 10 ms."""
    times, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        connection.call(wire.API_VERSIONS, 0, b"")
        times.append((time.monotonic() - began) * 1000)
        time.sleep(0.01)
    return times


def announce_and_stop(world, check):
    """Memory must stay bounded, and a calm client undisturbed."""
    before = round_trips_ms(world.calm_connection, HOLD_SECONDS)
    rude, refused = [], 0
    for _ in range(CONNECTIONS):
        try:
            connection = world.connect()
            connection.socket.sendall(wire.i32(ANNOUNCED_BYTES) + b"\x00\x00\x00\x07" + bytes(1000))
            rude.append(connection)
        except OSError:
            refused += 1
    during = round_trips_ms(world.calm_connection, HOLD_SECONDS)
    rss = rss_bytes(world.broker.pid)
    p99 = lambda times: statistics.quantiles(times, n=100)[98]
    check.that(f"{CONNECTIONS} connections announce 100 MiB: RSS is {rss >> 20} MiB", rss <= RSS_BYTES_MAX, f"{refused} refused")
    check.that(f"a calm client's p99 is {p99(during):.2f} ms, was {p99(before):.2f} ms", p99(during) <= max(2 * p99(before), 5))
    for connection in rude:
        connection.socket.close()
    check.that("it still serves when they are gone", world.calm() == "calm")
