"""Frames, headers, versions, arrays, strings and tags that are wrong before any request is understood."""

import wire
from outcome import flexible_header, framed, header, outcome, raw, request
from wire import array, i16, i32, i8, string, uvarint

INT_MAX = 2147483647
METADATA, PRODUCE, FETCH, VERSIONS = wire.METADATA, wire.PRODUCE, wire.FETCH, wire.API_VERSIONS


def api_versions_v0(reader):
    """An ApiVersions answer read as version 0: error, and how many keys it lists."""
    return f"v0 error {reader.i16()}, {'one key' if reader.i32() == 1 else 'keys'}"


def api_versions_v3(reader):
    """An ApiVersions answer of version 3 and later: its header is version 0 all the same."""
    return f"error {reader.i16()}"


def metadata_v1(reader):
    """A Metadata v1 answer: the error code of each topic."""
    reader.array(lambda: (reader.i32(), reader.string(), reader.i32(), reader.string()))
    reader.i32()
    partition = lambda: (reader.i16(), reader.i32(), reader.i32(), reader.array(reader.i32), reader.array(reader.i32))
    topics = reader.array(lambda: (reader.i16(), reader.string(), reader.i8(), reader.array(partition)))
    return "several topics" if len(topics) > 2 else f"topic errors {sorted(topic[0] for topic in topics)}"


def lengths():
    """The four bytes in front of a frame."""
    for name, length in [("-1", -1), ("min", -INT_MAX - 1), ("above the limit", 104857601), ("max", INT_MAX)]:
        yield f"length {name}", raw(i32(length) + b"abcd")
    yield "length 0", raw(i32(0))
    for size in (1, 2, 4, 7):
        yield f"frame of {size} bytes", framed(bytes([0, 18, 0, 0, 0, 0, 0, 7])[:size])
    yield "length only, half of it", raw(b"\0\0")
    yield "announces 100 MiB and stops", raw(i32(104857600) + b"\0\x12")
    yield "http request", raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    yield "tls client hello", raw(bytes.fromhex("16030100c8010000c40303") + bytes(200))


def keys_and_versions():
    """Unknown keys, and versions outside the window."""
    for key in (-1, 4, 7, 95, 999, 32767, -32768):
        yield f"key {key}", request(key, 0, b"")
    for name, key, version in [
            ("produce", PRODUCE, 2), ("produce", PRODUCE, 14), ("produce", PRODUCE, -1), ("fetch", FETCH, 3), ("fetch", FETCH, 19),
            ("metadata", METADATA, 14), ("metadata", METADATA, 32767), ("list offsets", 2, 0), ("list offsets", 2, 12),
            ("offset commit", 8, 1), ("offset fetch", 9, 0), ("find coordinator", 10, 7), ("join group", 11, 10),
            ("create topics", 19, 1), ("create topics", 19, 8), ("delete topics", 20, 0), ("init producer id", 22, 7),
            ("offset for leader epoch", 23, 1), ("describe configs", 32, 0), ("describe cluster", 60, 3)]:
        yield f"{name} version {version}", request(key, version, b"")
    for name, key in [("vote", 52), ("begin quorum epoch", 53), ("alter partition", 56), ("fetch snapshot", 59),
                      ("broker registration", 62), ("broker heartbeat", 63), ("allocate producer ids", 67)]:
        yield f"{name} on a client listener", request(key, 1, b"\0" * 32)
    for version in (6, 99, 32767):
        yield f"api versions {version}", framed(flexible_header(VERSIONS, version), api_versions_v0)
        yield f"api versions {version} without header tags", request(VERSIONS, version, b"", api_versions_v0)
    yield "api versions -1", request(VERSIONS, -1, b"", api_versions_v0)
    yield "api versions 99 with a body of noise", framed(flexible_header(VERSIONS, 99) + b"\xff" * 64, api_versions_v0)
    name = lambda text: uvarint(len(text) + 1) + text
    software = lambda *parts: framed(flexible_header(VERSIONS, 3) + b"".join(name(part) for part in parts) + b"\0",
                                     api_versions_v3)
    yield "api versions 3", software(b"client", b"1.0")
    yield "api versions 3 with a software name of blanks", software(b"bad name", b"1.0")
    yield "api versions 3 with an empty software name", software(b"", b"1.0")
    yield "api versions 3 with an empty software version", software(b"client", b"")
    yield "api versions 3 without a body", framed(flexible_header(VERSIONS, 3))
    yield "api versions 3 with body bytes after its end", framed(
        flexible_header(VERSIONS, 3) + name(b"client") + name(b"1.0") + b"\0" + b"more", api_versions_v3)


