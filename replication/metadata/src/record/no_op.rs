//! Records that change nothing.

use engine_codec::Codec;

/// Moves the high watermark for observers.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct NoOp {}

/// Left over from clusters that once moved off ZooKeeper.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct ZkMigrationState {
    /// How far it had come.
    pub zk_migration_state: i8,
}
