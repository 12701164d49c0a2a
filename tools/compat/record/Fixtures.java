import java.io.File;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.*;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.requests.ProduceRequest;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.common.utils.Timer;
import org.apache.kafka.common.utils.internals.Crc32C;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.log.*;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

/**
 * Asks Apache Kafka's own classes what a batch looks like and what a log answers to it.
 *
 *   batches            batches as Kafka writes them, each followed by its records as Kafka reads them
 *   answers            broken batches, and what Kafka's log answers to each
 *   recoded            batches as they lie in a log whose topic has a compression of its own
 *   read < batches     the records of other people's batches, as Kafka reads them
 *   log DIR            a partition directory with every kind of file in it
 *   producers          what a log answers to idempotent and transactional producers, step by step
 */
public class Fixtures {
    static final long NOW = 1_700_000_000_000L;
    static final int LEADER_EPOCH = 7;
    static PrintStream out = System.out;

    public static void main(String[] args) throws Exception {
        switch (args.length == 0 ? "" : args[0]) {
            case "batches": batches(); break;
            case "answers": answers(); break;
            case "recoded": recoded(); break;
            case "read": read(); break;
            case "log": log(new File(args[1])); break;
            case "producers": producers(); break;
            default: throw new IllegalArgumentException("batches | answers | recoded | read | log DIR | producers");
        }
        out.flush();
        System.exit(0);
    }

    // ---- batches -------------------------------------------------------------------------

    static void batches() {
        for (Compression compression : compressions())
            print("plain-" + compression.type().name, build(compression, -1L, false, TimestampType.CREATE_TIME, varied()));
        print("idempotent", build(Compression.NONE, 42L, false, TimestampType.CREATE_TIME, varied()));
        print("transactional", build(Compression.NONE, 42L, true, TimestampType.CREATE_TIME, varied()));
        print("append-time", build(Compression.NONE, -1L, false, TimestampType.LOG_APPEND_TIME, varied()));
        for (Compression compression : compressions())
            if (compression.type() != CompressionType.NONE)
                print("long-" + compression.type().name, build(compression, -1L, false, TimestampType.CREATE_TIME, many()));
        control();
    }

    static List<Compression> compressions() {
        return List.of(Compression.NONE, Compression.gzip().build(), Compression.snappy().build(),
            Compression.lz4().build(), Compression.zstd().build());
    }

    static List<SimpleRecord> varied() {
        Header[] headers = {
            new RecordHeader("a", bytes("1")), new RecordHeader("a", bytes("2")),
            new RecordHeader("", null), new RecordHeader("ключ", new byte[0]) };
        return List.of(
            new SimpleRecord(NOW, bytes("key"), bytes("value")),
            new SimpleRecord(NOW - 5, null, bytes("no key")),
            new SimpleRecord(NOW + 1000, bytes("tombstone"), null),
            new SimpleRecord(NOW + 1000, new byte[0], new byte[0], headers),
            new SimpleRecord(NOW - 70_000, bytes("x".repeat(200)), bytes("y".repeat(300))));
    }

    /** 200 kB that compress well: several blocks of every framing. */
    static List<SimpleRecord> many() {
        List<SimpleRecord> records = new ArrayList<>();
        for (int i = 0; i < 200; i++)
            records.add(new SimpleRecord(NOW + i, bytes("key-" + i), bytes(("value " + i % 7 + " ").repeat(125))));
        return records;
    }

    static byte[] build(Compression compression, long producerId, boolean transactional, TimestampType type, List<SimpleRecord> records) {
        ByteBuffer buffer = ByteBuffer.allocate(1 << 20);
        short epoch = (short) (producerId < 0 ? -1 : 3);
        int sequence = producerId < 0 ? -1 : 11;
        try (MemoryRecordsBuilder builder = MemoryRecords.builder(buffer, (byte) 2, compression, type, 0L, NOW,
                producerId, epoch, sequence, transactional, RecordBatch.NO_PARTITION_LEADER_EPOCH)) {
            for (SimpleRecord record : records) builder.append(record);
            return take(builder.build().buffer());
        }
    }

