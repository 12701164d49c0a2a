//! What leaders and brokers report of partitions, and elections by request.

use replication_metadata::image::{
    DIRECTORY_LOST, DIRECTORY_MIGRATING, DIRECTORY_UNASSIGNED, LeaderRecoveryState,
    NO_LEADER_CHANGE, PartitionImage, TopicImage,
};
use replication_metadata::record::PartitionChange;
use replication_metadata::{MetadataDelta, Record};

use crate::Controller;
use crate::answer::{Answer, Outcome, PartitionResult};
use crate::command::{
    AlterPartition, AssignDirectories, ElectLeaders, ElectionType, PartitionReport,
};
use crate::elections::{Election, PartitionChangeBuilder};
use crate::error::{ApiError, ErrorKind};
use crate::topic_config::TopicConfigs;

impl Controller {
    /// Takes a leader's word on who is in sync.
    pub(crate) fn alter_partition(
        &mut self,
        command: &AlterPartition,
    ) -> Result<Outcome, ApiError> {
        self.check_broker_epoch(command.broker_id, command.broker_epoch)?;
        let mut records = Vec::new();
        let mut results = Vec::new();
        for report in &command.partitions {
            let result = self.reported(command.broker_id, report).and_then(|change| {
                let present = self.partition(report)?.1;
                let Some(change) = change else {
                    return Ok(present.clone());
                };
                let after = self.partition_after(report, &change)?;
                let elsewhere =
                    change.leader != NO_LEADER_CHANGE && change.leader != command.broker_id;
                records.push(Record::from(change));
                if elsewhere {
                    // Both a change and a refusal: the leader must learn of its successor first.
                    return Err(ApiError::bare(ErrorKind::NewLeaderElected));
                }
                Ok(after)
            });
            results.push((report.topic_id, report.partition, result));
        }
        let mut outcome = self.emit(records, Answer::PartitionsAltered(results));
        outcome.atomic = false;
        Ok(outcome)
    }

    fn partition(
        &self,
        report: &PartitionReport,
    ) -> Result<(&TopicImage, &PartitionImage), ApiError> {
        let topic = self.image().topics().by_id(report.topic_id);
        let topic = topic.ok_or_else(|| ApiError::bare(ErrorKind::UnknownTopicId))?;
        match topic.partition(report.partition) {
            Some(partition) => Ok((topic, partition)),
            None => Err(ApiError::bare(ErrorKind::UnknownTopicOrPartition)),
        }
    }

    fn partition_after(
        &self,
        report: &PartitionReport,
        change: &PartitionChange,
    ) -> Result<PartitionImage, ApiError> {
        let mut delta = MetadataDelta::new(self.image());
        let applied = delta.apply(&Record::from(change.clone()));
        let after = delta
            .image()
            .topics()
            .partition(report.topic_id, report.partition);
        match (applied, after) {
            (Ok(()), Some(partition)) => Ok(partition.clone()),
            _ => Err(ApiError::bare(ErrorKind::UnknownServerError)),
        }
    }

    fn reported(
        &self,
        broker_id: i32,
        report: &PartitionReport,
    ) -> Result<Option<PartitionChange>, ApiError> {
        let (topic, partition) = self.partition(report)?;
        self.check_report(broker_id, report, partition)?;
        let (min_isr, election) = self.election_settings(topic);
        let is_acceptable = |id: i32| self.can_lead(partition, id);
        let builder = PartitionChangeBuilder {
            partition,
            topic_id: topic.id,
            is_acceptable: &is_acceptable,
            min_isr,
            eligible_leaders: self.uses_eligible_leaders(),
            election,
            target_isr: report.isr.iter().map(|(id, _)| *id).collect(),
            unclean_shutdown: None,
            target_recovery: recovery(report),
        };
        Ok(builder.build())
    }