def headers():
    """Client ids and tags of the header."""
    start = i16(METADATA) + i16(1) + i32(7)
    no_topics = array([])
    yield "client id null", framed(start + i16(-1) + no_topics, metadata_v1)
    yield "client id empty", framed(start + string("") + no_topics, metadata_v1)
    yield "client id length -2", framed(start + i16(-2) + no_topics, metadata_v1)
    yield "client id longer than the frame", framed(start + i16(500) + b"abc")
    yield "client id of 32767 bytes", framed(start + string("x" * 32767) + no_topics, metadata_v1)
    yield "client id of control bytes", framed(start + string(b"\x00\x1b[31m\n\r\x7f") + no_topics, metadata_v1)
    yield "client id not utf-8", framed(start + string(b"\xff\xfe\xc0\x80") + no_topics, metadata_v1)
    yield "header without client id", framed(start)
    body = b"\x01" + b"\0\0\0" + b"\0"  # v9: no topics, three flags, no tags
    tags = lambda data, after=body: framed(header(METADATA, 9) + data + after)
    yield "metadata 9 with an empty tag section", tags(b"\0")
    yield "header tag unknown", tags(b"\x01\x05\x02ab")
    yield "header tags out of order", tags(b"\x02\x05\x01a\x04\x01b")
    yield "header tag twice", tags(b"\x02\x05\x01a\x05\x01b")
    yield "header tag count of max", tags(b"\xff\xff\xff\xff\x0f")
    yield "header tag longer than the frame", tags(b"\x01\x05\xff\xff\x03")
    yield "header tag count as varint of six bytes", tags(b"\xff\xff\xff\xff\xff\xff\x01")
    yield "flexible request without header tags", framed(header(METADATA, 9) + b"\x01\0\0\0")
    many = uvarint(5000) + b"".join(uvarint(tag + 10) + b"\0" for tag in range(5000))
    yield "header with 5000 tags", tags(many)


