//! The records of `__consumer_offsets`, as a coordinator loads them.
//!
//! ```text
//! input: flags u8 | bytes
//!   flags bit 0: the bytes are batches of the log, checksums set right
//!   otherwise:   batches of the model: kind u8 | records as pieces, key then value
//!          bit 1: the high watermark stays at the middle of the log
//! ```
//! Proved: loading any log returns, with a typed error where the bytes are no records; what was
//! decoded is encoded and decoded to the same; after a load that succeeds, the timers can run, a
//! listing and a description of every group answer, and the shard can be unloaded.

use std::sync::Arc;

use engine_base::{Instant, TopicId, Uuid};
use engine_record::{BatchBuilder, BatchOptions, Batches, Decompressor};
use replication_coordinator::{
    CoordinatorShard, LoadedBatch, LoadedRecord, Moment, RuntimeConfig, Token, TransactionResult,
};
use replication_group::record::{
    CommittedOffset, GroupMetadata, MemberMetadata, OffsetKey, Read, Record,
};
use replication_group::{GroupConfig, GroupCoordinator, ListGroupsRequest, Request};

use crate::input::{Input, put_piece};
use crate::record::repair;

const FLAG_RAW: u8 = 1;
const FLAG_UNCOMMITTED: u8 = 2;
const NOW: i64 = 1_700_000_000_000;
/// Timers that fire after a load before this target looks away.
const TIMERS_MAX: usize = 64;

type Shard = CoordinatorShard<GroupCoordinator>;

/// Whatever the bytes are, this returns.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let flags = input.byte();
    let machine = GroupCoordinator::new(GroupConfig::default());
    let mut shard = CoordinatorShard::new(machine, RuntimeConfig::default());
    let end = if flags & FLAG_RAW == 0 {
        load_model(&mut shard, &mut input, flags & FLAG_UNCOMMITTED != 0)
    } else {
        load_raw(&mut shard, input.rest())
    };
    if let Some(end) = end {
        live(&mut shard, end);
    }
}

/// The end of the log, if it could be loaded.
fn load_model(shard: &mut Shard, input: &mut Input<'_>, is_uncommitted: bool) -> Option<i64> {
    let mut next_offset = 0;
    let mut notices = Vec::new();
    while !input.is_empty() {
        let kind = input.byte();
        let producer_id = (kind & 4 != 0).then_some(i64::from(kind >> 4));
        let base_offset = next_offset;
        let high_watermark = if is_uncommitted {
            base_offset / 2
        } else {
            i64::MAX
        };
        if kind & 3 == 3 {
            next_offset += 1;
            let marker = LoadedBatch::Marker {
                next_offset,
                producer_id: i64::from(kind >> 4),
                result: if kind & 8 == 0 {
                    TransactionResult::Commit
                } else {
                    TransactionResult::Abort
                },
            };
            shard.load(marker, high_watermark, &mut notices).ok()?;
            continue;
        }
        let mut records = Vec::new();
        for _ in 0..=kind & 3 {
            let (key, value) = (input.piece(), input.piece());
            let value = (!value.is_empty()).then_some(value);
            check_record(key, value);
            records.push(LoadedRecord {
                offset: next_offset,
                key: Some(key),
                value,
            });
            next_offset += 1;
        }
        let batch = LoadedBatch::Records {
            next_offset,
            producer_id,
            records: &records,
        };
        shard.load(batch, high_watermark, &mut notices).ok()?;
    }
    Some(next_offset)
}

/// As the log hands them out: offsets that go back are the log's fault, and it refuses them.
fn load_raw(shard: &mut Shard, bytes: &[u8]) -> Option<i64> {
    let mut bytes = bytes.to_vec();
    repair(&mut bytes);
    let mut decompressor = Decompressor::new();
    let mut notices = Vec::new();
    let mut next_offset = 0;
    for batch in Batches::new(&bytes) {
        let batch = batch.ok()?;
        let header = batch.header();
        if header.base_offset < next_offset || header.last_offset_delta < 0 {
            return None;
        }
        next_offset = header
            .base_offset
            .checked_add(i64::from(header.last_offset_delta) + 1)?;
        shard
            .load_batch(&batch, &mut decompressor, i64::MAX, &mut notices)
            .ok()?;
    }
    Some(next_offset)
}

fn check_record(key: &[u8], value: Option<&[u8]>) {
    if let Ok(Read::Record(record)) = Record::decode(key, value)
        && !matches!(record, Record::ForeignGroup { .. })
        && fits(&record)
    {
        let bytes = record.encode();
        let again = Record::decode(&bytes.key, bytes.value.as_deref());
        let Ok(Read::Record(again)) = again else {
            panic!("what we wrote is no record: {again:?}");
        };
        assert_eq!(again.encode(), bytes);
    }
}

