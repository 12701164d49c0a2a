"""Just enough of the Kafka protocol to speak to a broker without a client library.

Owns: framing, the few requests our checks send themselves, and a builder of record batches that can be built
wrong on purpose. Old, non-flexible versions throughout, so that a request can be read in a hex dump. It never
retries and never repairs: a check wants to see what really happened.
"""

import socket
import struct

PRODUCE, FETCH, LIST_OFFSETS, METADATA, OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR = 0, 1, 2, 3, 8, 9, 10
API_VERSIONS, CREATE_TOPICS, DELETE_TOPICS, INIT_PRODUCER_ID = 18, 19, 20, 22


def _crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC32C = _crc32c_table()


def crc32c(data):
    """CRC-32C (Castagnoli), as a batch carries it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC32C[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


# ------------------------------------------------------------------------------------------- encoding

def i8(value):
    """A signed byte."""
    return struct.pack(">b", value)


def i16(value):
    """A big-endian 16-bit integer."""
    return struct.pack(">h", value)


def i32(value):
    """A big-endian 32-bit integer."""
    return struct.pack(">i", value)


def i64(value):
    """A big-endian 64-bit integer."""
    return struct.pack(">q", value)


def string(text):
    """A nullable string with a 16-bit length."""
    if text is None:
        return i16(-1)
    data = text if isinstance(text, bytes) else text.encode()
    return i16(len(data)) + data


def blob(data):
    """Nullable bytes with a 32-bit length."""
    return i32(-1) if data is None else i32(len(data)) + data


def array(items):
    """An array of encoded items."""
    return i32(len(items)) + b"".join(items)


def varint(value):
    """A zig-zag varint, as records use it."""
    return uvarint((value << 1) ^ (value >> 63) if value < 0 else value << 1)


def uvarint(value):
    """An unsigned varint, as flexible versions use it."""
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Reader:
    """A cursor over the bytes of an answer."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        """The next `size` bytes."""
        if self.at + size > len(self.data):
            raise EOFError(f"answer ends at {len(self.data)}, wanted {self.at + size}")
        self.at += size
        return self.data[self.at - size:self.at]

    def i8(self):
        """A signed byte."""
        return struct.unpack(">b", self.take(1))[0]

    def i16(self):
        """A big-endian 16-bit integer."""
        return struct.unpack(">h", self.take(2))[0]

    def i32(self):
        """A big-endian 32-bit integer."""
        return struct.unpack(">i", self.take(4))[0]

    def i64(self):
        """A big-endian 64-bit integer."""
        return struct.unpack(">q", self.take(8))[0]

    def string(self):
        """A nullable string."""
        size = self.i16()
        return None if size < 0 else self.take(size).decode(errors="replace")

    def array(self, item):
        """A nullable array, each element read by `item`."""
        return [item() for _ in range(max(self.i32(), 0))]


# ---------------------------------------------------------------------------------------- record batches

def record(value, key=None, offset_delta=0, timestamp_delta=0, headers=()):
    """One record of a v2 batch."""
    field = lambda data: varint(-1) if data is None else varint(len(data)) + data
    body = b"\0" + varint(timestamp_delta) + varint(offset_delta) + field(key) + field(value)
    body += varint(len(headers)) + b"".join(field(name) + field(data) for name, data in headers)
    return varint(len(body)) + body


def batch(records, count=None, base_offset=0, magic=2, attributes=0, last_offset_delta=None, timestamp=1_700_000_000_000,
          max_timestamp=None, producer_id=-1, producer_epoch=-1, base_sequence=-1, crc=None, length=None):
    """A v2 batch of encoded records. Every field can be set to something wrong; what is None is made right."""
    payload = records if isinstance(records, bytes) else b"".join(records)
    count = len(records) if count is None else count
    last = count - 1 if last_offset_delta is None else last_offset_delta
    tail = struct.pack(">hiqqqhii", attributes, last, timestamp, timestamp if max_timestamp is None else max_timestamp,
                       producer_id, producer_epoch, base_sequence, count) + payload
    crc = crc32c(tail) if crc is None else crc
    body = struct.pack(">ibI", -1, magic, crc) + tail
    return i64(base_offset) + i32(len(body) if length is None else length) + body


# --------------------------------------------------------------------------------------------- requests

class Connection:
    """One blocking connection."""

    def __init__(self, bootstrap, timeout=30, client_id="compat"):
        host, port = bootstrap.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client_id, self.correlation = client_id, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def header(self, key, version):
        """A request header, version 1."""
        self.correlation += 1
        return i16(key) + i16(version) + i32(self.correlation) + string(self.client_id)

    def send(self, key, version, body):
        """Sends one request."""
        frame = self.header(key, version) + body
        self.socket.sendall(i32(len(frame)) + frame)

    def receive(self):
        """The next frame, or None when the broker closed the connection."""
        try:
            head = self._exactly(4)
            return None if head is None else self._exactly(struct.unpack(">i", head)[0])
        except ConnectionError:
            return None

    def _exactly(self, size):
        data = bytearray()
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                return None
            data += part
        return bytes(data)

    def call(self, key, version, body):
        """Sends a request and returns a Reader over the answer's body."""
        self.send(key, version, body)
        frame = self.receive()
        if frame is None:
            raise ConnectionError(f"the broker closed the connection at key {key} version {version}")
        reader = Reader(frame)
        got = reader.i32()
        if got != self.correlation:
            raise ConnectionError(f"answer {got} to request {self.correlation}")
        return reader


