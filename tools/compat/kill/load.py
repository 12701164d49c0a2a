"""The load under which the broker is killed: one idempotent producer with acks=all, and a committer of offsets.

The producer never gives up: librdkafka sends again until every record is acknowledged. So in the end each
partition must hold exactly the records 0..n-1, and offset = sequence, whenever the broker was killed.
"""

import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients/python"))
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

import pattern
import wire
from checks import wait_until

PARTITIONS = 3
#: Keeps the volume of a long run bounded; far more than this in flight would only measure the disk.
BYTES_PER_SECOND = 10 << 20
GROUPS = [f"group-{index}" for index in range(4)]
COMMITTED_TOPIC = "flush-small"
OVERLAP_RECORDS = 500


class Topic:
    """A topic, the sizes of its records and how many were written and acknowledged."""

    def __init__(self, name, sizes, configs):
        self.name, self.sizes, self.configs = name, sizes, configs
        self.sent, self.acked, self.verified = ([0] * PARTITIONS for _ in range(3))

    @property
    def is_retained(self):
        """Whether retention removes segments of it."""
        return "retention.bytes" in self.configs


def topics(make):
    """Small and large records in segments that roll all the time, in both durability modes, with and without retention.

    Segments are as small as Kafka lets them be, and as the largest batch lets the mixed ones be.
    """
    mode = (lambda name: {"ottla.durability": name}) if make == "ottla" else (lambda _: {})
    base = {"max.message.bytes": 2 << 20}
    small, mixed = base | {"segment.bytes": 1 << 20}, base | {"segment.bytes": 5 << 19}
    retained = {"retention.bytes": 1 << 20}
    return [Topic("flush-small", "small", small | mode("flush")), Topic("flush-mixed", "mixed", mixed | mode("flush")),
            Topic("written-small", "small", small | mode("written")),
            Topic("written-mixed", "mixed", mixed | mode("written")),
            Topic("flush-retained", "mixed", mixed | mode("flush") | retained),
            Topic("written-retained", "mixed", mixed | mode("written") | retained)]


class Writer(threading.Thread):
    """Writes to all topics in turn until told to stop; then waits until all is acknowledged."""

    def __init__(self, bootstrap, all_topics):
        super().__init__(daemon=True)
        self.topics, self.stopping, self.trouble = all_topics, threading.Event(), []
        #: Not set while the log is read: a round then costs what its own records cost.
        self.writing = threading.Event()
        self.writing.set()
        self.producer = Producer({
            "bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all", "linger.ms": 2,
            "message.max.bytes": 2 << 20, "message.timeout.ms": 0, "socket.timeout.ms": 10000,
            "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 20,
            "queue.buffering.max.kbytes": 16 << 10, "error_cb": self.on_error, "log_level": 2})

    def on_error(self, error):
        """Lost connections are expected; what is fatal is a broken promise."""
        if error.fatal():
            self.trouble.append(f"fatal: {error}")

    def on_delivery(self, topic):
        """Counts acknowledgements; offset = sequence, at once."""
        def delivered(error, message):
            if error:
                self.trouble.append(f"{topic.name}-{message.partition()}: {error}")
                return
            sequence = int(message.value()[:7])
            if message.offset() != sequence:
                self.trouble.append(f"{topic.name}-{message.partition()}: {sequence} acknowledged at {message.offset()}")
            topic.acked[message.partition()] += 1
        return delivered

    def run(self):
        try:
            self.write()
        except KafkaException as error:
            self.trouble.append(f"the producer gave up: {error}")

    def write(self):
        """Until told to stop."""
        began, volume = time.monotonic(), 0
        callbacks = [self.on_delivery(topic) for topic in self.topics]
        turn = 0
        while not self.stopping.is_set() and not self.trouble:
            if not self.writing.is_set():
                self.producer.poll(0.01)
                continue
            index, partition = turn % len(self.topics), turn // len(self.topics) % PARTITIONS
            topic = self.topics[index]
            value = pattern.value_of(partition, topic.sent[partition], topic.sizes)
            try:
                self.producer.produce(topic.name, value, None, partition, callbacks[index])
            except BufferError:
                self.producer.poll(0.01)
                continue
            topic.sent[partition] += 1
            turn, volume = turn + 1, volume + len(value)
            self.producer.poll(0)
            ahead = volume / BYTES_PER_SECOND - (time.monotonic() - began)
            if ahead > 0.002:
                self.producer.poll(ahead)
            elif ahead < -1:  # The broker was away: what was not written is not caught up with.
                began, volume = time.monotonic(), 0
        left = self.producer.flush(120)
        if left:
            self.trouble.append(f"{left} records never acknowledged")


