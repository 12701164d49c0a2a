"""From the start of a process to its first acknowledged record, and its memory at rest."""

import statistics
import time

import wire

REST_SECONDS = 10
RECORD = wire.record(b"first")
#: What each metric should stay within; None where nothing is claimed.
CLAIMS = {"ready_ms": None, "first_ack_ms": 100, "rss_at_rest_mib": 32}


def start_times(broker):
    """Start, create a topic, write one record with acks=all: milliseconds until the broker said that it serves (until
    it answered, for Kafka), and until the record's answer.

    Kafka's directory is formatted before; Ottla formats its own within this time.
    """
    began = time.perf_counter()
    broker.start()
    ready_ms = (time.perf_counter() - began) * 1000
    while True:
        try:
            with wire.Connection(broker.bootstrap) as connection:
                wire.create_topic(connection, "first", 1)
                while wire.produce(connection, "first", [(0, wire.batch([RECORD]))])[0][1] != 0:
                    time.sleep(0.001)
                return {"ready_ms": ready_ms, "first_ack_ms": (time.perf_counter() - began) * 1000}
        except OSError:
            time.sleep(0.001)


def rss_mib(pid):
    """Resident memory of a process."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS:"))


def once(make, name, directory, quick):
    """One fresh start for the time, another for the memory: at rest there is no topic."""
    broker = make(name, directory / "fresh")
    if broker.make == "kafka":
        broker.start().stop()  # formatted now
    try:
        row = start_times(broker)
        broker.stop()
    finally:
        if broker.alive():
            broker.kill9()
    with make(name, directory / "rest") as broker:
        time.sleep(1 if quick else REST_SECONDS)
        row["rss_at_rest_mib"] = rss_mib(broker.pid)
    return row


def measure(names, make, directory, options):
    """Prints the table of all brokers; returns every number."""
    rounds = 1 if options.quick else options.rounds
    results = {name: [once(make, name, directory / f"{name}-{round_}", options.quick) for round_ in range(rounds)]
               for name in names}
    print("### start and rest\n\n| metric | " + " | ".join(names) + " | claim |")
    print("|---" * (len(names) + 2) + "|")
    for metric, claim in CLAIMS.items():
        cells = []
        for name in names:
            values = [row[metric] for row in results[name]]
            cells.append(f"{statistics.median(values):.1f} ({min(values):.1f}–{max(values):.1f})")
        print(f"| {metric} | {' | '.join(cells)} | {'' if claim is None else f'≤ {claim}'} |", flush=True)
    return results
