import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

/**
 * Transactions by kafka-clients. Values begin with a name, then '|' and padding.
 *
 * write BOOTSTRAP TOPIC PARTITIONS ROUND: overlapping transactions of three producers with other records between
 * them; prints "kind partition name" of each record: C committed, A aborted, N not in a transaction.
 * hang BOOTSTRAP TOPIC: a record, a transaction that is left open, a record behind it.
 * read BOOTSTRAP TOPIC PARTITIONS ISOLATION: prints "partition offset name" of each record up to the end that the
 * isolation level shows.
 */
public final class Transactions {
    static final int PRODUCERS = 3, STEPS = 120, VALUE_SIZE = 12_000;

    final String bootstrap, topic;

    Transactions(String bootstrap, String topic) {
        this.bootstrap = bootstrap;
        this.topic = topic;
    }

    static byte[] value(String name) {
        byte[] value = new byte[VALUE_SIZE];
        Arrays.fill(value, (byte) 'x');
        byte[] head = (name + "|").getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(head, 0, value, 0, head.length);
        return value;
    }

    KafkaProducer<byte[], byte[]> producer(String transactionalId) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", bootstrap);
        config.put("linger.ms", 0);
        if (transactionalId != null) {
            config.put("transactional.id", transactionalId);
            config.put("transaction.timeout.ms", 900_000);
        }
        var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
        if (transactionalId != null) producer.initTransactions();
        return producer;
    }

    void write(int partitions, int round) {
        Random random = new Random(round);
        var plain = producer(null);
        List<KafkaProducer<byte[], byte[]>> producers = new ArrayList<>();
        List<List<String>> open = new ArrayList<>();
        for (int i = 0; i < PRODUCERS; i++) {
            producers.add(producer("ledger-" + i));
            open.add(null);
        }
        for (int step = 0; step < STEPS + PRODUCERS; step++) {
            int i = step % PRODUCERS;
            var producer = producers.get(i);
            if (step < STEPS) {
                if (open.get(i) == null) {
                    producer.beginTransaction();
                    open.set(i, new ArrayList<>());
                }
                for (int number = 0; number < 1 + random.nextInt(4); number++) {
                    int partition = random.nextInt(partitions);
                    String name = "r" + round + "-p" + i + "-s" + step + "-" + number;
                    producer.send(new ProducerRecord<>(topic, partition, null, value(name)));
                    open.get(i).add(partition + " " + name);
                }
                producer.flush();
                if (random.nextInt(3) == 0) {
                    int partition = random.nextInt(partitions);
                    plain.send(new ProducerRecord<>(topic, partition, null, value("r" + round + "-n" + step)));
                    plain.flush();
                    System.out.println("N " + partition + " r" + round + "-n" + step);
                }
            }
            if (open.get(i) != null && (step >= STEPS || random.nextInt(4) == 0)) {
                boolean commits = random.nextBoolean();
                if (commits) producer.commitTransaction(); else producer.abortTransaction();
                for (String line : open.get(i)) System.out.println((commits ? "C " : "A ") + line);
                open.set(i, null);
            }
        }
        for (var producer : producers) producer.close();
        plain.close();
    }

    void hang() {
        var plain = producer(null);
        var producer = producer("hanging");
        plain.send(new ProducerRecord<>(topic, 0, null, value("before")));
        plain.flush();
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(topic, 0, null, value("open")));
        producer.flush();
        plain.send(new ProducerRecord<>(topic, 0, null, value("behind")));
        plain.flush();
        Runtime.getRuntime().halt(0); // a producer that closes would abort
    }

    void read(int partitions, String isolation) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", bootstrap);
        config.put("isolation.level", isolation);
        config.put("max.partition.fetch.bytes", 100_000); // many fetches, from many offsets
        config.put("auto.offset.reset", "earliest");
        try (var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            var all = IntStream.range(0, partitions).mapToObj(p -> new TopicPartition(topic, p)).toList();
            consumer.assign(all);
            consumer.seekToBeginning(all);
            var ends = consumer.endOffsets(all);
            long deadline = System.nanoTime() + 60_000_000_000L;
            while (all.stream().anyMatch(it -> consumer.position(it) < ends.get(it))) {
                if (System.nanoTime() > deadline) {
                    System.err.println("not at the end " + ends + " in time");
                    System.exit(1);
                }
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    if (record.offset() >= ends.get(new TopicPartition(topic, record.partition()))) continue;
                    String text = new String(record.value(), StandardCharsets.US_ASCII);
                    String name = text.substring(0, text.indexOf('|'));
                    System.out.println(record.partition() + " " + record.offset() + " " + name);
                }
            }
            for (var end : ends.entrySet()) System.out.println("end " + end.getKey().partition() + " " + end.getValue());
        }
    }

    public static void main(String[] args) {
        var program = new Transactions(args[1], args[2]);
        switch (args[0]) {
            case "write" -> program.write(Integer.parseInt(args[3]), Integer.parseInt(args[4]));
            case "hang" -> program.hang();
            default -> program.read(Integer.parseInt(args[3]), args[4]);
        }
    }
}