class Committer(threading.Thread):
    """Commits growing offsets for a few groups and knows which commits were acknowledged."""

    def __init__(self, bootstrap):
        super().__init__(daemon=True)
        self.bootstrap, self.stopping = bootstrap, threading.Event()
        self.acked, self.sent = ({group: 0 for group in GROUPS} for _ in range(2))

    def run(self):
        connection, number = None, 0
        while not self.stopping.is_set():
            try:
                connection = connection or wire.Connection(self.bootstrap, timeout=5)
                number += 1
                for group in GROUPS:
                    self.sent[group] = number
                    positions = {index: number for index in range(PARTITIONS)}
                    if set(wire.commit(connection, group, COMMITTED_TOPIC, positions)) == {0}:
                        self.acked[group] = number
                time.sleep(0.002)
            except (OSError, EOFError):
                connection = None
                time.sleep(0.02)

    def verify(self, connection, trouble):
        """No acknowledged commit may be gone, and no partition of a commit may miss."""
        for group in GROUPS:
            before = self.acked[group]
            found = wire.committed(connection, group, COMMITTED_TOPIC, PARTITIONS)
            after = self.sent[group]
            if min(found.values()) < -1000:
                return False  # The coordinator is still loading.
            if not all(before <= offset <= after for offset in found.values()):
                trouble.append(f"{group}: {found} committed, acknowledged {before}, sent {after}")
        return True


def verify(bootstrap, all_topics, trouble, from_start):
    """Reads what is there: offset = sequence, every byte as written, all that was acknowledged before is there."""
    acked = {(topic.name, index): topic.acked[index] for topic in all_topics for index in range(PARTITIONS)}
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False,
                         "auto.offset.reset": "error", "check.crcs": True, "enable.partition.eof": True,
                         "fetch.message.max.bytes": 2 << 20, "log_level": 2})
    with wire.Connection(bootstrap, timeout=30) as connection:
        for topic in all_topics:
            starts, ends = (known_offsets(connection, topic.name, which) for which in (-2, -1))
            for index in range(PARTITIONS):
                if starts[index] > 0 and not topic.is_retained:
                    trouble.append(f"{topic.name}-{index} starts at {starts[index]}, and nothing may remove records")
                if ends[index] < acked[topic.name, index]:
                    trouble.append(f"{topic.name}-{index} ends at {ends[index]}, {acked[topic.name, index]} acknowledged")
                at = starts[index] if from_start else max(starts[index], topic.verified[index] - OVERLAP_RECORDS)
                read_partition(consumer, topic, index, at, ends[index], trouble)
    consumer.close()


def known_offsets(connection, topic, which):
    """Starts or ends of a topic, as soon as every partition has its leader again."""
    found = lambda: (row := wire.offsets(connection, topic, PARTITIONS, which)) and min(row.values()) >= 0 and row
    return wait_until(found, 60) or wire.offsets(connection, topic, PARTITIONS, which)


def read_partition(consumer, topic, index, at, end, trouble):
    """Reads one partition from `at` to `end`."""
    consumer.assign([TopicPartition(topic.name, index, at)])
    quiet = 0
    while at < end and quiet < 30 and not trouble:
        # No more than there are: the call waits for as many as it is asked for.
        messages = consumer.consume(min(1000, end - at), 1.0)
        quiet = 0 if messages else quiet + 1
        for message in messages:
            if message.error():
                # Retention may have moved the start meanwhile; the end of the partition is no error.
                if message.error().name() not in ("_PARTITION_EOF", "_AUTO_OFFSET_RESET", "OFFSET_OUT_OF_RANGE"):
                    trouble.append(f"{topic.name}-{index} at {at}: {message.error()}")
                elif message.error().name() != "_PARTITION_EOF":
                    return
                continue
            if message.offset() != at:
                trouble.append(f"{topic.name}-{index}: offset {message.offset()} where {at} is next")
            if message.value() != pattern.value_of(index, at, topic.sizes):
                trouble.append(f"{topic.name}-{index} at {at}: {message.value()[:30]!r} of {len(message.value())} bytes")
            at += 1
            if trouble:
                return
    if at < end:
        trouble.append(f"{topic.name}-{index}: nothing behind {at}, the end is {end}")
    topic.verified[index] = at
