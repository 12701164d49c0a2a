//! A group's committed offsets on the wire, by topic and partition.

use std::collections::BTreeMap;
use std::time::Duration;

use net_wire::ApiKey;
use net_wire::message::OffsetFetchRequest;
use net_wire::message::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use net_wire::message::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};

use crate::cluster::Cluster;
use crate::error::ClientError;

/// Offsets by topic and partition.
pub(crate) type Offsets = BTreeMap<(String, i32), i64>;

/// OffsetCommit and OffsetFetch name topics up to this version, and carry ids above it.
pub(crate) const BY_NAME_VERSION_MAX: i16 = 9;

/// What a commit says.
pub(crate) fn offsets_by_topic(offsets: &Offsets) -> Vec<OffsetCommitRequestTopic<'_>> {
    let mut topics: Vec<OffsetCommitRequestTopic<'_>> = Vec::new();
    for ((topic, partition), &committed_offset) in offsets {
        let entry = OffsetCommitRequestPartition {
            partition_index: *partition,
            committed_offset,
            committed_leader_epoch: -1,
            committed_metadata: Some("".into()),
        };
        match topics.last_mut().filter(|last| last.name == topic.as_str()) {
            Some(last) => last.partitions.push(entry),
            None => topics.push(OffsetCommitRequestTopic {
                name: topic.as_str().into(),
                partitions: vec![entry],
                ..Default::default()
            }),
        }
    }
    topics
}

/// A group's committed offsets: of these partitions, or of all it has.
pub(crate) async fn fetch_committed(
    cluster: &mut Cluster,
    coordinator: i32,
    group: &str,
    partitions: Option<&[(String, i32)]>,
) -> Result<Offsets, ClientError> {
    let by_topic = partitions.map(|partitions| {
        let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for (topic, partition) in partitions {
            topics.entry(topic).or_default().push(*partition);
        }
        let topic = |(name, partition_indexes): (&str, Vec<i32>)| OffsetFetchRequestTopics {
            name: name.to_owned().into(),
            partition_indexes,
            ..Default::default()
        };
        topics.into_iter().map(topic).collect()
    });
    let asked = OffsetFetchRequestGroup {
        group_id: group.to_owned().into(),
        topics: by_topic,
        ..Default::default()
    };
    let request = OffsetFetchRequest {
        groups: vec![asked],
        ..Default::default()
    };
    let frame = cluster
        .call_broker_below(coordinator, &request, BY_NAME_VERSION_MAX, Duration::ZERO)
        .await?;
    let response = frame.read()?;
    let found = response
        .groups
        .first()
        .ok_or(ClientError::Unsupported(ApiKey::OffsetFetch))?;
    ClientError::check(found.error_code, || format!("group {group}"), None)?;
    let mut offsets = BTreeMap::new();
    for topic in &found.topics {
        for partition in &topic.partitions {
            let subject = || format!("{}-{}", topic.name, partition.partition_index);
            ClientError::check(partition.error_code, subject, None)?;
            if partition.committed_offset >= 0 {
                let place = (topic.name.to_string(), partition.partition_index);
                offsets.insert(place, partition.committed_offset);
            }
        }
    }
    Ok(offsets)
}
