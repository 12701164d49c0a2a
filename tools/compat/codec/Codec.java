// Kafka's side of the comparison of codecs. One program, two modes; lines on standard input and output:
//
//   verify           reads our corpus, decodes each message with Kafka's generated classes, compares the
//                    fields with ours, encodes it again and compares the bytes
//   emit SEED COUNT  reads the `window` lines of our corpus and prints COUNT random messages for each type
//                    and version, built from Kafka's schemas
//
// Only kafka-clients is needed. `run` starts it.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.ConsumerProtocolAssignment;
import org.apache.kafka.common.message.ConsumerProtocolSubscription;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.Struct;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.common.requests.ResponseHeader;

public class Codec {
    /** Fields of versions above our windows (InitProducerId 6 is unstable in Kafka 4.4). */
    static final Set<String> NOT_SERVED =
        Set.of("enable2Pc", "keepPreparedTxn", "ongoingTxnProducerId", "ongoingTxnProducerEpoch");
    static final int DIFFERENCES_SHOWN_MAX = 20;
    static final HexFormat HEX = HexFormat.of();

    final BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    public static void main(String[] arguments) throws Exception {
        Codec codec = new Codec();
        boolean equal = true;
        if (arguments.length == 1 && arguments[0].equals("verify"))
            equal = codec.verify();
        else if (arguments.length == 3 && arguments[0].equals("emit"))
            codec.emit(Long.parseLong(arguments[1]), Integer.parseInt(arguments[2]));
        else
            throw new IllegalArgumentException("usage: verify | emit SEED COUNT");
        codec.out.flush();
        System.exit(equal ? 0 : 1);
    }

    // ------------------------------------------------------------------------------------ verify

    boolean verify() throws IOException {
        Map<String, Integer> compared = new TreeMap<>();
        int differences = 0;
        for (String line; (line = in.readLine()) != null; ) {
            String[] words = line.split(" ");
            compared.merge(words[0], 1, Integer::sum);
            String difference;
            try {
                difference = verifyLine(words);
            } catch (RuntimeException e) {
                difference = e.toString();
            }
            if (difference != null && ++differences <= DIFFERENCES_SHOWN_MAX) {
                out.println(words[0] + " " + words[1] + " " + words[2] + ": " + difference);
            }
        }
        if (compared.getOrDefault("error", 0) != Errors.values().length) {
            out.println("Kafka has " + Errors.values().length + " error codes");
            differences++;
        }
        out.println("kafka: " + compared + " of ours read, " + differences + " differences");
        return differences == 0 && compared.getOrDefault("request", 0) > 0;
    }

    String verifyLine(String[] words) {
        switch (words[0]) {
            case "window": return verifyWindow(words);
            case "error": return verifyError(words);
            case "header": return verifyHeaders(words);
            default:
                short version = Short.parseShort(words[2]);
                return verifyMessage(newMessage(words[0], Short.parseShort(words[1])), version, words[3], words[4]);
        }
    }

    static String verifyWindow(String[] words) {
        ApiKeys key = ApiKeys.forId(Integer.parseInt(words[1]));
        String expected = key.name + " " + key.oldestVersion() + " " + key.latestVersion(false);
        String ours = words[2] + " " + words[3] + " " + words[4];
        return expected.equals(ours) ? null : expected + " is not " + ours;
    }

    static String verifyError(String[] words) {
        Errors error = Errors.forCode(Short.parseShort(words[1]));
        boolean retriable = error.exception() instanceof RetriableException;
        String expected = error.code() + " " + error.name() + " " + retriable;
        String ours = words[1] + " " + words[2] + " " + words[3];
        return expected.equals(ours) ? null : expected + " is not " + ours;
    }

    static String verifyHeaders(String[] words) {
        ApiKeys key = ApiKeys.forId(Integer.parseInt(words[1]));
        short version = Short.parseShort(words[2]);
        ByteBuffer request = ByteBuffer.wrap(unhex(words[3]));
        RequestHeader header = RequestHeader.parse(request);
        if (request.hasRemaining() || header.apiKey() != key || header.apiVersion() != version
                || header.correlationId() != 77 || !"me".equals(header.clientId()))
            return "request header: " + header;
        ByteBuffer response = ByteBuffer.wrap(unhex(words[4]));
        ResponseHeader answer = ResponseHeader.parse(response, key.responseHeaderVersion(version));
        return response.hasRemaining() || answer.correlationId() != 77 ? "response header: " + answer : null;
    }

    static String verifyMessage(Message message, short version, String hex, String fields) {
        byte[] bytes = unhex(hex);
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        message.read(new ByteBufferAccessor(buffer), version);
        if (buffer.hasRemaining())
            return buffer.remaining() + " bytes left unread";
        String read = dump(message);
        if (!read.equals(fields))
            return "other fields\n  kafka " + read + "\n  ours  " + fields;
        String again = hex(write(message, version));
        return again.equals(hex) ? null : "other bytes\n  kafka " + again + "\n  ours  " + hex;
    }

    static Message newMessage(String kind, short key) {
        switch (kind) {
            case "request": return ApiMessageType.fromApiKey(key).newRequest();
            case "response": return ApiMessageType.fromApiKey(key).newResponse();
            case "subscription": return new ConsumerProtocolSubscription();
            case "assignment": return new ConsumerProtocolAssignment();
            default: throw new IllegalArgumentException("no such kind of line: " + kind);
        }
    }

    static byte[] write(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        if (buffer.hasRemaining())
            throw new IllegalStateException("size is not what was written");
        return buffer.array();
    }

    // ------------------------------------------------------------------------------------ fields as text

