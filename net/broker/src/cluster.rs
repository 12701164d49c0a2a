//! A new metadata image reaches a shard: logs come and go, settings and epochs change, then the
//! shard's requests see it.

use std::rc::Rc;
use std::sync::Arc;

use engine_base::TopicPartition;
use engine_log::{Log, PartitionDir, StoreError};
use engine_runtime::{spawn, spawn_critical};
use replication_group::{DeletedTopic, GroupConfig, Request};
use replication_metadata::image::PartitionImage;
use replication_partition::Partition;

use crate::OFFSETS_TOPIC;
use crate::catalog::{Catalog, Topic};
use crate::core::Core;
use crate::group_host::GroupHost;

/// Makes this shard what the catalog says: first the logs that are missing, then the catalog
/// itself, then what is gone goes. A request that sees a topic finds its log.
///
/// # Errors
/// A log cannot be created or removed.
pub(crate) async fn apply(core: Rc<Core>, catalog: Arc<Catalog>) -> Result<(), StoreError> {
    for topic in catalog.topics() {
        for image in topic.partitions() {
            let id = topic.partition(image.partition);
            if core.owner(id) == core.id() && image.replicas.contains(&core.config.node_id.0) {
                lead(&core, topic, image).await?;
            }
        }
    }
    let previous = std::mem::replace(&mut *core.catalog.borrow_mut(), catalog.clone());
    drop_deleted(&core, &catalog).await?;
    forget_offsets(&core, &previous, &catalog);
    start_coordinators(&core, &catalog);
    Ok(())
}

/// Opens the partition if it is new here, and takes the epoch and settings that the image has.
async fn lead(core: &Rc<Core>, topic: &Topic, image: &PartitionImage) -> Result<(), StoreError> {
    let id = topic.partition(image.partition);
    if let Some(partition) = core.partition(id) {
        partition.set_leader_epoch(image.leader_epoch);
        partition.log().update_config(topic.settings.log.clone());
        return Ok(());
    }
    let waiting = core.opened.borrow_mut().remove(&id);
    let log = match waiting {
        Some(log) => {
            log.update_config(topic.settings.log.clone());
            log
        }
        None => {
            let directory = PartitionDir {
                topic: topic.name.to_string(),
                partition: image.partition,
                topic_id: topic.id,
                config: topic.settings.log.clone(),
            };
            core.store().create_log(directory).await?
        }
    };
    let partition = Partition::new(id, topic.name.as_ref().into(), log, image.leader_epoch);
    core.partitions.borrow_mut().insert(id, partition);
    Ok(())
}

async fn drop_deleted(core: &Rc<Core>, catalog: &Catalog) -> Result<(), StoreError> {
    let is_gone = |id: &TopicPartition| {
        id.topic_id != engine_base::Uuid::METADATA_TOPIC
            && catalog
                .topic_by_id(id.topic_id)
                .is_none_or(|topic| topic.partition_image(id.partition).is_none())
    };
    let gone: Vec<TopicPartition> = core
        .partitions
        .borrow()
        .keys()
        .copied()
        .filter(is_gone)
        .collect();
    for id in gone {
        let partition = core.partitions.borrow_mut().remove(&id);
        let Some(partition) = partition else { continue };
        if &**partition.topic() == OFFSETS_TOPIC {
            let host = core.groups.borrow_mut().remove(&id.partition);
            if let Some(host) = host {
                host.stop();
            }
        }
        partition.on_deleted();
        core.store().delete_log(partition.log()).await?;
    }
    Ok(())
}

/// Folders that no image knows: of topics whose deletion a crash interrupted, or because the metadata
/// log is not the one that they were written with. They get a name that no start looks into, as in
/// Kafka; nothing is removed. Called once, after the first image was applied.
pub(crate) async fn set_strays_aside(core: &Rc<Core>) -> Result<(), StoreError> {
    let strays: Vec<Log> = core
        .opened
        .borrow_mut()
        .drain()
        .map(|(_, log)| log)
        .collect();
    for log in strays {
        let target = core.store().set_aside_log(&log).await?;
        tracing::warn!(
            "{} belongs to no topic that the metadata log knows: it was renamed to {}, and takes {} \
             bytes until you remove it",
            log.name(),
            target.display(),
            log.size_bytes()
        );
    }
    Ok(())
}

/// Offsets committed for topics that are gone go too, as in Kafka.
fn forget_offsets(core: &Core, previous: &Catalog, catalog: &Catalog) {
    let is_gone = |topic: &&&Arc<Topic>| catalog.topic_by_id(topic.id).is_none();
    let gone: Vec<DeletedTopic> = previous
        .topics()
        .iter()
        .filter(is_gone)
        .map(|topic| DeletedTopic {
            id: topic.id,
            name: topic.name.to_string(),
        })
        .collect();
    if gone.is_empty() {
        return;
    }
    for host in core.groups.borrow().values() {
        let (host, request) = (host.clone(), Request::TopicsDeleted(gone.clone()));
        spawn(async move {
            let _ = host.ask(request).await;
        })
        .detach();
    }
}

fn start_coordinators(core: &Rc<Core>, catalog: &Catalog) {
    let Some(topic) = catalog.topic(OFFSETS_TOPIC) else {
        return;
    };
    for image in topic.partitions() {
        let Some(partition) = core.partition(topic.partition(image.partition)) else {
            continue;
        };
        if core.groups.borrow().contains_key(&image.partition) {
            continue;
        }
        let host = GroupHost::new(partition, group_config(core));
        core.groups
            .borrow_mut()
            .insert(image.partition, host.clone());
        spawn_critical("group coordinator", async move {
            match host.load().await {
                Ok(()) => host.run().await,
                Err(error) => {
                    tracing::error!("a group coordinator cannot load and will not serve: {error}")
                }
            }
        })
        .detach();
    }
}

fn group_config(core: &Core) -> GroupConfig {
    let config = &core.config;
    let ms =
        |duration: std::time::Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
    GroupConfig {
        min_session_timeout_ms: ms(config.group_session_timeout_min),
        max_session_timeout_ms: ms(config.group_session_timeout_max),
        initial_rebalance_delay_ms: ms(config.group_initial_rebalance_delay),
        max_size: config.group_size_max,
        offset_metadata_max_size: config.offset_metadata_size_bytes_max,
        offsets_retention: config.offsets_retention,
        offsets_retention_check_interval: config.offsets_retention_check_interval,
        ..GroupConfig::default()
    }
}
