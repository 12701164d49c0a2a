//! Writing a batch: coordinators, the command line and tests. Producers' batches are never
//! rebuilt here; the broker keeps their bytes.

use engine_base::Timestamp;
use engine_codec::Writer;
use engine_codec::varint::{varint_size, varlong_size};

use crate::compress::{Compression, Compressor};
use crate::header::{
    Attributes, BATCH_HEADER_SIZE_BYTES, BatchHeader, LOG_OVERHEAD_BYTES, MAGIC_V2,
    NO_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TimestampType,
    stamp_crc,
};
use crate::record::Header;

/// What a batch says about itself besides its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Epoch of the leader that appends.
    pub leader_epoch: i32,
    /// Compression of the records.
    pub compression: Compression,
    /// gzip's or zstd's level; `None` is the codec's default.
    pub compression_level: Option<i32>,
    /// With `LogAppendTime`, the largest timestamp appended becomes the batch's.
    pub timestamp_type: TimestampType,
    /// -1 without idempotence.
    pub producer_id: i64,
    /// -1 without idempotence.
    pub producer_epoch: i16,
    /// -1 without idempotence.
    pub base_sequence: i32,
    /// Whether the batch belongs to a transaction.
    pub transactional: bool,
    /// Whether the records are control records.
    pub control: bool,
    /// When compaction may drop the batch's tombstones (KIP-534); becomes the base timestamp.
    pub delete_horizon_ms: Option<Timestamp>,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            base_offset: 0,
            leader_epoch: NO_LEADER_EPOCH,
            compression: Compression::None,
            compression_level: None,
            timestamp_type: TimestampType::CreateTime,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            transactional: false,
            control: false,
            delete_horizon_ms: None,
        }
    }
}

/// Collects records into one batch.
#[derive(Debug)]
pub struct BatchBuilder {
    options: BatchOptions,
    /// Header (filled in at the end) and uncompressed records.
    bytes: Vec<u8>,
    record_count: i32,
    last_offset_delta: i32,
    base_timestamp: Option<Timestamp>,
    max_timestamp: Timestamp,
}

impl BatchBuilder {
    /// An empty batch.
    #[must_use]
    pub fn new(options: BatchOptions) -> Self {
        Self {
            options,
            bytes: vec![0; BATCH_HEADER_SIZE_BYTES],
            record_count: 0,
            last_offset_delta: -1,
            base_timestamp: options.delete_horizon_ms,
            max_timestamp: NO_TIMESTAMP,
        }
    }

    /// Appends a record at the next offset.
    pub fn append(
        &mut self,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> &mut Self {
        let offset_delta = self
            .last_offset_delta
            .checked_add(1)
            .expect("a batch spans fewer than 2^31 offsets");
        self.append_at(offset_delta, timestamp, key, value, headers)
    }

    /// Appends a record at an offset delta above the last one: what is left after compaction has
    /// gaps.
    ///
    /// # Panics
    /// When the delta is not above the last one, or a part is 2 GiB long.
    pub fn append_at(
        &mut self,
        offset_delta: i32,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> &mut Self {
        assert!(offset_delta > self.last_offset_delta);
        let base_timestamp = *self.base_timestamp.get_or_insert(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(base_timestamp);

        let mut size = 1 + varlong_size(timestamp_delta) + varint_size(offset_delta);
        size += nullable_size(key) + nullable_size(value) + varint_size(length(headers));
        for header in headers {
            size += nullable_size(Some(header.key)) + nullable_size(header.value);
        }

        let mut writer = Writer::new(&mut self.bytes);
        writer.varint(i32::try_from(size).expect("a record is smaller than 2 GiB"));
        writer.u8(0); // attributes: no bit is defined
        writer.varlong(timestamp_delta);
        writer.varint(offset_delta);
        put_nullable(&mut writer, key);
        put_nullable(&mut writer, value);
        writer.varint(length(headers));
        for header in headers {
            put_nullable(&mut writer, Some(header.key));
            put_nullable(&mut writer, header.value);
        }

        self.record_count += 1;
        self.last_offset_delta = offset_delta;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self
    }

    /// Lets the batch span offsets after its last record: compaction removes records and keeps
    /// the span, and a batch may be left with no record at all.
    ///
    /// # Panics
    /// When a record has already been appended beyond it.
    pub fn span_to(&mut self, last_offset_delta: i32) -> &mut Self {
        assert!(last_offset_delta >= self.last_offset_delta);
        self.last_offset_delta = last_offset_delta;
        self
    }

    /// Records appended so far.
    #[must_use]
    pub fn record_count(&self) -> usize {
        usize::try_from(self.record_count).expect("a count starts at zero and grows")
    }

    /// Bytes of the batch so far, before compression.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has been appended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// The finished batch. A builder for compressed batches makes its compression context anew;
    /// [`Self::finish_with`] reuses one.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.finish_with(&mut Compressor::new())
    }

    /// The finished batch, compressed with a reused context.
    #[must_use]
    pub fn finish_with(self, compressor: &mut Compressor) -> Vec<u8> {
        let options = self.options;
        let mut bytes = self.bytes;
        if options.compression != Compression::None {
            let mut compressed = vec![0; BATCH_HEADER_SIZE_BYTES];
            let records = &bytes[BATCH_HEADER_SIZE_BYTES..];
            let level = options.compression_level;
            compressor.compress(options.compression, level, records, &mut compressed);
            bytes = compressed;
        }
        let header = BatchHeader {
            base_offset: options.base_offset,
            batch_length: i32::try_from(bytes.len() - LOG_OVERHEAD_BYTES)
                .expect("a batch is smaller than 2 GiB"),
            leader_epoch: options.leader_epoch,
            magic: MAGIC_V2,
            crc: 0, // stamped below
            attributes: Attributes::default()
                .with_compression(options.compression)
                .with_timestamp_type(options.timestamp_type)
                .with_transactional(options.transactional)
                .with_control(options.control)
                .with_delete_horizon(options.delete_horizon_ms.is_some()),
            last_offset_delta: self.last_offset_delta,
            base_timestamp: self.base_timestamp.unwrap_or(NO_TIMESTAMP),
            max_timestamp: self.max_timestamp,
            producer_id: options.producer_id,
            producer_epoch: options.producer_epoch,
            base_sequence: options.base_sequence,
            record_count: self.record_count,
        };
        bytes[..BATCH_HEADER_SIZE_BYTES].copy_from_slice(&header.to_bytes());
        stamp_crc(&mut bytes);
        bytes
    }
}

fn length<T>(items: &[T]) -> i32 {
    i32::try_from(items.len()).expect("a part of a record is smaller than 2 GiB")
}

fn nullable_size(part: Option<&[u8]>) -> usize {
    match part {
        Some(bytes) => varint_size(length(bytes)) + bytes.len(),
        None => varint_size(-1),
    }
}

fn put_nullable(writer: &mut Writer<'_>, part: Option<&[u8]>) {
    match part {
        Some(bytes) => {
            writer.varint(length(bytes));
            writer.bytes(bytes);
        }
        None => writer.varint(-1),
    }
}
