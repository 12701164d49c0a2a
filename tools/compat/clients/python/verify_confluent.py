"""`verify` with confluent-kafka (librdkafka)."""

import sys

from confluent_kafka import Consumer, Producer, TopicPartition

from pattern import Case, Expected, fail, headers_of, key_of, value_of


def produce(case):
    failures = []
    producer = Producer({
        "bootstrap.servers": case.bootstrap, "acks": case.acks, "enable.idempotence": case.idempotent,
        "compression.codec": case.codec, "linger.ms": 5, "message.max.bytes": 2 << 20,
        "queue.buffering.max.kbytes": 64 << 10})
    on_delivery = lambda error, _: failures.append(error) if error else None
    for partition, sequence in case.records():
        while True:
            try:
                producer.produce(case.topic, value_of(partition, sequence, case.sizes), key_of(sequence), partition,
                                 on_delivery, headers=headers_of(sequence))
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    if producer.flush(120) or failures:
        fail(f"not delivered: {failures[:3]}")
    case.done(case.count)


def read(case, consumer, expected, limit):
    while expected.seen < limit:
        messages = consumer.consume(min(1000, limit - expected.seen), 1.0)
        for message in messages:
            if message.error():
                fail(message.error())
            expected.take(message.partition(), message.offset(), message.key(), message.value(),
                          message.headers() or [])
        expected.waiting(messages)


def consumer_of(case, group):
    return Consumer({"bootstrap.servers": case.bootstrap, "group.id": group, "enable.auto.commit": False,
                     "auto.offset.reset": "earliest", "fetch.message.max.bytes": 2 << 20, "check.crcs": True,
                     "queued.max.messages.kbytes": 64 << 10})


def assign(case):
    expected, consumer = Expected(case), consumer_of(case, "unused")
    consumer.assign([TopicPartition(case.topic, partition, 0) for partition in range(case.partitions)])
    read(case, consumer, expected, case.count)
    consumer.close()
    case.done(expected.seen)


def group(case):
    expected = Expected(case)
    for limit in (case.count // 2, case.count):
        consumer = consumer_of(case, case.group)
        consumer.subscribe([case.topic])
        read(case, consumer, expected, limit)
        positions = [TopicPartition(case.topic, index, offset) for index, offset in enumerate(expected.next)]
        consumer.commit(offsets=positions, asynchronous=False)
        consumer.close()
    case.done(expected.seen)


if __name__ == "__main__":
    run = Case(sys.argv[1:])
    {"produce": produce, "assign": assign, "group": group}[run.mode](run)
