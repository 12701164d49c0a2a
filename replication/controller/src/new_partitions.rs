//! New partitions: of a new topic, or added to one that exists; placed by us or by the caller.

use replication_metadata::Record;
use replication_metadata::image::{
    BrokerImage, DIRECTORY_MIGRATING, DIRECTORY_UNASSIGNED, LeaderRecoveryState, PartitionImage,
    TopicImage,
};

use crate::Controller;
use crate::answer::{Answer, Outcome};
use crate::command::{CreatePartitions, MorePartitions, NewTopic};
use crate::error::{ApiError, ErrorKind};
use crate::limits::PARTITIONS_PER_REQUEST_MAX;
use crate::occurrences::each_once;
use crate::placement::place;
use crate::topics::{duplicate_name, excessive};

impl Controller {
    /// Replicas where the caller wants them.
    pub(crate) fn assigned_topic(&self, topic: &NewTopic) -> Result<Vec<PartitionImage>, ApiError> {
        let request = |message| Err(ApiError::new(ErrorKind::InvalidRequest, message));
        if topic.replication_factor != -1 {
            return request(
                "A manual partition assignment was specified, but replication factor was not set \
                 to -1.",
            );
        }
        if topic.partitions != -1 {
            return request(
                "A manual partition assignment was specified, but numPartitions was not set to -1.",
            );
        }
        let invalid =
            |message: String| Err(ApiError::new(ErrorKind::InvalidReplicaAssignment, message));
        let mut partitions: Vec<PartitionImage> = Vec::new();
        for (index, replicas) in &topic.assignments {
            if partitions
                .iter()
                .any(|partition| partition.partition == *index)
            {
                return invalid(format!(
                    "Found multiple manual partition assignments for partition {index}"
                ));
            }
            let factor = partitions.first().map(|partition| partition.replicas.len());
            self.check_assignment(replicas, factor)?;
            partitions.push(
                self.new_partition(*index, replicas.clone())
                    .map_err(|()| all_out_of_service(*index))?,
            );
        }
        partitions.sort_by_key(|partition| partition.partition);
        if (0..)
            .zip(&partitions)
            .any(|(index, partition)| partition.partition != index)
        {
            return invalid(
                "partitions should be a consecutive 0-based integer sequence".to_owned(),
            );
        }
        Ok(partitions)
    }

    fn check_assignment(&self, replicas: &[i32], factor: Option<usize>) -> Result<(), ApiError> {
        let invalid = |message: String| {
            Err(ApiError::new(
                ErrorKind::InvalidReplicaAssignment,
                format!("The manual partition assignment includes {message}"),
            ))
        };
        if replicas.is_empty() {
            return invalid("an empty replica list.".to_owned());
        }
        let mut sorted = replicas.to_vec();
        sorted.sort_unstable();
        for (position, id) in sorted.iter().enumerate() {
            let Some(broker) = self.image().cluster().broker(*id) else {
                return invalid(format!("broker {id}, but no such broker is registered."));
            };
            if !broker.has_uncordoned_directory() {
                return invalid(format!(
                    "broker {id}, but all its log directories are cordoned."
                ));
            }
            if sorted[..position].contains(id) {
                return invalid(format!("the broker {id} more than once."));
            }
        }
        match factor {
            Some(factor) if factor != replicas.len() => invalid(format!(
                "a partition with {} replica(s), but this is not consistent with previous \
                 partitions, which have {factor} replica(s).",
                replicas.len()
            )),
            _ => Ok(()),
        }
    }

    /// Replicas where the controller wants them.
    pub(crate) fn place_topic(
        &self,
        topic: &NewTopic,
        random: u64,
    ) -> Result<Vec<PartitionImage>, ApiError> {
        if topic.replication_factor < -1 || topic.replication_factor == 0 {
            return Err(ApiError::new(
                ErrorKind::InvalidReplicationFactor,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            ));
        }
        if topic.partitions < -1 || topic.partitions == 0 {
            return Err(ApiError::new(
                ErrorKind::InvalidPartitions,
                "Number of partitions was set to an invalid non-positive value.",
            ));
        }
        let partitions = match topic.partitions {
            -1 => self.default_partitions(),
            count => count,
        };
        let factor = match topic.replication_factor {
            -1 => self.default_replication_factor(),
            factor => factor,
        };
        self.place_partitions(0, partitions, factor, random)
            .map_err(|error| ApiError {
                message: error
                    .message
                    .map(|reason| unable_to_replicate(factor, &reason).into()),
                ..error
            })
    }

    fn place_partitions(
        &self,
        first: i32,
        count: i32,
        factor: i16,
        random: u64,
    ) -> Result<Vec<PartitionImage>, ApiError> {
        let placed = place(self.image().cluster(), count, factor, random)?;
        (first..)
            .zip(placed)
            .map(|(index, replicas)| {
                self.new_partition(index, replicas).map_err(|()| {
                    let reason = "All brokers are currently fenced or in controlled shutdown.";
                    ApiError::new(ErrorKind::InvalidReplicationFactor, reason)
                })
            })
            .collect()
    }

