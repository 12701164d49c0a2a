"""Record batches that must not enter a log."""

import gzip
import struct
import time
import zlib

import wire
from outcome import outcome
from wire import array, batch, blob, i16, i32, i64, record, string, varint

GOOD = record(b"value", b"key")
CONTROL, TRANSACTIONAL, LOG_APPEND, DELETE_HORIZON = 0x20, 0x10, 0x08, 0x40
GZIP, ZSTD = 1, 4
MIB = 1 << 20


def now_ms():
    """Batches carry the present: Kafka refuses timestamps too far ahead."""
    return int(time.time() * 1000)


def fresh(records, **fields):
    """A batch of the present."""
    return batch(records, **{"timestamp": now_ms()} | fields)


def produced(reader, version):
    """The error of each partition, in the order of partitions."""
    rows = sorted(wire.read_produce(reader, version))
    return "errors " + " ".join(str(error) for _, error, _ in rows) if rows else "no partitions"


def send(world, body, version):
    with world.connect() as connection:
        connection.send(wire.PRODUCE, version, body)
        return outcome(connection, lambda reader: produced(reader, version))


def produce(make, topic="plain", version=7, **request):
    """A case that produces what `make()` returns to partition 0, on a connection of its own."""
    return lambda world: send(world, wire.produce_body(world.topic(topic), [(0, make())], **request), version)


def legacy(magic, value=b"value"):
    """A message of magic 0 or 1."""
    body = bytes([magic, 0]) + (i64(now_ms()) if magic else b"") + blob(None) + blob(value)
    message = struct.pack(">I", zlib.crc32(body)) + body
    return i64(0) + i32(len(message)) + message


def requests():
    """The request around the batch."""
    good = lambda: fresh([GOOD])
    yield "produce good", produce(good)
    for acks in (2, -2, 32767):
        yield f"produce acks {acks}", produce(good, acks=acks)
    yield "produce timeout -1", produce(good, timeout_ms=-1)
    yield "produce transactional id, plain batch", produce(good, transactional_id="t")
    on = lambda topic, *indexes: lambda world: send(
        world, wire.produce_body(topic(world), [(index, fresh([GOOD])) for index in indexes]), 7)
    yield "produce to an unknown topic", on(lambda _: "nowhere", 0)
    yield "produce to partition -1", on(lambda world: world.topic("plain"), -1)
    yield "produce to partition 1000", on(lambda world: world.topic("plain"), 1000)
    yield "produce to partitions 0, 1000", on(lambda world: world.topic("plain"), 0, 1000)
    yield "produce to the same partition twice", on(lambda world: world.topic("plain"), 0, 0)
    for name, topic in [("empty", ""), (".", "."), ("..", ".."), ("a path", "../../etc"), ("long", "x" * 250),
                        ("not utf-8", b"\xff\xff"), ("a slash", "a/b")]:
        yield f"produce to a topic named {name}", on(lambda _, topic=topic: topic, 0)
    yield "produce to the metadata log", on(lambda _: "__cluster_metadata", 0)
    head = string(None) + i16(-1) + i32(1000)
    rows = lambda rows: lambda world: send(world, head + rows(world), 7)
    yield "produce no topics", rows(lambda _: array([]))
    yield "produce no partitions", rows(lambda world: array([string(world.topic("plain")) + array([])]))
    yield "produce topics array null", rows(lambda _: i32(-1))
    yield "produce records length beyond the frame", rows(
        lambda world: array([string(world.topic("plain")) + array([i32(0) + i32(5000) + b"abc"])]))
    yield "produce records length -2", rows(
        lambda world: array([string(world.topic("plain")) + array([i32(0) + i32(-2)])]))


def shapes():
    """How many batches, of which magic, and how long."""
    good = lambda **fields: fresh([GOOD], **fields)
    yield "records null", produce(lambda: None)
    yield "records empty", produce(lambda: b"")
    for size in (1, 11, 12, 60):
        yield f"records of {size} zero bytes", produce(lambda size=size: bytes(size))
    yield "two batches", produce(lambda: good() + good())
    yield "a batch and noise behind it", produce(lambda: good() + b"noise")
    yield "a batch and half a batch", produce(lambda: good() + good()[:40])
    for magic in (0, 1):
        yield f"magic {magic} message", produce(lambda magic=magic: legacy(magic), version=3)
    for magic in (0, 1, 3, 127, -1, -128):
        yield f"magic {magic} in a v2 batch", produce(lambda magic=magic: good(magic=magic))
    for length in (0, 1, 13, 48, -1, 2147483647, -2147483648):
        yield f"batch length {length}", produce(lambda length=length: good(length=length))
    yield "batch length one above what is there", produce(lambda: good(length=len(good()) - 12 + 1))
    yield "batch length one below what is there", produce(lambda: good(length=len(good()) - 12 - 1))
    yield "batch cut after its header", produce(lambda: good()[:61])
    yield "batch cut inside its record", produce(lambda: good()[:-3])
    yield "crc wrong", produce(lambda: good(crc=12345))
    yield "crc zero", produce(lambda: good(crc=0))


