//! The records of `__cluster_metadata`: one file per kind, the structs are Kafka's schemas.
//!
//! ```text
//!  frame version (uvarint, 1) | kind (uvarint) | version (uvarint) | fields, in the flexible form
//! ```
//!
//! Everything that has ever been written by a release of Kafka from 3.3 to 4.4 is understood, also
//! the kinds that nothing here acts upon, so that an adopted log loses nothing. A kind or version
//! beyond that is refused by its number: to pass over it would make an image that differs from the
//! one of every other node.

use engine_codec::varint::put_uvarint;
use engine_codec::{IntoOwned, Message, Reader};

use crate::MetadataVersion;
use crate::error::RecordError;

/// The only frame version there is.
const FRAME_VERSION: u32 = 1;

/// Declares the modules, the enum over all kinds and what must be said for each of them.
macro_rules! records {
    ($($key:literal $module:ident :: $kind:ident $(<$lifetime:lifetime>)?),* $(,)?) => {
        /// One record of the metadata log.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::large_enum_variant)] // partitions are the bulk, and among the largest
        pub enum Record<'a> {
            $(
                #[doc = concat!("Kind ", stringify!($key), ".")]
                $kind($kind $(<$lifetime>)?),
            )*
        }

        impl<'a> Record<'a> {
            /// The number that says which kind this is.
            #[must_use]
            pub fn key(&self) -> i16 {
                match self { $(Self::$kind(_) => $key,)* }
            }

            fn read_kind(reader: &mut Reader<'a>, key: u32, version: i16) -> Result<Self, RecordError> {
                match key {
                    $($key => {
                        if !$kind::VERSIONS.contains(version) {
                            return Err(RecordError::UnknownVersion { kind: $kind::NAME, key, version });
                        }
                        $kind::read_from(reader, version)
                            .map(Self::$kind)
                            .map_err(|error| RecordError::Malformed { kind: $kind::NAME, error })
                    })*
                    _ => Err(RecordError::UnknownKind { key, version }),
                }
            }

            fn write_kind(&self, out: &mut Vec<u8>, version: i16) -> Result<(), RecordError> {
                match self {
                    $(Self::$kind(record) => record
                        .write(out, version)
                        .map_err(|error| RecordError::Unwritable { kind: $kind::NAME, error }),)*
                }
            }
        }

        impl IntoOwned for Record<'_> {
            type Owned = Record<'static>;

            fn into_owned(self) -> Record<'static> {
                match self { $(Self::$kind(record) => Record::$kind(record.into_owned()),)* }
            }
        }

        $(
            impl $(<$lifetime>)? From<$kind $(<$lifetime>)?> for records!(@target $($lifetime)?) {
                fn from(record: $kind $(<$lifetime>)?) -> Self {
                    Self::$kind(record)
                }
            }
        )*
    };
    (@target $lifetime:lifetime) => { Record<$lifetime> };
    (@target) => { Record<'_> };
}

records! {
    0 register_broker::RegisterBroker<'a>,
    1 unregister_broker::UnregisterBroker,
    2 topic::Topic<'a>,
    3 partition::Partition,
    4 config::Config<'a>,
    5 partition::PartitionChange,
    7 fencing::FenceBroker,
    8 fencing::UnfenceBroker,
    9 topic::RemoveTopic,
    10 delegation_token::DelegationToken<'a>,
    11 scram::UserScramCredential<'a>,
    12 feature_level::FeatureLevel<'a>,
    14 client_quota::ClientQuota<'a>,
    15 producer_ids::ProducerIds,
    17 broker_registration_change::BrokerRegistrationChange,
    18 acl::AccessControlEntry<'a>,
    19 acl::RemoveAccessControlEntry,
    20 no_op::NoOp,
    21 no_op::ZkMigrationState,
    22 scram::RemoveUserScramCredential<'a>,
    23 transaction::BeginTransaction<'a>,
    24 transaction::EndTransaction,
    25 transaction::AbortTransaction<'a>,
    26 delegation_token::RemoveDelegationToken<'a>,
    27 register_controller::RegisterController<'a>,
    28 clear_elr::ClearElr<'a>,
    29 register_controller::UnregisterController,
}