    fn check_report(
        &self,
        broker_id: i32,
        report: &PartitionReport,
        partition: &PartitionImage,
    ) -> Result<(), ApiError> {
        let refuse = |kind| Err(ApiError::bare(kind));
        // A leader that knows more than we do has spoken to another controller.
        if report.leader_epoch > partition.leader_epoch
            || report.partition_epoch > partition.partition_epoch
        {
            return refuse(ErrorKind::NotController);
        }
        if report.leader_epoch < partition.leader_epoch {
            return refuse(ErrorKind::FencedLeaderEpoch);
        }
        if broker_id != partition.leader {
            return refuse(ErrorKind::InvalidRequest);
        }
        if report.partition_epoch < partition.partition_epoch {
            return refuse(ErrorKind::InvalidUpdateVersion);
        }
        let mut isr: Vec<i32> = report.isr.iter().map(|(id, _)| *id).collect();
        isr.sort_unstable();
        let twice = isr.windows(2).any(|pair| pair[0] == pair[1]);
        let stranger = isr.iter().any(|id| !partition.replicas.contains(id));
        if twice || stranger || !isr.contains(&partition.leader) {
            return refuse(ErrorKind::InvalidRequest);
        }
        let recovering = !report.recovered;
        let was_recovered = partition.leader_recovery_state == LeaderRecoveryState::Recovered;
        if recovering && (isr.len() > 1 || was_recovered) {
            return refuse(ErrorKind::InvalidRequest);
        }
        let eligible = report.isr.iter().all(|(id, epoch)| {
            let broker = self.image().cluster().broker(*id);
            broker.is_some_and(|b| b.is_active() && (*epoch == -1 || b.epoch == *epoch))
        });
        if eligible {
            Ok(())
        } else {
            refuse(ErrorKind::IneligibleReplica)
        }
    }

    /// Elects leaders by request.
    pub(crate) fn elect_leaders(&mut self, command: &ElectLeaders) -> Result<Outcome, ApiError> {
        let mut records = Vec::new();
        let mut results: Vec<(String, Vec<PartitionResult>)> = Vec::new();
        match &command.partitions {
            Some(topics) => {
                for (name, partitions) in topics {
                    let elected = partitions.iter().map(|&partition| {
                        (
                            partition,
                            self.elect(name, partition, command.election, &mut records),
                        )
                    });
                    results.push((name.clone(), elected.collect()));
                }
            }
            None => {
                let needless = ApiError::bare(ErrorKind::ElectionNotNeeded);
                for topic in self.image().topics().iter() {
                    let elected = topic.partitions.iter().map(|p| {
                        let election = command.election;
                        (
                            p.partition,
                            self.elect(&topic.name, p.partition, election, &mut records),
                        )
                    });
                    // Asked of all, those that need none are not reported.
                    let elected = elected.filter(|(_, result)| *result != Err(needless.clone()));
                    results.push((topic.name.to_string(), elected.collect()));
                }
            }
        }
        self.check_record_count(&records)?;
        let mut outcome = self.emit(records, Answer::LeadersElected(results));
        outcome.atomic = false;
        Ok(outcome)
    }

    fn elect(
        &self,
        name: &str,
        index: i32,
        election: ElectionType,
        records: &mut Vec<Record<'static>>,
    ) -> Result<(), ApiError> {
        let unknown = |message| Err(ApiError::new(ErrorKind::UnknownTopicOrPartition, message));
        let Some(topic) = self.image().topics().by_name(name) else {
            return unknown(format!("No such topic as {name}"));
        };
        let Some(partition) = topic.partition(index) else {
            return unknown(format!("No such partition as {name}-{index}"));
        };
        let preferred = partition.replicas.first() == Some(&partition.leader);
        let needless = match election {
            ElectionType::Preferred => preferred,
            ElectionType::Unclean => partition.has_leader(),
        };
        if needless {
            return Err(ApiError::bare(ErrorKind::ElectionNotNeeded));
        }
        let is_acceptable = |id: i32| self.can_lead(partition, id);
        let builder = PartitionChangeBuilder {
            partition,
            topic_id: topic.id,
            is_acceptable: &is_acceptable,
            min_isr: self.election_settings(topic).0,
            eligible_leaders: self.uses_eligible_leaders(),
            election: match election {
                ElectionType::Preferred => Election::Preferred,
                ElectionType::Unclean => Election::Unclean,
            },
            target_isr: partition.isr.clone(),
            unclean_shutdown: None,
            target_recovery: partition.leader_recovery_state,
        };
        match (builder.build(), election) {
            (Some(change), _) => {
                records.push(change.into());
                Ok(())
            }
            (None, ElectionType::Preferred) => {
                Err(ApiError::bare(ErrorKind::PreferredLeaderNotAvailable))
            }
            (None, ElectionType::Unclean) => {
                Err(ApiError::bare(ErrorKind::EligibleLeadersNotAvailable))
            }
        }
    }

