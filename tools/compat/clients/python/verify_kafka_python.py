"""`verify` with kafka-python."""

import sys
import time

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

from pattern import QUIET_SECONDS, Case, Expected, fail, headers_of, key_of, value_of


def produce(case):
    failures = []
    producer = KafkaProducer(
        bootstrap_servers=case.bootstrap, acks=case.acks if case.acks == "all" else int(case.acks),
        enable_idempotence=case.idempotent, compression_type=None if case.codec == "none" else case.codec,
        linger_ms=5, batch_size=64 << 10, max_request_size=2 << 20)
    for partition, sequence in case.records():
        producer.send(case.topic, value_of(partition, sequence, case.sizes), key_of(sequence), headers_of(sequence),
                      partition).add_errback(failures.append)
    producer.flush(120)
    if case.acks == "0":
        arrived(case)
    producer.close()
    if failures:
        fail(f"not delivered: {failures[:3]}")
    case.done(case.count)


def arrived(case):
    """With acks=0 a record counts as sent when it is queued, and close() drops the queue: wait for the broker."""
    consumer = consumer_of(case, None)
    partitions = [TopicPartition(case.topic, partition) for partition in range(case.partitions)]
    deadline = time.monotonic() + QUIET_SECONDS
    while sum(consumer.end_offsets(partitions).values()) < case.count and time.monotonic() < deadline:
        time.sleep(0.1)
    consumer.close()


def read(consumer, expected, limit):
    while expected.seen < limit:
        polled = consumer.poll(1000, max_records=min(2000, limit - expected.seen))
        for messages in polled.values():
            for message in messages:
                expected.take(message.partition, message.offset, message.key, message.value, list(message.headers))
        expected.waiting(polled)


def consumer_of(case, group):
    return KafkaConsumer(bootstrap_servers=case.bootstrap, group_id=group, enable_auto_commit=False,
                         auto_offset_reset="earliest")


def assign(case):
    expected, consumer = Expected(case), consumer_of(case, None)
    consumer.assign([TopicPartition(case.topic, partition) for partition in range(case.partitions)])
    consumer.seek_to_beginning()
    read(consumer, expected, case.count)
    consumer.close()
    case.done(expected.seen)


def group(case):
    expected = Expected(case)
    for limit in (case.count // 2, case.count):
        consumer = consumer_of(case, case.group)
        consumer.subscribe([case.topic])
        read(consumer, expected, limit)
        consumer.commit({TopicPartition(case.topic, index): OffsetAndMetadata(offset, "", -1)
                         for index, offset in enumerate(expected.next)})
        consumer.close()
    case.done(expected.seen)


if __name__ == "__main__":
    run = Case(sys.argv[1:])
    {"produce": produce, "assign": assign, "group": group}[run.mode](run)