mod acl;
mod broker_registration_change;
mod clear_elr;
mod client_quota;
mod config;
mod delegation_token;
mod feature_level;
mod fencing;
mod no_op;
mod node;
mod partition;
mod producer_ids;
mod register_broker;
mod register_controller;
mod scram;
#[cfg(test)]
mod tests;
mod topic;
mod transaction;
mod unregister_broker;

pub use acl::{AccessControlEntry, RemoveAccessControlEntry};
pub use broker_registration_change::BrokerRegistrationChange;
pub use clear_elr::ClearElr;
pub use client_quota::{ClientQuota, QuotaEntity};
pub use config::Config;
pub use delegation_token::{DelegationToken, RemoveDelegationToken};
pub use feature_level::FeatureLevel;
pub use fencing::{FenceBroker, UnfenceBroker};
pub use no_op::{NoOp, ZkMigrationState};
pub use node::{NodeEndpoint, NodeFeature};
pub use partition::{Partition, PartitionChange};
pub use producer_ids::ProducerIds;
pub use register_broker::RegisterBroker;
pub use register_controller::{RegisterController, UnregisterController};
pub use scram::{RemoveUserScramCredential, UserScramCredential};
pub use topic::{RemoveTopic, Topic};
pub use transaction::{AbortTransaction, BeginTransaction, EndTransaction};
pub use unregister_broker::UnregisterBroker;

impl<'a> Record<'a> {
    /// Reads the value of a record of the metadata log, the frame included.
    ///
    /// # Errors
    /// The bytes are no record, or one of a kind or version that is newer than this program.
    pub fn read(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes);
        let mut varint = || reader.uvarint().map_err(RecordError::Frame);
        let (frame_version, key, version) = (varint()?, varint()?, varint()?);
        if frame_version != FRAME_VERSION {
            return Err(RecordError::UnknownFrame { frame_version });
        }
        let version = i16::try_from(version).map_err(|_| RecordError::UnknownVersion {
            kind: "?",
            key,
            version: i16::MAX,
        })?;
        let record = Self::read_kind(&mut reader, key, version)?;
        reader.finish().map_err(RecordError::Frame)?;
        Ok(record)
    }

    /// The version in which Kafka writes this record when the cluster is at `metadata_version`.
    #[must_use]
    pub fn version(&self, metadata_version: MetadataVersion) -> i16 {
        match self {
            Self::RegisterBroker(_) => metadata_version.register_broker_record_version(),
            Self::Partition(_) | Self::PartitionChange(_) => {
                metadata_version.partition_record_version()
            }
            Self::BrokerRegistrationChange(change) => change.version_min(),
            _ => 0,
        }
    }

    /// Appends the record with its frame, as the value of a log record.
    ///
    /// # Errors
    /// The record says something that has no place at this metadata version, or holds a string
    /// too long to write.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        metadata_version: MetadataVersion,
    ) -> Result<(), RecordError> {
        self.write_version(out, self.version(metadata_version))
    }

    fn write_version(&self, out: &mut Vec<u8>, version: i16) -> Result<(), RecordError> {
        put_uvarint(out, FRAME_VERSION);
        put_uvarint(out, u32::from(self.key().unsigned_abs()));
        put_uvarint(out, u32::from(version.unsigned_abs()));
        self.write_kind(out, version)
    }

    /// The record's bytes, the frame included.
    ///
    /// # Errors
    /// As [`Record::write`].
    pub fn to_bytes(&self, metadata_version: MetadataVersion) -> Result<Vec<u8>, RecordError> {
        let mut out = Vec::new();
        self.write(&mut out, metadata_version)?;
        Ok(out)
    }
}
