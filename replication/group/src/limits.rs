//! Bounds of one group coordinator (one partition of `__consumer_offsets`).

/// Groups of one partition, simple ones included. Kafka has no bound, so a client that invents
/// group ids holds the broker's memory. At the bound JoinGroup is answered with
/// `GROUP_MAX_SIZE_REACHED` and OffsetCommit with `COORDINATOR_NOT_AVAILABLE` for new groups only.
pub const GROUPS_MAX: usize = 200_000;

/// Member ids of one group that were handed out and have not come back (KIP-394). Each lives for
/// the session timeout its client asked for. At the bound: `GROUP_MAX_SIZE_REACHED`.
pub const PENDING_MEMBERS_MAX: usize = 20_000;

/// Protocols in one JoinGroup; clients send one to four. At the bound:
/// `INCONSISTENT_GROUP_PROTOCOL`.
pub const PROTOCOLS_MAX: usize = 64;

/// Bytes of a client id or instance id that become part of a member id, so that the id (37 bytes
/// longer) still fits the 32,767 bytes of a string in a record.
pub const MEMBER_ID_PREFIX_BYTES_MAX: usize = 32_000;

/// Bytes of a text from a client that is kept for a notice.
pub const REASON_BYTES_MAX: usize = 256;

/// Bytes of a string in a record. Bytes that are no UTF-8 grow when they are replaced on decoding,
/// so a string from a request may be longer: such requests are refused at the door.
pub const STRING_SIZE_BYTES_MAX: usize = engine_codec::limits::STRING_SIZE_BYTES_MAX;

const _: () = assert!(MEMBER_ID_PREFIX_BYTES_MAX + 37 <= STRING_SIZE_BYTES_MAX);