    /// A partition as it begins: whoever is alive is in sync, the first of them leads. Nobody
    /// alive is an error.
    fn new_partition(&self, index: i32, replicas: Vec<i32>) -> Result<PartitionImage, ()> {
        let cluster = self.image().cluster();
        let isr: Vec<i32> = replicas
            .iter()
            .copied()
            .filter(|id| cluster.is_active(*id))
            .collect();
        Ok(PartitionImage {
            partition: index,
            directories: replicas
                .iter()
                .map(|id| default_directory(cluster.broker(*id)))
                .collect(),
            leader: *isr.first().ok_or(())?,
            replicas,
            isr,
            removing_replicas: Vec::new(),
            adding_replicas: Vec::new(),
            leader_recovery_state: LeaderRecoveryState::Recovered,
            leader_epoch: 0,
            partition_epoch: 0,
            eligible_leader_replicas: Vec::new(),
            last_known_elr: Vec::new(),
        })
    }

    /// Adds partitions to topics.
    pub(crate) fn create_partitions(
        &mut self,
        command: &CreatePartitions,
    ) -> Result<Outcome, ApiError> {
        let mut records = Vec::new();
        let named = command.topics.iter().map(|topic| (&topic.name, topic));
        let results = each_once(
            named,
            |_| duplicate_name(),
            |topic| self.more_partitions(topic, command.random, &mut records),
        );
        self.check_record_count(&records)?;
        let answer = Answer::PartitionsCreated(results);
        Ok(self.emit_unless(command.validate_only, records, answer))
    }

    fn more_partitions(
        &self,
        command: &MorePartitions,
        random: u64,
        records: &mut Vec<Record<'static>>,
    ) -> Result<(), ApiError> {
        let Some(topic) = self.image().topics().by_name(&command.name) else {
            return Err(ApiError::bare(ErrorKind::UnknownTopicOrPartition));
        };
        let present = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        let refuse = |message| Err(ApiError::new(ErrorKind::InvalidPartitions, message));
        if command.count == present {
            return refuse(format!("Topic already has {present} partition(s)."));
        }
        if command.count < present {
            return refuse(format!(
                "The topic {} currently has {present} partition(s); {} would not be an increase.",
                command.name, command.count
            ));
        }
        let additional = command.count - present;
        if i64::from(additional) > PARTITIONS_PER_REQUEST_MAX {
            return Err(excessive());
        }
        let partitions = self.additional_partitions(command, topic, additional, random)?;
        records.extend(
            partitions
                .iter()
                .map(|p| Record::from(p.to_record(topic.id))),
        );
        Ok(())
    }

    fn additional_partitions(
        &self,
        command: &MorePartitions,
        topic: &TopicImage,
        additional: i32,
        random: u64,
    ) -> Result<Vec<PartitionImage>, ApiError> {
        let first = command.count - additional;
        let factor = topic
            .partitions
            .first()
            .map_or(1, |partition| partition.replicas.len());
        let Some(assignments) = &command.assignments else {
            let factor = i16::try_from(factor).unwrap_or(i16::MAX);
            return self
                .place_partitions(first, additional, factor, random)
                .map_err(|error| match &error.message {
                    Some(reason) if reason.ends_with("in controlled shutdown.") => ApiError {
                        message: Some(unable_to_replicate(factor, reason).into()),
                        ..error
                    },
                    _ => error,
                });
        };
        let invalid = |message| Err(ApiError::new(ErrorKind::InvalidReplicaAssignment, message));
        if i32::try_from(assignments.len()) != Ok(additional) {
            return invalid(format!(
                "Attempted to add {additional} additional partition(s), but only {} assignment(s) \
                 were specified.",
                assignments.len()
            ));
        }
        let mut partitions = Vec::new();
        for (index, replicas) in (first..).zip(assignments) {
            self.check_assignment(replicas, Some(factor))?;
            partitions.push(
                self.new_partition(index, replicas.clone())
                    .map_err(|()| all_out_of_service(index))?,
            );
        }
        Ok(partitions)
    }
}

/// The directory of a new replica: the broker's only one, or its own choice among several.
fn default_directory(broker: Option<&BrokerImage>) -> engine_base::Uuid {
    match broker.map(|broker| broker.directories.as_slice()) {
        Some([]) => DIRECTORY_MIGRATING,
        Some([only]) => *only,
        _ => DIRECTORY_UNASSIGNED,
    }
}

fn all_out_of_service(index: i32) -> ApiError {
    let message = format!(
        "All brokers specified in the manual partition assignment for partition {index} are \
         fenced or in controlled shutdown."
    );
    ApiError::new(ErrorKind::InvalidReplicaAssignment, message)
}

fn unable_to_replicate(factor: i16, reason: &str) -> String {
    format!("Unable to replicate the partition {factor} time(s): {reason}")
}
