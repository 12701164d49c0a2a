//! The rules about records, in one pass over them.

use engine_base::Timestamp;

use super::Rules;
use crate::error::RecordError;
use crate::header::{BatchHeader, NO_TIMESTAMP, TimestampType};
use crate::limits::RECORD_ERRORS_MAX;
use crate::record::read_parts;
use crate::records::Times;
use crate::rejection::{RecordReason, RecordRejection, Rejection};
use crate::source::SliceSource;

/// The largest timestamp and the first record that carries it.
#[derive(Clone, Copy)]
pub(super) struct Newest {
    pub(super) timestamp: Timestamp,
    pub(super) offset_delta: Option<i32>,
}

/// What the header alone can tell of timestamps.
pub(super) fn check_header_timestamp(
    header: &BatchHeader,
    rules: &Rules,
    now: Timestamp,
) -> Result<Newest, Rejection> {
    let timestamp = header.max_timestamp;
    if let Some(reason) = check_timestamp(header, timestamp, rules, now) {
        let errors = vec![RecordRejection { index: 0, reason }];
        return Err(Rejection::Records {
            errors,
            count: 1,
            timestamp: true,
        });
    }
    Ok(Newest {
        timestamp,
        offset_delta: None,
    })
}

/// One pass over the records of a batch, the same for both kinds of source: what it has found.
pub(super) struct Walk<'r> {
    header: BatchHeader,
    rules: &'r Rules,
    now: Timestamp,
    newest: Newest,
    errors: Vec<RecordRejection>,
    error_count: u32,
    timestamp_error: bool,
}

impl<'r> Walk<'r> {
    pub(super) fn new(header: &BatchHeader, rules: &'r Rules, now: Timestamp) -> Self {
        Self {
            header: *header,
            rules,
            now,
            newest: Newest {
                timestamp: NO_TIMESTAMP,
                offset_delta: None,
            },
            errors: Vec::new(),
            error_count: 0,
            timestamp_error: false,
        }
    }

    /// Reads exactly the declared number of records and nothing after them.
    pub(super) fn all(&mut self, mut source: SliceSource<'_>) -> Result<(), Rejection> {
        let times = Times::of(&self.header);
        let count = self.header.record_count;
        for index in 0..count {
            let bad = |error| Rejection::BadRecord { index, error };
            let parts = read_parts(&mut source).map_err(bad)?;
            let timestamp = times.timestamp(parts.timestamp_delta);
            self.one(index, parts.offset_delta, parts.key.is_some(), timestamp);
        }
        if source.is_at_end() {
            return Ok(());
        }
        Err(Rejection::BadRecord {
            index: count,
            error: RecordError::TrailingBytes,
        })
    }

    #[inline]
    pub(super) fn one(
        &mut self,
        index: i32,
        offset_delta: i32,
        has_key: bool,
        timestamp: Timestamp,
    ) {
        if timestamp > self.newest.timestamp {
            self.newest = Newest {
                timestamp,
                offset_delta: Some(offset_delta),
            };
        }
        let reason = check_key(has_key, self.rules)
            .or_else(|| check_timestamp(&self.header, timestamp, self.rules, self.now))
            .or_else(|| check_offset_delta(index, offset_delta));
        if let Some(reason) = reason {
            self.reject(index, reason);
        }
    }

    #[cold]
    fn reject(&mut self, index: i32, reason: RecordReason) {
        self.error_count += 1;
        self.timestamp_error |= reason.is_about_timestamp();
        if self.errors.len() < RECORD_ERRORS_MAX {
            self.errors.push(RecordRejection { index, reason });
        }
    }

    pub(super) fn finish(&mut self) -> Result<Newest, Rejection> {
        if self.error_count > 0 {
            return Err(Rejection::Records {
                errors: std::mem::take(&mut self.errors),
                count: self.error_count,
                timestamp: self.timestamp_error,
            });
        }
        Ok(self.newest)
    }
}

/// A compacted topic keeps the last record of each key; a record without one has no place.
#[inline]
fn check_key(has_key: bool, rules: &Rules) -> Option<RecordReason> {
    (rules.compacted && !has_key).then_some(RecordReason::NullKey)
}

/// Kafka's rule with its corner: on a CreateTime topic, a batch that claims LogAppendTime is
/// judged by its timestamp like any other, unless that is -1; elsewhere the claim is refused.
#[inline]
fn check_timestamp(
    header: &BatchHeader,
    timestamp: Timestamp,
    rules: &Rules,
    now: Timestamp,
) -> Option<RecordReason> {
    if rules.timestamp_type == TimestampType::CreateTime && timestamp != NO_TIMESTAMP {
        return check_timestamp_range(timestamp, rules, now);
    }
    (header.attributes.timestamp_type() == TimestampType::LogAppendTime)
        .then_some(RecordReason::LogAppendTimeFromProducer)
}

/// Distances in 128 bits: a timestamp of -2^63 is simply very old.
#[inline]
fn check_timestamp_range(
    timestamp: Timestamp,
    rules: &Rules,
    now: Timestamp,
) -> Option<RecordReason> {
    let age = i128::from(now) - i128::from(timestamp);
    let too_old = age > i128::from(rules.timestamp_before_ms_max);
    let too_new = -age > i128::from(rules.timestamp_after_ms_max);
    (too_old || too_new).then(|| RecordReason::TimestampOutOfRange {
        timestamp,
        min: now.saturating_sub(rules.timestamp_before_ms_max),
        max: now.saturating_add(rules.timestamp_after_ms_max),
    })
}

/// Offsets of a producer's batch are dense: the base offset and the position name the record.
#[inline]
fn check_offset_delta(index: i32, offset_delta: i32) -> Option<RecordReason> {
    (index != offset_delta).then_some(RecordReason::OffsetDelta { offset_delta })
}
