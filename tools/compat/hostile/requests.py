"""Requests that are well formed and still wrong: names, ids, sessions, groups."""

import wire
from framing import metadata_v1
from outcome import error, request, throttled_error
from wire import array, blob, i16, i32, i64, i8, string

NAMES = [("empty", ""), (".", "."), ("..", ".."), ("250 letters", "x" * 250), ("249 letters", "y" * 249), ("a path", "../x"),
         ("a slash", "a/b"), ("a blank", "a b"), ("a newline", "a\nb"), ("a null byte", b"a\0b"), ("an umlaut", "ä"),
         ("not utf-8", b"\xff\xfe"), ("a colon", "a:b"), ("the metadata log", "__cluster_metadata")]


def topic_errors(reader):
    """A CreateTopics v2 answer: error codes, in order of names."""
    reader.i32()
    rows = reader.array(lambda: (reader.string(), reader.i16(), reader.string()))
    return "errors " + " ".join(str(row[1]) for row in sorted(rows, key=lambda row: row[0] or ""))


def delete_errors(reader):
    """A DeleteTopics v1 answer."""
    reader.i32()
    return "errors " + " ".join(str(row[1]) for row in sorted(reader.array(lambda: (reader.string(), reader.i16()))))


def creating(name, partitions=1, replicas=1, assignments=(), configs=()):
    """One topic of a CreateTopics request."""
    return (string(name) + i32(partitions) + i16(replicas) + array(list(assignments))
            + array([string(key) + string(value) for key, value in configs]))


def create(*topics, timeout_ms=10000, validate=1):
    """A CreateTopics v2 case; it only validates unless told otherwise."""
    return request(wire.CREATE_TOPICS, 2, array(list(topics)) + i32(timeout_ms) + i8(validate), topic_errors)


def topics():
    """Names and numbers of topics."""
    for name, topic in NAMES:
        yield f"create a topic named {name}", create(creating(topic))
    for partitions, replicas in [(0, 1), (-1, 1), (-2, 1), (1, 0), (1, -1), (1, 2), (1, 32767)]:
        yield f"create {partitions} partitions, {replicas} replicas", create(creating("n", partitions, replicas))
    yield "create the same topic twice in one request", create(creating("twice"), creating("twice"))
    yield "create an existing topic", lambda world: create(creating(world.topic("plain")))(world)
    yield "create a topic that collides by . and _", lambda world: create(
        creating(world.topic("plain").replace(".", "_")))(world)
    yield "create nothing", create()
    yield "create with an unknown config", create(creating("c", configs=[("no.such.config", "1")]))
    for key, value in [("retention.ms", "soon"), ("retention.ms", "-2"), ("cleanup.policy", "burn"), ("segment.bytes", "1"),
                       ("segment.bytes", "-1"), ("max.message.bytes", "-1"), ("compression.type", "rar"),
                       ("min.insync.replicas", "0"), ("message.timestamp.type", "Never"), ("retention.bytes", "")]:
        yield f"create with {key}={value}", create(creating("c", configs=[(key, value)]))
    yield "create with an assignment and a count", create(
        creating("a", 1, 1, [i32(0) + array([i32(1)])]))
    yield "create with an assignment to an unknown broker", create(creating("a", -1, -1, [i32(0) + array([i32(77)])]))
    yield "create with an assignment that skips a partition", create(creating("a", -1, -1, [i32(1) + array([i32(1)])]))
    yield "delete an unknown topic", request(wire.DELETE_TOPICS, 1, array([string("nowhere")]) + i32(1000), delete_errors)
    yield "delete a topic with a bad name", request(wire.DELETE_TOPICS, 1, array([string("../x")]) + i32(1000), delete_errors)
    for name, topic in NAMES:
        if topic != "y" * 249:
            yield f"metadata of a topic named {name}", request(wire.METADATA, 4, array([string(topic)]) + i8(0), metadata_v4)
    yield "metadata of the same topic twice", lambda world: request(
        wire.METADATA, 1, array([string(world.topic("plain"))] * 2), metadata_v1)(world)