    static void control() {
        ByteBuffer buffer = ByteBuffer.allocate(1 << 16);
        for (ControlRecordType type : List.of(ControlRecordType.COMMIT, ControlRecordType.ABORT)) {
            EndTransactionMarker marker = new EndTransactionMarker(type, 5);
            print("marker-" + type.name().toLowerCase(Locale.ROOT), take(
                MemoryRecords.withEndTransactionMarker(100L, NOW, 7, 42L, (short) 3, marker).buffer()));
        }
        LeaderChangeMessage change = new LeaderChangeMessage().setVersion((short) 0).setLeaderId(1)
            .setVoters(List.of(new LeaderChangeMessage.Voter().setVoterId(1), new LeaderChangeMessage.Voter().setVoterId(2)))
            .setGrantingVoters(List.of(new LeaderChangeMessage.Voter().setVoterId(1)));
        print("leader-change", take(MemoryRecords.withLeaderChangeMessage(100L, NOW, 7, buffer, change).buffer()));
        buffer = ByteBuffer.allocate(1 << 16);
        print("snapshot-header", take(MemoryRecords.withSnapshotHeaderRecord(0L, NOW, 7, buffer,
            new SnapshotHeaderRecord().setVersion((short) 0).setLastContainedLogTimestamp(1234L)).buffer()));
        buffer = ByteBuffer.allocate(1 << 16);
        print("snapshot-footer", take(MemoryRecords.withSnapshotFooterRecord(0L, NOW, 7, buffer,
            new SnapshotFooterRecord().setVersion((short) 0)).buffer()));
        buffer = ByteBuffer.allocate(1 << 16);
        print("kraft-version", take(MemoryRecords.withKRaftVersionRecord(0L, NOW, 7, buffer,
            new KRaftVersionRecord().setVersion((short) 0).setKRaftVersion((short) 1)).buffer()));
        VotersRecord.EndpointCollection endpoints = new VotersRecord.EndpointCollection();
        endpoints.add(new VotersRecord.Endpoint().setName("CONTROLLER").setHost("localhost").setPort(9093));
        buffer = ByteBuffer.allocate(1 << 16);
        print("voters", take(MemoryRecords.withVotersRecord(0L, NOW, 7, buffer,
            new VotersRecord().setVersion((short) 0).setVoters(List.of(new VotersRecord.Voter().setVoterId(1)
                .setVoterDirectoryId(new Uuid(1, 2)).setEndpoints(endpoints)
                .setKRaftVersionFeature(new VotersRecord.KRaftVersionFeature()
                    .setMinSupportedVersion((short) 0).setMaxSupportedVersion((short) 1))))).buffer()));
    }

    static void print(String name, byte[] batch) {
        out.println("batch " + name + " " + hex(batch));
        boolean brief = batch.length > 1000 || name.startsWith("long");
        dump(batch, brief);
    }

    static void dump(byte[] batch, boolean brief) {
        int count = 0;
        for (Record record : MemoryRecords.readableRecords(ByteBuffer.wrap(batch)).records()) {
            if (!brief || count % 199 == 0)
                out.println("record " + record.offset() + " " + record.timestamp() + " " + hex(record.key()) + " " + hex(record.value())
                    + " " + headers(record.headers()));
            count++;
        }
        out.println("count " + count);
    }

    static String headers(Header[] headers) {
        return headers.length == 0 ? "." : Arrays.stream(headers)
            .map(h -> hex(bytes(h.key())) + "=" + (h.value() == null ? "null" : hex(h.value()))).collect(Collectors.joining(","));
    }

    static void read() throws Exception {
        for (String line : new String(System.in.readAllBytes(), StandardCharsets.UTF_8).split("\n")) {
            String[] words = line.split(" ");
            if (!words[0].equals("batch")) continue;
            byte[] batch = HexFormat.of().parseHex(words[2]);
            for (RecordBatch b : MemoryRecords.readableRecords(ByteBuffer.wrap(batch)).batches()) b.ensureValid();
            out.println(line);
            dump(batch, batch.length > 1000 || words[1].startsWith("long"));
        }
    }

    // ---- answers -------------------------------------------------------------------------