def header_fields():
    """Fields of the batch header that contradict each other or the rules."""
    three = [record(b"a"), record(b"b", offset_delta=1), record(b"c", offset_delta=2)]
    for name, fields in [
            ("base offset 5", {"base_offset": 5}), ("base offset -1", {"base_offset": -1}),
            ("base offset max", {"base_offset": 2 ** 63 - 1}),
            ("count 0", {"count": 0}), ("count -1", {"count": -1}), ("count 0 and last offset delta 2",
                                                                   {"count": 0, "last_offset_delta": 2}),
            ("count 2 of 3 records", {"count": 2}), ("count 4 of 3 records", {"count": 4}),
            ("count 2 of 3, delta 2", {"count": 2, "last_offset_delta": 2}),
            ("count max", {"count": 2147483647}), ("last offset delta -1", {"last_offset_delta": -1}),
            ("last offset delta 1", {"last_offset_delta": 1}), ("last offset delta 3", {"last_offset_delta": 3}),
            ("last offset delta max", {"last_offset_delta": 2147483647}),
            ("control bit", {"attributes": CONTROL}), ("transactional bit", {"attributes": TRANSACTIONAL}),
            ("transactional and control bits", {"attributes": TRANSACTIONAL | CONTROL}),
            ("log append time bit", {"attributes": LOG_APPEND}), ("delete horizon bit", {"attributes": DELETE_HORIZON}),
            ("unused attribute bits", {"attributes": 0x7F00}), ("compression 5", {"attributes": 5}),
            ("compression 6", {"attributes": 6}), ("compression 7", {"attributes": 7}),
            ("producer id without sequence", {"producer_id": 1000, "producer_epoch": 0}),
            ("producer id without epoch", {"producer_id": 1000, "base_sequence": 0}),
            ("producer id never given", {"producer_id": 987654, "producer_epoch": 0, "base_sequence": 0}),
            ("producer id -2", {"producer_id": -2, "producer_epoch": 0, "base_sequence": 0}),
            ("sequence 7 of a new producer", {"producer_id": 987655, "producer_epoch": 0, "base_sequence": 7}),
            ("sequence without producer id", {"base_sequence": 3}), ("sequence -2", {"base_sequence": -2}),
            ("timestamp -1", {"timestamp": -1}), ("timestamp -2", {"timestamp": -2}), ("timestamp 0", {"timestamp": 0}),
            ("timestamp max", {"timestamp": 2 ** 63 - 1}), ("timestamp min", {"timestamp": -2 ** 63}),
            ("max timestamp below the first", {"max_timestamp": 1}), ("max timestamp max", {"max_timestamp": 2 ** 63 - 1})]:
        yield name, produce(lambda fields=fields: fresh(three, **fields))
    yield "timestamp two hours ahead", produce(lambda: fresh(three, timestamp=now_ms() + 7_200_000))
    yield "timestamp a year ago", produce(lambda: fresh(three, timestamp=now_ms() - 365 * 86_400_000))
    yield "timestamp delta that overflows", produce(lambda: fresh([record(b"a", timestamp_delta=2 ** 63 - 1)]))
    yield "timestamp delta two hours ahead", produce(lambda: fresh([record(b"a", timestamp_delta=7_200_000)]))

    def producer_steps(*steps):
        """Batches of one fresh producer: (epoch, sequence) each, all outcomes in a row."""
        def run(world):
            with world.connect() as connection:
                _, producer_id, _ = world.producer(connection)
                rows = [wire.produce(connection, world.topic("plain"), [(0, fresh(
                    [GOOD], producer_id=producer_id, producer_epoch=epoch, base_sequence=sequence))])
                    for epoch, sequence in steps]
                return "errors " + " ".join(str(row[0][1]) for row in rows)
        return run

    yield "sequence with a gap", producer_steps((0, 0), (0, 2))
    yield "sequence twice", producer_steps((0, 0), (0, 0))
    yield "sequence far behind", producer_steps(*((0, sequence) for sequence in range(8)), (0, 0))
    yield "older epoch", producer_steps((1, 0), (0, 0))
    yield "newer epoch, sequence not 0", producer_steps((0, 0), (1, 5))


def raw_record(body):
    """A record whose size is right, whatever is in it."""
    return varint(len(body)) + body