def metadata_v4(reader):
    """A Metadata v4 answer: the error code of each topic."""
    reader.i32()
    reader.array(lambda: (reader.i32(), reader.string(), reader.i32(), reader.string()))
    reader.string(), reader.i32()
    partition = lambda: (reader.i16(), reader.i32(), reader.i32(), reader.array(reader.i32), reader.array(reader.i32))
    rows = reader.array(lambda: (reader.i16(), reader.string(), reader.i8(), reader.array(partition)))
    return f"topic errors {[row[0] for row in rows]}"


def fetched_v7(reader):
    """A Fetch v7 answer: its own error, then each partition's error and whether records came."""
    reader.i32()
    top = reader.i16()
    reader.i32()

    def partition():
        index, code = reader.i32(), reader.i16()
        reader.i64(), reader.i64(), reader.i64()
        reader.array(lambda: (reader.i64(), reader.i64()))
        size = reader.i32()
        reader.take(max(size, 0))
        return index, code, size > 0

    rows = [row for _, rows in reader.array(lambda: (reader.string(), reader.array(partition))) for row in rows]
    return f"error {top}, partitions " + (" ".join(f"{index}:{code}{'+' if data else ''}" for index, code, data in rows)
                                          or "none")


def fetch(partitions, session=0, epoch=-1, replica=-1, max_bytes=1 << 20, min_bytes=1, wait_ms=200, topic="plain",
          isolation=0):
    """A Fetch v7 case; a partition is (index, offset, max bytes)."""
    def run(world):
        rows = array([i32(index) + i64(offset) + i64(-1) + i32(size) for index, offset, size in partitions])
        body = (i32(replica) + i32(wait_ms) + i32(min_bytes) + i32(max_bytes) + i8(isolation) + i32(session) + i32(epoch)
                + array([string(world.topic(topic)) + rows]) + array([]))
        return request(wire.FETCH, 7, body, fetched_v7)(world)
    return run


def fetches():
    """Sessions, offsets and sizes of Fetch."""
    yield "fetch an offset beyond the end", fetch([(0, 10 ** 9, 1000)])
    yield "fetch a negative offset", fetch([(0, -5, 1000)])
    yield "fetch offset max", fetch([(0, 2 ** 63 - 1, 1000)])
    yield "fetch partition -1", fetch([(-1, 0, 1000)])
    yield "fetch partition 1000", fetch([(1000, 0, 1000)])
    yield "fetch an unknown topic", fetch([(0, 0, 1000)], topic=None)
    yield "fetch with partition size 0", fetch([(0, 0, 0)])
    yield "fetch with partition size -1", fetch([(0, 0, -1)])
    yield "fetch with size max", fetch([(0, 0, 2147483647)], max_bytes=2147483647)
    yield "fetch with request size 0", fetch([(0, 0, 1000)], max_bytes=0)
    yield "fetch with request size -1", fetch([(0, 0, 1000)], max_bytes=-1)
    yield "fetch with negative wait", fetch([(0, 0, 1000)], wait_ms=-1)
    yield "fetch with negative min bytes", fetch([(0, 0, 1000)], min_bytes=-1)
    yield "fetch with isolation 7", fetch([(0, 0, 1000)], isolation=7)
    yield "fetch the same partition twice", fetch([(0, 0, 1000), (0, 0, 1000)])
    yield "fetch with an unknown session", fetch([(0, 0, 1000)], session=12345, epoch=1)
    yield "fetch with an unknown session and final epoch", fetch([(0, 0, 1000)], session=12345, epoch=-1)
    yield "fetch with a session and epoch 0", fetch([(0, 0, 1000)], session=12345, epoch=0)
    yield "fetch with epoch -7", fetch([(0, 0, 1000)], epoch=-7)


def offsets():
    """ListOffsets and OffsetForLeaderEpoch."""
    def listed(reader):
        rows = [row for _, rows in reader.array(lambda: (reader.string(), reader.array(
            lambda: (reader.i32(), reader.i16(), reader.i64(), reader.i64())))) for row in rows]
        return "errors " + " ".join(str(row[1]) for row in rows)

    def at(index, timestamp, topic="plain"):
        return lambda world: request(wire.LIST_OFFSETS, 1, i32(-1) + array([string(world.topic(topic)) + array(
            [i32(index) + i64(timestamp)])]), listed)(world)

    for timestamp in (-3, -4, -99, -2 ** 63, 2 ** 63 - 1):
        yield f"list offsets for timestamp {timestamp}", at(0, timestamp)
    yield "list offsets of partition -1", at(-1, -1)
    yield "list offsets of partition 1000", at(1000, -1)
    yield "list offsets of an unknown topic", at(0, -1, topic=None)


