//! Bounds that more than one layer relies on. Each crate adds its own `limits.rs`.

use crate::size::{KIB, MIB};

/// The unit of direct I/O. Files are read and written in whole blocks of this size whatever the
/// device reports below it (512 B here): one constant makes every position arithmetic checkable.
pub const BLOCK_SIZE_BYTES: usize = 4 * KIB;

/// The largest frame a client may announce (`socket.request.max.bytes`, Kafka's default).
pub const REQUEST_SIZE_BYTES_MAX: usize = 100 * MIB;

/// The largest record batch by default (`message.max.bytes`, Kafka's default).
pub const MESSAGE_SIZE_BYTES_MAX: usize = MIB + 12;

/// Shards in one process. Placement tables and meshes are sized by the shards there are; the
/// bound keeps N x N mailboxes small.
pub const SHARDS_MAX: usize = 256;

const _: () = assert!(MESSAGE_SIZE_BYTES_MAX < REQUEST_SIZE_BYTES_MAX);
const _: () = assert!(BLOCK_SIZE_BYTES.is_power_of_two());