    /** The same text as `engine_codec::sample`. */
    static String dump(Object value) {
        if (value == null) return "null";
        if (value instanceof Boolean || value instanceof Number) return value.toString();
        if (value instanceof String text) return "s:" + HEX.formatHex(text.getBytes(StandardCharsets.UTF_8));
        if (value instanceof byte[] bytes) return "b:" + HEX.formatHex(bytes);
        if (value instanceof ByteBuffer buffer) return "b:" + HEX.formatHex(rest(buffer));
        if (value instanceof MemoryRecords records) return "b:" + HEX.formatHex(rest(records.buffer()));
        if (value instanceof Uuid id)
            return String.format("u:%016x%016x", id.getMostSignificantBits(), id.getLeastSignificantBits());
        if (value instanceof Iterable<?> elements) {
            List<String> texts = new ArrayList<>();
            elements.forEach(element -> texts.add(dump(element)));
            return "[" + String.join(",", texts) + "]";
        }
        return dumpStruct((Message) value);
    }

    static String dumpStruct(Message message) {
        List<String> texts = new ArrayList<>();
        for (Field field : message.getClass().getDeclaredFields()) {
            String name = field.getName();
            boolean bookkeeping = name.startsWith("_") || name.equals("next") || name.equals("prev");
            if (Modifier.isStatic(field.getModifiers()) || bookkeeping || NOT_SERVED.contains(name)) continue;
            try {
                field.setAccessible(true);
                texts.add(name + "=" + dump(field.get(message)));
            } catch (IllegalAccessException e) {
                throw new IllegalStateException(e);
            }
        }
        return "{" + String.join(",", texts) + "}";
    }

    static byte[] rest(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return bytes;
    }

    static String hex(byte[] bytes) {
        return "x" + HEX.formatHex(bytes);
    }

    static byte[] unhex(String text) {
        return HEX.parseHex(text.substring(1));
    }

    // ------------------------------------------------------------------------------------ emit

    void emit(long seed, int count) throws IOException {
        Random random = new Random(seed);
        for (String line; (line = in.readLine()) != null; ) {
            String[] words = line.split(" ");
            if (!words[0].equals("window")) continue;
            short key = Short.parseShort(words[1]);
            ApiMessageType type = ApiMessageType.fromApiKey(key);
            for (short version = Short.parseShort(words[3]); version <= Short.parseShort(words[4]); version++) {
                for (int i = 0; i < count; i++) {
                    emitMessage("request", key, version, type.requestSchemas()[version], random);
                    emitMessage("response", key, version, type.responseSchemas()[version], random);
                }
            }
        }
    }

    /** Writes by the schema, reads with the generated class: its bytes are the canonical ones. */
    void emitMessage(String kind, short key, short version, Schema schema, Random random) {
        Struct struct = struct(schema, random);
        ByteBuffer buffer = ByteBuffer.allocate(schema.sizeOf(struct));
        schema.write(buffer, struct);
        buffer.flip();
        Message message = newMessage(kind, key);
        message.read(new ByteBufferAccessor(buffer), version);
        out.println(kind + " " + key + " " + version + " " + hex(write(message, version)) + " " + dump(message));
    }

    static Struct struct(Schema schema, Random random) {
        Struct struct = new Struct(schema);
        for (BoundField field : schema.fields())
            struct.set(field, value(field.def.type, random));
        return struct;
    }

    static Object value(Type type, Random random) {
        if (type.isNullable() && random.nextInt(4) == 0) return null;
        if (type instanceof Schema schema) return struct(schema, random);
        if (type instanceof TaggedFields tagged) {
            TreeMap<Integer, Object> values = new TreeMap<>();
            tagged.fields().forEach((tag, field) -> {
                Object value = random.nextInt(3) == 0 ? null : value(field.type, random);
                if (value != null) values.put(tag, value);
            });
            return values;
        }
        if (type.isArray()) {
            Object[] elements = new Object[length(random)];
            for (int i = 0; i < elements.length; i++)
                elements[i] = value(type.arrayElementType().get(), random);
            return elements;
        }
        return primitive(((Type.DocumentedType) type).typeName().replace("COMPACT_", "").replace("NULLABLE_", ""), random);
    }

    static Object primitive(String name, Random random) {
        long number = switch (random.nextInt(5)) {
            case 0 -> 0;
            case 1 -> -1;
            case 2 -> Long.MAX_VALUE;
            case 3 -> Long.MIN_VALUE;
            default -> random.nextLong();
        };
        switch (name) {
            case "BOOLEAN": return random.nextBoolean();
            case "INT8": return (byte) (number >> 56);
            case "INT16": return (short) (number >> 48);
            case "UINT16": return (int) (number >>> 48);
            case "INT32": return (int) (number >> 32);
            case "UINT32": return number >>> 32;
            case "INT64": return number;
            case "FLOAT64": return random.nextDouble();
            case "UUID": return new Uuid(random.nextLong(), number);
            case "STRING": return string(random);
            case "BYTES": return ByteBuffer.wrap(bytes(random));
            case "RECORDS": return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes(random)));
            default: throw new IllegalArgumentException("no such type: " + name);
        }
    }

    static String string(Random random) {
        String[] alphabet = {"a", "Z", "0", ".", "-", "é", "語", "🦀"};
        StringBuilder text = new StringBuilder();
        for (int left = length(random); left > 0; left--)
            text.append(alphabet[random.nextInt(alphabet.length)]);
        return text.toString();
    }

    static byte[] bytes(Random random) {
        byte[] bytes = new byte[length(random)];
        random.nextBytes(bytes);
        return bytes;
    }

    static int length(Random random) {
        return random.nextInt(random.nextInt(64) == 0 ? 300 : 4);
    }
}
