//! Partitions that the metadata knows and whose folders are not there: they begin anew, empty, as in
//! Kafka, and the operator is told. A folder is there before its partition has a record, so one that
//! is gone was taken away, or its creation was interrupted.
//!
//! On shard 0, once in a start.

use engine_base::{HashSet, TopicPartition};

use crate::core::Core;

/// What a start found of partitions.
#[derive(Debug, Default)]
pub(crate) struct Folders {
    /// Those that have one.
    pub(crate) found: HashSet<TopicPartition>,
    /// Those that have none, and of which the journal proves records.
    pub(crate) lost: Vec<TopicPartition>,
}

/// Tells of the partitions of this node that the first image names and no folder was found for.
/// Returns those that had records for certain.
pub(crate) fn report(core: &Core, folders: &Folders) -> Vec<String> {
    let mut lost = Vec::new();
    let directory = core.config.log_dir.display();
    let catalog = core.catalog();
    for topic in catalog.topics() {
        for image in topic.partitions() {
            let id = topic.partition(image.partition);
            let is_here = image.replicas.contains(&core.config.node_id.0);
            if !is_here || folders.found.contains(&id) {
                continue;
            }
            let name = format!("{}-{}", topic.name, image.partition);
            if folders.lost.contains(&id) {
                tracing::error!(
                    "{directory} has no {name} any more, and records of it were acknowledged: the \
                     partition begins anew, empty. If you have a copy of the folder, stop the broker \
                     and put it in the place of the new one"
                );
                lost.push(name);
            } else {
                tracing::warn!(
                    "{directory} has no {name}: the partition begins anew, empty. If it had records \
                     and you have a copy of the folder, stop the broker and put it in the place of \
                     the new one"
                );
            }
        }
    }
    lost
}