/// Bytes that are not UTF-8 are replaced by longer ones: a string may outgrow its bound.
fn fits(record: &Record) -> bool {
    let is_short = |text: &str| text.len() <= 0x7fff;
    match record {
        Record::OffsetCommit { key, value } => {
            is_short(&key.group_id)
                && is_short(&key.topic)
                && value.as_ref().is_none_or(|value| is_short(&value.metadata))
        }
        Record::GroupMetadata { group_id, value } => {
            is_short(group_id)
                && value.as_ref().is_none_or(|value| {
                    let optional = |text: &Option<Arc<str>>| text.as_deref().is_none_or(is_short);
                    is_short(&value.protocol_type)
                        && optional(&value.protocol_name)
                        && optional(&value.leader_id)
                        && value.members.iter().all(|member| {
                            is_short(&member.member_id)
                                && optional(&member.instance_id)
                                && is_short(&member.client_id)
                                && is_short(&member.client_host)
                        })
                })
        }
        Record::ForeignGroup { .. } => true,
    }
}

/// The coordinator begins to serve what it has loaded.
fn live(shard: &mut Shard, end: i64) {
    let mut moment = Moment {
        now: Instant(1),
        timestamp: NOW,
    };
    let mut effects = shard.finish_load(moment, end, end);
    let list = Request::ListGroups(ListGroupsRequest::default());
    let listed = shard.handle(moment, Token(1), list);
    assert_eq!(listed.answers.len(), 1);
    for _ in 0..TIMERS_MAX {
        let mut next = 0;
        for append in &effects.appends {
            next = append.base_offset + append.body.record_count() as i64;
            shard
                .on_appended(append.id, append.base_offset)
                .expect("the log takes appends where they are expected");
        }
        if next > 0 {
            effects = shard.on_high_watermark(moment, next);
            continue;
        }
        let Some(deadline) = effects.deadline else {
            break;
        };
        moment.timestamp += (deadline.0.saturating_sub(moment.now.0) / 1_000_000) as i64;
        moment.now = moment.now.max(deadline);
        effects = shard.on_timer(moment);
    }
    let _ = shard.unload(moment);
}

/// A small log in both shapes.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut model = vec![0];
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let mut seeds = Vec::new();
    for record in some_records() {
        let bytes = record.encode();
        builder.append(NOW, Some(&bytes.key), bytes.value.as_deref(), &[]);
        for kind in [0, 4 | 1 << 4] {
            let mut one = vec![kind];
            put_piece(&mut one, &bytes.key);
            put_piece(&mut one, bytes.value.as_deref().unwrap_or_default());
            if kind != 0 {
                one.push(3 | 1 << 4); // its transaction commits
            }
            model.extend(&one);
            seeds.push([&[0][..], &one].concat());
        }
    }
    let raw = [&[FLAG_RAW][..], &builder.finish()].concat();
    let mut uncommitted = model.clone();
    uncommitted[0] = FLAG_UNCOMMITTED;
    seeds.extend([model, uncommitted, raw]);
    seeds
}

fn some_records() -> Vec<Record> {
    let key = OffsetKey {
        group_id: "g".into(),
        topic: "t".into(),
        partition: 1,
    };
    let offset = CommittedOffset {
        offset: 7,
        leader_epoch: Some(2),
        metadata: "m".into(),
        commit_timestamp: NOW,
        expire_timestamp: None,
        topic_id: TopicId::from(Uuid([4; 16])),
    };
    let expiring = CommittedOffset {
        expire_timestamp: Some(NOW + 5),
        ..offset.clone()
    };
    let member = MemberMetadata {
        member_id: "m-1".into(),
        instance_id: Some("i".into()),
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: 60_000,
        session_timeout_ms: 10_000,
        subscription: Arc::from(&b"\0\0\0\0\0\x01\0\x01t\0\0\0\0"[..]),
        assignment: Arc::from(&b"\0\0\0\0\0\0\0\0\0\0"[..]),
    };
    let group = GroupMetadata {
        protocol_type: "consumer".into(),
        generation_id: 3,
        protocol_name: Some("range".into()),
        leader_id: Some("m-1".into()),
        state_timestamp: Some(NOW),
        members: vec![member],
    };
    let commit = |value| Record::OffsetCommit {
        key: key.clone(),
        value,
    };
    let metadata = |value| Record::GroupMetadata {
        group_id: "g".into(),
        value,
    };
    vec![
        commit(Some(offset)),
        commit(Some(expiring)),
        metadata(Some(group)),
        commit(None),
        metadata(None),
    ]
}