    /** Each line: topic settings, produce version, request bytes, Kafka's answer. */
    static void answers() throws Exception {
        Random random = new Random(4);
        byte[] plain = build(Compression.NONE, -1L, false, TimestampType.CREATE_TIME, small());
        byte[] idempotent = build(Compression.NONE, 42L, false, TimestampType.CREATE_TIME, small());
        byte[] noKey = build(Compression.NONE, -1L, false, TimestampType.CREATE_TIME, List.of(
            new SimpleRecord(NOW, bytes("k"), bytes("v")), new SimpleRecord(NOW, null, bytes("v")), new SimpleRecord(NOW, null, bytes("w"))));
        byte[] appendTime = build(Compression.NONE, -1L, false, TimestampType.LOG_APPEND_TIME, small());
        byte[] old = build(Compression.NONE, -1L, false, TimestampType.CREATE_TIME, List.of(
            new SimpleRecord(NOW - 100_000, bytes("k"), bytes("v")), new SimpleRecord(NOW, bytes("k"), bytes("v"))));
        byte[] future = build(Compression.NONE, -1L, false, TimestampType.CREATE_TIME, List.of(
            new SimpleRecord(NOW, bytes("k"), bytes("v")), new SimpleRecord(NOW + 100_000, null, bytes("v"))));
        byte[] noTimestamp = build(Compression.NONE, -1L, false, TimestampType.CREATE_TIME, List.of(new SimpleRecord(-1L, bytes("k"), bytes("v"))));

        for (String config : CONFIGS.keySet())
            for (byte[] batch : List.of(plain, idempotent, noKey, appendTime, old, future, noTimestamp))
                answer(config, 9, batch);
        for (Compression compression : compressions()) {
            byte[] batch = build(compression, -1L, false, TimestampType.CREATE_TIME, small());
            answer("default", 9, batch);
            answer("default", 6, batch);
            answer("append-time", 9, batch);
            answer("default", 9, crc(set(batch, 35, longBytes(NOW + 5)))); // claims another largest timestamp
            byte[] keyless = build(compression, -1L, false, TimestampType.CREATE_TIME, List.of(
                new SimpleRecord(NOW, bytes("k"), bytes("v")), new SimpleRecord(NOW, null, bytes("v"))));
            answer("compact", 9, keyless);
            answer("default", 9, crc(set(batch, 57, intBytes(2), 23, intBytes(1)))); // one record more than said
            answer("default", 9, crc(set(batch, 57, intBytes(4), 23, intBytes(3)))); // one record less than said
        }
        // The shape of the request.
        answer("default", 9, new byte[0]);
        for (int size : new int[]{1, 11, 12, 16, 17, 21, 60, 61, plain.length - 1}) answer("default", 9, Arrays.copyOf(plain, size));
        answer("default", 9, join(plain, plain));
        for (int size : new int[]{1, 12, 17, 30}) answer("default", 9, join(plain, Arrays.copyOf(plain, size)));
        answer("default", 9, join(plain, set(plain, 16, new byte[]{9})));
        answer("default", 9, join(plain, set(plain, 8, intBytes(3))));
        for (int magic : new int[]{-1, 0, 1, 3, 127}) answer("default", 9, set(plain, 16, new byte[]{(byte) magic}));
        for (int length : new int[]{-1, 0, 13, 14, plain.length - 13, plain.length - 11, Integer.MAX_VALUE})
            answer("default", 9, set(plain, 8, intBytes(length)));
        // Header fields, with and without a fitting checksum.
        for (byte[] base : List.of(plain, idempotent)) {
            answer("default", 9, set(base, 0, longBytes(1)));
            answer("default", 9, set(base, 12, intBytes(99)));
            answer("default", 9, set(base, 17, intBytes(1)));
            for (int attributes : new int[]{0x10, 0x20, 0x30, 0x40, 0x80, 0x100, 0x08})
                answer("default", 9, crc(set(base, 21, shortBytes(attributes))));
            for (int delta : new int[]{-1, 0, 1, 3, Integer.MIN_VALUE, Integer.MAX_VALUE})
                answer("default", 9, crc(set(base, 23, intBytes(delta))));
            for (int count : new int[]{-1, 0, 1, 2, 4, Integer.MAX_VALUE, Integer.MIN_VALUE})
                answer("default", 9, crc(set(base, 57, intBytes(count))));
            answer("default", 9, crc(set(base, 57, intBytes(Integer.MAX_VALUE), 23, intBytes(Integer.MAX_VALUE - 1))));
            for (long time : new long[]{0, -1, Long.MIN_VALUE, Long.MAX_VALUE, NOW - 4_000_000, NOW + 4_000_000})
                for (int at : new int[]{27, 35}) answer("default", 9, crc(set(base, at, longBytes(time))));
            for (long id : new long[]{-1, -2, 0, Long.MAX_VALUE}) answer("default", 9, crc(set(base, 43, longBytes(id))));
            for (int sequence : new int[]{-1, -2, 0, Integer.MAX_VALUE}) answer("default", 9, crc(set(base, 53, intBytes(sequence))));
        }
        answer("small", 9, plain);
        answer("small", 9, set(plain, 17, intBytes(1)));
        answer("small", 9, set(plain, 0, longBytes(1)));
        // Every byte of the records, changed at random under a fitting checksum.
        for (int at = 61; at < plain.length; at++)
            for (int round = 0; round < 3; round++)
                answer("default", 9, crc(set(plain, at, new byte[]{(byte) random.nextInt()})));
        // One random byte anywhere, the checksum left alone.
        for (int round = 0; round < 30; round++)
            answer("default", 9, set(plain, random.nextInt(plain.length), new byte[]{(byte) random.nextInt()}));
    }