MEMBER = "nobody"


def groups():
    """The classic group protocol from strangers."""
    protocol = lambda name="range": string(name) + blob(b"\0\0")
    join = lambda group, session=10000, rebalance=10000, member="", kind="consumer", protocols=None: request(
        11, 1, string(group) + i32(session) + i32(rebalance) + string(member) + string(kind)
        + array([protocol()] if protocols is None else protocols), error)
    yield "join a new group", join("g-alone")
    yield "join the empty group", join("")
    yield "join as an unknown member", join("g", member=MEMBER)
    yield "join with session timeout 1", join("g", session=1)
    yield "join with session timeout max", join("g", session=2147483647)
    yield "join with session timeout -1", join("g", session=-1)
    yield "join without protocols", join("g", protocols=[])
    yield "join with an empty protocol type", join("g", kind="")
    yield "join with the same protocol twice", join("g-twice", protocols=[protocol(), protocol()])
    yield "join with a group id of 32767 bytes", join("g" * 32767, member=MEMBER)
    yield "heartbeat of a stranger", request(12, 0, string("g") + i32(1) + string(MEMBER), error)
    yield "heartbeat in the empty group", request(12, 0, string("") + i32(1) + string(MEMBER), error)
    yield "leave of a stranger", request(13, 0, string("g") + string(MEMBER), error)
    yield "sync of a stranger", request(14, 0, string("g") + i32(1) + string(MEMBER) + array([]), error)
    yield "sync in the empty group", request(14, 0, string("") + i32(1) + string(MEMBER) + array([]), error)
    coordinator = lambda key, kind: request(wire.FIND_COORDINATOR, 1, string(key) + i8(kind), throttled_error)
    yield "find coordinator of the empty group", coordinator("", 0)
    yield "find coordinator of type 3", coordinator("g", 3)
    yield "find coordinator of type -1", coordinator("g", -1)

    def committed(reader):
        rows = [row for _, rows in reader.array(lambda: (reader.string(), reader.array(
            lambda: (reader.i32(), reader.i16())))) for row in rows]
        return "errors " + " ".join(str(row[1]) for row in rows)

    def commit(group="lone", generation=-1, member="", index=0, offset=1, metadata="", topic="plain"):
        return lambda world: request(wire.OFFSET_COMMIT, 2, string(group) + i32(generation) + string(member) + i64(-1) + array(
            [string(world.topic(topic)) + array([i32(index) + i64(offset) + string(metadata)])]), committed)(world)

    yield "commit for the empty group", commit(group="")
    yield "commit as a stranger", commit(generation=3, member=MEMBER)
    yield "commit with generation and no member", commit(generation=3)
    yield "commit metadata of 4096 bytes", commit(metadata="m" * 4096)
    yield "commit metadata of 4097 bytes", commit(metadata="m" * 4097)
    yield "commit offset -5", commit(offset=-5)
    yield "commit partition 1000", commit(index=1000)
    yield "commit an unknown topic", commit(topic=None)
    yield "describe the empty group", request(15, 0, array([string("")]), lambda reader: f"groups {reader.i32()}, error {reader.i16()}")
    yield "describe an unknown group", request(15, 0, array([string("nobody")]), lambda reader: f"groups {reader.i32()}, error {reader.i16()}")
    deleted = lambda reader: (reader.i32(), "errors " + " ".join(
        str(code) for _, code in reader.array(lambda: (reader.string(), reader.i16()))))[1]
    yield "delete the empty group", request(42, 0, array([string("")]), deleted)
    yield "delete an unknown group", request(42, 0, array([string("nobody")]), deleted)
    yield "init producer id for an empty transactional id", request(wire.INIT_PRODUCER_ID, 0, string("") + i32(1000), throttled_error)


def cases():
    """All of them."""
    for part in (topics, fetches, offsets, groups):
        yield from part()