def arrays():
    """Lengths inside a body that promise more than there is."""
    topics = lambda count, rest=b"": request(METADATA, 1, i32(count) + rest, metadata_v1)
    yield "metadata with no body", request(METADATA, 1, b"")
    yield "metadata array of max", topics(INT_MAX)
    yield "metadata array of 100 with one topic", topics(100, string("x"))
    yield "metadata array -2", topics(-2)
    yield "metadata array min", topics(-INT_MAX - 1)
    yield "metadata topic name length -2", topics(1, i16(-2))
    yield "metadata topic name null", topics(1, i16(-1))
    yield "metadata topic name longer than the frame", topics(1, i16(1000) + b"x")
    yield "metadata cut inside its array", request(METADATA, 4, i32(1))
    yield "metadata with trailing bytes", request(METADATA, 1, array([]) + b"trailing", metadata_v1)
    yield "metadata with 10000 empty names", request(METADATA, 1, array([string("")] * 10000), metadata_v1)
    compact = lambda body: framed(flexible_header(METADATA, 9) + body)
    yield "metadata 9 compact array of max", compact(b"\xff\xff\xff\xff\x07\0\0\0\0")
    yield "metadata 9 compact array of unsigned max", compact(b"\xff\xff\xff\xff\x0f\0\0\0\0")
    yield "metadata 9 compact array varint of six bytes", compact(b"\xff\xff\xff\xff\xff\x01\0\0\0\0")
    yield "metadata 9 compact string beyond the frame", compact(b"\x02\xff\x7f\0\0\0\0")
    yield "metadata 9 tag bomb in the body", compact(b"\x01\0\0\0\xff\xff\xff\xff\x0f")
    yield "metadata 9 trailing bytes", compact(b"\x01\0\0\0\0trailing")
    yield "metadata 12 topic id and no name", framed(
        flexible_header(METADATA, 12) + b"\x02" + bytes(15) + b"\x01" + b"\0\0\0\0\0")
    for name, key, version, body in [
            ("produce topics", PRODUCE, 7, i16(-1) + i16(1) + i32(1000)),
            ("fetch topics", FETCH, 4, i32(-1) + i32(100) + i32(1) + i32(1000) + i8(0)),
            ("list offsets topics", 2, 1, i32(-1)),
            ("offset commit topics", 8, 2, string("g") + i32(-1) + string("") + wire.i64(-1)),
            ("offset fetch topics", 9, 1, string("g")),
            ("join group protocols", 11, 2, string("g") + i32(10000) + i32(10000) + string("") + string("consumer")),
            ("sync group assignments", 14, 0, string("g") + i32(1) + string("m")),
            ("describe groups", 15, 0, b""), ("create topics", 19, 2, b""), ("delete topics", 20, 1, b""),
            ("delete groups", 42, 0, b""), ("offset delete topics", 47, 0, string("g")),
            ("describe configs", 32, 1, b""), ("offset for leader epoch", 23, 3, i32(-1))]:
        yield f"{name} array of max", request(key, version, body + i32(INT_MAX))


def streams():
    """How bytes arrive, rather than which."""
    ping = lambda correlation: (lambda data: i32(len(data)) + data)(header(VERSIONS, 0, correlation=correlation))

    def byte_by_byte(world):
        with world.connect() as connection:
            for byte in ping(7):
                connection.socket.sendall(bytes([byte]))
            return outcome(connection, api_versions_v0)

    def pipelined(world):
        with world.connect() as connection:
            connection.socket.sendall(b"".join(ping(index) for index in range(300)))
            frames = [connection.receive() for _ in range(300)]
            ids = [int.from_bytes(frame[:4], "big") if frame else None for frame in frames]
            return "300 answers in order" if ids == list(range(300)) else f"answers {ids[:10]}"

    def good_then_bad(world):
        with world.connect() as connection:
            connection.socket.sendall(ping(1) + i32(-5))
            first = outcome(connection, api_versions_v0)
            return f"{first}, then {outcome(connection)}"

    def bad_then_good(world):
        with world.connect() as connection:
            bad = header(999, 0)
            connection.socket.sendall(i32(len(bad)) + bad + ping(2))
            return outcome(connection)

    def thousand_connects(world):
        for _ in range(1000):
            world.connect().socket.close()
        return "accepted"

    def half_a_frame_and_away(world):
        for _ in range(200):
            with world.connect() as connection:
                connection.socket.sendall(ping(1)[:9])
        return "accepted"

    def never_reads(world):
        """2,000 large answers asked for and not one read: the others must not notice."""
        with world.connect() as connection:
            connection.socket.settimeout(1)
            body = header(METADATA, 1) + i32(-1)
            try:
                for _ in range(2000):
                    connection.socket.sendall(i32(len(body)) + body)
            except OSError:
                pass
            return world.calm()

    yield "byte by byte", byte_by_byte
    yield "300 requests in one write", pipelined
    yield "a good request, then a bad length", good_then_bad
    yield "a bad request, then a good one", bad_then_good
    yield "1000 connections that say nothing", thousand_connects
    yield "200 half frames", half_a_frame_and_away
    yield "a client that never reads", never_reads


def cases():
    """All of them: (name, function of the world that returns the outcome)."""
    for part in (lengths, keys_and_versions, headers, arrays, streams):
        yield from part()
