import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.*;

/** `verify` with kafka-clients; the contract is in README.md. */
public final class Verify {
    static final int QUIET_SECONDS = 60;

    final String mode, bootstrap, topic, sizes, codec, acks, group;
    final int partitions, count;
    final boolean idempotent;
    final byte[] block = new byte[(1 << 20) + (1 << 16)];
    final long[] next;
    long seen = 0;

    Verify(String[] args) {
        mode = args[0]; bootstrap = args[1]; topic = args[2];
        partitions = Integer.parseInt(args[3]); count = Integer.parseInt(args[4]);
        sizes = args[5]; codec = args[6]; acks = args[7]; idempotent = Boolean.parseBoolean(args[8]); group = args[9];
        next = new long[partitions];
        int state = 1;
        for (int i = 0; i < block.length; i++) {
            state = state * 1664525 + 1013904223;
            block[i] = (byte) ((state >>> 24 & 63) + 32);
        }
    }

    byte[] value(int partition, long sequence) {
        int hashed = (int) (sequence * 2654435761L) + partition * 40503;
        hashed ^= hashed >>> 15;
        hashed *= (int) 2246822519L;
        hashed ^= hashed >>> 13;
        long unsigned = Integer.toUnsignedLong(hashed);
        int size;
        if (sizes.equals("small")) size = 10 + (int) (unsigned % 1015);
        else if (unsigned % 500 == 0) size = 1 << 20;
        else size = 10 + (int) ((unsigned >> 8) % ((16 << unsigned % 13) - 9));
        byte[] value = new byte[size];
        byte[] head = String.format("%07d%03d", sequence, partition).getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(head, 0, value, 0, 10);
        System.arraycopy(block, (int) ((unsigned >> 3) % 65536), value, 10, size - 10);
        return value;
    }

    static byte[] key(long sequence) {
        return sequence % 2 == 0 ? ("k" + sequence).getBytes() : null;
    }

    static RuntimeException fail(String text) {
        System.err.println("verify: " + text);
        System.exit(1);
        return new IllegalStateException();
    }

    void produce() {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("acks", acks);
        config.put("enable.idempotence", String.valueOf(idempotent));
        config.put("compression.type", codec);
        config.put("batch.size", "65536");
        config.put("max.request.size", String.valueOf(2 << 20));
        AtomicReference<Exception> failure = new AtomicReference<>();
        try (var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int i = 0; i < count; i++) {
                int partition = i % partitions;
                long sequence = i / partitions;
                var record = new ProducerRecord<>(topic, partition, key(sequence), value(partition, sequence));
                if (sequence % 16 == 0) record.headers().add("h", String.valueOf(sequence).getBytes());
                producer.send(record, (metadata, error) -> { if (error != null) failure.set(error); });
            }
            producer.flush();
        }
        if (failure.get() != null) throw fail("not delivered: " + failure.get());
    }

    KafkaConsumer<byte[], byte[]> consumer(String groupId) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("enable.auto.commit", "false");
        config.put("auto.offset.reset", "earliest");
        if (groupId != null) config.put("group.id", groupId);
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    void take(ConsumerRecord<byte[], byte[]> record) {
        int partition = record.partition();
        long sequence = next[partition];
        String where = "partition " + partition + " offset " + record.offset();
        if (record.offset() != sequence) throw fail(where + " where " + sequence + " is next");
        if (!Arrays.equals(record.value(), value(partition, sequence))) throw fail(where + ": value differs");
        if (!Arrays.equals(record.key(), key(sequence))) throw fail(where + ": key differs");
        Header header = record.headers().lastHeader("h");
        String expected = sequence % 16 == 0 ? String.valueOf(sequence) : null;
        if (!Objects.equals(header == null ? null : new String(header.value()), expected)) throw fail(where + ": header");
        next[partition] = sequence + 1;
        seen++;
    }

    void read(KafkaConsumer<byte[], byte[]> consumer, long limit) {
        long news = System.nanoTime();
        while (seen < limit) {
            var records = consumer.poll(Duration.ofSeconds(1));
            records.forEach(this::take);
            if (!records.isEmpty()) news = System.nanoTime();
            else if (System.nanoTime() - news > QUIET_SECONDS * 1_000_000_000L)
                throw fail("nothing more: " + seen + " of " + count + " read, next " + Arrays.toString(next));
        }
    }

    void assign() {
        try (var consumer = consumer(null)) {
            var all = IntStream.range(0, partitions).mapToObj(p -> new TopicPartition(topic, p)).toList();
            consumer.assign(all);
            consumer.seekToBeginning(all);
            read(consumer, count);
        }
    }

    void group() {
        for (long limit : new long[] {count / 2, count}) {
            try (var consumer = consumer(group)) {
                consumer.subscribe(List.of(topic));
                read(consumer, limit);
                consumer.commitSync();
            }
        }
    }

    public static void main(String[] args) {
        long began = System.nanoTime();
        Verify verify = new Verify(args);
        switch (verify.mode) {
            case "produce" -> verify.produce();
            case "assign" -> verify.assign();
            default -> verify.group();
        }
        long records = verify.mode.equals("produce") ? verify.count : verify.seen;
        System.out.printf("ok %d %.1f%n", records, (System.nanoTime() - began) / 1e9);
    }
}