def create_topic(connection, name, partitions=1, configs=None, timeout_ms=30000):
    """CreateTopics v2; returns the error code."""
    pairs = [string(key) + string(str(value)) for key, value in (configs or {}).items()]
    topic = string(name) + i32(partitions) + i16(1) + array([]) + array(pairs)
    reader = connection.call(CREATE_TOPICS, 2, array([topic]) + i32(timeout_ms) + i8(0))
    reader.i32()
    return reader.array(lambda: (reader.string(), reader.i16(), reader.string()))[0][1]


def delete_topic(connection, name, timeout_ms=30000):
    """DeleteTopics v1; returns the error code."""
    reader = connection.call(DELETE_TOPICS, 1, array([string(name)]) + i32(timeout_ms))
    reader.i32()
    return reader.array(lambda: (reader.string(), reader.i16()))[0][1]


def partition_errors(connection, name):
    """Metadata v1 for one topic: {partition: error}, or the topic's own error alone under -1."""
    reader = connection.call(METADATA, 1, array([string(name)]))
    reader.array(lambda: (reader.i32(), reader.string(), reader.i32(), reader.string()))
    reader.i32()

    def partition():
        error, index, _ = reader.i16(), reader.i32(), reader.i32()
        reader.array(reader.i32), reader.array(reader.i32)
        return index, error

    error = reader.array(lambda: (reader.i16(), reader.string(), reader.i8(), reader.array(partition)))[0]
    return dict(error[3]) if error[0] == 0 else {-1: error[0]}


def offsets(connection, topic, partitions, timestamp=-1):
    """ListOffsets v1 for partitions 0..n: {partition: offset}; the end with -1, the start with -2."""
    wanted = array([string(topic) + array([i32(index) + i64(timestamp) for index in range(partitions)])])
    reader = connection.call(LIST_OFFSETS, 1, i32(-1) + wanted)
    answer = reader.array(lambda: (reader.string(), reader.array(
        lambda: (reader.i32(), reader.i16(), reader.i64(), reader.i64()))))
    return {index: offset if error == 0 else -error for index, error, _, offset in answer[0][1]}


def produce_body(topic, partition_records, acks=-1, timeout_ms=30000, transactional_id=None):
    """The body of Produce v3 to v8; `partition_records` is a list of (partition, bytes or None)."""
    data = array([i32(index) + blob(records) for index, records in partition_records])
    return string(transactional_id) + i16(acks) + i32(timeout_ms) + array([string(topic) + data])


