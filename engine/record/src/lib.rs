//! Record batches v2: views, builder, validation, compression.
//!
//! A batch is the same on disk and on the wire, and its bytes are the truth: this crate reads
//! them borrowed, judges them once at the door ([`validate`]), stamps what a leader assigns, and
//! writes new ones only for records of the broker's own, and where a topic has a compression of
//! its own ([`Recoding`]). Plain functions and values for any
//! core; no files, no clock (`now` is an argument).
//!
//! Reading order: [`header`], [`record`](Record), [`Records`], [`BatchView`], [`validate`].

#![forbid(unsafe_code)]
#![warn(clippy::cast_possible_truncation)]

mod batch;
mod builder;
mod compress;
mod control;
mod error;
pub mod header;
mod legacy;
pub mod limits;
mod recode;
mod record;
mod records;
mod rejection;
mod source;
pub mod validate;

pub use batch::{BatchView, Batches};
pub use builder::{BatchBuilder, BatchOptions};
pub use compress::{CompressError, Compression, Compressor, Decoder, Decompressor};
pub use control::{
    ControlRecord, EndTxnMarker, KRaftVersion, KRaftVersionFeature, LeaderChange,
    LeaderChangeVoter, SnapshotFooter, SnapshotHeader, TxnOutcome, Voter, VoterEndpoint, Voters,
};
pub use error::{BatchError, RecordError};
pub use header::{BATCH_HEADER_SIZE_BYTES, BatchHeader, TimestampType};
pub use legacy::LEGACY_MESSAGE_OVERHEAD_BYTES;
pub use recode::{Recoded, Recoding};
pub use record::{Header, Headers, Record};
pub use records::Records;
pub use rejection::{KafkaError, RecordReason, RecordRejection, Rejection};
pub use validate::{
    BatchInfo, Origin, RecordCheck, Rules, TargetCompression, Validation, validate_batch,
    validate_produce,
};
