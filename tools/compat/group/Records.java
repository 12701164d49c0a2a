// Prints records of __consumer_offsets, one a line: name, key, value ("-" for a tombstone), in hexadecimal.
// All versions that Kafka has written, by the serializer of the broker. `run` starts it.

import java.util.HexFormat;
import java.util.List;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.coordinator.common.runtime.CoordinatorRecord;
import org.apache.kafka.coordinator.group.GroupCoordinatorRecordSerde;
import org.apache.kafka.coordinator.group.generated.ConsumerGroupMemberMetadataKey;
import org.apache.kafka.coordinator.group.generated.ConsumerGroupMemberMetadataValue;
import org.apache.kafka.coordinator.group.generated.ConsumerGroupMetadataKey;
import org.apache.kafka.coordinator.group.generated.ConsumerGroupMetadataValue;
import org.apache.kafka.coordinator.group.generated.GroupMetadataKey;
import org.apache.kafka.coordinator.group.generated.GroupMetadataValue;
import org.apache.kafka.coordinator.group.generated.LegacyOffsetCommitKey;
import org.apache.kafka.coordinator.group.generated.LegacyOffsetCommitValue;
import org.apache.kafka.coordinator.group.generated.OffsetCommitKey;
import org.apache.kafka.coordinator.group.generated.OffsetCommitValue;
import org.apache.kafka.coordinator.group.generated.ShareGroupMetadataKey;
import org.apache.kafka.coordinator.group.generated.ShareGroupMetadataValue;
import org.apache.kafka.coordinator.group.generated.StreamsGroupMetadataKey;
import org.apache.kafka.coordinator.group.generated.StreamsGroupMetadataValue;
import org.apache.kafka.server.common.ApiMessageAndVersion;

public class Records {
    static final GroupCoordinatorRecordSerde SERDE = new GroupCoordinatorRecordSerde();

    static void print(String name, ApiMessage key, ApiMessage value, int version) {
        CoordinatorRecord record = value == null
            ? CoordinatorRecord.tombstone(key)
            : CoordinatorRecord.record(key, new ApiMessageAndVersion(value, (short) version));
        byte[] bytes = SERDE.serializeValue(record);
        HexFormat hex = HexFormat.of();
        System.out.println(name + " " + hex.formatHex(SERDE.serializeKey(record)) + " "
            + (bytes == null ? "-" : hex.formatHex(bytes)));
    }

    static OffsetCommitValue offset() {
        return new OffsetCommitValue().setOffset(42).setMetadata("m\u00e9ta").setCommitTimestamp(1_700_000_000_000L);
    }

    static GroupMetadataValue.MemberMetadata member(String id, String instanceId) {
        return new GroupMetadataValue.MemberMetadata()
            .setMemberId(id).setGroupInstanceId(instanceId).setClientId("client").setClientHost("/127.0.0.1")
            .setRebalanceTimeout(300_000).setSessionTimeout(45_000)
            .setSubscription(new byte[] {0, 0, 1}).setAssignment(new byte[] {9, 8});
    }

    static GroupMetadataValue group() {
        return new GroupMetadataValue()
            .setProtocolType("consumer").setGeneration(7).setProtocol("range").setLeader("a-1")
            .setCurrentStateTimestamp(1_700_000_000_001L)
            .setMembers(List.of(member("a-1", "a"), member("b-2", null)));
    }

    public static void main(String[] arguments) {
        print("legacy-offset-v0",
            new LegacyOffsetCommitKey().setGroup("g").setTopic("t").setPartition(3),
            new LegacyOffsetCommitValue().setOffset(42).setMetadata("m\u00e9ta").setCommitTimestamp(1_700_000_000_000L), 0);
        OffsetCommitKey key = new OffsetCommitKey().setGroup("g").setTopic("t").setPartition(3);
        for (int version = 0; version <= 4; version++) {
            print("offset-v" + version, key, offset(), version);
        }
        print("offset-v1-expiring", key, offset().setExpireTimestamp(1_700_000_600_000L), 1);
        print("offset-v3-epoch", key, offset().setLeaderEpoch(5), 3);
        print("offset-v4-full", key,
            offset().setLeaderEpoch(5).setTopicId(Uuid.fromString("MkU3OEVBNTcwNTJENDM2Qg")), 4);
        print("offset-tombstone", key, null, 0);

        GroupMetadataKey groupKey = new GroupMetadataKey().setGroup("g");
        for (int version = 0; version <= 4; version++) {
            print("group-v" + version, groupKey, group(), version);
        }
        print("group-v3-empty", groupKey, new GroupMetadataValue()
            .setProtocolType("").setGeneration(0).setProtocol(null).setLeader(null)
            .setCurrentStateTimestamp(1_700_000_000_001L).setMembers(List.of()), 3);
        print("group-tombstone", groupKey, null, 0);

        print("consumer-group", new ConsumerGroupMetadataKey().setGroupId("g"),
            new ConsumerGroupMetadataValue().setEpoch(3), 0);
        print("consumer-group-tombstone", new ConsumerGroupMetadataKey().setGroupId("g"), null, 0);
        print("consumer-member", new ConsumerGroupMemberMetadataKey().setGroupId("g").setMemberId("m"),
            new ConsumerGroupMemberMetadataValue(), 0);
        print("share-group", new ShareGroupMetadataKey().setGroupId("g"),
            new ShareGroupMetadataValue().setEpoch(3), 0);
        print("streams-group", new StreamsGroupMetadataKey().setGroupId("g"),
            new StreamsGroupMetadataValue().setEpoch(3), 0);
    }
}