    /// Takes a broker's word on where its replicas are.
    pub(crate) fn assign_directories(
        &mut self,
        command: &AssignDirectories,
    ) -> Result<Outcome, ApiError> {
        self.check_broker_epoch(command.broker_id, command.broker_epoch)?;
        let mut records = Vec::new();
        let mut results = Vec::new();
        for &(topic_id, index, directory) in &command.assignments {
            let topics = self.image().topics();
            let result = match (topics.by_id(topic_id), topics.partition(topic_id, index)) {
                (None, _) => Err(ApiError::bare(ErrorKind::UnknownTopicId)),
                (_, None) => Err(ApiError::bare(ErrorKind::UnknownTopicOrPartition)),
                (_, Some(partition)) => {
                    match partition
                        .replicas
                        .iter()
                        .position(|id| *id == command.broker_id)
                    {
                        None => Err(ApiError::bare(ErrorKind::NotLeaderOrFollower)),
                        Some(position) => {
                            let mut directories = partition.directories.clone();
                            directories[position] = directory;
                            if directories != partition.directories {
                                records.push(Record::from(PartitionChange {
                                    partition_id: index,
                                    topic_id,
                                    directories: Some(directories),
                                    ..PartitionChange::default()
                                }));
                            }
                            Ok(())
                        }
                    }
                }
            };
            results.push((topic_id, index, result));
        }
        let mut outcome = self.emit(records, Answer::DirectoriesAssigned(results));
        outcome.atomic = false;
        Ok(outcome)
    }

    /// Whether a broker is in service and has its replica's directory online.
    fn can_lead(&self, partition: &PartitionImage, id: i32) -> bool {
        self.image().cluster().is_active(id) && self.has_online_directory(partition, id)
    }

    /// Whether a broker, in service or not, has its replica's directory online.
    pub(crate) fn has_online_directory(&self, partition: &PartitionImage, id: i32) -> bool {
        let Some(broker) = self.image().cluster().broker(id) else {
            return false;
        };
        match partition.directory(id) {
            None | Some(DIRECTORY_LOST) => false,
            Some(DIRECTORY_MIGRATING | DIRECTORY_UNASSIGNED) => true,
            Some(directory) => {
                broker.directories.is_empty() || broker.directories.contains(&directory)
            }
        }
    }

    /// How many must be in sync before others are eligible no more, and the election when a leader
    /// is lost: whether anyone alive may lead in the end.
    pub(crate) fn election_settings(&self, topic: &TopicImage) -> (usize, Election) {
        let brokers = self.broker_configs();
        let overrides = self.image().configs().topic(&topic.name);
        let configs = TopicConfigs {
            overrides: &overrides,
            brokers: &brokers,
        };
        let replicas = topic
            .partitions
            .first()
            .map_or(1, |partition| partition.replicas.len());
        let wanted = usize::try_from(configs.number("min.insync.replicas")).unwrap_or(1);
        let election = match configs.is_true("unclean.leader.election.enable") {
            true => Election::Unclean,
            false => Election::Online,
        };
        (wanted.min(replicas), election)
    }
}

fn recovery(report: &PartitionReport) -> LeaderRecoveryState {
    if report.recovered {
        LeaderRecoveryState::Recovered
    } else {
        LeaderRecoveryState::Recovering
    }
}