def records():
    """Records whose inside is wrong while the batch around them is right."""
    good_body = b"\0" + varint(0) + varint(0) + varint(1) + b"k" + varint(1) + b"v"
    for name, data in [
            ("record size above what is there", varint(100) + good_body + varint(0)),
            ("record size below what is there", varint(3) + good_body + varint(0)),
            ("record size 0", varint(0)), ("record size -1", varint(-1) + good_body + varint(0)),
            ("record size max", varint(2147483647) + good_body + varint(0)),
            ("record size as varint of six bytes", b"\xff" * 6 + good_body),
            ("record without header count", raw_record(good_body)),
            ("header count -1", raw_record(good_body + varint(-1))),
            ("header count above what is there", raw_record(good_body + varint(100))),
            ("header count max", raw_record(good_body + varint(2147483647))),
            ("header key null", raw_record(good_body + varint(1) + varint(-1) + varint(0))),
            ("header key length past the end", raw_record(good_body + varint(1) + varint(50) + b"h" + varint(0))),
            ("header value length past the end", raw_record(good_body + varint(1) + varint(1) + b"h" + varint(50))),
            ("header key not utf-8", raw_record(good_body + varint(1) + varint(2) + b"\xff\xfe" + varint(0))),
            ("key length past the end", raw_record(b"\0" + varint(0) + varint(0) + varint(500) + b"k")),
            ("key length -2", raw_record(b"\0" + varint(0) + varint(0) + varint(-2) + varint(1) + b"v" + varint(0))),
            ("value length past the end", raw_record(b"\0" + varint(0) + varint(0) + varint(-1) + varint(500) + b"v")),
            ("value length -2", raw_record(b"\0" + varint(0) + varint(0) + varint(-1) + varint(-2) + varint(0))),
            ("record attributes set", raw_record(b"\xff" + good_body[1:] + varint(0))),
            ("offset delta as varint of six bytes", raw_record(b"\0" + varint(0) + b"\xff" * 6 + good_body)),
            ("timestamp delta as varint of eleven bytes", raw_record(b"\0" + b"\xff" * 11 + good_body)),
            ("bytes behind the last record", raw_record(good_body + varint(0)) + b"more")]:
        yield name, produce(lambda data=data: fresh(data, count=1))
        yield f"{name}, gzip", produce(lambda data=data: fresh(gzip.compress(data), count=1, attributes=GZIP))
    deltas = lambda *values: [record(b"v", offset_delta=value) for value in values]
    for values in [(0, 2, 1), (1, 2, 3), (0, 0, 0), (0, -1, 2), (0, 1, 2147483647)]:
        yield f"offset deltas {values}", produce(lambda values=values: fresh(deltas(*values)))
    yield "null key in a compacted topic", produce(lambda: fresh([record(b"v")]), topic="compacted")
    yield "key in a compacted topic", produce(lambda: fresh([GOOD]), topic="compacted")
    yield "null value in a compacted topic", produce(lambda: fresh([record(None, b"k")]), topic="compacted")


def compressed():
    """What claims to be compressed, and what grows."""
    packed = lambda codec, data, count=1: lambda: fresh(data, count=count, attributes=codec)
    for name, codec in [("gzip", 1), ("snappy", 2), ("lz4", 3), ("zstd", 4)]:
        yield f"{name} of noise", produce(packed(codec, b"\xde\xad\xbe\xef" * 16))
        yield f"{name} of nothing", produce(packed(codec, b""))
    yield "gzip good", produce(packed(GZIP, gzip.compress(GOOD)))
    yield "gzip cut short", produce(packed(GZIP, gzip.compress(GOOD * 50, 1)[:-12], 50))
    yield "gzip of fewer records than counted", produce(packed(GZIP, gzip.compress(GOOD), 9))
    yield "gzip of more records than counted", produce(packed(GZIP, gzip.compress(GOOD + GOOD)))
    yield "zstd in produce 6", produce(packed(ZSTD, b"\x28\xb5\x2f\xfd"), version=6)
    yield "lz4 frame without its end", produce(packed(3, bytes.fromhex("04224d184040c0") + b"\0\0"))
    yield "snappy with a wrong length", produce(packed(2, b"\x82SNAPPY\0" + i32(1) + i32(1) + i32(2147483647) + b"abc"))

    def bomb():
        """One good record of 200 MB of zeros, 200 kB on the wire."""
        size = 200 << 20
        head = b"\0\0\0" + varint(-1) + varint(size)
        packer = zlib.compressobj(9, wbits=31)
        parts = [packer.compress(varint(len(head) + size + 1) + head)]
        parts += [packer.compress(bytes(MIB)) for _ in range(200)]
        parts += [packer.compress(varint(0)), packer.flush()]
        return fresh(b"".join(parts), count=1, attributes=GZIP)

    yield "gzip bomb of 200 MiB", produce(bomb)


def sizes():
    """Larger than the topic takes."""
    big = lambda size, **fields: lambda: fresh([record(bytes(size))], **fields)
    yield "batch above max.message.bytes, crc wrong too", produce(big(MIB + 100, crc=0))
    yield "batch of 2 MiB", produce(big(2 * MIB, crc=0))
    yield "batch larger than a segment", produce(big(3 * MIB // 2), topic="small-segments")


def cases():
    """All of them."""
    for part in (requests, shapes, header_fields, records, compressed, sizes):
        yield from part()
