//! DescribeGroups, ListGroups, DeleteGroups.

use crate::answer::{Answer, DeletedGroup, DescribedGroup};
use crate::classic::{ClassicGroup, ClassicState};
use crate::coordinator::{GroupCoordinator, Outcome};
use crate::error::GroupError;
use crate::record::Record;
use crate::request::ListGroupsRequest;

impl GroupCoordinator {
    /// Handles a DescribeGroups: what is committed of which groups exist.
    pub(crate) fn describe(&self, group_ids: Vec<String>) -> Outcome {
        let groups =
            group_ids
                .into_iter()
                .map(|group_id| match self.groups.committed(group_id.as_str()) {
                    Some(group) => group.describe(group_id),
                    None => DescribedGroup {
                        group_id,
                        error: Some(GroupError::GroupIdNotFound),
                        state: ClassicState::Dead.name(),
                        protocol_type: "".into(),
                        protocol_data: "".into(),
                        members: Vec::new(),
                    },
                });
        Outcome::now(Answer::DescribeGroups(groups.collect()))
    }

    /// The states a group can be in, by Kafka's names.
    pub const STATES: [&'static str; 5] = [
        ClassicState::Empty.name(),
        ClassicState::PreparingRebalance.name(),
        ClassicState::CompletingRebalance.name(),
        ClassicState::Stable.name(),
        ClassicState::Dead.name(),
    ];

    /// The state of each group, as ListGroups has it.
    pub fn states(&self) -> impl Iterator<Item = &'static str> {
        let groups = self.groups.iter_committed();
        groups.map(|(_, group)| group.state().name())
    }

    /// Handles a ListGroups.
    pub(crate) fn list(&self, request: &ListGroupsRequest) -> Outcome {
        let lower = |names: &[String]| -> Vec<String> {
            names
                .iter()
                .map(|name| name.trim().to_lowercase())
                .collect()
        };
        let states = lower(&request.states_filter);
        let types = lower(&request.types_filter);
        let passes = |filter: &[String], name: &str| {
            filter.is_empty() || filter.contains(&name.to_lowercase())
        };
        let groups = self.groups.iter_committed().map(|(_, group)| group.list());
        let groups =
            groups.filter(|group| passes(&states, group.state) && passes(&types, group.group_type));
        Outcome::now(Answer::ListGroups(Ok(groups.collect())))
    }

    /// Handles a DeleteGroups: the group's offsets and its record, in one batch.
    pub(crate) fn delete_groups(&self, group_ids: Vec<String>) -> Outcome {
        let mut records = Vec::new();
        let mut answers = Vec::with_capacity(group_ids.len());
        for group_id in group_ids {
            let group = self.groups.latest(group_id.as_str());
            let group = group
                .ok_or(GroupError::GroupIdNotFound)
                .and_then(|group| group.validate_delete().map(|()| group));
            if let Ok(group) = &group {
                records.extend(self.offsets.tombstones_of(&group.id));
                records.push(Record::GroupMetadata {
                    group_id: group.id.clone(),
                    value: None,
                });
            }
            answers.push(DeletedGroup {
                group_id,
                error: group.err(),
            });
        }
        let outcome = if records.is_empty() {
            Outcome::none()
        } else {
            Outcome::records(records)
        };
        outcome.replying(Answer::DeleteGroups(answers))
    }
}

impl ClassicGroup {
    fn validate_delete(&self) -> Result<(), GroupError> {
        match self.state() {
            ClassicState::Empty => Ok(()),
            ClassicState::Dead => Err(GroupError::GroupIdNotFound),
            _ => Err(GroupError::NonEmptyGroup),
        }
    }
}
