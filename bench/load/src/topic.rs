//! The topic under load: created when it does not exist, with every partition led.

use std::borrow::Cow;
use std::thread::sleep;
use std::time::{Duration, Instant};

use net_wire::ErrorCode;
use net_wire::message::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use net_wire::message::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};

use crate::args::Target;
use crate::connection::Connection;
use crate::failure::{Failure, check};

const CREATE_TOPICS_VERSION: i16 = 5;
const LIST_OFFSETS_VERSION: i16 = 6;
const LATEST: i64 = -1;
const LEADERS_SECONDS_MAX: u64 = 60;

/// Creates the topic if need be; returns when every partition answers.
pub(crate) fn prepare(target: &Target) -> Result<(), Failure> {
    let mut connection = Connection::open(&target.bootstrap)?;
    create(&mut connection, target)?;
    let deadline = Instant::now() + Duration::from_secs(LEADERS_SECONDS_MAX);
    loop {
        match ends(&mut connection, target) {
            Ok(_) => return Ok(()),
            Err(Failure::Refused { .. }) if Instant::now() < deadline => {
                sleep(Duration::from_millis(20))
            }
            Err(failure) => return Err(failure),
        }
    }
}

fn create(connection: &mut Connection, target: &Target) -> Result<(), Failure> {
    let configs = target.topic_config.iter().map(|pair| {
        let (name, value) = pair
            .split_once('=')
            .ok_or(Failure::Options("--topic-config takes KEY=VALUE"))?;
        Ok(CreatableTopicConfig {
            name: Cow::Borrowed(name),
            value: Some(Cow::Borrowed(value)),
        })
    });
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: Cow::Borrowed(&target.topic),
            num_partitions: target.partitions,
            replication_factor: 1,
            configs: configs.collect::<Result<_, Failure>>()?,
            ..CreatableTopic::default()
        }],
        ..CreateTopicsRequest::default()
    };
    let response = connection.call(&request, CREATE_TOPICS_VERSION)?;
    for topic in response.topics {
        if topic.error_code != ErrorCode::TOPIC_ALREADY_EXISTS {
            check("CreateTopics", topic.error_code)?;
        }
    }
    Ok(())
}

/// The end offset of each partition, by index.
pub(crate) fn ends(connection: &mut Connection, target: &Target) -> Result<Vec<i64>, Failure> {
    let partition = |partition_index| ListOffsetsPartition {
        partition_index,
        timestamp: LATEST,
        ..ListOffsetsPartition::default()
    };
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: Cow::Borrowed(&target.topic),
            partitions: (0..target.partitions).map(partition).collect(),
        }],
        ..ListOffsetsRequest::default()
    };
    let response = connection.call(&request, LIST_OFFSETS_VERSION)?;
    let mut ends = vec![0; usize::try_from(target.partitions).unwrap_or(0)];
    for partition in response.topics.iter().flat_map(|topic| &topic.partitions) {
        check("ListOffsets", partition.error_code)?;
        if let Some(end) = usize::try_from(partition.partition_index)
            .ok()
            .and_then(|index| ends.get_mut(index))
        {
            *end = partition.offset;
        }
    }
    Ok(ends)
}
