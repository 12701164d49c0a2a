"""How a broker's reaction becomes one short text that can be recorded and compared.

`closed`: the connection ended without an answer. `silence`: neither an answer nor an end in time. Everything else
is what the answer says: error codes, never texts, ids or times.
"""

import socket

import wire

#: Kafka answers in milliseconds; a busy machine needs more. Only cases that end in silence wait this long.
PATIENCE_SECONDS = 3


def outcome(connection, parse=None, header_bytes=4):
    """Waits for the reaction to what was sent; `parse` turns a Reader behind the correlation id into a text."""
    connection.socket.settimeout(PATIENCE_SECONDS)
    try:
        frame = connection.receive()
    except socket.timeout:
        return "silence"
    if frame is None:
        return "closed"
    if len(frame) < header_bytes:
        return f"frame of {len(frame)} bytes"
    reader = wire.Reader(frame)
    reader.take(header_bytes)
    try:
        return parse(reader) if parse else "answered"
    except EOFError:
        return f"unreadable answer of {len(frame)} bytes"


def raw(data, parse=None):
    """A case that writes these bytes, length prefix included."""
    def run(world):
        with world.connect() as connection:
            try:
                connection.socket.sendall(data)
            except ConnectionError:
                return "closed"
            return outcome(connection, parse)
    return run


def framed(data, parse=None):
    """A case that writes one frame with the right length."""
    return raw(wire.i32(len(data)) + data, parse)


def header(key, version, client_id="compat", correlation=7):
    """A request header, version 1."""
    return wire.i16(key) + wire.i16(version) + wire.i32(correlation) + wire.string(client_id)


def flexible_header(key, version, tags=b"\0"):
    """A request header, version 2: as version 1, then tagged fields."""
    return header(key, version) + tags


def request(key, version, body, parse=None):
    """A case that sends one non-flexible request."""
    return framed(header(key, version) + body, parse)


def flexible(key, version, body, parse=None):
    """A case that sends one flexible request; its answer's header ends with tagged fields."""
    def skip_tags(reader):
        reader.take(1)
        return parse(reader) if parse else "answered"
    return framed(flexible_header(key, version) + body, skip_tags)


def error(reader):
    """An answer that begins with its error code."""
    return f"error {reader.i16()}"


def throttled_error(reader):
    """An answer that begins with the throttle time and then its error code."""
    reader.i32()
    return error(reader)