def produce(connection, topic, partition_records, acks=-1, version=7):
    """Produce v3 to v8; returns [(partition, error, base offset)]."""
    return read_produce(connection.call(PRODUCE, version, produce_body(topic, partition_records, acks)), version)


def read_produce(reader, version):
    """Reads an answer to Produce v3 to v8."""
    def partition():
        row = reader.i32(), reader.i16(), reader.i64()
        reader.i64()
        if version >= 5:
            reader.i64()
        if version >= 8:
            reader.array(lambda: (reader.i32(), reader.string())), reader.string()
        return row

    return [row for _, rows in reader.array(lambda: (reader.string(), reader.array(partition))) for row in rows]


def init_producer_id(connection, transactional_id=None):
    """InitProducerId v0; returns (error, producer id, epoch)."""
    reader = connection.call(INIT_PRODUCER_ID, 0, string(transactional_id) + i32(60000))
    reader.i32()
    return reader.i16(), reader.i64(), reader.i16()


def find_coordinator(connection, group):
    """FindCoordinator v0; returns the error code."""
    reader = connection.call(FIND_COORDINATOR, 0, string(group))
    return reader.i16()


def commit(connection, group, topic, positions):
    """OffsetCommit v2 by a consumer that is no member; `positions` is {partition: offset}. Returns the error codes."""
    rows = array([i32(index) + i64(offset) + string("") for index, offset in positions.items()])
    body = string(group) + i32(-1) + string("") + i64(-1) + array([string(topic) + rows])
    reader = connection.call(OFFSET_COMMIT, 2, body)
    topics = reader.array(lambda: (reader.string(), reader.array(lambda: (reader.i32(), reader.i16()))))
    return [error for _, partitions in topics for _, error in partitions]


def committed(connection, group, topic, partitions):
    """OffsetFetch v1 for partitions 0..n: {partition: offset}, or minus the error code below -1."""
    body = string(group) + array([string(topic) + array([i32(index) for index in range(partitions)])])
    reader = connection.call(OFFSET_FETCH, 1, body)
    rows = reader.array(lambda: (reader.string(), reader.array(
        lambda: (reader.i32(), reader.i64(), reader.string(), reader.i16()))))
    return {index: offset if error == 0 else -1000 - error for _, found in rows for index, offset, _, error in found}


def fetch(connection, topic, partition, offset, max_bytes=4 << 20, max_wait_ms=100):
    """Fetch v4 of one partition: (error, bytes of batches)."""
    body = i32(-1) + i32(max_wait_ms) + i32(1) + i32(max_bytes) + i8(0) + array(
        [string(topic) + array([i32(partition) + i64(offset) + i32(max_bytes)])])
    reader = connection.call(FETCH, 4, body)
    reader.i32()

    def row():
        _, error, _, _ = reader.i32(), reader.i16(), reader.i64(), reader.i64()
        reader.array(lambda: (reader.i64(), reader.i64()))
        return error, reader.take(max(reader.i32(), 0))

    return reader.array(lambda: (reader.string(), reader.array(row)))[0][1][0]


def batches(data):
    """(base offset, next offset, bytes) of each whole batch."""
    at = 0
    while at + 61 <= len(data):
        base, length = struct.unpack_from(">qi", data, at)
        if at + 12 + length > len(data):
            return
        last = struct.unpack_from(">i", data, at + 23)[0]
        yield base, base + last + 1, data[at:at + 12 + length]
        at += 12 + length


def read_log(connection, topic, partition):
    """Every batch of a partition from its start to its end, as bytes; offsets must follow each other."""
    at, end = (offsets(connection, topic, partition + 1, which)[partition] for which in (-2, -1))
    log = bytearray()
    while at < end:
        error, data = fetch(connection, topic, partition, at)
        if error:
            raise ConnectionError(f"fetch of {topic}-{partition} at {at} answers {error}")
        for base, following, batch_bytes in batches(data):
            if following <= at:
                continue
            if base != at:
                raise ValueError(f"{topic}-{partition}: a batch at {base} where {at} is next")
            log += batch_bytes
            at = following
    return bytes(log)