    static List<SimpleRecord> small() {
        return List.of(new SimpleRecord(NOW, bytes("a"), bytes("1")),
            new SimpleRecord(NOW + 9, bytes("b"), bytes("22"), new Header[]{new RecordHeader("h", bytes("v"))}),
            new SimpleRecord(NOW + 9, bytes("c"), null));
    }

    static final Map<String, Map<String, String>> CONFIGS = new LinkedHashMap<>();
    static {
        CONFIGS.put("default", Map.of());
        CONFIGS.put("compact", Map.of(TopicConfig.CLEANUP_POLICY_CONFIG, "compact"));
        CONFIGS.put("append-time", Map.of(TopicConfig.MESSAGE_TIMESTAMP_TYPE_CONFIG, "LogAppendTime"));
        CONFIGS.put("window", Map.of(TopicConfig.MESSAGE_TIMESTAMP_BEFORE_MAX_MS_CONFIG, "50000",
            TopicConfig.MESSAGE_TIMESTAMP_AFTER_MAX_MS_CONFIG, "50000"));
        CONFIGS.put("compact-window", Map.of(TopicConfig.CLEANUP_POLICY_CONFIG, "compact",
            TopicConfig.MESSAGE_TIMESTAMP_AFTER_MAX_MS_CONFIG, "50000"));
        CONFIGS.put("small", Map.of(TopicConfig.MAX_MESSAGE_BYTES_CONFIG, "70"));
    }

    // ---- recoded -------------------------------------------------------------------------

    /** Each line as in answers; the configuration is `<compression.type>[+append-time|+small]`. */
    static void recoded() throws Exception {
        List<byte[]> batches = new ArrayList<>();
        for (Compression compression : compressions()) {
            byte[] varied = build(compression, 42L, false, TimestampType.CREATE_TIME, varied());
            batches.add(varied);
            batches.add(build(compression, -1L, false, TimestampType.LOG_APPEND_TIME, small()));
            byte[] small = build(compression, -1L, false, TimestampType.CREATE_TIME, small());
            batches.add(crc(set(small, 27, longBytes(NOW - 1_000_000)))); // every record that much older
            batches.add(crc(set(small, 21, shortBytes(0x7f00 | 0x40 | compression.type().id)))); // bits with no meaning here
            batches.add(crc(set(small, 35, longBytes(NOW + 5)))); // claims another largest timestamp
            batches.add(build(compression, -1L, false, TimestampType.CREATE_TIME, List.of(
                new SimpleRecord(-1L, bytes("k"), bytes("v")), new SimpleRecord(NOW, null, bytes("w")))));
            batches.add(build(compression, -1L, false, TimestampType.CREATE_TIME,
                List.of(new SimpleRecord(NOW, bytes("k"), bytes("long ".repeat(120))))));
        }
        byte[] plain = build(Compression.NONE, -1L, false, TimestampType.CREATE_TIME, small());
        batches.add(crc(set(plain, 62, new byte[]{5}))); // the attributes of a record
        for (String type : List.of("uncompressed", "gzip", "snappy", "lz4", "zstd"))
            for (String and : List.of("", "+append-time", "+small")) {
                Map<String, String> config = new HashMap<>(CONFIGS.getOrDefault(and.isEmpty() ? "default" : and.substring(1), Map.of()));
                config.put(TopicConfig.COMPRESSION_TYPE_CONFIG, type);
                if (and.equals("+small")) config.put(TopicConfig.MAX_MESSAGE_BYTES_CONFIG, "500");
                CONFIGS.put(type + and, config);
                for (byte[] batch : batches) answer(type + and, 9, batch);
            }
    }

