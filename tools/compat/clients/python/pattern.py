"""The records that every `verify` writes and expects (see README.md), and the reader's check of them."""

import sys
import time

BLOCK_SIZE = (1 << 20) + (1 << 16)
QUIET_SECONDS = 60


def _block():
    state, block = 1, bytearray(BLOCK_SIZE)
    for index in range(BLOCK_SIZE):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        block[index] = (state >> 24 & 63) + 32
    return bytes(block)


BLOCK = _block()


def mix(partition, sequence):
    """A hash of both, the same in every language."""
    value = (sequence * 2654435761 + partition * 40503) & 0xFFFFFFFF
    value ^= value >> 15
    value = value * 2246822519 & 0xFFFFFFFF
    return value ^ value >> 13


def value_of(partition, sequence, sizes):
    """The value of one record."""
    hashed = mix(partition, sequence)
    if sizes == "small":
        size = 10 + hashed % 1015
    elif hashed % 500 == 0:
        size = 1 << 20
    else:
        size = 10 + (hashed >> 8) % ((16 << hashed % 13) - 9)
    begin = (hashed >> 3) % 65536
    return b"%07d%03d" % (sequence, partition) + BLOCK[begin:begin + size - 10]


def key_of(sequence):
    """Its key."""
    return b"k%d" % sequence if sequence % 2 == 0 else None


def headers_of(sequence):
    """Its headers."""
    return [("h", b"%d" % sequence)] if sequence % 16 == 0 else []


def fail(text):
    """Ends the program with what differs."""
    sys.exit(f"verify: {text}")


class Case:
    """The arguments of one run."""

    def __init__(self, arguments):
        (self.mode, self.bootstrap, self.topic, partitions, count, self.sizes, self.codec, self.acks, idempotent,
         self.group) = arguments
        self.partitions, self.count = int(partitions), int(count)
        self.idempotent = idempotent == "true"
        self.began = time.monotonic()

    def records(self):
        """(partition, sequence) of every record, in the order of writing."""
        return ((index % self.partitions, index // self.partitions) for index in range(self.count))

    def done(self, records):
        """The last line."""
        print(f"ok {records} {time.monotonic() - self.began:.1f}")


class Expected:
    """What a reader has seen, and must see next."""

    def __init__(self, case, plain=False):
        self.case, self.plain, self.seen, self.news = case, plain, 0, time.monotonic()
        self.next = [0] * case.partitions

    def take(self, partition, offset, key, value, headers):
        """Checks the next record."""
        sequence = self.next[partition]
        if offset != sequence:
            fail(f"partition {partition}: offset {offset} where {sequence} is next (missing, twice or out of order)")
        if value != value_of(partition, sequence, self.case.sizes):
            fail(f"partition {partition} offset {offset}: value of {len(value)} bytes differs: {value[:40]!r}")
        if not self.plain and (key, headers) != (key_of(sequence), headers_of(sequence)):
            fail(f"partition {partition} offset {offset}: key {key!r} or headers {headers!r} differ")
        self.next[partition] = sequence + 1
        self.seen += 1

    def waiting(self, got):
        """Call after each poll; ends the program when nothing comes any more."""
        if got:
            self.news = time.monotonic()
        elif time.monotonic() - self.news > QUIET_SECONDS:
            fail(f"nothing more in {QUIET_SECONDS} s: {self.seen} of {self.case.count} read, next {self.next}")