    static void answer(String config, int version, byte[] request) throws Exception {
        File dir = Files.createTempDirectory("answers").toFile();
        UnifiedLog log = open(new File(dir, "t-0"), CONFIGS.get(config), new AtTime(NOW));
        String answer;
        try {
            MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(request.clone()));
            ProduceRequest.validateRecords((short) version, records);
            log.appendAsLeader(records, LEADER_EPOCH);
            ByteBuffer stored = ByteBuffer.wrap(Files.readAllBytes(new File(dir, "t-0/00000000000000000000.log").toPath()));
            answer = "NONE " + hex(stored);
        } catch (RecordValidationException e) {
            answer = Errors.forException(e.invalidException()) + " " + e.recordErrors().stream()
                .map(r -> String.valueOf(r.batchIndex)).collect(Collectors.joining(","));
        } catch (Throwable e) {
            answer = Errors.forException(e).name() + " .";
        }
        log.close();
        remove(dir);
        out.println(config + " " + version + " " + (request.length == 0 ? "." : hex(request)) + " " + answer);
    }

    // ---- log -----------------------------------------------------------------------------

    /** Segments, indexes, a transaction index, producer snapshots and an epoch checkpoint. */
    static void log(File dir) throws Exception {
        AtTime time = new AtTime(NOW);
        Map<String, String> config = new HashMap<>();
        config.put(LogConfig.INTERNAL_SEGMENT_BYTES_CONFIG, "4096");
        config.put(TopicConfig.INDEX_INTERVAL_BYTES_CONFIG, "256");
        config.put(TopicConfig.SEGMENT_INDEX_BYTES_CONFIG, "1024");
        UnifiedLog log = open(dir, config, time);
        int[] sequence = new int[4];
        for (int i = 0; i < 120; i++) {
            long producer = i % 4;
            boolean transactional = producer == 3;
            time.now += 1000 + (i % 5 == 0 ? -2500 : 0);
            SimpleRecord[] records = new SimpleRecord[1 + i % 3];
            for (int j = 0; j < records.length; j++)
                records[j] = new SimpleRecord(time.now + j, bytes("key-" + i), bytes(("value-" + i + "-" + j + " ").repeat(2)));
            int epoch = 5 + i / 30;
            MemoryRecords batch = producer == 0
                ? MemoryRecords.withRecords(0L, Compression.NONE, records)
                : transactional
                ? MemoryRecords.withTransactionalRecords(0L, Compression.NONE, 1000 + producer, (short) 2, sequence[3], epoch, records)
                : MemoryRecords.withIdempotentRecords(0L, Compression.NONE, 1000 + producer, (short) 2, sequence[(int) producer], epoch, records);
            if (transactional) {
                var guard = log.maybeStartTransactionVerification(1000 + producer, sequence[3], (short) 2, false);
                log.appendAsLeader(batch, epoch, AppendOrigin.CLIENT, org.apache.kafka.server.common.RequestLocal.noCaching(), guard, (short) 1);
            } else {
                log.appendAsLeader(batch, epoch);
            }
            sequence[(int) producer] += records.length;
            if (transactional && i % 8 == 7) {
                ControlRecordType type = i % 16 == 7 ? ControlRecordType.ABORT : ControlRecordType.COMMIT;
                log.appendAsLeader(MemoryRecords.withEndTransactionMarker(0L, time.now, epoch, 1000 + producer, (short) 2,
                    new EndTransactionMarker(type, 9)), epoch, AppendOrigin.COORDINATOR,
                    org.apache.kafka.server.common.RequestLocal.noCaching(), VerificationGuard.SENTINEL, (short) 1);
            }
            log.updateHighWatermark(log.logEndOffset());
        }
        System.err.println("end offset " + log.logEndOffset() + ", last stable " + log.lastStableOffset());
        log.close();
    }

    // ---- producers -----------------------------------------------------------------------

    /** Random steps; after each, the answer and the first unstable offset. */
    static void producers() throws Exception {
        for (int run = 0; run < 8; run++) {
            boolean verify = run % 2 == 1;
            Random random = new Random(run);
            File dir = Files.createTempDirectory("producers").toFile();
            UnifiedLog log = open(new File(dir, "t-0"), Map.of(), new AtTime(NOW), verify);
            out.println("run " + (verify ? 1 : 0));
            int[] next = new int[3], epochs = new int[3];
            List<int[]> sent = new ArrayList<>();
            VerificationGuard[] guards = {VerificationGuard.SENTINEL, VerificationGuard.SENTINEL, VerificationGuard.SENTINEL};
            for (int step = 0; step < 150; step++) {
                int id = random.nextInt(3);
                int kind = random.nextInt(20);
                long before = log.logEndOffset();
                String what;
                try {
                    LogAppendInfo info = null;
                    if (kind < 12) {
                        boolean transactional = id > 0 && random.nextInt(6) != 0 || id == 0 && random.nextInt(8) == 0;
                        int epoch = epochs[id], sequence = next[id], count = 1 + random.nextInt(3);
                        int mood = random.nextInt(10);
                        if (mood == 0) sequence = random.nextInt(6);
                        if (mood == 1) epoch = Math.max(0, epoch - 1);
                        if (mood == 2) { epoch = epochs[id] + 1; sequence = random.nextInt(3) == 0 ? 1 : 0; }
                        if (mood >= 3 && mood <= 4 && !sent.isEmpty()) {
                            int[] old = sent.get(Math.max(0, sent.size() - 1 - random.nextInt(8)));
                            id = old[0]; epoch = old[1]; sequence = old[2]; count = old[3]; transactional = old[4] == 1;
                        }
                        what = "batch " + id + " " + epoch + " " + sequence + " " + count + " " + (transactional ? 1 : 0);
                        SimpleRecord[] records = new SimpleRecord[count];
                        Arrays.setAll(records, i -> new SimpleRecord(NOW, bytes("k"), bytes("v")));
                        MemoryRecords batch = transactional
                            ? MemoryRecords.withTransactionalRecords(0L, Compression.NONE, id, (short) epoch, sequence, 0, records)
                            : MemoryRecords.withIdempotentRecords(0L, Compression.NONE, id, (short) epoch, sequence, 0, records);
                        info = append(log, batch, AppendOrigin.CLIENT, guards[id], 1, what);
                        if (info != null && info.firstOffset() == before) {
                            next[id] = sequence + count;
                            epochs[id] = epoch;
                            sent.add(new int[]{id, epoch, sequence, count, transactional ? 1 : 0});
                        }
                    } else if (kind < 16) {
                        int epoch = epochs[id] + random.nextInt(3) - (random.nextInt(4) == 0 ? 1 : 0), coordinator = random.nextInt(20) == 0 ? 0 : step / 40;
                        int version = 1 + random.nextInt(2);
                        boolean commit = random.nextBoolean();
                        if (epoch < 0) epoch = 0;
                        what = "marker " + id + " " + epoch + " " + (commit ? 1 : 0) + " " + coordinator + " " + version;
                        MemoryRecords batch = MemoryRecords.withEndTransactionMarker(0L, NOW, 0, id, (short) epoch,
                            new EndTransactionMarker(commit ? ControlRecordType.COMMIT : ControlRecordType.ABORT, coordinator));
                        info = append(log, batch, AppendOrigin.COORDINATOR, VerificationGuard.SENTINEL, version, what);
                        if (info != null && epoch > epochs[id]) { epochs[id] = epoch; next[id] = 0; }
                    } else if (kind < 18 && verify) {
                        boolean bump = random.nextBoolean();
                        int sequence = random.nextInt(3) == 0 ? next[id] + 1 : next[id];
                        what = "verify " + id + " " + epochs[id] + " " + sequence + " " + (bump ? 1 : 0);
                        guards[id] = log.maybeStartTransactionVerification(id, sequence, (short) epochs[id], bump);
                        answer(log, what + " " + (guards[id] == VerificationGuard.SENTINEL ? "none" : "guard"));
                    } else {
                        log.updateHighWatermark(log.logEndOffset());
                        answer(log, "watermark " + log.logEndOffset() + " ok");
                    }
                } catch (Refused e) {
                    // printed already
                }
            }
            log.close();
            remove(dir);
        }
    }

    static final class Refused extends RuntimeException { }

    static LogAppendInfo append(UnifiedLog log, MemoryRecords batch, AppendOrigin origin, VerificationGuard guard, int version, String what) {
        long before = log.logEndOffset();
        try {
            LogAppendInfo info = log.appendAsLeader(batch, 0, origin, org.apache.kafka.server.common.RequestLocal.noCaching(), guard, (short) version);
            answer(log, what + " " + (info.firstOffset() == before ? "ok " : "duplicate ") + info.firstOffset());
            return info;
        } catch (Exception e) {
            answer(log, what + " " + Errors.forException(e).name());
            throw new Refused();
        }
    }

    static void answer(UnifiedLog log, String text) {
        out.println(text + " unstable " + log.producerStateManager().firstUnstableOffset().map(o -> o.messageOffset).orElse(-1L));
    }

    static UnifiedLog open(File dir, Map<String, String> topic, Time time) throws Exception {
        return open(dir, topic, time, true);
    }

    static UnifiedLog open(File dir, Map<String, String> topic, Time time, boolean verify) throws Exception {
        Properties properties = new Properties();
        properties.putAll(topic);
        LogConfig config = new LogConfig(properties);
        KafkaScheduler scheduler = new KafkaScheduler(1);
        return UnifiedLog.create(dir, config, 0L, 0L, scheduler, new BrokerTopicStats(), time, 900_000,
            new ProducerStateManagerConfig(86_400_000, verify), 600_000, new LogDirFailureChannel(10), true, Optional.of(new Uuid(3, 4)));
    }

    static final class AtTime implements Time {
        long now;
        AtTime(long now) { this.now = now; }
        public long milliseconds() { return now; }
        public long nanoseconds() { return now * 1_000_000; }
        public void sleep(long ms) { now += ms; }
        public void waitObject(Object o, Supplier<Boolean> condition, long deadline) { throw new UnsupportedOperationException(); }
        public Timer timer(long timeoutMs) { return Time.SYSTEM.timer(timeoutMs); }
    }

    // ---- bytes ---------------------------------------------------------------------------

    static byte[] bytes(String text) { return text.getBytes(StandardCharsets.UTF_8); }
    static byte[] longBytes(long v) { return ByteBuffer.allocate(8).putLong(v).array(); }
    static byte[] intBytes(int v) { return ByteBuffer.allocate(4).putInt(v).array(); }
    static byte[] shortBytes(int v) { return ByteBuffer.allocate(2).putShort((short) v).array(); }
    static byte[] set(byte[] from, int at, byte[] value) {
        byte[] to = from.clone();
        System.arraycopy(value, 0, to, at, value.length);
        return to;
    }
    static byte[] set(byte[] from, int at, byte[] value, int at2, byte[] value2) { return set(set(from, at, value), at2, value2); }
    static byte[] crc(byte[] batch) { return set(batch, 17, intBytes((int) Crc32C.compute(ByteBuffer.wrap(batch), 21, batch.length - 21))); }
    static byte[] join(byte[] a, byte[] b) {
        byte[] both = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, both, a.length, b.length);
        return both;
    }
    static byte[] take(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return bytes;
    }
    static String hex(byte[] bytes) { return bytes.length == 0 ? "." : HexFormat.of().formatHex(bytes); }
    static String hex(ByteBuffer buffer) { return buffer == null ? "null" : hex(take(buffer)); }
    static void remove(File file) {
        File[] inside = file.listFiles();
        if (inside != null) for (File f : inside) remove(f);
        file.delete();
    }
}
